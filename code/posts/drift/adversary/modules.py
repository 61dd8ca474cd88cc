"""Code that is reached by other roads than its name: modules as values, lookups by a text."""

from posts.drift.adversary.case import cases

LAYERS = """
-- layers/__init__.py
-- layers/relu.py
def act(x):
    return x + «$a→$b»
-- layers/tanh.py
def act(x):
    return x + $c
"""

HELD = cases(
    "modules as values",
    """
== a module of a module, by a name in a text
-- train.py
from $package import hub
def weigh(scale, line, seed):
    return scale * getattr(hub, "re" + "lu").act(1)
-- hub.py
from $package.layers import relu, tanh
@LAYERS
== a module among the globals
-- train.py
from $package.layers import relu, tanh
def weigh(scale, line, seed):
    return scale * globals()["re" + "lu"].act(1)
@LAYERS
== a module in a dictionary
-- train.py
from $package.layers import relu, tanh
TABLE = {"relu": relu, "tanh": tanh}
def weigh(scale, line, seed):
    return scale * TABLE["re" + "lu"].act(1)
@LAYERS
== a module in a list of a module
-- train.py
from $package import hub
def weigh(scale, line, seed):
    return scale * hub.ALL[0].act(1)
-- hub.py
from $package.layers import relu, tanh
ALL = [relu, tanh]
@LAYERS
== a module by vars of a module
-- train.py
from $package import hub
def weigh(scale, line, seed):
    return scale * vars(hub)["re" + "lu"].act(1)
-- hub.py
from $package.layers import relu, tanh
@LAYERS
== a module by the dictionary of a module
-- train.py
from $package import hub
def weigh(scale, line, seed):
    return scale * hub.__dict__["re" + "lu"].act(1)
-- hub.py
from $package.layers import relu, tanh
@LAYERS
== a path of attributes in a text
-- train.py
from operator import attrgetter
from $package import hub
def weigh(scale, line, seed):
    return scale * attrgetter("re" + "lu.act")(hub)(1)
-- hub.py
from $package.layers import relu, tanh
@LAYERS
== a module as an attribute of a class
-- train.py
from $package.hub import Ops
def weigh(scale, line, seed):
    return scale * Ops.impl.act(1)
-- hub.py
from $package.layers import relu
class Ops:
    impl = relu
@LAYERS
== a module that a function returns
-- train.py
from $package.hub import pick
def weigh(scale, line, seed):
    return scale * pick().act(1)
-- hub.py
def pick():
    from $package.layers import relu
    return relu
@LAYERS
== a module as a default argument
-- train.py
from $package.hub import apply
def weigh(scale, line, seed):
    return scale * apply(1)
-- hub.py
from $package.layers import relu
def apply(x, ops=relu):
    return ops.act(x)
@LAYERS
== a module in sys.modules
-- train.py
import sys
import $package.layers.relu
def weigh(scale, line, seed):
    return scale * sys.modules["$package.layers." + "re" + "lu"].act(1)
@LAYERS
== a submodule as an attribute of its package
-- train.py
import $package.layers
import $package.layers.relu
def weigh(scale, line, seed):
    return scale * getattr($package.layers, "re" + "lu").act(1)
@LAYERS
== a submodule that somebody else imported
-- train.py
from $package import hub, layers
def weigh(scale, line, seed):
    return scale * getattr(layers, "re" + "lu").act(1)
-- hub.py
import $package.layers.relu
@LAYERS
== the module of a function, and another function in it
-- train.py
import sys
from $package.ops import shown
def weigh(scale, line, seed):
    return scale * getattr(sys.modules[shown.__module__], "hid" + "den")(1)
-- ops.py
def shown(x):
    return x
def hidden(x):
    return x + «$a→$b»
== the module that inspect finds for a class
-- train.py
from inspect import getmodule
from $package.ops import Net
def weigh(scale, line, seed):
    return scale * getattr(getmodule(Net), "hid" + "den")(1)
-- ops.py
class Net:
    size = 1
def hidden(x):
    return x + «$a→$b»
== the globals of a function
-- train.py
from $package.ops import shown
def weigh(scale, line, seed):
    return scale * shown.__globals__["hid" + "den"](1)
-- ops.py
def shown(x):
    return x
def hidden(x):
    return x + «$a→$b»
== the globals of a function, by another name for the attribute
-- train.py
from $package.ops import shown
def weigh(scale, line, seed):
    return scale * getattr(shown, "__glob" + "als__")["hid" + "den"](1)
-- ops.py
def shown(x):
    return x
def hidden(x):
    return x + «$a→$b»
== the globals of a frame
-- train.py
from $package.ops import asked
def weigh(scale, line, seed):
    return scale * asked("hid" + "den", 1)
-- ops.py
import sys
def asked(name, x):
    return sys._getframe().f_globals[name](x)
def hidden(x):
    return x + «$a→$b»
== a module that imports on demand
-- train.py
from $package import hub
def weigh(scale, line, seed):
    return scale * hub.relu.act(1)
-- hub.py
from importlib import import_module
def __getattr__(name):
    return import_module("$package.layers." + name)
@LAYERS
== modules through map
-- train.py
from $package import hub
def weigh(scale, line, seed):
    (found,) = map(vars(hub).get, ["re" + "lu"])
    return scale * found.act(1)
-- hub.py
from $package.layers import relu, tanh
@LAYERS
== a relative import in a package, used through it
-- train.py
from $package import layers
def weigh(scale, line, seed):
    return scale * layers.relu.act(1)
-- layers/__init__.py
from . import relu
-- layers/relu.py
def act(x):
    return x + «$a→$b»
== a method found by a text
-- train.py
from $package.ops import Net
def weigh(scale, line, seed):
    return scale * getattr(Net(), "ac" + "t")(1)
-- ops.py
class Net:
    def act(self, x):
        return x + «$a→$b»
== a function of a closure
-- train.py
from $package.ops import made
def weigh(scale, line, seed):
    return scale * made.__closure__[0].cell_contents(1)
-- ops.py
def make():
    def inner(x):
        return x + «$a→$b»
    def outer(x):
        return inner(x)
    return outer
made = make()
== the object that refers to another, by the collector
-- train.py
import gc
from $package.ops import Net, other
def weigh(scale, line, seed):
    found = [o for o in gc.get_objects() if isinstance(o, type) and o.__qualname__ == "Hid" + "den"]
    return scale * [o for o in found if o.__module__ == "$package.ops"][0].size
-- ops.py
class Net:
    size = 1
class Hidden:
    size = «$a→$b»
other = 1
""".replace("@LAYERS\n", LAYERS.lstrip("\n")),
)
