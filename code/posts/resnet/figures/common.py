"""What figures share: choosing runs, means over seeds, labels beside what they name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from lockstep.figures import PALETTE

if TYPE_CHECKING:
    from lockstep.run import Input

COLOUR = {"residual": PALETTE[0], "plain": PALETTE[1]}


def chosen(inputs: Iterable[Input], stage: str, **keys: Any) -> list[Input]:
    """The runs of a stage at these keys, one a seed."""
    return [
        made
        for made in inputs
        if made.stage == stage and all(made.keys.get(name) == value for name, value in keys.items())
    ]


def depths(inputs: Iterable[Input], stage: str) -> list[int]:
    """The depths that a stage has run, in order."""
    return sorted({made.keys["depth"] for made in inputs if made.stage == stage})


def deep(found: Sequence[int]) -> int:
    """The depth that stands for deep networks: 56, or the largest there is."""
    return 56 if 56 in found else found[-1]


def columns(rows: Sequence[dict[str, Any]], x: str, y: str) -> tuple[list[float], list[float]]:
    return [float(row[x]) for row in rows], [float(row[y]) for row in rows]


def mean_curve(runs: Iterable[Sequence[dict[str, Any]]], x: str, y: str) -> tuple[list[float], list[float]]:
    """The mean over runs of y at each x."""
    curves = [columns(rows, x, y) for rows in runs]
    return curves[0][0], [math.fsum(values) / len(values) for values in zip(*(ys for _, ys in curves), strict=True)]


def label(axes: Any, text: str, at: tuple[float, float], offset: tuple[float, float], colour: str, align: str) -> None:
    """A direct label in the colour of what it names, offset in points."""
    axes.annotate(text, at, xytext=offset, textcoords="offset points", ha=align, va="center", color=colour)
