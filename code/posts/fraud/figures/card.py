"""The post's picture: what is lost while labels are on their way. Read at the size of a card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lockstep.figures import INK, MUTED, PALETTE, card

if TYPE_CHECKING:
    from lockstep.run import Run


def curve(run: Run, model: str) -> tuple[list[int], list[float]]:
    """Days of delay, and the average precision at each, of the limit or of our trees."""
    rows = [dict(made.keys) | row for made in run.inputs for row in made.rows]
    points = sorted((row["delay"], row["average_precision"]) for row in rows if row["model"] == model)
    return [day for day, _ in points], [value for _, value in points]


def draw(run: Run) -> dict[str, Any]:
    """Two falling curves, close together: the best possible score and ours."""
    days, best = curve(run, "limit")
    _, ours = curve(run, "trees")
    with card(run) as (drawn, axes):
        axes.fill_between(days, ours, best, color=PALETTE[1], alpha=0.25, linewidth=0)
        axes.plot(days, best, "-", color=INK, linewidth=2.5)
        axes.plot(days, ours, "-", color=PALETTE[1], linewidth=2.5)
        axes.text(7.2, best[days.index(7)] + 0.03, "best possible", ha="left", va="bottom", size=14, color=INK)
        axes.text(6.6, ours[days.index(7)] - 0.03, "our service", ha="right", va="top", size=14, color=PALETTE[1])
        axes.set_xticks([0, 7, 14])
        axes.set_yticks([round(0.1 * tenth, 1) for tenth in range(11) if min(ours) - 0.1 <= 0.1 * tenth <= 1.0])
        axes.set_ylim(min(ours) - 0.08, 1.02)
        axes.tick_params(labelsize=11, colors=MUTED)
        drawn.suptitle("Telling frauds apart: what late labels cost", size=13, color=INK)
        drawn.supxlabel("average precision, by days until a label comes", size=11, color=MUTED)
    return {}
