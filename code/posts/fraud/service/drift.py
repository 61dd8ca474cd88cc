"""Drift by the population stability index, with a threshold from its own distribution.

    PSI = Σ over bins of (seen − expected) · log(seen / expected)

If nothing drifted, PSI times n·m/(n + m) is close to χ² with one degree of freedom fewer than bins, for n transactions
now and m in training (Yurdakul, 2018). So the alarm is a quantile of χ², and not a rule of thumb; below a floor nobody
would act, however significant it is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from typing import Any

import numpy as np
from scipy.stats import chi2

Array = np.ndarray[Any, Any]
BINS = 10
FALSE_ALARM = 1e-6  # a window and a feature
FLOOR = 0.05
WINDOW = 2000  # transactions that are compared at once
WATCHED = ("amount", "amount_over_usual", "terminal_unlabelled", "card_count_7d")


def bins(values_N: Array) -> tuple[list[float], list[float]]:
    """Inner edges at quantiles, and the share of training rows in each bin between them."""
    edges = np.unique(np.quantile(values_N, np.linspace(0, 1, BINS + 1)[1:-1]))
    edges = edges[edges > values_N.min()]  # so that no bin is empty
    counted = np.bincount(np.searchsorted(edges, values_N, side="right"), minlength=len(edges) + 1)
    return edges.tolist(), (counted / len(values_N)).tolist()


def stability_index(expected: list[float], seen: list[int]) -> float:
    """PSI of counts beside expected shares; half a transaction is added to each bin, so that an empty one has a log."""
    total = sum(seen) + 0.5 * len(seen)
    shares = [(count + 0.5) / total for count in seen]
    return float(sum((s - e) * np.log(s / e) for s, e in zip(shares, expected, strict=True)))


def alarm(bins: int, now: int, training: int) -> float:
    """The index that chance exceeds once in a million windows, or the floor."""
    return max(FLOOR, float(chi2.isf(FALSE_ALARM, bins - 1)) * (1 / now + 1 / training))


class Drift:
    """Counts of the watched features, compared window by window."""

    def __init__(self, reference: dict[str, tuple[list[float], list[float]]], training_rows: int, window: int = WINDOW):
        self.reference, self.rows, self.window = reference, training_rows, window
        self.counts: dict[str, Counter[int]] = {name: Counter() for name in reference}
        self.seen = 0
        self.index = dict.fromkeys(reference, 0.0)
        self.drifted: dict[str, float] = {}  # features over the alarm in the last whole window

    def observe(self, values: dict[str, float]) -> None:
        for name, (edges, _) in self.reference.items():
            self.counts[name][bisect_right(edges, values[name])] += 1
        self.seen += 1
        if self.seen == self.window:
            self._compare()

    def _compare(self) -> None:
        for name, (_, expected) in self.reference.items():
            counted = [self.counts[name][place] for place in range(len(expected))]
            self.index[name] = stability_index(expected, counted)
            self.counts[name].clear()
        self.drifted = {
            name: value
            for name, value in self.index.items()
            if value > alarm(len(self.reference[name][1]), self.window, self.rows)
        }
        self.seen = 0
