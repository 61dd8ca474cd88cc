"""Figures of what trained models do: BLEU by the length of the source, and gradients between positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lockstep.figures import PALETTE, figure

from posts.transformer.evaluate import LENGTHS, SPLITS
from posts.transformer.tables import NAMES

if TYPE_CHECKING:
    from lockstep.run import Input, Run


def draw(run: Run) -> dict[str, Any]:
    """Draw both. Reads scores of translations, and gradients of the base row and the baseline, which trained alike."""
    made: dict[str, list[Input]] = {}
    for other in run.inputs:
        made.setdefault(other.stage, []).append(other)
    draw_lengths(run, made["scores"])
    draw_paths(run, made["row-paths"], made["recurrent-paths"])
    return {}


def columns(rows: Sequence[dict[str, Any]], x: str, y: str) -> tuple[list[float], list[float]]:
    return [row[x] for row in rows], [row[y] for row in rows]


def mean(curves: Sequence[Sequence[float]]) -> list[float]:
    return [sum(values) / len(values) for values in zip(*curves, strict=True)]


def label(axes: Any, text: str, at: tuple[float, float], offset: tuple[float, float], colour: str, align: str) -> None:
    """A direct label in the colour of what it names, offset in points."""
    axes.annotate(text, at, xytext=offset, textcoords="offset points", ha=align, va="center", color=colour)


def draw_lengths(run: Run, scored: list[Input]) -> None:
    """BLEU by the length of the source: the mean of the seeds, and each seed as a dot, for every split."""
    with figure(run.figure("lengths.svg"), 4.5, 3.2) as (_, axes):
        names = list(LENGTHS)
        for number, (split, colour) in enumerate(zip(SPLITS, PALETTE, strict=False)):
            found = [
                [row for row in made.rows if row.get("split") == split and "bleu_of_length" in row] for made in scored
            ]
            shown = [name for name in names if all(any(row["length"] == name for row in rows) for rows in found)]
            places = [names.index(name) + 0.16 * (number - 1.5) for name in shown]
            heights = [
                [next(row["bleu_of_length"] for row in rows if row["length"] == name) for name in shown]
                for rows in found
            ]
            for seed in heights:
                axes.plot(
                    places, seed, color=colour, linestyle="", marker="o", markersize=2.5, alpha=0.6, label="_seed"
                )
            axes.plot(places, mean(heights), color=colour, linewidth=1.4, marker="D", markersize=4, label=NAMES[split])
        axes.set_xticks(range(len(names)), names)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
        axes.set_xlabel("words of the English sentence")
        axes.set_ylabel("BLEU")


def draw_paths(run: Run, walked: list[Input], recurrent: list[Input]) -> None:
    """Gradients between positions against their distance, at initial weights and trained, a line a seed."""
    with figure(run.figure("paths.svg"), 4.5, 3.6) as (_, axes):
        for name, made, state, colour in (
            ("Transformer", walked, "initial", PALETTE[1]),
            ("Transformer", walked, "trained", PALETTE[0]),
            ("recurrent", recurrent, "initial", PALETTE[3]),
            ("recurrent", recurrent, "trained", PALETTE[2]),
        ):
            curves = [[row for row in other.csv("paths.csv") if row["state"] == state] for other in made]
            for other, curve in zip(made, curves, strict=True):
                line = {"linewidth": 0.9, "alpha": 0.8, "label": f"_{name}, {state}, seed {other.keys['seed']}"}
                axes.plot(*columns(curve, "distance", "gradient"), color=colour, **line)
            last = curves[0][-1]
            label(axes, f"{name},\n{state}", (last["distance"], last["gradient"]), (5, 0), colour, "left")
        axes.set_xlim(right=1.45 * run.config.farthest)  # room for what the lines are called
        axes.set_xticks(range(2, run.config.farthest + 1, 2))
        axes.set_yscale("log")
        axes.margins(y=0.1)
        axes.set_xlabel("distance between the positions, in subwords")
        axes.set_ylabel("share of the gradient at distance 1")
