"""ResNet-20 by the paper's protocol: errors over the updates, and the published one for scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lockstep.figures import INK, MUTED, PALETTE, figure

from posts.resnet.figures.common import chosen, columns, label, mean_curve

if TYPE_CHECKING:
    from lockstep.run import Run

TOP = 40  # per cent: the first updates, above it, would leave no room for the rest


def draw(run: Run) -> dict[str, Any]:
    """Draw errors on crops of training images and on validation images, a line a seed. Reads all trainings."""
    published = run.reported("test_error", depth=20)
    trained = chosen(run.inputs, "train")
    with figure(run.figure("training.svg"), height=3.6) as (_, axes):
        for file, name, text, colour in (
            ("curve.csv", "error", "training", PALETTE[0]),
            ("held-out.csv", "validation_error", "validation", PALETTE[2]),
        ):
            tables = [made.csv(file) for made in trained]
            for made, table in zip(trained, tables, strict=True):
                line = {"linewidth": 0.7, "alpha": 0.6, "label": f"_{text}, seed {made.keys['seed']}"}
                axes.plot(*columns(table, "update", name), color=colour, **line)
            updates, means = mean_curve(tables, "update", name)
            label(axes, text, (updates[-1], means[-1]), (6, 0), colour, "left")
        axes.axhline(published.value, color=INK, linewidth=0.9, linestyle=(0, (5, 3)))
        label(axes, "published, on test images", (0, published.value), (4, -8), INK, "left")
        for drop in run.config.drops:
            axes.axvline(drop, color=MUTED, linewidth=0.7, linestyle=(0, (2, 2)))
        axes.margins(x=0.02)
        axes.set_ylim(0, TOP)
        axes.set_xlabel("update")
        axes.set_ylabel("error, %")
    return {}
