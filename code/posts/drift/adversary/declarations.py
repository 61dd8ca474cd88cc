"""What experiment.py does beside declaring."""

from posts.drift.adversary.case import cases

EFFECTS = cases(
    "what experiment.py does",
    """
== a generator seeded by a module that experiment.py imports
-- @head
import $package.seeds
-- seeds.py
import random
random.seed(«$a→$b»)
-- train.py
import random
def fit(run):
    return {"value": random.random()}
== a generator of numpy seeded by experiment.py
-- @tail
np.random.seed(«$a→$b»)
-- train.py
import numpy as np
def fit(run):
    return {"value": float(np.random.normal())}
== a patch of the standard library
-- @head
import $package.patch
-- patch.py
import math
math.tau = «$a→$b».0
-- train.py
import math
def fit(run):
    return {"value": math.tau}
== a patch of a module of the post
-- @head
from $package import ops
ops.FACTOR = «$a→$b».0
-- ops.py
FACTOR = 1.0
-- train.py
from $package import ops
def fit(run):
    return {"value": ops.FACTOR}
== a patch of a library
-- @tail
np.pi = «$a→$b».0
-- train.py
import numpy as np
def fit(run):
    return {"value": np.pi}
== a file read on import
needs: sizes.csv
-- @head
from $package.sizes import SIZE
-- sizes.py
from pathlib import Path
SIZE = float(Path("$slug-sizes.csv").read_text())
-- project:$slug-sizes.csv
«$a→$b»
-- train.py
from $package.sizes import SIZE
def fit(run):
    return {"value": SIZE}
== a file read by experiment.py and kept in a module
needs: sizes.csv
-- @head
from $package import sizes
sizes.SIZE = float(open("$slug-sizes.csv").read())
-- sizes.py
SIZE = 1.0
-- project:$slug-sizes.csv
«$a→$b»
-- train.py
from $package import sizes
def fit(run):
    return {"value": sizes.SIZE}
== a list that experiment.py fills
-- @tail
SIZES = []
SIZES.append(«$a→$b»)
-- train.py
from $package.experiment import SIZES
def fit(run):
    return {"value": float(SIZES[0])}
== a list of a module that experiment.py fills
-- @head
from $package.sizes import SIZES
SIZES.append(«$a→$b»)
-- sizes.py
SIZES = []
-- train.py
from $package.sizes import SIZES
def fit(run):
    return {"value": float(SIZES[0])}
== a constant of experiment.py
-- @head
WIDTH = «$a→$b»
-- train.py
from $package.experiment import WIDTH
def fit(run):
    return {"value": float(WIDTH)}
== a function of experiment.py
-- @head
def widen(x):
    return x + «$a→$b»
-- train.py
from $package.experiment import widen
def fit(run):
    return {"value": float(widen(1))}
== a constant of experiment.py under a condition
-- @head
if __name__ != "__main__":
    WIDTH = «$a→$b»
-- train.py
from $package.experiment import WIDTH
def fit(run):
    return {"value": float(WIDTH)}
== a constant that experiment.py raises
-- @head
WIDTH = $c
«WIDTH += $a→WIDTH += $b»
-- train.py
from $package.experiment import WIDTH
def fit(run):
    return {"value": float(WIDTH)}
== a name among the built-in ones
-- @head
import builtins
builtins.widen = lambda x: x + «$a→$b»
-- train.py
def fit(run):
    return {"value": float(widen(1))}
== a variable of the environment that experiment.py sets
needs: DRIFT_WIDTH
-- @head
import os
os.environ["DRIFT_WIDTH_$slug"] = "«$a→$b»"
-- train.py
import os
def fit(run):
    return {"value": float(os.environ["DRIFT_WIDTH_$slug"])}
== the precision of decimals, set by experiment.py
-- @head
import decimal
decimal.getcontext().prec = «4→5»
-- train.py
from decimal import Decimal
def fit(run):
    return {"value": float(Decimal($a) / 7)}
== how numpy prints, set by experiment.py
-- @tail
np.set_printoptions(precision=«3→4»)
-- train.py
import numpy as np
def fit(run):
    return {"value": float(len(str(np.array([$a / 7]))))}
== a registry that experiment.py fills by an import
-- @head
import $package.kinds
-- registry.py
KINDS = []
-- kinds.py
from $package.registry import KINDS
KINDS.append(«$a→$b»)
-- train.py
from $package.registry import KINDS
def fit(run):
    return {"value": float(KINDS[0])}
== a default that a module computes
-- @head
from $package.sizes import WIDTH
-- @config
    width: float = WIDTH
-- sizes.py
WIDTH = «$a→$b» / 2
-- train.py
def fit(run):
    return {"value": run.config.width}
""",
)
