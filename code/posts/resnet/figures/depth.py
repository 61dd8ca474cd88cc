"""The degradation in small: what depth does to the training of plain and of residual networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lockstep.figures import figure

from posts.resnet.figures.common import COLOUR, chosen, columns, deep, depths, label, mean_curve

if TYPE_CHECKING:
    from lockstep.run import Input, Run


def draw(run: Run) -> dict[str, Any]:
    """Draw the final errors against depth, and the curves of a shallow and a deep network. Reads all trainings."""
    draw_depths(run, run.inputs)
    draw_curves(run, run.inputs)
    return {}


def draw_depths(run: Run, inputs: list[Input]) -> None:
    """Training error of the last updates against depth: a dot a seed, a line through the means."""
    found = depths(inputs, "degradation")
    with figure(run.figure("depth.svg"), height=3.6) as (_, axes):
        for network, colour in COLOUR.items():
            means = []
            for place, depth in enumerate(found):
                errors = [row["train_error"] for made in chosen_at(inputs, network, depth) for row in made.rows]
                means.append(sum(errors) / len(errors))
                axes.plot(
                    [place] * len(errors), errors, "o", color=colour, markersize=3, alpha=0.5, label=f"_{network}"
                )
            axes.plot(range(len(found)), means, color=colour, linewidth=1.8, label=f"_{network}, mean")
            label(axes, network, (len(found) - 1, means[-1]), (10, 0), colour, "left")
        axes.set_xticks(range(len(found)), [str(depth) for depth in found])
        axes.margins(x=0.14)
        axes.set_xlabel("layers")
        axes.set_ylabel("training error, %")


def draw_curves(run: Run, inputs: list[Input]) -> None:
    """Training error over updates, thin for the shallow network and thick for the deep one; a panel a kind."""
    found = depths(inputs, "degradation")
    with figure(run.figure("curves.svg"), height=3.4, ncols=2, sharey=True) as (_, panels):
        for axes, network in zip(panels, ("plain", "residual"), strict=True):
            axes.set_title(network)
            for depth, width in ((found[0], 0.9), (deep(found), 2.2)):
                curves = [made.csv("curve.csv") for made in chosen_at(inputs, network, depth)]
                for curve in curves:
                    faint = {"linewidth": 0.5, "alpha": 0.35, "label": f"_{depth} layers, a seed"}
                    axes.plot(*columns(curve, "update", "error"), color=COLOUR[network], **faint)
                mean = {"linewidth": width, "label": f"{depth} layers"}
                axes.plot(*mean_curve(curves, "update", "error"), color=COLOUR[network], **mean)
            axes.legend()
            axes.set_xlabel("update")
        panels[0].set_ylabel("training error, %")


def chosen_at(inputs: list[Input], network: str, depth: int) -> list[Input]:
    return chosen(inputs, "degradation", network=network, depth=depth)
