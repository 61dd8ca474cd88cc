"""Conditions on import: which branch of a module runs."""

from posts.drift.adversary.case import cases

CONDITIONS = cases(
    "conditions on import",
    """
== the other branch of TYPE_CHECKING
-- train.py
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    X: int
else:
    X = «$a→$b»
def weigh(scale, line, seed):
    return scale * X
== the other branch of typing.TYPE_CHECKING
-- train.py
import typing
if typing.TYPE_CHECKING:
    from $package.ops import act
else:
    from $package.ops import fast as act
def weigh(scale, line, seed):
    return scale * act(1)
-- ops.py
def act(x):
    return x
def fast(x):
    return x + «$a→$b»
== not TYPE_CHECKING
-- train.py
from typing import TYPE_CHECKING
if not TYPE_CHECKING:
    X = «$a→$b»
def weigh(scale, line, seed):
    return scale * X
== TYPE_CHECKING under another name
-- train.py
from typing import TYPE_CHECKING as CHECKED
if CHECKED:
    X: int
else:
    X = «$a→$b»
def weigh(scale, line, seed):
    return scale * X
== TYPE_CHECKING or more
-- train.py
from typing import TYPE_CHECKING
if TYPE_CHECKING or True:
    X = «$a→$b»
def weigh(scale, line, seed):
    return scale * X
== a TYPE_CHECKING of the module's own
-- train.py
TYPE_CHECKING = True
if TYPE_CHECKING:
    X = «$a→$b»
def weigh(scale, line, seed):
    return scale * X
== the name of the module is not __main__
-- train.py
if __name__ != "__main__":
    X = «$a→$b»
def weigh(scale, line, seed):
    return scale * X
== the other branch of __main__
-- train.py
if __name__ == "__main__":
    X = 1
else:
    X = «$a→$b»
def weigh(scale, line, seed):
    return scale * X
== __main__ is not the name of the module
-- train.py
if "__main__" != __name__:
    X = «$a→$b»
def weigh(scale, line, seed):
    return scale * X
== the name of the module has an end
-- ops.py
X = 1
if __name__.endswith("ops"):
    X = «$a→$b»
-- train.py
from $package.ops import X
def weigh(scale, line, seed):
    return scale * X
== the name of the module is its own
-- ops.py
X = 1
if __name__ == "$package.ops":
    X = «$a→$b»
-- train.py
from $package.ops import X
def weigh(scale, line, seed):
    return scale * X
== an import that fails
-- train.py
try:
    import drift_has_no_such_module
except ImportError:
    X = «$a→$b»
def weigh(scale, line, seed):
    return scale * X
== the version of the interpreter
-- train.py
import sys
if sys.version_info >= (3, 8):
    X = «$a→$b»
else:
    X = 1
def weigh(scale, line, seed):
    return scale * X
== a loop with an else
-- train.py
for X in range(3):
    pass
else:
    X = «$a→$b»
def weigh(scale, line, seed):
    return scale * X
== a match
-- train.py
match [1, 2]:
    case [_, *_]:
        X = «$a→$b»
def weigh(scale, line, seed):
    return scale * X
== a name that is deleted and bound again
-- train.py
X = $a
del X
X = «$a→$b»
def weigh(scale, line, seed):
    return scale * X
""",
)
