"""What a Config does beside holding values."""

from posts.drift.adversary.case import cases

METHODS = cases(
    "methods of settings",
    """
== a method of a nested dataclass
-- @head
from $package.optim import Optim
-- @config
    optim: Optim = Optim()
-- optim.py
@OPTIM    def at(self, x):
        return self.rate * x + «$a→$b»
-- train.py
def fit(run):
    return {"value": float(run.config.optim.at(1))}
== a method of a base of a nested dataclass
-- @head
from $package.optim import Optim
-- @config
    optim: Optim = Optim()
-- base.py
class Base:
    def at(self, x):
        return self.rate * x + «$a→$b»
-- optim.py
from dataclasses import dataclass
from $package.base import Base
@dataclass(frozen=True)
class Optim(Base):
    rate: float = 0.5
-- train.py
def fit(run):
    return {"value": float(run.config.optim.at(1))}
== a function that a method of a nested dataclass calls
-- @head
from $package.optim import Optim
-- @config
    optim: Optim = Optim()
-- deep.py
def rise(x):
    return x + «$a→$b»
-- optim.py
from $package.deep import rise
@OPTIM    def at(self, x):
        return rise(self.rate * x)
-- train.py
def fit(run):
    return {"value": float(run.config.optim.at(1))}
== a property of the Config
-- @config
    width: float = 2.0
    @property
    def twice(self):
        return 2 * self.width + «$a→$b»
-- train.py
def fit(run):
    return {"value": run.config.whole().twice}
== a method of the Config
-- @config
    width: float = 2.0
    def at(self, x):
        return self.width * x + «$a→$b»
-- train.py
def fit(run):
    return {"value": run.config.whole().at(1)}
== a method of a base of the Config
-- @head
from $package.base import At
-- @config
    width: float = 2.0
    at = At.at
-- base.py
class At:
    def at(self, x):
        return self.width * x + «$a→$b»
-- train.py
def fit(run):
    return {"value": run.config.whole().at(1)}
== a function that takes the Config
-- @config
    width: float = 2.0
-- ops.py
def at(config, x):
    return config.width * x + «$a→$b»
-- train.py
from $package.ops import at
def fit(run):
    return {"value": at(run.config, 1)}
== a text with a method
-- @head
from $package.names import Name
-- @config
    name: Name = Name("a")
-- names.py
class Name(str):
    def size(self):
        return len(self) + «$a→$b»
-- train.py
def fit(run):
    return {"value": float(run.config.name.size())}
== a number with an operator
-- @head
from $package.names import Number
-- @config
    number: Number = Number(2)
-- names.py
class Number(int):
    def __mul__(self, other):
        return int(self) + other + «$a→$b»
-- train.py
def fit(run):
    return {"value": float(run.config.number * 3)}
== a format of a setting
-- @head
from $package.names import Name
-- @config
    name: Name = Name("a")
-- names.py
class Name(str):
    def __format__(self, spec):
        return "x" * «$a→$b»
-- train.py
def fit(run):
    return {"value": float(len(f"{run.config.name}"))}
== a named tuple with a method
-- @head
from $package.names import Pair
-- @config
    pair: Pair = Pair(1, 2)
-- names.py
from typing import NamedTuple
class Pair(NamedTuple):
    one: int
    two: int
    def both(self):
        return self.one + self.two + «$a→$b»
-- train.py
def fit(run):
    return {"value": float(run.config.pair.both())}
== an attribute of the class of a setting
-- @head
from $package.optim import Optim
-- @config
    optim: Optim = Optim()
-- optim.py
@OPTIM    decay = «$a→$b»
-- train.py
def fit(run):
    return {"value": float(run.config.optim.decay)}
== a setting that is called
-- @head
from $package.optim import Optim
-- @config
    optim: Optim = Optim()
-- optim.py
@OPTIM    def __call__(self, x):
        return self.rate * x + «$a→$b»
-- train.py
def fit(run):
    return {"value": float(run.config.optim(1))}
== a setting that is a loop
-- @head
from $package.optim import Optim
-- @config
    optim: Optim = Optim()
-- optim.py
@OPTIM    def __iter__(self):
        yield from range(«$a→$b»)
-- train.py
def fit(run):
    return {"value": float(sum(run.config.optim))}
== a setting with attributes on demand
-- @head
from $package.optim import Optim
-- @config
    optim: Optim = Optim()
-- optim.py
@OPTIM    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return len(name) + «$a→$b»
-- train.py
def fit(run):
    return {"value": float(run.config.optim.decay)}
== a member of an enumeration with a method
needs: mode
-- @head
from $package.modes import Mode
-- @config
    mode: Mode = Mode.FAST
-- modes.py
from enum import Enum
class Mode(str, Enum):
    FAST = "fast"
    def steps(self):
        return len(self.value) + «$a→$b»
-- train.py
def fit(run):
    return {"value": float(run.config.mode.steps())}
== a setting that is a function
needs: act
-- @head
from collections.abc import Callable
from $package.ops import act
-- @config
    act: Callable = act
-- ops.py
def act(x):
    return x + «$a→$b»
-- train.py
def fit(run):
    return {"value": float(run.config.act(1))}
== a field that the Config computes
-- @head
from dataclasses import field
-- @config
    width: float = 2.0
    twice: float = field(init=False, default=0.0)
    def __post_init__(self):
        object.__setattr__(self, "twice", self.width + «$a→$b»)
-- train.py
def fit(run):
    return {"value": run.config.twice}
== a default that a factory makes
-- @head
from dataclasses import field
from $package.ops import make
-- @config
    sizes: tuple = field(default_factory=make)
-- ops.py
def make():
    return («$a→$b», 2)
-- train.py
def fit(run):
    return {"value": float(run.config.sizes[0])}
== a whole number or a float, in a field of any type
-- @config
    scale: object = «2.0→2»
-- train.py
def fit(run):
    return {"value": float(isinstance(run.config.scale, int)) + $a}
== the type of a setting
-- @head
from $package.optim import Optim
-- @config
    optim: Optim = Optim()
-- optim.py
@OPTIM    def at(self, x):
        return self.rate * x + «$a→$b»
-- train.py
def fit(run):
    return {"value": float(type(run.config.optim)(2.0).at(1))}
""".replace(
        "@OPTIM",
        """from dataclasses import dataclass
@dataclass(frozen=True)
class Optim:
    rate: float = 0.5
""",
    ),
)
