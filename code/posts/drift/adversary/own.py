"""A case as a project of lockstep: where its files lie, and the experiment around them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from posts.drift.adversary.case import Case, Entry, numbers, side

EXPERIMENT = """{head}
from dataclasses import dataclass

import numpy as np
from lockstep.datasets import Made
from lockstep.experiment import Experiment, Metric


@dataclass(frozen=True)
class Config:
    \"\"\"Settings.\"\"\"

{config}


{make}


mini = Experiment(Config, data={{"line": Made("line", make)}}, metrics=[Metric("value")])
train = mini.stage("train:fit", seed=[{seeds}])
{tail}
"""
CONFIG = "    scale: float = {scale}\n    unread: int = {unread}\n"
MAKE = 'def make():\n    return {{"x": np.array([{line}], dtype=np.float64)}}\n'
FIT = """

def fit(run):
    return {"value": float(weigh(run.config.scale, run.data("line")["x"].tolist(), run.seed))}
"""
PROSE = "Title: Mini\nDate: 2026-01-02\nSummary: Words.\n\nWords.\n"
DEFAULTS = {"@scale": "2.0", "@unread": "7", "@line": "0, 1, 2, 3", "@seeds": "0"}
ROOTS = {"root:": "code/", "beside:": "code/posts/", "project:": "", "home:": "home:", "temp:": "temp:", "env:": "env:"}


def project(case: Case, after: bool, slug: str = "mini", seed: int = 0) -> dict[str, Entry]:
    """Every file of the case's project by its path in it, before or after the edit."""
    words = {**numbers(seed), "package": f"posts.{slug}", "other": f"posts.{slug}other", "slug": slug}
    files = side(case, after, words)
    parts = {name: text.text.strip("\n") for name, text in files.items() if name.startswith("@")}
    placed = {_placed(name, slug): entry for name, entry in files.items() if not name.startswith("@")}
    home = f"code/posts/{slug}"
    train = placed[f"{home}/train.py"]
    if "def fit(run)" not in train.text:
        placed[f"{home}/train.py"] = Entry(train.text + FIT, train.codec)
    config = parts.get("@config") or CONFIG.format(**_values(parts))
    declared = {
        "code/posts/__init__.py": "",
        f"{home}/__init__.py": "",
        f"{home}/experiment.py": _experiment(parts, config),
        f"content/{slug}/index.md": parts.get("@prose", PROSE),
        f"content/{slug}/paper.toml": _paper(config) + parts.get("@paper", ""),
    }
    return {name: Entry(text) for name, text in declared.items()} | placed


def _experiment(parts: Mapping[str, str], config: str) -> str:
    values = _values(parts)
    return EXPERIMENT.format(
        head=parts.get("@head", ""),
        config=config.rstrip("\n"),
        make=(parts.get("@make") or MAKE.format(**values)).rstrip("\n"),
        seeds=values["seeds"],
        tail=parts.get("@tail", ""),
    )


def _values(parts: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix("@"): parts.get(name, value) for name, value in DEFAULTS.items()}


def _placed(name: str, slug: str) -> str:
    for place, folder in ROOTS.items():
        if name.startswith(place):
            return folder + name.removeprefix(place)
    return f"code/posts/{slug}/{name}"


def _paper(config: str) -> str:
    """What paper.toml says of each field of the Config."""
    entry = '[[deviation]]\nfield = "{}"\nvalue = "nothing"\nwhere = "no source"\nreason = "An example."\n\n'
    return "".join(entry.format(name) for name in re.findall(r"^    (\w+): (?!ClassVar)", config, re.MULTILINE))
