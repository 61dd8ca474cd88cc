"""A small experiment of three steps, in which code depends on code in the ways that Python has for it.

`train` computes a weight for each seed from a setting, data and ten modules; `score` reads the weight; `total` adds the
scores up. The text has placeholders: a seed fills them with names and numbers of its own, so that a result does not
hang on one spelling. What reads files and writes results differs by tool and is appended by arrangements.py.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from string import Template

MODULES = (
    "helpers",
    "deep",
    "base",
    "layers",
    "reexport",
    "inner",
    "starred",
    "patched",
    "victim",
    "patcher",
    "effects",
)
FUNCTIONS = "square cube unused shifted lent target value other".split()
NOUNS = (
    "amber basil cedar copper delta fjord garnet harbour island juniper kernel lantern marble nectar orchard pepper "
    "quarry ribbon saddle timber umbra velvet walnut zephyr"
).split()
VERBS = (
    "blend carve drift fasten gather hoist kindle loosen mingle nudge polish quench rinse stitch temper unwind".split()
)
NUMBERS = tuple(f"n{number}" for number in range(12))

TRAIN = '''"""Trains."""

from $package import $helpers, $patched
from $package.$layers import Net
from $package.$reexport import $shifted
from $package.$starred import *
import $package.$effects

STEP = $n0
LOOKUP = {"square": $helpers.$square, "cube": $helpers.$cube}


def decorate(function):
    def inner(*arguments):
        return function(*arguments) + 1
    return inner


@decorate
def decorated(x):
    return x * 2


def defaulted(x, offset=$n1):
    return x + offset


def closure(n):
    def add(x):
        return x + n
    return add


halve = lambda x: x / 2


def weigh(scale, line, seed):
    """The weight."""
    # a comment
    total = scale * sum(line) + seed / 10
    total += Net().act("relu", 0.25) + LOOKUP["cube"](STEP) + LOOKUP["square"](STEP)
    total += $shifted(1) + $lent() + decorated(1) + defaulted(1) + closure(2)(3) + halve(8)
    return total + $patched.$target() + sum($package.$effects.REGISTRY)


def unreached():
    return 0
'''
SCORE = '"""Scores."""\n\n\ndef rate(weight):\n    return weight * $n2\n'
TOTAL = '"""Adds up."""\n\n\ndef combine(scores):\n    return sum(scores)\n'

FILES = {
    "__init__.py": "",
    "train.py": TRAIN,
    "score.py": SCORE,
    "total.py": TOTAL,
    "$helpers.py": "from $package.$deep import FACTOR\n\n\ndef $square(x):\n    return x * x\n\n\n"
    "def $cube(x):\n    return x**3 * FACTOR\n\n\ndef $unused(x):\n    return -x\n",
    "$deep.py": "FACTOR = $n3\nOTHER = $n4\n",
    "$base.py": "class Base:\n    gain = $n5\n\n    def act(self, name, x):\n"
    '        return getattr(self, "act_" + name)(x) * self.gain\n',
    "$layers.py": "from $package.$base import Base\n\n\nclass Net(Base):\n    bias = $n6\n\n"
    "    def act_relu(self, x):\n        return max(x, 0.0) + self.bias\n",
    "$reexport/__init__.py": "from $package.$reexport.$inner import $shifted\n",
    "$reexport/$inner.py": "def $shifted(x):\n    return x + $n7\n",
    "$starred.py": "def $lent():\n    return $n8\n",
    "$patched.py": "from $package import $patcher, $victim\n\n\ndef $target():\n    return $victim.$value()\n",
    "$victim.py": "def $value():\n    return 1\n",
    "$patcher.py": "from $package import $victim\n\n\ndef $other():\n    return $n9\n\n\n$victim.$value = $other\n",
    "$effects.py": "REGISTRY = []\nfor i in range($n10):\n    REGISTRY.append(i)\n",
}
STEPS = ("train", "score", "total")
SEEDS = (0, 1, 2)  # of the small experiment: train and score run once for each


def words(seed: int) -> dict[str, str]:
    """Names and numbers for the placeholders; numbers from 11 to 80, so that each edit can raise them by one."""
    rng = random.Random(seed)
    chosen = dict(zip(MODULES, rng.sample(NOUNS, len(MODULES)), strict=True))
    chosen |= dict(zip(FUNCTIONS, rng.sample(VERBS, len(FUNCTIONS)), strict=True))
    return chosen | {name: str(number) for name, number in zip(NUMBERS, rng.sample(range(11, 80), 12), strict=True)}


def fill(text: str, chosen: Mapping[str, str]) -> str:
    """A template with its placeholders filled. Raises KeyError for one that has no word."""
    return Template(text).substitute(chosen)


def package(chosen: Mapping[str, str]) -> dict[str, str]:
    """Every file of the package by its path inside it."""
    return {fill(name, chosen): fill(text, chosen) for name, text in FILES.items()}


def imported(chosen: Mapping[str, str]) -> list[str]:
    """The files that `train` imports: what its author would have to list."""
    return [name for name in package(chosen) if name not in ("train.py", "score.py", "total.py")]
