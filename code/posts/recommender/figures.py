"""The post's figures, drawn from the rows of other stages alone."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
from lockstep.figures import INK, PALETTE, figure

if TYPE_CHECKING:
    from lockstep.run import Run

Rows = list[dict[str, Any]]
NAMES = {"popularity": "popularity", "item-knn": "neighbours", "counting": "counting", "ease": "EASE", "ials": "iALS"}
NAMES |= {"sasrec": "SASRec"}
ABOVE: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.5, 1), "fontsize": 9}  # covers nothing
COLOURS = dict(zip(NAMES, (*PALETTE[4:], *PALETTE[:4]), strict=True))


def rows_of(run: Run) -> dict[str, Rows]:
    """All rows by the stage that made them."""
    found: dict[str, Rows] = defaultdict(list)
    for made in run.inputs:
        found[made.stage] += made.rows
    return found


def draw(run: Run) -> list[dict[str, Any]]:
    """Draw them all. Figures: offline, protocols, overlap, loop, indexes and rerank, as .svg with their numbers."""
    rows = rows_of(run)
    compared = rows["baselines"] + rows["searched"] + rows["ials"] + rows["sasrec"]
    draw_offline(run, compared)
    draw_protocols(run, rows["sampled"])
    draw_overlap(run, rows["overlap"])
    draw_loop(run)
    draw_indexes(run, rows["indexes"])
    draw_rerank(run, rows["reranked"])
    return []


def mean_over_seeds(rows: Rows, keys: tuple[str, ...], metric: str) -> dict[tuple[Any, ...], float]:
    """The mean of a metric for each combination of keys, in the order of the rows."""
    values: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    for row in rows:
        if metric in row:
            values[tuple(row.get(key, "sasrec") for key in keys)].append(row[metric])
    return {key: float(np.mean(found)) for key, found in values.items()}


def draw_offline(run: Run, rows: Rows) -> None:
    """NDCG@10 of every model, a group of bars for each dataset."""
    means = mean_over_seeds(rows, ("dataset", "model"), "ndcg")
    datasets = list(dict.fromkeys(dataset for dataset, _ in means))
    with figure(run.figure("offline.svg"), 4.5, 3.2) as (_, axes):
        for n, (model, name) in enumerate(NAMES.items()):
            fitted = [place for place, dataset in enumerate(datasets) if (dataset, model) in means]
            heights = [means[datasets[place], model] for place in fitted]
            axes.bar(np.array(fitted) + (n - 2.5) * 0.14, heights, 0.13, label=name, color=COLOURS[model])
        axes.set_xticks(range(len(datasets)), [dataset.capitalize() for dataset in datasets])
        axes.set_ylabel("NDCG@10, test")
        axes.grid(False, axis="x")
        axes.legend(ncols=3, **ABOVE)


def draw_protocols(run: Run, rows: Rows) -> None:
    """Places of four models under three protocols, joined by lines that cross where an order flips."""
    protocols = ("full", "by popularity", "uniform")
    order = mean_over_seeds(rows, ("model", "protocol"), "order")
    with figure(run.figure("protocols.svg"), height=2.8) as (_, axes):
        for model in dict.fromkeys(model for model, _ in order):
            places = [order[model, protocol] for protocol in protocols]
            axes.plot(range(len(protocols)), places, marker="o", color=COLOURS[model], label=NAMES[model])
            axes.annotate(NAMES[model], (len(protocols) - 1, places[-1]), (8, -4), textcoords="offset points")
        axes.set_xticks(range(len(protocols)), ["all items", "100 by popularity", "100 uniform"])
        axes.set_yticks(range(1, 5), ["best", "second", "third", "last"])
        axes.set_xlim(-0.2, len(protocols) - 0.4)
        axes.invert_yaxis()


def draw_overlap(run: Run, rows: Rows) -> None:
    """Coverage of the intervals against what the log is worth, a line for each estimator."""
    worth = mean_over_seeds(rows, ("overlap",), "effective")
    covered = mean_over_seeds(rows, ("overlap", "estimator"), "covered")
    names = {"ips": "IPS", "snips": "SNIPS", "dr": "DR", "naive": "naive average"}
    with figure(run.figure("overlap.svg"), height=3.0) as (_, axes):
        for n, (estimator, name) in enumerate(names.items()):
            points = [(worth[overlap,], covered[overlap, estimator]) for (overlap,) in worth]
            axes.plot(*zip(*points, strict=True), marker="o", label=name, color=PALETTE[n])
        axes.axhline(95, color=INK, linewidth=0.8, linestyle="--")
        axes.axvline(run.config.least_effective, color=INK, linewidth=0.8, linestyle=":")
        axes.set_xscale("log")
        axes.set_xlabel("effective sample size of the log (dotted: refused to the left)")
        axes.set_ylabel("intervals that hold the truth, %")
        axes.legend(ncols=4, **ABOVE)


def draw_loop(run: Run) -> None:
    """Clicks and Gini of exposure over the rounds, a line for each share of exploration: means over worlds."""
    curves: dict[float, list[Rows]] = defaultdict(list)
    for made in run.inputs:
        if made.stage == "feedback":
            curves[made.keys["explore"]].append(made.csv("rounds.csv"))
    with figure(run.figure("loop.svg"), height=2.9, ncols=2) as (_, (left, right)):
        for n, (explore, worlds) in enumerate(curves.items()):
            for axes, field in ((left, "fraction"), (right, "exposure_gini")):
                mean = np.mean([[float(row[field]) for row in rounds] for rounds in worlds], axis=0)
                axes.plot(np.arange(1, len(mean) + 1), mean, label=f"{100 * explore:g} % explored", color=PALETTE[n])
        left.set_title("clicks, share of the oracle's")
        right.set_title("Gini of exposure")
        for axes in (left, right):
            axes.set_xlabel("round")
        right.legend(loc="lower right", fontsize=9)


def draw_indexes(run: Run, rows: Rows) -> None:
    """Time of a query against the number of items, both logarithmic, a line for each index."""
    times = mean_over_seeds(rows, ("index", "items"), "microseconds")
    names = {"exact": "exact", "ivf": "inverted file", "hnsw": "graph"}
    with figure(run.figure("indexes.svg"), height=3.0) as (_, axes):
        for n, (index, name) in enumerate(names.items()):
            points = [(items, value) for (kind, items), value in times.items() if kind == index]
            axes.plot(*zip(*sorted(points), strict=True), marker="o", label=name, color=PALETTE[n])
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("items")
        axes.set_ylabel("microseconds a query, median")
        axes.legend(loc="upper left", fontsize=9)


def draw_rerank(run: Run, rows: Rows) -> None:
    """Recall against divergence from the person's genres, along growing weights of each rerank."""
    with figure(run.figure("rerank.svg"), height=3.0) as (_, axes):
        for n, kind in enumerate(("diversity", "calibration")):
            own = [row for row in rows if row["rerank"] == kind]
            axes.plot(
                *([row[field] for row in own] for field in ("miscalibration", "recall")),
                marker="o",
                label=f"for {kind}",
                color=PALETTE[n],
            )
            for row in own:
                at = (row["miscalibration"], row["recall"])
                axes.annotate(row["trade"], at, (6, 5), textcoords="offset points", fontsize=9)
        axes.set_xlabel("divergence from the person's genres, nats")
        axes.set_ylabel("recall@10")
        axes.legend(loc="lower right", fontsize=9)
