"""What a million written tokens cost, and from what demand on a GPU is cheaper: arithmetic on measured speeds and
prices.

Prices are assumptions, named in paper.toml; speeds on CPUs are the contest's. A machine costs what it costs whether
it is busy or not, so each cost is given at full use, and the break-even as the demand at which a GPU that idles costs
as much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from lockstep.run import Run

SECONDS = 3600.0


def per_million(hour: float, speed: float) -> float:
    """Price of a million tokens of a machine with a price an hour and tokens a second."""
    return hour / SECONDS / speed * 1e6


def count(run: Run) -> list[dict[str, Any]]:
    """A row for each engine at each batch, and where the GPU takes over."""
    config = run.config
    rows = [row for made in run.inputs for row in made.rows if row["what"] == "decode"]
    found = []
    for engine, batch in sorted({(row["engine"], row["batch"]) for row in rows}):
        speed = float(np.mean([row["speed"] for row in rows if (row["engine"], row["batch"]) == (engine, batch)]))
        cost = per_million(config.core_hour, speed)
        demand = config.gpu_hour / SECONDS / (cost / 1e6)
        found.append({"engine": engine, "batch": batch, "cost": cost, "break_even": demand, "cores": demand / speed})
    return found
