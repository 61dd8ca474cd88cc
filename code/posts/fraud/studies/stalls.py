"""How often does the machine itself stand still? A process that only sleeps, and looks how late it wakes.

What it sees, no service on the machine can be free of: other work on the same core, and a host that gives the core to
another guest. It is the load stage's control, at the same two priorities, on each core in turn.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from posts.fraud.load import FIRST, LATE, go_first

if TYPE_CHECKING:
    from lockstep.run import Run

NAP = 0.001  # seconds
SHORTER = 4  # this much shorter than the load stage, for each core


def gaps(seconds: float) -> Any:
    """Seconds from each waking to the next, of a process that sleeps for NAP in between."""
    found, began = [], time.perf_counter()
    last = began
    while last < began + seconds:
        time.sleep(NAP)
        now = time.perf_counter()
        found.append(now - last)
        last = now
    return np.array(found)


def in_time(gap_N: Any) -> float:
    """Percent of instants at which something that fell due would have been seen within LATE."""
    return 100 * (1 - float(np.maximum(gap_N - LATE, 0).sum() / gap_N.sum()))


def watch(run: Run) -> list[dict[str, Any]]:
    """The mean over the cores of what a sleeper sees in time, and the longest time that it was not woken."""
    config = run.config
    if config.priority == FIRST:
        go_first()
    cores, found = sorted(os.sched_getaffinity(0)), []
    for core in cores:
        os.sched_setaffinity(0, {core})
        found.append(gaps(config.load_seconds / SHORTER))
        run.progress(len(found), len(cores))
    seen = float(np.mean([in_time(gap_N) for gap_N in found]))
    return [{"seen": seen, "longest": 1000 * float(max(gap_N.max() for gap_N in found))}]
