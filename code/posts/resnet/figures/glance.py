"""The post at a glance: what a block adds to what its layers compute, and what that does to training by depth.

Two pictures of the same runs: one for the first screen of the page, and a card with little but the two lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lockstep.figures import INK, MUTED, card, figure

from posts.resnet.figures.common import COLOUR, chosen, depths, label

if TYPE_CHECKING:
    from lockstep.run import Input, Run

LAYERS = ("3 × 3, norm", "relu", "3 × 3, norm", "+", "relu")  # of a block, from its entry
GAP = 1.0  # between two of them


def draw(run: Run) -> dict[str, Any]:
    """Draw a block beside the errors in small, a dot a seed. Reads all trainings of the grid."""
    panels = {"ncols": 2, "gridspec_kw": {"width_ratios": (1, 2.3)}}
    with figure(run.figure("glance.svg"), height=3.5, **panels) as (_, (left, right)):
        draw_block(left)
        draw_errors(right, run.inputs, dots=True)
        right.set_xlabel("layers")
        right.set_ylabel("training error, %")
    return {}


def draw_card(run: Run) -> dict[str, Any]:
    """The same errors at the size of a card: two lines and their names."""
    with card(run) as (_, axes):
        draw_errors(axes, run.inputs, dots=False)
        axes.set_title("training error, %, by number of layers", size=13, color=INK)
        axes.tick_params(labelsize=12)
    return {}


def draw_block(axes: Any) -> None:
    """A block from its entry, above, to what leaves it; what goes around its layers is in the residual colour."""
    axes.set_axis_off()
    axes.set(xlim=(-1.3, 1.9), ylim=(-GAP * len(LAYERS) - 0.6, 0.6))
    arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 0.9, "shrinkA": 9, "shrinkB": 9}
    axes.text(0, 0, "x", ha="center", va="center", style="italic", size=12)
    for number, text in enumerate(LAYERS, start=1):
        axes.annotate("", (0, -GAP * number), (0, -GAP * (number - 1)), arrowprops=arrow)
        added = text == "+"
        box = {"boxstyle": "circle,pad=0.25" if added else "round,pad=0.3", "facecolor": "none"}
        box |= {"edgecolor": COLOUR["residual"] if added else MUTED, "linewidth": 1.4 if added else 0.8}
        axes.text(0, -GAP * number, text, ha="center", va="center", size=10, bbox=box)
    around = {"arrowstyle": "-|>", "color": COLOUR["residual"], "linewidth": 1.6, "shrinkA": 7, "shrinkB": 9}
    middle = (1.15, -GAP * (LAYERS.index("+") + 1) / 2)
    axes.annotate(
        "", middle, (0, 0), arrowprops=around | {"arrowstyle": "-", "shrinkB": 0, "connectionstyle": "arc3,rad=-0.35"}
    )
    end = (0, -GAP * (LAYERS.index("+") + 1))
    axes.annotate("", end, middle, arrowprops=around | {"shrinkA": 0, "connectionstyle": "arc3,rad=-0.35"})
    axes.text(1.25, middle[1], "x", ha="left", va="center", style="italic", size=12, color=COLOUR["residual"])


def draw_errors(axes: Any, inputs: list[Input], dots: bool) -> None:
    """Training error of the last updates against depth: a line through the means, and each seed where `dots` are."""
    found = depths(inputs, "degradation")
    for network, colour in COLOUR.items():
        means = []
        for place, depth in enumerate(found):
            runs = chosen(inputs, "degradation", network=network, depth=depth)
            errors = [row["train_error"] for made in runs for row in made.rows]
            means.append(sum(errors) / len(errors))
            if dots:
                axes.plot(
                    [place] * len(errors), errors, "o", color=colour, markersize=3, alpha=0.5, label=f"_{network}"
                )
        line = {"linewidth": 1.8 if dots else 3.2, "label": f"_{network}, mean"}
        axes.plot(range(len(found)), means, color=colour, **line)
        label(axes, network, (len(found) - 1, means[-1]), (10, 0), colour, "left")
    axes.set_xticks(range(len(found)), [str(depth) for depth in found])
    axes.margins(x=0.2 if dots else 0.28, y=0.12)
