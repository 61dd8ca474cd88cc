"""How the networks in small were trained: a shallow and a deep one of either kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lockstep.figures import figure

from posts.resnet.figures.common import COLOUR, chosen, columns, deep, depths, mean_curve

if TYPE_CHECKING:
    from lockstep.run import Run


def draw(run: Run) -> dict[str, Any]:
    """Draw training error over updates, thin for the shallow network and thick for the deep one; a panel a kind.

    Reads all trainings of the grid.
    """
    found = depths(run.inputs, "degradation")
    with figure(run.figure("curves.svg"), height=3.4, ncols=2, sharey=True) as (_, panels):
        for axes, network in zip(panels, ("plain", "residual"), strict=True):
            axes.set_title(network)
            for depth, width in ((found[0], 0.9), (deep(found), 2.2)):
                trained = chosen(run.inputs, "degradation", network=network, depth=depth)
                curves = [made.csv("curve.csv") for made in trained]
                for curve in curves:
                    faint = {"linewidth": 0.5, "alpha": 0.35, "label": f"_{depth} layers, a seed"}
                    axes.plot(*columns(curve, "update", "error"), color=COLOUR[network], **faint)
                mean = {"linewidth": width, "label": f"{depth} layers"}
                axes.plot(*mean_curve(curves, "update", "error"), color=COLOUR[network], **mean)
            axes.legend()
            axes.set_xlabel("update")
        panels[0].set_ylabel("training error, %")
    return {}
