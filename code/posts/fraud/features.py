"""The features: what is counted, and the one place where counts become numbers of a model.

Counting is done twice, on purpose: row by row in the service (windows.py) and by columns over a whole data set
(batch.py). Both give the same integers in the layout below, and `finish` makes floats of either. So whether the two
agree is a question about integers, and a sum of amounts cannot drift.

Three groups, shaped by trials on the published world. `HANDBOOK` are those of the book. `GENERAL` need no knowledge of
how the world was made. `INFORMED` were thought of by reading the rules of the simulation, which no bank has: studies
report what a model reaches without them, and what it reaches on worlds that no trial saw.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
DAY = 86_400

HANDBOOK = (
    *("amount", "weekend", "night"),
    *("card_count_1d", "card_count_7d", "card_count_30d"),
    *("card_mean_1d", "card_mean_7d", "card_mean_30d"),
    *("terminal_count_1d", "terminal_count_7d", "terminal_count_30d"),
    *("terminal_risk_1d", "terminal_risk_7d", "terminal_risk_30d"),
)
GENERAL = (
    *("amount_over_usual", "usual_amount", "card_seen", "card_gap", "terminal_gap"),
    *("terminal_last_label", "terminal_last_label_age", "terminal_unlabelled"),
    *("card_known_7d", "card_known_30d", "card_frauds_7d", "card_frauds_30d"),
)
INFORMED = (
    *("card_hot_1d", "card_hot_3d", "card_hot_7d", "card_hot_14d", "card_hot_gap"),
    *("terminal_plain_frauds_7d", "terminal_plain_frauds_30d"),
    *("terminal_streak", "terminal_streak_age", "terminal_genuine_age"),
)
NAMES = (*HANDBOOK, *GENERAL, *INFORMED)
SETS = {"handbook": len(HANDBOOK), "general": len(HANDBOOK) + len(GENERAL), "all": len(NAMES)}
NONE = -1  # a count that does not exist, such as the seconds since a first transaction's predecessor
PRIOR_COUNT, PRIOR_SUM = 2, 10_500  # a new card's usual amount: two payments of 52.50
FIRST_COUNT, FIRST_SUM = 1, 5_000  # and the rougher one that decides what counts as usual at all
HOT_NUMERATOR, HOT_DENOMINATOR = 26, 10  # 2.6 times the usual amount is hot
CARD_WINDOWS, TERMINAL_WINDOWS, LABEL_WINDOWS, HOT_WINDOWS = (1, 7, 30), (1, 7, 30), (7, 30), (1, 3, 7, 14)  # days
LARGE = 22_000  # cents; a fraud of at most this that is not hot is a plain one

_COUNTS, _SUMS = slice(3, 6), slice(6, 9)
_DELAYED, _FRAUDS = slice(9, 12), slice(12, 15)
_USUAL_COUNT, _USUAL_SUM = 15, 16


def finish(counts: Array) -> Array:
    """Features (…, F) in float64 from integers (…, F) in the same places.

    Sums become means, frauds become shares of the counted, and the usual amount stands where its sum was.
    """
    features = counts.astype(np.float64)
    features[..., _SUMS] = counts[..., _SUMS] / counts[..., _COUNTS]
    features[..., _FRAUDS] = counts[..., _FRAUDS] / np.maximum(counts[..., _DELAYED], 1)
    features[..., _USUAL_COUNT] = counts[..., 0] * counts[..., _USUAL_COUNT] / counts[..., _USUAL_SUM]
    features[..., _USUAL_SUM] = counts[..., _USUAL_SUM] / counts[..., _USUAL_COUNT]
    return features


def usual(cents: Any, count: Any, total: Any) -> Any:
    """Is an amount ordinary beside a plain mean of those before? Only such amounts enter the usual amount."""
    return HOT_DENOMINATOR * cents * (count + FIRST_COUNT) <= HOT_NUMERATOR * (total + FIRST_SUM)


def hot(cents: Any, count: Any, total: Any) -> Any:
    """Is an amount far above the usual one, whose count and sum (prior included) these are?"""
    return HOT_DENOMINATOR * cents * count > HOT_NUMERATOR * total
