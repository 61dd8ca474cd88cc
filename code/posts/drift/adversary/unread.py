"""Edits of what nothing reads: after them nothing should run again."""

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
