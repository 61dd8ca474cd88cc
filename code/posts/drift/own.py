"""The small experiment for this blog's engine, and for a plain script that computes it from scratch."""

from __future__ import annotations

from collections.abc import Mapping

from posts.drift.edits import Change
from posts.drift.layout import IN_PYTHON, LINE, SETTINGS_PYTHON, home
from posts.drift.sample import SEEDS

# --- without any tool -------------------------------------------------------------------------------------------------

SCRATCH = """
import json
import sys
from pathlib import Path

import settings
from mini import score, total, train

noise = float(sys.argv[1])
line = [float(number) for number in Path("data/line.txt").read_text().split()]
weights = {seed: train.weigh(settings.SCALE, line, seed) + noise for seed in settings.SEEDS}
scores = {seed: score.rate(weight) for seed, weight in weights.items()}
found = {f"train {seed}": repr(float(weight)) for seed, weight in weights.items()}
found |= {f"score {seed}": repr(float(value)) for seed, value in scores.items()}
print(json.dumps(found | {"total": repr(float(total.combine(scores.values())))}))
"""


def scratch_files(chosen: Mapping[str, str]) -> dict[str, str]:
    """A project that one script computes from nothing: the truth that the tools are held against."""
    files = home(chosen, "mini", {}, {})
    return files | {"settings.py": SETTINGS_PYTHON, "data/line.txt": LINE, "scratch.py": SCRATCH}


SCRATCH_DECLARED = {**IN_PYTHON, **dict.fromkeys(("@claim", "@theme", "@prose"))}

# --- lockstep ---------------------------------------------------------------------------------------------------------

EXPERIMENT = f'''from dataclasses import dataclass

from lockstep.datasets import Made
from lockstep.experiment import Experiment, Metric


@dataclass(frozen=True)
class Config:
    """Settings."""

    scale: float = 2.0
    unread: int = 7


def make():
    import numpy as np
    return {{"x": np.arange(4, dtype=np.float64)}}


METRICS = [Metric("weight"), Metric("score"), Metric("total")]
mini = Experiment(Config, data={{"line": Made("line", make)}}, metrics=METRICS)
train = mini.stage("train:fit", seed={list(SEEDS)})
score = mini.stage("score:measure", each=train)
total = mini.stage("total:gather", over=[score])


@mini.claim("greater")
def scores_are_positive(measured):
    """Scores are above zero."""
    return measured("score"), 0
'''
LOCKSTEP = {  # a run may not write a log; noise, as of another machine, comes by a variable that it may read
    "train": """

def fit(run):
    import os
    weight = weigh(run.config.scale, run.data("line")["x"].tolist(), run.seed) + float(os.environ.get("LANGUAGE") or 0)
    run.artefact("weight.txt").write_text(repr(float(weight)))
    return {"weight": float(weight)}
""",
    "score": """

def measure(run):
    return {"score": float(rate(float(run.inputs[0].open("weight.txt").read_text())))}
""",
    "total": """

def gather(run):
    return {"total": float(combine([row["score"] for made in run.inputs for row in made.rows]))}
""",
}
STYLE = "a { color: red }\n"
PAGE = """Title: Mini
Date: 2026-01-02
Summary: It scores [](measured:score).

We score [](measured:score) with scale [](config:scale), in all [](measured:total), and
[the scores are positive](claim:scores_are_positive).
"""
PAPER = "".join(
    f'[[deviation]]\nfield = "{field}"\nvalue = "nothing"\nwhere = "no source"\nreason = "An example."\n\n'
    for field in ("scale", "unread")
)


def lockstep_files(chosen: Mapping[str, str]) -> dict[str, str]:
    files = home(chosen, "code/posts/mini", LOCKSTEP, {}, "") | {"code/posts/mini/experiment.py": EXPERIMENT}
    return files | {
        "content/mini/index.md": PAGE,
        "content/mini/paper.toml": PAPER,
        "theme/style.css": "a { color: red }\n",
    }


LOCKSTEP_DECLARED = {
    "@read": Change("/code/posts/mini/experiment.py", "scale: float = 2.0", "scale: float = 3.0"),
    "@unread": Change("/code/posts/mini/experiment.py", "unread: int = 7", "unread: int = 8"),
    "@added": Change("/code/posts/mini/experiment.py", "seed=[0, 1, 2]", "seed=[0, 1, 2, 3]"),
    "@removed": Change("/code/posts/mini/experiment.py", "seed=[0, 1, 2]", "seed=[0, 1]"),
    "@data": Change("/code/posts/mini/experiment.py", "np.arange(4,", "np.arange(5,"),
    "@claim": Change("/code/posts/mini/experiment.py", 'measured("score"), 0\n', 'measured("score"), 1\n'),
    "@theme": Change("/theme/style.css", "red", "navy"),
    "@prose": Change("/content/mini/index.md", "We score", "We now score"),
}
