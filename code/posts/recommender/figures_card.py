"""The post's picture: NDCG@10 on Beauty of every model, and how long the best two take. Read at the size of a card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lockstep.figures import INK, MUTED, PALETTE, PAPER, card

from posts.recommender.figures import NAMES, mean_over_seeds, rows_of

if TYPE_CHECKING:
    from lockstep.run import Run

DATASET = "beauty"
TOLD = {"sasrec": ("a transformer", PALETTE[0]), "counting": ("only counting", PALETTE[1])}  # the two in colour


def draw(run: Run) -> list[dict[str, Any]]:
    """A bar a model, the best first, from the rows of the stages that tested them."""
    rows = [row for found in rows_of(run).values() for row in found if row.get("dataset") == DATASET]
    scores, seconds = (of_models(rows, metric) for metric in ("ndcg", "fit_seconds"))
    top = max(scores.values())
    with card(run) as (drawn, axes):
        for place, (model, score) in enumerate(sorted(scores.items(), key=lambda item: -item[1])):
            name, colour = TOLD.get(model, (NAMES[model], MUTED))
            told = model in TOLD
            axes.barh(place, score, 0.72, color=colour, alpha=1.0 if told else 0.45)
            axes.text(-0.012 * top, place, name, ha="right", va="center", size=14, color=INK if told else MUTED)
            axes.text(score + 0.012 * top, place, f"{score:.3f}", ha="left", va="center", size=15, color=colour)
            if told:
                taken = f"fitted in {lasting(seconds[model])}"
                axes.text(0.03 * top, place, taken, ha="left", va="center", size=13, color=PAPER)
        axes.set_xlim(-0.42 * top, 1.16 * top)
        axes.set_ylim(len(scores) - 0.4, -0.6)
        axes.set_axis_off()
        drawn.suptitle("Which product comes next?", size=14, color=INK)
        drawn.supxlabel("NDCG@10 on Amazon Beauty, ranked among all products", size=11, color=MUTED)
    return []


def of_models(rows: list[dict[str, Any]], metric: str) -> dict[str, float]:
    """The mean of a metric over the seeds of each model."""
    return {model: value for (model,), value in mean_over_seeds(rows, ("model",), metric).items()}


def lasting(seconds: float) -> str:
    """A time in the words of a card: `0.2 s`, `6 min`."""
    return f"{seconds / 60:.0f} min" if seconds > 99 else f"{seconds:.1f} s"
