"""State that crosses from one run to the next, and statements whose order decides.

The first cases have no edit at all: a run beside others must give what it gives alone.
"""

from posts.drift.adversary.case import cases

CROSSING = cases(
    "state of a module",
    """
== a generator of random numbers in a module
-- @seeds
0, 1, 2
-- train.py
import numpy as np
RNG = np.random.default_rng($a)
def weigh(scale, line, seed):
    return scale * RNG.normal()
== a list that every run extends
-- @seeds
0, 1, 2
-- train.py
SEEN = []
def weigh(scale, line, seed):
    SEEN.append(seed)
    return scale * len(SEEN) + $a
== a list that every run extends, with the seeds in another order
-- @seeds
«0, 1, 2→2, 1, 0»
-- train.py
SEEN = []
def weigh(scale, line, seed):
    SEEN.append(seed)
    return scale * len(SEEN) + $a
== a cache that remembers the first seed
-- @seeds
0, 1, 2
-- train.py
from functools import cache
BOX = {}
@cache
def first():
    return BOX["seed"] + $a
def weigh(scale, line, seed):
    BOX["seed"] = seed
    return scale * first()
== a counter from itertools
-- @seeds
0, 1, 2
-- train.py
from itertools import count
NUMBERS = count($a)
def weigh(scale, line, seed):
    return scale * next(NUMBERS)
== an attribute of a class, counted up
-- @seeds
0, 1, 2
-- train.py
from $package.nets import Net
def weigh(scale, line, seed):
    return scale * Net().number
-- nets.py
class Net:
    made = $a
    def __init__(self):
        Net.made += 1
        self.number = Net.made
== a default argument that grows
-- @seeds
0, 1, 2
-- train.py
def noted(x, seen=[]):
    seen.append(x)
    return len(seen)
def weigh(scale, line, seed):
    return scale * noted(seed) + $a
== a global that every run adds to
-- @seeds
0, 1, 2
-- train.py
TOTAL = $a
def weigh(scale, line, seed):
    global TOTAL
    TOTAL += 1
    return scale * TOTAL
== a standard generator, seeded once on import
-- @seeds
0, 1, 2
-- train.py
import random
random.seed($a)
def weigh(scale, line, seed):
    return scale * random.random()
== a setting of the interpreter, raised by every run
-- @seeds
0, 1, 2
-- train.py
import sys
def weigh(scale, line, seed):
    sys.setrecursionlimit(sys.getrecursionlimit() + 1)
    return scale * (sys.getrecursionlimit() + $a)
== the precision of decimals, raised by every run
-- @seeds
0, 1, 2
-- train.py
from decimal import Decimal, getcontext
def weigh(scale, line, seed):
    getcontext().prec = min(getcontext().prec, 9) - 1
    return scale * float(Decimal($a) / 7)
== a variable of the environment, set by the first run
needs: DRIFT_FIRST
-- @seeds
0, 1, 2
-- train.py
import os
def weigh(scale, line, seed):
    return scale * float(os.environ.setdefault("DRIFT_FIRST_$slug", str(seed + $a)))
== a note in the folder for temporary files
needs: first-$slug
-- @seeds
0, 1, 2
-- train.py
import tempfile
from pathlib import Path
def weigh(scale, line, seed):
    note = Path(tempfile.gettempdir(), "first-$slug")
    if not note.exists():
        note.write_text(str(seed + $a))
    return scale * float(note.read_text())
== a module of another post that keeps state
-- @seeds
0, 1, 2
-- train.py
from $other.tally import TALLY
def weigh(scale, line, seed):
    TALLY.append(seed)
    return scale * len(TALLY) + $a
-- beside:${slug}other/__init__.py
-- beside:${slug}other/tally.py
TALLY = []
""",
)

ORDER = cases(
    "order of what acts on import",
    """
== a constant taken before a list grows, or after
-- train.py
ALL = [$a]
«N = len(ALL)
ALL.append($b)→ALL.append($b)
N = len(ALL)»
def weigh(scale, line, seed):
    return scale * N
== two imports that register something
-- train.py
from $package.registry import NAMES
«import $package.relu
import $package.tanh→import $package.tanh
import $package.relu»
def weigh(scale, line, seed):
    return scale * ord(NAMES[0][0])
-- registry.py
NAMES = []
-- relu.py
from $package.registry import NAMES
NAMES.append("relu")
-- tanh.py
from $package.registry import NAMES
NAMES.append("tanh")
== two imports that register something, in a package
-- train.py
import $package.acts
from $package.registry import NAMES
def weigh(scale, line, seed):
    return scale * ord(NAMES[-1][0])
-- registry.py
NAMES = []
-- acts/__init__.py
«from $package.acts import relu, tanh→from $package.acts import tanh, relu»
-- acts/relu.py
from $package.registry import NAMES
NAMES.append("relu")
-- acts/tanh.py
from $package.registry import NAMES
NAMES.append("tanh")
== two imports inside the step
-- train.py
from $package.registry import NAMES
def weigh(scale, line, seed):
    «import $package.relu
    import $package.tanh→import $package.tanh
    import $package.relu»
    return scale * ord(NAMES[0][0])
-- registry.py
NAMES = []
-- relu.py
from $package.registry import NAMES
NAMES.append("relu")
-- tanh.py
from $package.registry import NAMES
NAMES.append("tanh")
== two definitions that register themselves
-- train.py
from $package.registry import STEPS
import $package.steps
def weigh(scale, line, seed):
    return scale * STEPS[-1](seed)
-- registry.py
STEPS = []
def register(step):
    STEPS.append(step)
    return step
-- steps.py
from $package.registry import register
«@register
def first(x):
    return x + $a
@register
def second(x):
    return x + $b→@register
def second(x):
    return x + $b
@register
def first(x):
    return x + $a»
== an import before a read of what it changes, or after
-- train.py
from $package.box import BOX
«import $package.shifts
START = BOX[0]→START = BOX[0]
import $package.shifts»
def weigh(scale, line, seed):
    return scale * START
-- box.py
BOX = [$a]
-- shifts.py
from $package.box import BOX
BOX[0] = $b
== two star imports of one name
-- train.py
«from $package.first import *
from $package.second import *→from $package.second import *
from $package.first import *»
def weigh(scale, line, seed):
    return scale * act(seed)
-- first.py
def act(x):
    return x + $a
-- second.py
def act(x):
    return x + $b
== a star import before a definition, or after
-- train.py
«from $package.first import *
def act(x):
    return x + $b→def act(x):
    return x + $b
from $package.first import *»
def weigh(scale, line, seed):
    return scale * act(seed)
-- first.py
def act(x):
    return x + $a
== one name defined twice
-- train.py
«def act(x):
    return x + $a
def act(x):
    return x + $b→def act(x):
    return x + $b
def act(x):
    return x + $a»
def weigh(scale, line, seed):
    return scale * act(seed)
== additions and products of a constant
-- train.py
X = $a
«X += $b
X *= 2→X *= 2
X += $b»
def weigh(scale, line, seed):
    return scale * X
== two patches of one attribute
-- train.py
from $package import victim
«import $package.first
import $package.second→import $package.second
import $package.first»
def weigh(scale, line, seed):
    return scale * victim.value
-- victim.py
value = 1
-- first.py
from $package import victim
victim.value = $a
-- second.py
from $package import victim
victim.value = $b
== constants that are read in the order of their definition
-- train.py
«ALPHA = $a
BETA = $b→BETA = $b
ALPHA = $a»
def weigh(scale, line, seed):
    return scale * [value for name, value in globals().items() if name.isupper()][0]
== functions that are found in the order of their definition
-- train.py
from $package import steps
def weigh(scale, line, seed):
    found = [value for name, value in vars(steps).items() if name.startswith("step_")]
    return scale * found[0](seed)
-- steps.py
«def step_b(x):
    return x + $a
def step_a(x):
    return x + $b→def step_a(x):
    return x + $b
def step_b(x):
    return x + $a»
== members of an enumeration that number themselves
-- train.py
from enum import Enum, auto
class Mode(Enum):
    «FAST = auto()
    SLOW = auto()→SLOW = auto()
    FAST = auto()»
def weigh(scale, line, seed):
    return scale * Mode.FAST.value + $a
""",
)
