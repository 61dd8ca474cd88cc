"""Classes that register themselves when they are defined, and other things that an import leaves behind."""

from posts.drift.adversary.case import cases

CLASSES = cases(
    "registries of classes",
    """
== a base class that registers
-- train.py
from $package.base import KINDS
import $package.kinds
def weigh(scale, line, seed):
    return scale * sum(kind().act(1) for kind in KINDS)
-- base.py
KINDS = []
class Base:
    def __init_subclass__(cls):
        KINDS.append(cls)
-- kinds.py
from $package.base import Base
class Kind(Base):
    def act(self, x):
        return x + «$a→$b»
== a hook of subclasses that is assigned
-- train.py
from $package.base import KINDS
import $package.kinds
def weigh(scale, line, seed):
    return scale * sum(kind().act(1) for kind in KINDS)
-- base.py
KINDS = []
def note(cls):
    KINDS.append(cls)
class Base:
    __init_subclass__ = classmethod(note)
-- kinds.py
from $package.base import Base
class Kind(Base):
    def act(self, x):
        return x + «$a→$b»
== a hook of subclasses under a condition
-- train.py
from $package.base import KINDS
import $package.kinds
def weigh(scale, line, seed):
    return scale * sum(kind().act(1) for kind in KINDS)
-- base.py
KINDS = []
if True:
    class Base:
        def __init_subclass__(cls):
            KINDS.append(cls)
-- kinds.py
from $package.base import Base
if True:
    class Kind(Base):
        def act(self, x):
            return x + «$a→$b»
== the start of a metaclass
-- train.py
from $package.base import KINDS
import $package.kinds
def weigh(scale, line, seed):
    return scale * sum(kind().act(1) for kind in KINDS[1:])
-- base.py
KINDS = []
class Meta(type):
    def __init__(cls, name, bases, body):
        KINDS.append(cls)
class Base(metaclass=Meta):
    pass
-- kinds.py
from $package.base import Base
class Kind(Base):
    def act(self, x):
        return x + «$a→$b»
== the call of the type of a metaclass
-- train.py
from $package.base import KINDS
import $package.kinds
def weigh(scale, line, seed):
    return scale * sum(kind().act(1) for kind in KINDS[1:])
-- base.py
KINDS = []
class Maker(type):
    def __call__(cls, name, bases, body):
        made = super().__call__(name, bases, body)
        KINDS.append(made)
        return made
class Meta(type, metaclass=Maker):
    pass
class Base(metaclass=Meta):
    pass
-- kinds.py
from $package.base import Base
class Kind(Base):
    def act(self, x):
        return x + «$a→$b»
== a descriptor that learns its owner
-- train.py
from $package.base import OWNERS
import $package.kinds
def weigh(scale, line, seed):
    return scale * sum(owner().act(1) for owner in OWNERS)
-- base.py
OWNERS = []
class Slot:
    def __set_name__(self, owner, name):
        OWNERS.append(owner)
SLOT = Slot
-- kinds.py
from $package.base import SLOT
class Kind:
    slot = SLOT()
    def act(self, x):
        return x + «$a→$b»
== a base class that a call returns
-- train.py
from $package.base import KINDS
import $package.kinds
def weigh(scale, line, seed):
    return scale * sum(kind().act(1) for kind in KINDS.values())
-- base.py
KINDS = {}
def plugin(name):
    def note(cls):
        KINDS[name] = cls
    return type("Plugin", (), {"__init_subclass__": classmethod(note)})
-- kinds.py
from $package.base import plugin
class Kind(plugin("x")):
    def act(self, x):
        return x + «$a→$b»
== a base class with a parameter
-- train.py
from $package.base import KINDS
import $package.kinds
def weigh(scale, line, seed):
    return scale * sum(kind().act(1) for kind in KINDS[-1].__subclasses__())
-- base.py
KINDS = []
class Base:
    def __class_getitem__(cls, name):
        KINDS.append(type(name, (), {}))
        return KINDS[-1]
-- kinds.py
from $package.base import Base
class Kind(Base["x"]):
    def act(self, x):
        return x + «$a→$b»
== the subclasses of a class
-- train.py
from $package.base import Base
import $package.kinds
def weigh(scale, line, seed):
    return scale * sum(kind().act(1) for kind in Base.__subclasses__())
-- base.py
class Base:
    pass
-- kinds.py
from $package.base import Base
class Kind(Base):
    def act(self, x):
        return x + «$a→$b»
== a class that type makes
-- train.py
from $package.base import KINDS
import $package.kinds
def weigh(scale, line, seed):
    return scale * sum(kind().act(1) for kind in KINDS)
-- base.py
KINDS = []
class Base:
    def __init_subclass__(cls):
        KINDS.append(cls)
-- kinds.py
from $package.base import Base
def act(self, x):
    return x + «$a→$b»
Kind = type("Kind", (Base,), {"act": act})
== a virtual subclass
-- train.py
from $package.base import Shape, area
import $package.kinds
def weigh(scale, line, seed):
    return scale * area($package.kinds.MADE[0])
-- base.py
from abc import ABC
class Shape(ABC):
    pass
def area(x):
    return x.area() if isinstance(x, Shape) else 1
-- kinds.py
from $package.base import Shape
class Square:
    def area(self):
        return $a
MADE = [Square()]
«→Shape.register(Square)»
== a function for each type
-- train.py
from $package.base import act
import $package.kinds
def weigh(scale, line, seed):
    return scale * act(1)
-- base.py
from functools import singledispatch
@singledispatch
def act(x):
    return 1
-- kinds.py
from $package.base import act
@act.register
def whole(x: int):
    return x + «$a→$b»
== a reducer that copying calls
-- train.py
import copy
import $package.kinds
def weigh(scale, line, seed):
    return scale * copy.copy($package.kinds.Point()).x
-- kinds.py
import copyreg
class Point:
    x = 1
def again(x):
    made = Point()
    made.x = x
    return made
copyreg.pickle(Point, lambda point: (again, («$a→$b»,)))
== a plug-in that is a new file
-- train.py
import pkgutil
from importlib import import_module
from $package import plugins
def weigh(scale, line, seed):
    found = [module.name for module in pkgutil.iter_modules(plugins.__path__)]
    return scale * sum(import_module("$package.plugins." + name).act(1) for name in found)
-- plugins/__init__.py
-- plugins/first.py
def act(x):
    return x + $a
-- plugins/second.py (added)
def act(x):
    return x + $b
""",
)
