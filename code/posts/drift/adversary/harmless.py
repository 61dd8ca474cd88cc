"""Edits that change no result: after them nothing should run again."""

from posts.drift.adversary.case import cases

UNREAD = cases(
    "what nothing reads",
    """
== words that are split
-- train.py
WORDS = "a b «→c»".split()
@USE
== an array
-- train.py
import numpy as np
UNREAD = np.zeros(«3→4»)
@USE
== an enumeration that numbers itself
-- train.py
from enum import Enum, auto
class Mode(Enum):
    FAST = auto()
    «→SLOW = auto()»
@USE
== a function with the name of a local variable
-- train.py
def line_count(x):
    return x + «1→2»
def weigh(scale, line, seed):
    line_count = len(line)
    return scale * line_count + $a
== a function with the name of an argument
-- train.py
def seed(x):
    return x + «1→2»
@USE
== a function with the name of a method
-- train.py
from $package.ops import total
@USE
-- ops.py
def total(x):
    return x + «1→2»
def act(x):
    return x.total()
== a function of another module
-- train.py
from $package.ops import act
def weigh(scale, line, seed):
    return scale * act(1)
-- ops.py
def act(x):
    return x + $a
def other(x):
    return x + «1→2»
== a constant of another module
-- train.py
from $package.ops import act
def weigh(scale, line, seed):
    return scale * act(1)
-- ops.py
OTHER = {"one": «1→2»}
def act(x):
    return x + $a
== a lambda
-- train.py
other = lambda x: x + «1→2»
@USE
== a dataclass
-- train.py
from dataclasses import dataclass
@dataclass
class Net:
    size: int = «1→2»
@USE
== a named tuple
-- train.py
from typing import NamedTuple
class Net(NamedTuple):
    size: int = «1→2»
@USE
== a regular expression
-- train.py
import re
DIGITS = re.compile("[0-9]«→+»")
@USE
== a path
-- train.py
from pathlib import Path
HERE = Path(__file__).parent / "«one→two»"
@USE
== a logger
-- train.py
import logging
log = logging.getLogger("«one→two»")
@USE
== a type variable
-- train.py
from typing import TypeVar
T = TypeVar("T"«→, bound=int»)
@USE
== what runs as a script alone
-- train.py
@USEif __name__ == "__main__":
    print(weigh(1, [1], «1→2»))
== an import for types alone
-- train.py
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from collections.abc import «Mapping→Mapping, Sequence»
@USE
== a new module
-- train.py
@USE-- other.py (added)
X = 1
== a new post
-- train.py
@USE-- beside:${slug}new/__init__.py (added)
-- beside:${slug}new/ops.py (added)
X = 1
== a new function with the name of a built-in one that nothing uses
-- train.py
@USE«→def oct(x):
    return x
»
== a setting
-- @unread
«7→8»
-- train.py
@USE
== a new setting
-- @config
    scale: float = 2.0
    «→depth: int = 3»
-- train.py
def fit(run):
    return {"value": run.config.scale * $a}
== a dataset
-- @make
def make():
    return {"x": np.arange(«3→4»)}
-- train.py
def fit(run):
    return {"value": run.config.scale * $a}
""".replace("@USE", "def weigh(scale, line, seed):\n    return scale * $a\n"),
)

FORM = cases(
    "wording and layout",
    """
== a comment
-- train.py
# «one→another»
@USE
== a docstring
-- train.py
\"\"\"«One.→Another.»\"\"\"
@USE
== blank lines and spaces
-- train.py
def act(x«→ ,  »):«→

»
    return x + $a«→  »
def weigh(scale, line, seed):
    return scale * act(1)
== brackets
-- train.py
def weigh(scale, line, seed):
    return «scale * $a→(scale * ($a))»
== quotes
-- train.py
NAMES = {«"one"→'one'»: $a}
def weigh(scale, line, seed):
    return scale * NAMES["one"]
== a text in two parts
-- train.py
NAMES = {"number": $a}
def weigh(scale, line, seed):
    return scale * NAMES[«"number"→"num" "ber"»]
== a number with an underscore
-- train.py
def weigh(scale, line, seed):
    return scale * «1000→1_000» + $a
== a number in another base
-- train.py
def weigh(scale, line, seed):
    return scale * «255→0xFF» + $a
== the order of definitions
-- train.py
«def one(x):
    return x + $a
def two(x):
    return x + $b→def two(x):
    return x + $b
def one(x):
    return x + $a»
def weigh(scale, line, seed):
    return scale * one(two(1))
== a mark at the start of the file
-- train.py
«→\ufeff»@USE
== a line that names the encoding
-- train.py
«→# -*- coding: utf-8 -*-
»@USE
== the ends of lines
-- train.py
def weigh(scale, line, seed):«→\r»
    return scale * $a«→\r»
== a statement that does nothing
-- train.py
def weigh(scale, line, seed):
    «→pass
    »return scale * $a
== an annotation that nothing reads
-- train.py
def act(x«→: int»)«→ -> int»:
    return x + $a
def weigh(scale, line, seed):
    return scale * act(1)
== an annotation of a variable that nothing reads
-- train.py
X«→: int» = $a
def weigh(scale, line, seed):
    return scale * X
== an annotation inside a function
-- train.py
def weigh(scale, line, seed):
    x«→: int» = $a
    return scale * x
== an annotation of a class that nothing reads
-- train.py
class Net:
    size: «int→float» = $a
def weigh(scale, line, seed):
    return scale * Net.size
== a number of a float setting without its point
-- @config
    scale: float = «2.0→2»
-- train.py
def fit(run):
    return {"value": run.config.scale * $a}
""".replace("@USE", "def weigh(scale, line, seed):\n    return scale * $a\n"),
)

DECLARATIONS = cases(
    "declarations and page",
    """
== a claim
-- @tail
@mini.claim("greater")
def positive(measured):
    \"\"\"It is above zero.\"\"\"
    return measured("value"), «0→1»
@USE
== a constant that a claim reads
-- @head
LIMIT = «0→1»
-- @tail
@mini.claim("greater")
def positive(measured):
    \"\"\"It is above zero.\"\"\"
    return measured("value"), LIMIT
@USE
== a table
-- @tail
@mini.table
def scores(measured, reported):
    \"\"\"The value.\"\"\"
    return [{"«what→whose»": "ours", "value": measured("value")}]
@USE
== an import of experiment.py
-- @head
«→import math»
@USE
== a module that only a claim uses
-- @head
from $package.limits import LIMIT
-- @tail
@mini.claim("greater")
def positive(measured):
    \"\"\"It is above zero.\"\"\"
    return measured("value"), LIMIT
-- limits.py
LIMIT = «0→1»
@USE
== the text of the page
-- @prose
Title: Mini
Date: 2026-01-02
Summary: Words.

Words«→ and words».
@USE
== a note in paper.toml
-- @paper
# «one→another»
@USE
== the theme
-- project:theme/style.css
a { color: «red→navy» }
@USE
== a file beside the project's code
-- project:NOTES.md
«One.→Another.»
@USE
== a program that nothing starts
-- project:tools/$slug.py
X = «1→2»
@USE
== objects in a dataset
-- @make
def make():
    return {"x": np.array(["a" * $a, None, 2], dtype=object)}
-- train.py
# «one→another»
def fit(run):
    return {"value": float(len(run.data("line")["x"][0]))}
-- env:DRIFT_APART
1
== functions of a dataset's maker
-- @make
def make():
    «x = np.array([$a])
    return {"x": x}→return {"x": np.array([$a])}»
-- train.py
def fit(run):
    return {"value": float(run.data("line")["x"].sum())}
""".replace(
        "@USE\n",
        """-- train.py
def fit(run):
    return {"value": run.config.scale * $a}
""",
    ),
)

SAME = cases(
    "other code, same result",
    """
== a function renamed everywhere
-- train.py
from $package.ops import «act→do»
def weigh(scale, line, seed):
    return scale * «act→do»(1)
-- ops.py
def «act→do»(x):
    return x + $a
== a local variable renamed
-- train.py
def weigh(scale, line, seed):
    «x→y» = $a
    return scale * «x→y»
== a module renamed everywhere
-- train.py
from $package.«ops→acts» import act
def weigh(scale, line, seed):
    return scale * act(1)
-- ops.py (removed)
def act(x):
    return x + $a
-- acts.py (added)
def act(x):
    return x + $a
== a method that nothing calls
-- train.py
class Net:
    def act(self, x):
        return x + $a
    def other(self, x):
        return x + «1→2»
def weigh(scale, line, seed):
    return scale * Net().act(1)
""",
)

CASES = (*UNREAD, *FORM, *DECLARATIONS, *SAME)
