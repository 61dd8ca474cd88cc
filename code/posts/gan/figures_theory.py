"""Figures of the small experiments: discriminators on the line, generators on the ring, modes over the steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from lockstep.figures import INK, MUTED, PALETTE, figure

from posts.gan.ring import DRAWN_SEED, MODES, ring_centres
from posts.gan.theory import CASES

if TYPE_CHECKING:
    from lockstep.run import Input, Run

COLUMNS = 4  # moments in ring.svg, the last ones of points.csv
ROWS = ("plain", "hasty", "thorough", "thorough_packed")  # variants in ring.svg
TITLES = {
    "plain": "plain",
    "saturating": "saturating",
    "hasty": "hasty",
    "thorough": "thorough",
    "thorough_saturating": "thorough, saturating",
    "thorough_noisy": "thorough, noisy",
    "thorough_packed": "thorough, packed",
}


def draw(run: Run) -> dict[str, Any]:
    """Draw all three. Reads every run of the line and of the ring."""
    torch.set_num_threads(1)
    theory = [made for made in run.inputs if made.stage == "theory"]
    ring = [made for made in run.inputs if made.stage == "ring"]
    draw_theory(run, theory)
    draw_ring(run, ring)
    draw_modes(run, ring)
    return {}


def draw_theory(run: Run, made: list[Input]) -> None:
    """For each case both densities, the optimal discriminator, and the trained one of every seed."""
    curves = [each.csv("discriminator.csv") for each in made]
    with figure(run.figure("theory.svg"), height=2.9, ncols=len(CASES), sharey=True) as (_, axes):
        for panel, (case, (p, q)) in zip(axes, CASES.items(), strict=True):
            rows = [[row for row in curve if row["case"] == case] for curve in curves]
            x_N = torch.tensor([row["x"] for row in rows[0]])
            for density, colour in ((p, PALETTE[2]), (q, PALETTE[1])):
                panel.fill_between(x_N, density.log_density(x_N).exp(), color=colour, alpha=0.2, linewidth=0)
            for seed in rows:
                panel.plot(x_N, [row["trained"] for row in seed], color=PALETTE[0], linewidth=0.8)
            optimal = [row["optimal"] for row in rows[0]]
            panel.plot(x_N, optimal, color=INK, linewidth=1.6, linestyle=(0, (4, 3)))
            panel.set_xlabel("x")
            panel.set_ylim(0, 1)
        axes[0].set_ylabel("probability of “real”; density")


def draw_ring(run: Run, made: list[Input]) -> None:
    """Samples of one seed over the centres of the modes: a row for each variant, a column for each moment."""
    centres = ring_centres().tolist()
    shown = {
        each.keys["variant"]: each.csv("points.csv")
        for each in made
        if each.keys["variant"] in ROWS and each.keys["seed"] == DRAWN_SEED
    }
    moments = sorted({row["step"] for rows in shown.values() for row in rows})[-COLUMNS:]
    size = {"nrows": len(ROWS), "ncols": COLUMNS, "sharex": True, "sharey": True, "squeeze": False}
    with figure(run.figure("ring.svg"), height=6.9, **size) as (_, axes):
        for line, variant in zip(axes, ROWS, strict=True):
            for panel, moment in zip(line, moments, strict=True):
                rows = [row for row in shown[variant] if row["step"] == moment]
                panel.plot(*zip(*centres, strict=True), "o", color=MUTED, markersize=9, alpha=0.25, markeredgewidth=0)
                panel.plot(
                    [row["x"] for row in rows], [row["y"] for row in rows], "o", color=PALETTE[0], markersize=1.6
                )
                panel.set(xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[], aspect="equal")
            line[0].set_ylabel(TITLES[variant])
        for panel, moment in zip(axes[0], moments, strict=True):
            panel.set_title(f"step {moment:,.0f}", fontsize=10.5)


def draw_modes(run: Run, made: list[Input]) -> None:
    """Modes covered over the steps: a panel for each variant, a line for each seed."""
    with figure(run.figure("modes.svg"), height=3.8, nrows=2, ncols=4, sharex=True, sharey=True) as (_, axes):
        for panel, (variant, title) in zip(axes.flat, TITLES.items(), strict=False):
            for each in made:
                if each.keys["variant"] == variant:
                    curve = each.csv("ring.csv")
                    steps, modes = [row["step"] for row in curve], [row["modes"] for row in curve]
                    panel.plot(steps, modes, color=PALETTE[0], linewidth=0.8, alpha=0.7)
            panel.set_title(title, fontsize=10.5)
            panel.set(ylim=(-0.3, MODES + 0.3), yticks=range(0, MODES + 1, 2))
        for unused in axes.flat[len(TITLES) :]:
            unused.set_visible(False)
