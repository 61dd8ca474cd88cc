"""Shortcuts between none and whole: what a deep network learns by what its shortcuts are multiplied by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lockstep.figures import PALETTE, figure

from posts.resnet.figures.common import chosen, deep, depths, label

if TYPE_CHECKING:
    from lockstep.run import Run


def draw(run: Run) -> dict[str, Any]:
    """Draw training and validation error against α: a dot a seed, a line through the means. Its ends are the plain and
    the residual networks of the same depth."""
    depth = deep(depths(run.inputs, "scaled"))
    runs = {0.0: chosen(run.inputs, "degradation", network="plain", depth=depth)}
    for alpha in sorted({made.keys["alpha"] for made in chosen(run.inputs, "scaled")}):
        runs[alpha] = chosen(run.inputs, "scaled", alpha=alpha, depth=depth)
    runs[1.0] = chosen(run.inputs, "degradation", network="residual", depth=depth)
    with figure(run.figure("scale.svg"), height=3.2) as (_, axes):
        for metric, text, colour in (
            ("train_error", "training", PALETTE[0]),
            ("validation_error", "validation", PALETTE[2]),
        ):
            means = []
            for alpha, made in runs.items():
                errors = [row[metric] for one in made for row in one.rows]
                means.append(sum(errors) / len(errors))
                axes.plot([alpha] * len(errors), errors, "o", color=colour, markersize=3, alpha=0.5, label=f"_{text}")
            axes.plot(list(runs), means, color=colour, linewidth=1.8, label=f"_{text}, mean")
            label(axes, text, (1.0, means[-1]), (8, 0), colour, "left")
        axes.margins(x=0.14)
        axes.set_xlabel("α, by which shortcuts are multiplied")
        axes.set_ylabel("error, %")
    return {}
