"""Speeds, latencies under load, and replicas: the pictures of the page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from lockstep.figures import INK, MUTED, PALETTE, figure

if TYPE_CHECKING:
    from lockstep.run import Run

LINES = {
    "ours, int8": (PALETTE[0], "-", "o"),
    "ours, float32": (PALETTE[0], ":", "o"),
    "CTranslate2, int8": (PALETTE[1], "-", "s"),
    "CTranslate2, float32": (PALETTE[1], ":", "s"),
    "llama.cpp, Q4_0": (PALETTE[2], "-", "^"),
    "llama.cpp, Q8_0": (PALETTE[2], ":", "^"),
}


def rows_of(run: Run, stage: str) -> list[dict[str, Any]]:
    """Rows of a stage, each with the keys of its run."""
    return [made.keys | row for made in run.inputs if made.stage == stage for row in made.rows]


def mean_by(rows: Iterable[dict[str, Any]], key: str, value: str) -> tuple[list[Any], list[float]]:
    """Values of `key` in order, and the mean of `value` at each."""
    found: dict[Any, list[float]] = {}
    for row in rows:
        if value in row:
            found.setdefault(row[key], []).append(row[value])
    places = sorted(found)
    return places, [float(np.mean(found[place])) for place in places]


def speeds(axes: Any, rows: list[dict[str, Any]], **style: Any) -> None:
    """Tokens per CPU second against the size of the batch, a line for each engine."""
    decoded = [row for row in rows if row["what"] == "decode"]
    batches = sorted({row["batch"] for row in decoded})
    for engine in dict.fromkeys(row["engine"] for row in decoded):
        colour, dashes, mark = LINES.get(engine, (MUTED, "-", "."))
        places, values = mean_by((row for row in decoded if row["engine"] == engine), "batch", "speed")
        axes.plot(places, values, dashes, marker=mark, color=colour, label=engine, **style)
    axes.set_xscale("log", base=2)
    axes.set_xticks(batches, [str(batch) for batch in batches])
    axes.minorticks_off()
    axes.set_ylim(0, None)


def draw(run: Run) -> list[dict[str, Any]]:
    """Figures: speed.svg, load.svg, replicas.svg."""
    with figure(run.figure("speed.svg"), 6.6, 3.4) as (_, axes):
        speeds(axes, rows_of(run, "contest"))
        axes.set_xlabel("requests at once")
        axes.set_ylabel("tokens per CPU second")
        axes.legend(fontsize=9)
    offered, foretold = rows_of(run, "load"), rows_of(run, "queue")
    with figure(run.figure("load.svg"), 6.6, 3.0, ncols=2) as (_, (left, right)):
        for quantile, dashes in (("50", "-"), ("99", ":")):
            rates, values = mean_by(offered, "rate", f"first_p{quantile}")
            left.plot(rates, values, dashes, color=PALETTE[0], marker="o", label=f"{quantile}th percentile")
        rates, values = mean_by(foretold, "rate", "first_p50")
        left.plot(rates, values, "--", color=PALETTE[1], label="median, foretold")
        left.set(xlabel="requests a second, offered", ylabel="seconds to the first token", yscale="log")
        left.legend(fontsize=9)
        rates, values = mean_by(offered, "rate", "goodput")
        right.plot(rates, rates, ":", color=MUTED, label="all of them")
        right.plot(rates, values, "-", marker="o", color=PALETTE[0], label="in time")
        right.axvline(
            float(np.mean([row["capacity"] for row in foretold])), color=PALETTE[1], label="capacity, foretold"
        )
        right.set(xlabel="requests a second, offered", ylabel="requests a second, in time")
        right.legend(fontsize=9)
    simulated = rows_of(run, "router")
    heaviest = max(row["load"] for row in simulated)
    with figure(run.figure("replicas.svg"), 6.6, 3.0) as (_, axes):
        for number, policy in enumerate(("turns", "requests", "tokens", "prefix")):
            at = [row for row in simulated if row["policy"] == policy and row["load"] == heaviest]
            counts, values = mean_by(at, "replicas", "first_p99")
            axes.plot(counts, values, "-", marker="o", color=PALETTE[number], label=policy)
        axes.set(xlabel="replicas, simulated", ylabel="first token, 99th percentile (s)", xscale="log", yscale="log")
        axes.tick_params(colors=INK)
        axes.legend(fontsize=9)
    return []
