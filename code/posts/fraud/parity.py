"""Online features equal offline features: every row, every feature, compared bit by bit.

Online is what the service does: one transaction after another through its windows, labels fed as they fall due, its
state once written to a snapshot and read back on the way. Offline is what studies train on. The two share no counting
code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from posts.fraud.batch import features
from posts.fraud.data import DAY, transactions
from posts.fraud.features import NAMES, finish
from posts.fraud.windows import Windows, replay

if TYPE_CHECKING:
    from lockstep.run import Run

BLOCK = 50_000  # rows that are compared at once


def compare(run: Run) -> list[dict[str, Any]]:
    """Rows compared, values that differ in any bit, and the size of the state at the end."""
    world, delay = transactions(run.data("transactions")), run.config.delay * DAY
    offline_NF = features(world, delay)
    columns = (world.time_N, world.customer_N, world.terminal_N, world.cents_N)
    rows = list(zip(range(len(world)), *(column.tolist() for column in columns), strict=True))
    windows, differing, same_second = Windows(delay), 0, int((np.diff(world.time_N) == 0).sum())
    counts: list[list[int]] = []
    for number, found in enumerate(replay(windows, rows, world.fraud_N.tolist()), start=1):
        counts.append(found)
        if number % BLOCK == 0 or number == len(rows):
            online_BF = finish(np.array(counts, dtype=np.int64))
            offline_BF = offline_NF[number - len(counts) : number]
            differing += int((online_BF.view(np.int64) != offline_BF.view(np.int64)).sum())
            counts.clear()
            run.progress(number, len(rows))
        if number == len(rows) // 2:
            again = msgspec.msgpack.decode(msgspec.msgpack.encode(windows), type=Windows)
            windows.cards, windows.terminals, windows.awaited = again.cards, again.terminals, again.awaited
    state = len(msgspec.msgpack.encode(windows)) / 1e6
    return [
        {"compared": float(len(rows)), "values": float(len(rows) * len(NAMES)), "differing": float(differing)}
        | {"same_second": float(same_second), "snapshot_size": state}
    ]
