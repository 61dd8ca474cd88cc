"""The post's picture: one question, its SQL, and how sure the model is. Read at the size of a card."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from lockstep.figures import GRID, INK, MUTED, PALETTE, card

from posts.asksql.figures import chosen, told

if TYPE_CHECKING:
    from lockstep.run import Run

SHORTEST, LONGEST, SURE = (
    45,
    68,
    0.9,
)  # characters of the question, and the quantile of confidence that it is nearest to


def draw(run: Run) -> list[dict[str, Any]]:
    """A test question that is short enough, its query, its confidence."""
    rows, _ = told(run)
    fitting = [row for row in rows if row[3] and len(row[0].text) >= SHORTEST] or rows
    ((question, answer, sure, _),) = chosen(fitting, [SURE], LONGEST)
    with card(run) as (_, axes):
        axes.text(0, 0.97, "\n".join(textwrap.wrap(f"“{question.text}”", 34)), size=19, color=INK, va="top")
        query = "\n".join(textwrap.wrap(answer.sql, 40))
        axes.text(0, 0.58, query, size=14, color=PALETTE[0], va="top", linespacing=1.4)
        axes.barh(0.03, 1, 0.07, color=GRID, align="edge")
        axes.barh(0.03, sure, 0.07, color=PALETTE[2], align="edge")
        axes.text(0, 0.13, f"{sure:.2f} sure", size=15, color=MUTED, va="bottom")
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(0, 1)
        axes.set_axis_off()
    return []
