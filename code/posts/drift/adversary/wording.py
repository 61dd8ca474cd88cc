"""Edits of wording, of declarations and of the page: no result can depend on them."""

from posts.drift.adversary.case import cases

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
