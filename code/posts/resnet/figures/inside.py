"""Inside deep networks, plain and residual: how gradients travel, how layers respond, what damage does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lockstep.figures import MUTED, figure

from posts.resnet.figures.common import COLOUR, chosen, columns, deep, depths, label, mean_curve

if TYPE_CHECKING:
    from lockstep.run import Run

KINDS = {"deleted": "one block left out", "swapped": "two blocks exchanged", "cut": "one shortcut cut"}


def draw(run: Run) -> dict[str, Any]:
    """Draw all three, of the deep networks. Reads the studies of every training."""
    depth = deep(depths(run.inputs, "gradients"))
    draw_gradients(run, depth)
    draw_responses(run, depth)
    draw_lesions(run, depth)
    return {}


def draw_gradients(run: Run, depth: int) -> None:
    """The norm of the gradient where blocks meet, before and after training: a faint line a seed, and the mean."""
    with figure(run.figure("gradients.svg"), height=3.4, ncols=2, sharey=True) as (_, panels):
        for axes, (when, title) in zip(panels, (("start", "before training"), ("end", "after it")), strict=True):
            axes.set_title(title)
            for network, colour in COLOUR.items():
                made = chosen(run.inputs, "gradients", network=network, depth=depth)
                tables = [[row for row in one.csv("gradients.csv") if row["when"] == when] for one in made]
                for table in tables:
                    faint = {"linewidth": 0.5, "alpha": 0.4, "label": f"_{network}, a seed"}
                    axes.plot(*columns(table, "block", "signal"), color=colour, **faint)
                axes.plot(*mean_curve(tables, "block", "signal"), color=colour, linewidth=1.8, label=network)
            axes.set_yscale("log")
            axes.set_xlabel("block that it enters")
        panels[0].legend()
        panels[0].set_ylabel("norm of the gradient")


def draw_responses(run: Run, depth: int) -> None:
    """The spread of each layer's response, mean over seeds; thin for the deepest residual networks."""
    deepest = depths(run.inputs, "responses")[-1]
    lines = [("residual", depth, 1.8), ("plain", depth, 1.8), ("residual", deepest, 0.9)]
    with figure(run.figure("responses.svg"), height=3.2) as (_, axes):
        for network, layers, width in dict.fromkeys(lines):
            tables = [
                made.csv("responses.csv") for made in chosen(run.inputs, "responses", network=network, depth=layers)
            ]
            drawn = {"linewidth": width, "label": f"{network}, {layers} layers"}
            axes.plot(*mean_curve(tables, "layer", "response"), color=COLOUR[network], **drawn)
        axes.legend()
        axes.set_xlabel("layer")
        axes.set_ylabel("standard deviation of the response")


def draw_lesions(run: Run, depth: int) -> None:
    """The error after each lesion by the block where it is, mean over seeds; a panel a kind of lesion."""
    with figure(run.figure("lesions.svg"), height=3.0, ncols=3, sharey=True) as (_, panels):
        for axes, (kind, title) in zip(panels, KINDS.items(), strict=True):
            axes.set_title(title, fontsize=10)
            for network, colour in COLOUR.items():
                tables = [
                    made.csv("lesions.csv") for made in chosen(run.inputs, "lesions", network=network, depth=depth)
                ]
                unharmed = [row["error"] for table in tables for row in table if row["lesion"] == "none"]
                level = sum(unharmed) / len(unharmed)
                axes.axhline(level, color=colour, linewidth=0.7, linestyle=(0, (4, 3)))
                harmed = [[row for row in table if row["lesion"] == kind] for table in tables]
                if any(harmed):
                    mean = mean_curve(harmed, "block", "error")
                    axes.plot(*mean, "o", color=colour, markersize=3, label=f"_{network}")
                    label(
                        axes, network, (mean[0][-1], mean[1][-1]), (0, 9 if network == "plain" else -9), colour, "right"
                    )
            axes.axhline(90, color=MUTED, linewidth=0.7, linestyle=(0, (1, 2)))
            axes.set_xlabel("block")
        panels[0].set_ylabel("validation error, %")
