"""One thing at a time: what each row changes of the base, as the difference from the base of the same seed.

The score is that of the paper's table 3: BLEU on the development sentences under beam search, from the last
checkpoint, "but no checkpoint averaging" (section 6.2). Other data and another size: only differences can be set beside
the paper's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lockstep.run import Input, Run

BASE = "base"
SCORE = {"split": "val", "weights": "last", "search": "beam"}


def score(made: Input) -> float:
    """The score of one run."""
    (row,) = [row for row in made.rows if SCORE.items() <= row.items()]
    return row["bleu"]


def changes(scores: dict[tuple[str, int], float]) -> list[dict[str, Any]]:
    """Scores by row and seed to a difference for each row that is not the base and each seed that both have."""
    return [
        {"row": row, "seed": seed, "bleu_change": found - scores[BASE, seed]}
        for (row, seed), found in scores.items()
        if row != BASE and (BASE, seed) in scores
    ]


def differ(run: Run) -> list[dict[str, Any]]:
    """Paired differences of the Transformer's rows; the recurrent baseline counts as a row of its own."""
    return changes({(named(made), made.keys["seed"]): score(made) for made in run.inputs})


def named(made: Input) -> str:
    return "recurrent" if made.stage.startswith("recurrent") else made.keys["row"]


def order(rows: Sequence[str], changed: dict[str, list[float]]) -> list[str]:
    """Rows from the one that costs most to the one that helps most."""
    return sorted(rows, key=lambda row: sum(changed[row]) / len(changed[row]))
