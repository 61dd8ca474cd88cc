"""A small post in a temporary project: every way in which code can depend on code, and a few numbers in prose."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EXPERIMENT = '''
from dataclasses import dataclass

from lockstep.datasets import Made
from lockstep.experiment import Experiment, Metric


@dataclass(frozen=True)
class Config:
    """Settings."""

    scale: float = 2.0
    unread: int = 7


def make():
    import numpy as np
    return {"x": np.arange(4, dtype=np.float64)}


mini = Experiment(Config, data={"line": Made("line", make)},
    metrics=[Metric("score", unit="points", digits=1, better="higher", title="score"), Metric("total", digits=1)])
train = mini.stage("train:fit", seed=range(3))
score = mini.stage("evaluate:score", each=train)
total = mini.stage("evaluate:total", name="total", over=[score])


@mini.claim("greater")
def scores_are_positive(measured):
    """Scores are above zero."""
    return measured("score"), 0


@mini.table
def scores(measured, reported):
    """The score."""
    return [{"what": "ours", "score": measured("score")}, {"what": "theirs", "score": reported("score")}]
'''

TRAIN = '''
"""Trains."""

from posts.mini import helpers, patched
from posts.mini.layers import Net
from posts.mini.reexport import shifted
from posts.mini.starred import *
import posts.mini.effects

STEP = 3
LOOKUP = {"square": helpers.square, "cube": helpers.cube}


def decorate(function):
    def inner(*arguments):
        return function(*arguments) + 1
    return inner


@decorate
def decorated(x):
    return x * 2


def defaulted(x, offset=4):
    return x + offset


def closure(n):
    def add(x):
        return x + n
    return add


halve = lambda x: x / 2


def fit(run):
    """The stage."""
    # a comment
    total = run.config.scale * float(run.data("line")["x"].sum()) + run.seed / 10
    total += Net().act("relu", 2.0) + LOOKUP["cube"](STEP) + shifted(1) + starred_value()
    total += decorated(1) + defaulted(1) + closure(2)(3) + halve(8) + patched.target() + len(posts.mini.effects.REGISTRY)
    run.artefact("weights.txt").write_text(repr(total))
    run.write_csv("curve.csv", [{"step": 1, "value": total}])
    return {}


def unreached():
    return 0
'''

FILES = {
    "code/posts/mini/__init__.py": "",
    "code/posts/mini/experiment.py": EXPERIMENT,
    "code/posts/mini/train.py": TRAIN,
    "code/posts/mini/helpers.py": "from posts.mini.deep import FACTOR\n\n\ndef square(x):\n    return x * x\n\n\n"
    "def cube(x):\n    return x**3 * FACTOR\n\n\ndef unused(x):\n    return -x\n",
    "code/posts/mini/deep.py": "FACTOR = 2\nOTHER = 5\n",
    "code/posts/mini/base.py": "class Base:\n    gain = 1.5\n\n    def act(self, name, x):\n"
    '        return getattr(self, "act_" + name)(x) * self.gain\n',
    "code/posts/mini/layers.py": "from posts.mini.base import Base\n\n\nclass Net(Base):\n    bias = 0.5\n\n"
    "    def act_relu(self, x):\n        return max(x, 0.0) + self.bias\n",
    "code/posts/mini/reexport/__init__.py": "from posts.mini.reexport.inner import shifted\n",
    "code/posts/mini/reexport/inner.py": "def shifted(x):\n    return x + 10\n",
    "code/posts/mini/starred.py": "def starred_value():\n    return 100\n",
    "code/posts/mini/patched.py": "from posts.mini import patcher, victim\n\n\ndef target():\n    return victim.value()\n",
    "code/posts/mini/victim.py": "def value():\n    return 1\n",
    "code/posts/mini/patcher.py": "from posts.mini import victim\n\n\ndef other():\n    return 50\n\n\nvictim.value = other\n",
    "code/posts/mini/effects.py": "REGISTRY = []\nfor i in range(3):\n    REGISTRY.append(i)\n",
    "code/posts/mini/evaluate.py": "def score(run):\n    made = run.inputs[0]\n"
    '    return {"score": float(made.open("weights.txt").read_text())}\n\n\n'
    "def total(run):\n"
    '    return {"total": sum(row["score"] for made in run.inputs for row in made.rows)}\n',
    "content/references.bib": "@article{someone2014,\n author = {Someone, Ann},\n title = {A Title},\n year = {2014}\n}\n",
    "theme/style.css": "body { color: black }\n",
    "content/mini/paper.toml": '[[reported]]\nmetric = "score"\nvalue = 225\nplus_minus = 2\nwhere = "Table 1"\n'
    'source = "someone2014"\n\n[config.scale]\nvalue = 2.0\nwhere = "section 3"\n\n[config.unread]\nvalue = 7\nwhere = "section 3"\n',
    "content/mini/index.md": "Title: Mini\nDate: 2026-01-02\nSummary: It scores [](measured:score).\n\n"
    "We score [](measured:score), the paper [](reported:score), with scale [](config:scale).\n"
    "In all [](measured:total), and [the scores are positive](claim:scores_are_positive).\n\n"
    'Chance is [0.5](given: "one of two"). Code is `[1](measured:score)` left alone.\n\n[The scores.](table:scores)\n',
}


def create(root: Path) -> Path:
    """Write the project; nothing has run in it."""
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def edit(root: Path, name: str, old: str, new: str) -> None:
    """Replace one piece of text; it must be there."""
    path = root / name
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{name} does not hold {old!r}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def lockstep(
    root: Path, *arguments: str, code: str = "", python: str = sys.executable, **variables: str
) -> subprocess.CompletedProcess[str]:
    """The real command line (or a piece of code) in a process of its own, with further environment variables."""
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "LOCKSTEP_STORE")}
    command = [python, *(["-c", code] if code else ["-m", "lockstep", *arguments])]
    return subprocess.run(
        command, cwd=root, env=environment | variables, capture_output=True, text=True, check=False, timeout=120
    )
