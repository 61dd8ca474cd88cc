"""One thing at a time: what each row changes of the base, as the difference from the base of the same seed.

The score is that of the paper's table 3: BLEU on the development sentences under beam search, from the last
checkpoint, "but no checkpoint averaging" (section 6.2). Other data and another size: only differences can be set beside
the paper's. Three more differences of the same runs say what that score hides: without the penalty for brevity, of the
averaged weights, and by the length of the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lockstep.run import Input, Run

BASE = "base"
SHORT = {  # the reduced base and its schedule, on which one thing at a time is changed
    "vocabulary": 4000,
    "dropout": 0.1,
    "batch_tokens": 4096,
    "updates": 1000,
    "warmup": 400,
    "average_every": 20,
    "keep_every": 250,
}
ROWS = {  # the paper's table 3, in small: what each row changes of the base
    BASE: {},
    "heads-1": {"heads": 1, "d_k": 128},
    "heads-2": {"heads": 2, "d_k": 64},
    "heads-8": {"heads": 8, "d_k": 16},
    "heads-16": {"heads": 16, "d_k": 8},
    "layers-2": {"layers": 2},
    "layers-3": {"layers": 3},
    "layers-6": {"layers": 6},
    "d_model-64": {"d_model": 64, "d_k": 16},
    "d_model-256": {"d_model": 256, "d_k": 64},
    "d_ff-128": {"d_ff": 128},
    "d_ff-512": {"d_ff": 512},
    "dropout-0": {"dropout": 0.0},
    "smoothing-0": {"smoothing": 0.0},
    "learned": {"positions": "learned"},
    # and what the paper's table does not vary. Its rows of other d_k change the keys alone, not the values
    "d_k-8": {"d_k": 8},
    "d_k-16": {"d_k": 16},
    "dropout-0.3": {"dropout": 0.3},
    "untied": {"tied": False},
    "subwords-1000": {"vocabulary": 1000},
    "subwords-10000": {"vocabulary": 10_000},
    "float32": {"precision": "fp32"},
}
ROWS_RUN = [BASE, "subwords-1000", "untied", "heads-1", "layers-2", "dropout-0", "learned", "float32"]
RECURRENT_RATES = [0.01, 0.005, 0.002]  # peaks tried for the baseline, with a seed that is not used again
RECURRENT_RATE = 0.005  # the one with the lowest validation loss
IN_THE_PAPER = (  # rows that table 3 of the paper has
    *("heads-1", "heads-2", "heads-8", "heads-16", "layers-2", "layers-3", "layers-6"),
    *("d_model-64", "d_model-256", "d_ff-128", "d_ff-512", "dropout-0", "smoothing-0", "learned"),
)
SAID = {  # what a row changes, in words
    "heads-1": "1 head",
    "heads-2": "2 heads",
    "heads-8": "8 heads",
    "heads-16": "16 heads",
    "d_k-8": "a quarter of the width inside the heads",
    "d_k-16": "half the width inside the heads",
    "layers-2": "2 layers",
    "layers-3": "3 layers",
    "layers-6": "6 layers",
    "d_model-64": "half the width",
    "d_model-256": "twice the width",
    "d_ff-128": "half the inner width",
    "d_ff-512": "twice the inner width",
    "dropout-0": "no dropout",
    "smoothing-0": "no label smoothing",
    "learned": "learned positions",
    "dropout-0.3": "dropout of 0.3",
    "untied": "three embeddings, untied",
    "subwords-1000": "1,000 subwords",
    "subwords-10000": "10,000 subwords",
    "float32": "single precision throughout",
    "recurrent": "recurrent, with attention",
}
SCORE = {"split": "val", "weights": "last", "search": "beam"}  # the one that was declared for the rows
AVERAGED = SCORE | {"weights": "averaged"}
SCORES = {  # name of a difference: which scores it is of
    "bleu_change": (SCORE, "bleu"),
    "unpenalised_change": (SCORE, "unpenalised_bleu4"),
    "averaged_change": (AVERAGED, "bleu"),
}


def score(made: Input, at: dict[str, str], metric: str) -> float:
    """One score of one run."""
    (row,) = [row for row in made.rows if at.items() <= row.items() and metric in row]
    return row[metric]


def changes(scores: dict[tuple[str, int], float], name: str) -> list[dict[str, Any]]:
    """Scores by row and seed to a difference for each row that is not the base and each seed that both have."""
    return [
        {"row": row, "seed": seed, name: found - scores[BASE, seed]}
        for (row, seed), found in scores.items()
        if row != BASE and (BASE, seed) in scores
    ]


def differ(run: Run) -> list[dict[str, Any]]:
    """Paired differences of the Transformer's rows; the recurrent baseline counts as a row of its own."""
    made = {(named(other), other.keys["seed"]): other for other in run.inputs}
    rows = [
        row
        for name, (at, metric) in SCORES.items()
        for row in changes({key: score(other, at, metric) for key, other in made.items()}, name)
    ]
    for length in dict.fromkeys(row["length"] for other in made.values() for row in other.rows if "length" in row):
        at = {"split": SCORE["split"], "length": length}
        found = {key: score(other, at, "bleu_of_length") for key, other in made.items()}
        rows += [{"length": length} | row for row in changes(found, "change_of_length")]
    return rows


def named(made: Input) -> str:
    return "recurrent" if made.stage.startswith("recurrent") else made.keys["row"]


def order(rows: Sequence[str], changed: dict[str, list[float]]) -> list[str]:
    """Rows from the one that costs most to the one that helps most."""
    return sorted(rows, key=lambda row: sum(changed[row]) / len(changed[row]))
