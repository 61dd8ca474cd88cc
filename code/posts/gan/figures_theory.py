"""Figures of the small experiments: discriminators on the line, and generators on the ring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from lockstep.figures import INK, MUTED, PALETTE, figure

from posts.gan.ring import DRAWN_SEED, ring_centres
from posts.gan.theory import CASES

if TYPE_CHECKING:
    from lockstep.run import Input, Run

COLUMNS = 4  # moments in ring.svg, the last ones of points.csv
ROWS = ("plain", "hasty", "thorough", "thorough_packed")  # variants in ring.svg
TITLES = {"plain": "plain", "hasty": "hasty", "thorough": "thorough", "thorough_packed": "thorough + packing"}


def draw(run: Run) -> dict[str, Any]:
    """Draw both. Reads every run of the line and of the ring."""
    torch.set_num_threads(1)
    theory = [made for made in run.inputs if made.stage == "theory"]
    ring = [made for made in run.inputs if made.stage == "ring"]
    draw_theory(run, theory)
    draw_ring(run, ring)
    return {}


def draw_theory(run: Run, made: list[Input]) -> None:
    """For each case both densities, the optimal discriminator, and the trained one of every seed."""
    curves = [each.csv("discriminator.csv") for each in made]
    with figure(run.figure("theory.svg"), height=3.0, ncols=len(CASES), sharey=True) as (_, axes):
        for panel, (case, (p, q)) in zip(axes, CASES.items(), strict=True):
            seeds = [[row for row in curve if row["case"] == case] for curve in curves]
            x_N = torch.tensor([row["x"] for row in seeds[0]])
            for density, colour in ((p, PALETTE[2]), (q, PALETTE[1])):
                panel.fill_between(x_N, density.log_density(x_N).exp(), color=colour, alpha=0.25, linewidth=0)
            for each, rows in zip(made, seeds, strict=True):
                line = {"linewidth": 1.2, "label": f"_{case}: trained, seed {each.keys['seed']}"}
                panel.plot(x_N, [row["trained"] for row in rows], color=PALETTE[0], **line)
            optimal = [row["optimal"] for row in seeds[0]]
            line = {"linewidth": 1.2, "linestyle": (0, (1.5, 3)), "label": f"_{case}: optimal"}
            panel.plot(x_N, optimal, color=INK, **line)
            panel.set(xlabel="x", ylim=(0, 1), xticks=(-4, 0, 4, 8))
        label(axes[0], (1.0, 0.72), "trained, every seed", PALETTE[0])
        label(axes[0], (1.0, 0.63), "dotted: p / (p + q)", INK)
        label(axes[0], (0.0, 0.41), "p", PALETTE[2])
        label(axes[0], (3.6, 0.13), "q", PALETTE[1])
        label(axes[1], (1.3, 0.22), "p = q", INK)
        axes[0].set_ylabel("probability of “real”, densities")


def label(panel: Any, where: tuple[float, float], text: str, colour: str) -> None:
    panel.annotate(text, where, xytext=(3, 1), textcoords="offset points", color=colour)


def draw_ring(run: Run, made: list[Input]) -> None:
    """Samples of one seed over the centres of the modes: a row for each variant, a column for each moment."""
    samples = {each.keys["variant"]: each.csv("points.csv") for each in made if each.keys["seed"] == DRAWN_SEED}
    moments = sorted({row["step"] for row in samples[ROWS[0]]})[-COLUMNS:]
    size: dict[str, Any] = {"nrows": len(ROWS), "ncols": COLUMNS, "sharex": True, "sharey": True}
    data = [{"variant": v, **row} for v in ROWS for row in samples[v] if row["step"] in moments]
    with figure(run.figure("ring.svg"), height=6.9, data=data, **size) as (_, axes):
        for panels, variant in zip(axes, ROWS, strict=True):
            for panel, moment in zip(panels, moments, strict=True):
                dots(panel, ring_centres().tolist(), MUTED, 9, alpha=0.3)
                points = [(row["x"], row["y"]) for row in samples[variant] if row["step"] == moment]
                dots(panel, points, PALETTE[0], 2)
                panel.set(xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), xticks=[], yticks=[], aspect="equal", frame_on=False)
            panels[0].set_ylabel(TITLES[variant])
        for panel, moment in zip(axes[0], moments, strict=True):
            panel.set_title(f"step {moment:,.0f}", fontsize=10.5)


def dots(panel: Any, points: list[Any], colour: str, size: float, alpha: float = 1) -> None:
    """Round dots as one path of strokes without length: half the bytes of a marker for each point."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    ends = [point for point in points for _ in range(2)]
    path = Path(ends, [Path.MOVETO, Path.LINETO] * len(points))
    path.should_simplify = False  # it would drop them
    panel.add_patch(PathPatch(path, fill=False, edgecolor=colour, linewidth=size, capstyle="round", alpha=alpha))
