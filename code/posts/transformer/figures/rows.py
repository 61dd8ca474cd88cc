"""Figures of the rows: what each changes beside what it changed in the paper, and quality against cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lockstep.figures import MUTED, PALETTE, figure
from lockstep.statistics import compare

from posts.transformer.figures.trained import columns, label, mean
from posts.transformer.studies.ablation import BASE, IN_THE_PAPER, SAID, order

if TYPE_CHECKING:
    from lockstep.run import Input, Run


def draw(run: Run) -> dict[str, Any]:
    """What each row changes. Reads the paired differences."""
    draw_rows(run, run.inputs[0])
    return {}


def draw_costs(run: Run) -> dict[str, Any]:
    """Quality against cost. Reads the growth of the base row and of the baseline, and what an update costs."""
    made: dict[str, list[Input]] = {}
    for other in run.inputs:
        made.setdefault(other.stage, []).append(other)
    (base,) = [other for other in made["cost"] if other.keys["row"] == BASE]
    costs = {row["model"]: row["update_cost"] for row in base.rows if "model" in row}
    ours, baseline = ([m for m in made[f"{name}-growth"] if m.keys["row"] == BASE] for name in ("row", "recurrent"))
    draw_quality(run, ours, baseline, costs)
    return {}


def draw_rows(run: Run, differed: Input) -> None:
    """Mean differences with their intervals, and the paper's as rings, from the worst row to the best."""
    changed: dict[str, list[float]] = {}
    for row in differed.rows:
        if "bleu_change" in row:
            changed.setdefault(row["row"], []).append(row["bleu_change"])
    names = order(list(changed), changed)
    found = {name: compare(changed[name]) for name in names}
    theirs = {name: run.reported("bleu_change", row=name).value for name in names if name in IN_THE_PAPER}
    table = [
        {"row": name, "here": f.mean, "low": f.low, "high": f.high, "paper": theirs.get(name)}
        for name, f in found.items()
    ]
    with figure(run.figure("rows.svg"), 4.5, 1.2 + 0.27 * len(names), data=table) as (_, axes):
        axes.axvline(0, color=MUTED, linewidth=0.8)
        means = [f.mean for f in found.values()]
        halves = [0 if f.high is None else f.high - f.mean for f in found.values()]
        style = {"linestyle": "", "marker": "o", "markersize": 4, "capsize": 2, "linewidth": 1}
        axes.errorbar(means, range(len(names)), xerr=halves, color=PALETTE[0], label="here", **style)
        ring = {"linestyle": "", "marker": "o", "markersize": 6, "markerfacecolor": "none", "color": PALETTE[1]}
        axes.plot(list(theirs.values()), [names.index(name) for name in theirs], label="in the paper", **ring)
        axes.set_yticks(range(len(names)), [SAID[name] for name in names])
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
        axes.set_xlabel("BLEU, less the base's")


def draw_quality(run: Run, ours: list[Input], baseline: list[Input], costs: dict[str, float]) -> None:
    """Validation BLEU against the operations of the training so far, a line a seed."""
    with figure(run.figure("quality.svg"), 4.5, 3.2) as (_, axes):
        for name, followed, colour, above in (
            ("Transformer", ours, PALETTE[0], -52),
            ("recurrent", baseline, PALETTE[1], 9),
        ):
            curves = [made.csv("growth.csv") for made in followed]
            updates, _ = columns(curves[0], "update", "validation_bleu")
            spent = [update * costs[name.lower()] / 1000 for update in updates]
            heights = [columns(curve, "update", "validation_bleu")[1] for curve in curves]
            for made, seed in zip(followed, heights, strict=True):
                line = {"linewidth": 0.7, "alpha": 0.6, "label": f"_{name}, seed {made.keys['seed']}"}
                axes.plot(spent, seed, color=colour, **line)
            middle = mean(heights)
            axes.plot(spent, middle, color=colour, linewidth=2, marker="o", markersize=3.5, label=f"_{name}, mean")
            label(axes, name, (spent[-1], middle[-1]), (0, above), colour, "right")
        axes.set_xlim(left=0)
        axes.set_xlabel("10¹² operations of training")
        axes.set_ylabel("BLEU, validation, greedy")
