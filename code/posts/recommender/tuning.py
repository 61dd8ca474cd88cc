"""One tuning budget for all: every model gets the same number of settings, drawn at random from a declared space.

A draw depends on the model, the search and the trial's number alone, so that a longer search begins with the shorter
one, and several searches say how much of a result is the luck of the draw. The spaces were written down from the
models' papers and defaults, before any test item was read.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Draw = Callable[[np.random.Generator], Any]
Settings = dict[str, Any]


def uniform(low: float, high: float) -> Draw:
    return lambda rng: round(float(rng.uniform(low, high)), 3)


def log_uniform(low: float, high: float) -> Draw:
    return lambda rng: float(f"{np.exp(rng.uniform(np.log(low), np.log(high))):.3g}")


def one_of(*values: Any) -> Draw:
    return lambda rng: values[rng.integers(len(values))]


SPACES: Mapping[str, Mapping[str, Draw]] = {
    "popularity": {},
    "item-knn": {"neighbours": one_of(50, 100, 200, 500, 1000), "shrink": one_of(0.0, 1.0, 5.0, 20.0)},
    "counting": {
        "decay": uniform(0.3, 1.0),
        "cosine": uniform(0.0, 1.0),
        "window": one_of(1, 2, 3, 5, 10),
        "exponent": uniform(0.3, 0.7),
    },
    "ease": {"penalty": log_uniform(10, 2000)},
    "ials": {
        "factors": one_of(32, 64, 128, 256),
        "penalty": log_uniform(0.001, 1.0),
        "alpha": log_uniform(1, 50),
        "iterations": one_of(5, 10, 15, 20),
    },
    "sasrec": {
        "blocks": one_of(1, 2, 3),
        "heads": one_of(1, 2, 4),
        "dropout": one_of(0.2, 0.35, 0.5),
        "rate": log_uniform(5e-4, 2e-3),
        "weight_decay": one_of(0.0, 0.01, 0.1),
    },
}


def draw(model: str, trial: int, search: int = 0) -> Settings:
    """The settings of one trial of a search for a model. A model without settings has a single trial."""
    rng = np.random.default_rng([zlib.crc32(model.encode()), search, trial])
    return {name: choose(rng) for name, choose in SPACES[model].items()}


def trials_of(model: str, budget: int) -> int:
    """How many trials a model makes of the budget: all, unless there is nothing to choose."""
    return budget if SPACES[model] else 1


def spelled(settings: Mapping[str, Any]) -> str:
    """`decay=0.5, window=3`: as tables show it."""
    return ", ".join(f"{name}={value:g}" for name, value in settings.items()) or "none"
