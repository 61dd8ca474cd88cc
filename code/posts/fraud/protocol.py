"""Who is trained on, who is tested, and what counts: the protocol of the book.

A training period, a delay in which labels are unknown, a test week (section "Baseline fraud detection system" of Le
Borgne et al., 2022). Cards that are known to be compromised are taken out of the test: those with a fraud in the
training period, and, day by day, those with a fraud that has become known since. Metrics are the book's as well: AUC
ROC, average precision, and card precision at 100, the share of real frauds among the hundred most suspicious cards of
a day, where a card that was found is not looked at again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from posts.fraud.data import Transactions

Array = np.ndarray[Any, Any]


class Split(NamedTuple):
    """Rows to train on and rows to test on, as masks (N,), and the first day of the test."""

    train_N: Array
    test_N: Array
    first_day: int


def split(world: Transactions, start: int, train: int = 7, delay: int = 7, test: int = 7, since: int | None = None):
    """The split of a training week that begins on day `start`, in days.

    `since` trains on everything from that day on instead, up to the same end; which cards are known stays the same.
    """
    day_N, fraud_N = world.day_N, world.fraud_N == 1
    week_N = (day_N >= start) & (day_N < start + train)
    known = set(world.customer_N[week_N & fraud_N].tolist())
    test_N = np.zeros(len(world), dtype=bool)
    first = start + train + delay
    for day in range(first, first + test):
        known |= set(world.customer_N[fraud_N & (day_N == day - delay - 1)].tolist())
        test_N |= (day_N == day) & ~np.isin(world.customer_N, np.fromiter(known, dtype=np.int64))
    train_N = week_N if since is None else (day_N >= since) & (day_N < start + train)
    return Split(train_N, test_N, first)


def average_precision(fraud_N: Array, score_N: Array) -> float:
    """Area under precision and recall as a step function; ties are entered together."""
    order = np.argsort(-score_N, kind="stable")
    score, fraud = score_N[order], fraud_N[order]
    last = np.flatnonzero(np.append(np.diff(score) != 0, True))  # of each group of equal scores
    found = np.cumsum(fraud)[last]
    precision = found / (last + 1)
    return float((np.diff(found, prepend=0) * precision).sum() / max(found[-1], 1))


def area_under_roc(fraud_N: Array, score_N: Array) -> float:
    """The share of pairs of a fraud and a genuine transaction that the score has in order; ties count one half."""
    _, place_N, number = np.unique(score_N, return_inverse=True, return_counts=True)
    rank = np.cumsum(number) - (number - 1) / 2
    frauds = int(fraud_N.sum())
    genuine = len(fraud_N) - frauds
    return float((rank[place_N][fraud_N == 1].sum() - frauds * (frauds + 1) / 2) / (frauds * genuine))


def card_precision(day_N: Array, customer_N: Array, fraud_N: Array, score_N: Array, top: int) -> float:
    """Mean over days of the share of compromised cards among the `top` most suspicious ones of the day."""
    found: set[int] = set()
    shares = []
    for day in np.unique(day_N):
        rows = np.flatnonzero((day_N == day) & ~np.isin(customer_N, np.fromiter(found, dtype=np.int64)))
        cards, of_card = np.unique(customer_N[rows], return_inverse=True)
        score, bad = np.full(len(cards), -np.inf), np.zeros(len(cards))
        np.maximum.at(score, of_card, score_N[rows])
        np.maximum.at(bad, of_card, fraud_N[rows])
        chosen = np.argsort(-score, kind="stable")[:top]
        hits = cards[chosen][bad[chosen] == 1]
        shares.append(len(hits) / top)
        found |= set(hits.tolist())
    return float(np.mean(shares))


def measure(world: Transactions, test_N: Array, score_M: Array, top: int) -> dict[str, float]:
    """AUC, AP and card precision of scores (M,) for the M rows of the test."""
    fraud_M = world.fraud_N[test_N]
    cards = card_precision(world.day_N[test_N], world.customer_N[test_N], fraud_M, score_M, top)
    return {
        "auc": area_under_roc(fraud_M, score_M),
        "average_precision": average_precision(fraud_M, score_M),
        "card_precision": cards,
    }
