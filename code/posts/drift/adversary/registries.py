"""Code that registers itself: nothing calls it by name, an import is enough."""

from posts.drift.adversary.case import cases

REGISTRY = """
-- registry.py
STEPS = []
def register(step):
    STEPS.append(step)
    return step
"""
USE = """
-- train.py
from $package.registry import STEPS
import $package.steps
def weigh(scale, line, seed):
    return scale * sum(step(1) for step in STEPS)
"""
STEP = """def step(x):
    return x + «$a→$b»
"""

REGISTRIES = cases(
    "registries",
    """
== a decorator
@USE@REGISTRY-- steps.py
from $package.registry import register
@register
@STEP
== a call of a function
@USE@REGISTRY-- steps.py
from $package.registry import register
@STEPregister(step)
== a key of sorted
@USE@REGISTRY-- steps.py
from $package.registry import register
@STEPORDERED = sorted([step], key=lambda f: id(register(f)))
== a key of max
@USE@REGISTRY-- steps.py
from $package.registry import register
def note(f):
    register(f)
    return 1
@STEPFIRST = max([step], key=note)
== an annotation that calls
@USE@REGISTRY-- steps.py
from $package.registry import register
@STEPx: register(step) = 1
== an annotation of an argument that calls
@USE@REGISTRY-- steps.py
from $package.registry import register
@STEPdef other(x: register(step)):
    return x
== a default argument that calls
@USE@REGISTRY-- steps.py
from $package.registry import register
@STEPdef other(x=register(step)):
    return x
== a comprehension that calls
@USE@REGISTRY-- steps.py
from $package.registry import register
@STEPALL = [register(f) for f in (step,)]
== a context on import
@USE@REGISTRY-- steps.py
from contextlib import contextmanager
from $package.registry import STEPS
@contextmanager
def registering(f):
    STEPS.append(f)
    yield
@STEPwith registering(step):
    pass
== an operator of a pipe
@USE-- registry.py
STEPS = []
class Pipe:
    def __or__(self, step):
        STEPS.append(step)
        return self
PIPE = Pipe()
-- steps.py
from $package.registry import PIPE
@STEP_ = PIPE | step
== an operator in place
@USE-- registry.py
STEPS = []
-- steps.py
from $package.registry import STEPS
@STEPSTEPS += [step]
== a subscript
@USE-- registry.py
STEPS = []
class Registry:
    def __getitem__(self, step):
        STEPS.append(step)
        return step
REGISTRY = Registry()
-- steps.py
from $package.registry import REGISTRY
@STEP_ = REGISTRY[step]
== an attribute that acts
@USE-- registry.py
STEPS = []
class Registry:
    step = None
    @property
    def noted(self):
        STEPS.append(self.step)
        return 1
REGISTRY = Registry()
-- steps.py
from $package.registry import REGISTRY
@STEPREGISTRY.step = step
noted = REGISTRY.noted
== a comparison
@USE-- registry.py
STEPS = []
class Registry:
    def __lt__(self, step):
        STEPS.append(step)
        return True
REGISTRY = Registry()
-- steps.py
from $package.registry import REGISTRY
@STEPearlier = REGISTRY < step
== a format in an f-string
@USE-- registry.py
STEPS = []
class Note:
    def __init__(self, step):
        self.step = step
    def __format__(self, spec):
        STEPS.append(self.step)
        return ""
-- steps.py
from $package.registry import Note
@STEPNOTE = Note(step)
TEXT = f"{NOTE}"
== the length of a hooked object
@USE-- registry.py
STEPS = []
class Note:
    step = None
    def __len__(self):
        STEPS.append(self.step)
        return 1
NOTE = Note()
-- steps.py
from $package.registry import NOTE
@STEPNOTE.step = step
SIZE = len(NOTE)
== unpacking of a hooked object
@USE-- registry.py
STEPS = []
class Note:
    step = None
    def __iter__(self):
        STEPS.append(self.step)
        return iter([1, 2])
NOTE = Note()
-- steps.py
from $package.registry import NOTE
@STEPNOTE.step = step
FIRST, SECOND = NOTE
== an assertion
@USE@REGISTRY-- steps.py
from $package.registry import register
@STEPassert register(step)
""".replace("@USE", USE.lstrip("\n"))
    .replace("@REGISTRY", REGISTRY.lstrip("\n"))
    .replace("@STEP", STEP),
)
