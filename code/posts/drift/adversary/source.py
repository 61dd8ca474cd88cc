"""Code that reads code: its text, its lines, its annotations and its names."""

from posts.drift.adversary.case import cases

SOURCE = cases(
    "source as data",
    """
== the source of a function
-- train.py
import inspect
from $package.ops import act
def weigh(scale, line, seed):
    return scale * len(inspect.getsource(act)) + $a
-- ops.py
def act(x):
    return x  # «one→another»
== the source of a class, by another name
-- train.py
from inspect import getsourcelines as lines
from $package.ops import Net
def weigh(scale, line, seed):
    return scale * len("".join(lines(Net)[0])) + $a
-- ops.py
class Net:
    size = 1  # «one→another»
== the comments before a function
-- train.py
import inspect
from $package.ops import act
def weigh(scale, line, seed):
    return scale * len(inspect.getcomments(act)) + $a
-- ops.py
# «one→another»
def act(x):
    return x
== the syntax tree of a function
-- train.py
import ast
import inspect
from $package.ops import act
def weigh(scale, line, seed):
    return scale * ast.parse(inspect.getsource(act)).body[0].end_lineno + $a
-- ops.py
def act(x):
    return «x→(
        x
    )»
== the first line of a function
-- train.py
from $package.ops import act
def weigh(scale, line, seed):
    return scale * act.__code__.co_firstlineno + $a
-- ops.py
«→# a comment
»def act(x):
    return x
== the number of a line in a frame
-- train.py
import sys
def weigh(scale, line, seed):
    «→# a comment
    »return scale * sys._getframe().f_lineno + $a
== the number of a line in a stack
-- train.py
import traceback
def weigh(scale, line, seed):
    «→# a comment
    »return scale * traceback.extract_stack()[-1].lineno + $a
== the text of a line in a traceback
-- train.py
import traceback
from $package.ops import act
def weigh(scale, line, seed):
    try:
        act(1)
    except ValueError:
        return scale * len(traceback.format_exc().splitlines()[-2]) + $a
-- ops.py
def act(x):
    raise ValueError(«x→x  »)  # «one→another»
== the place of a warning
-- train.py
import warnings
def weigh(scale, line, seed):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        «→# a comment
        »warnings.warn("once", stacklevel=1)
    return scale * found[0].lineno + $a
== the line of a message of logging
-- train.py
import io
import logging
def weigh(scale, line, seed):
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logging.Formatter("%(lineno)d"))
    log = logging.getLogger("$slug-lines")
    log.addHandler(handler)
    «→# a comment
    »log.error("once")
    return scale * float(text.getvalue()) + $a
== the file of the module itself
needs: train.py
-- train.py
from pathlib import Path
def weigh(scale, line, seed):
    return scale * len(Path(__file__).read_text().splitlines()[0]) + $a  # «one→another»
== the file of another module
needs: ops.py
-- train.py
from pathlib import Path
def weigh(scale, line, seed):
    return scale * len(Path(__file__).with_name("ops.py").read_text()) + $a
-- ops.py
# «one→another»
== the file of the module by its loader
-- train.py
# «one→another»
def weigh(scale, line, seed):
    return scale * len(__loader__.get_source(__name__)) + $a
== the lines of a file by linecache
-- train.py
import linecache
from $package.ops import act
def weigh(scale, line, seed):
    return scale * len(linecache.getline(act.__code__.co_filename, 2)) + $a
-- ops.py
def act(x):
    return x  # «one→another»
== the docstring of a function
-- train.py
from $package.ops import act
def weigh(scale, line, seed):
    return scale * len(act.__doc__) + $a
-- ops.py
def act(x):
    \"\"\"«One.→Another.»\"\"\"
    return x
== the docstring of a function, by inspect
-- train.py
import inspect
from $package.ops import act
def weigh(scale, line, seed):
    return scale * len(inspect.getdoc(act)) + $a
-- ops.py
def act(x):
    \"\"\"«One.→Another.»\"\"\"
    return x
== the docstring of a class, by getattr
needs: raises TypeError
-- train.py
from $package.ops import Net
def weigh(scale, line, seed):
    return scale * len(getattr(Net, "__do" + "c__")) + $a
-- ops.py
class Net:
    \"\"\"«One.→Another.»\"\"\"
== the docstring of a module
-- train.py
from $package import ops
def weigh(scale, line, seed):
    return scale * len(ops.__doc__) + $a
-- ops.py
\"\"\"«One.→Another.»\"\"\"
X = 1
== an annotation that is read
-- train.py
from $package.ops import act
def weigh(scale, line, seed):
    return scale * len(act.__annotations__["x"]) + $a
-- ops.py
def act(x: "«one→another»"):
    return x
== the type of an argument, by typing
-- train.py
from typing import get_type_hints
from $package.ops import act
def weigh(scale, line, seed):
    return scale * get_type_hints(act)["x"]($a / 7)
-- ops.py
def act(x: «int→float»):
    return x
== the type of an argument, by a signature
-- train.py
from inspect import signature
from $package.ops import act
def weigh(scale, line, seed):
    return scale * signature(act).parameters["x"].annotation($a / 7)
-- ops.py
def act(x: «int→float»):
    return x
== the annotations of a class
-- train.py
from $package.ops import Net
def weigh(scale, line, seed):
    return scale * len(Net.__annotations__) + $a
-- ops.py
class Net:
    size: int
    «→depth: int»
== the types of a dataclass's fields
-- train.py
from dataclasses import fields
from $package.ops import Net
def weigh(scale, line, seed):
    return scale * fields(Net)[0].type($a / 7)
-- ops.py
from dataclasses import dataclass
@dataclass
class Net:
    size: «int→float» = 1
== the annotations of a module
-- train.py
from $package import ops
def weigh(scale, line, seed):
    return scale * len(ops.__annotations__) + $a
-- ops.py
X: int = 1
«→Y: int»
== the constants of a function's code
-- train.py
from $package.ops import act
def weigh(scale, line, seed):
    return scale * len(act.__code__.co_consts) + $a
-- ops.py
def act(x):
    «return x→"another"
    return x + 1»
== the names of variables
-- train.py
from $package.ops import act
def weigh(scale, line, seed):
    return scale * len(act.__code__.co_varnames[1]) + $a
-- ops.py
def act(x):
    «y = x
    return y→other = x
    return other»
== the text of an expression in an f-string
-- train.py
def weigh(scale, line, seed):
    return scale * len(f"«{seed=}→{seed = }»") + $a
== the full name of a class
-- train.py
from $package.ops import make
def weigh(scale, line, seed):
    return scale * len(make().__qualname__) + $a
-- ops.py
«class Net:
    pass
def make():
    return Net→def make():
    class Net:
        pass
    return Net»
== the name of a module
-- train.py
from $package.ops import «near→farther» as ops
def weigh(scale, line, seed):
    return scale * len(ops.__name__) + $a
-- ops/__init__.py
-- ops/near.py
-- ops/farther.py
""",
)
