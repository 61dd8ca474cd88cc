"""The trainer: the journal replayed through the service's own windows, and a new model in the registry.

What a model is trained on is what the service counted when it decided, to the bit: there is no second pipeline. A
transaction is used only once its label has come, and only if that is older than the delay.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from lockstep.errors import LockstepError

from posts.fraud.features import DAY, NAMES, finish
from posts.fraud.model import Settings, fit
from posts.fraud.service.drift import WATCHED, bins
from posts.fraud.service.journal import Journal
from posts.fraud.service.registry import ModelCard, Registry
from posts.fraud.windows import Windows

Array = np.ndarray[Any, Any]


def examples(journal: Journal, delay: int) -> tuple[Array, Array, Array]:
    """Features (N, F), labels (N,) and times (N,) of all labelled transactions, in the order of arrival."""
    windows, rows = Windows(delay), []
    place: dict[int, int] = {}
    label: dict[int, int] = {}
    for _, payload in journal.read():
        record = msgspec.msgpack.decode(payload)
        if record[0] == "t":
            event = record[1]
            counts = windows.observe(event["id"], event["time"], event["card"], event["terminal"], event["cents"])
            place[event["id"]] = len(rows)
            rows.append((windows.clock, counts))
        elif record[0] == "l":
            windows.label(record[1], record[2])
            label[place[record[1]]] = int(record[2])
    labelled = sorted(label)
    if not labelled:
        raise LockstepError("the journal has no labels yet: nothing can be learned from it")
    counts = np.array([rows[at][1] for at in labelled], dtype=np.int64)
    return finish(counts), np.array([label[at] for at in labelled]), np.array([rows[at][0] for at in labelled])


def train(journal: Journal, registry: Registry, delay: int, settings: Settings, seed: int = 0) -> str:
    """Train on the journal and register; returns the digest. Raises LockstepError where there is nothing to learn."""
    features_NF, label_N, time_N = examples(journal, delay)
    if label_N.min() == label_N.max():
        raise LockstepError(f"all {len(label_N)} labels of the journal are alike: nothing can be learned from them")
    model = fit(features_NF, label_N, settings, seed)
    return registry.add(model, card(features_NF, label_N, time_N, settings))


def card(features_NF: Array, label_N: Array, time_N: Array, settings: Settings) -> ModelCard:
    """What goes with a model."""
    return ModelCard(
        rows=len(label_N),
        frauds=int(label_N.sum()),
        first_day=int(time_N[0] // DAY),
        last_day=int(time_N[-1] // DAY),
        settings={name: float(value) for name, value in settings._asdict().items()},
        bins={name: bins(features_NF[:, NAMES.index(name)]) for name in WATCHED},
    )
