"""Ranking metrics with full ranking and fair ties, measures beyond accuracy, and bootstrap intervals over users.

A target that shares its score with others is as likely at any place among them: what is returned is the expectation
over those places. So a scorer that gives every item the same number gets what guessing gets, and no more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from posts.recommender.data import Floats, Histories, Ints

Reals = NDArray[np.float64]
Scorer = Callable[[Histories], Floats]  # histories of B users to scores (B, I)
BATCH = 512


@dataclass(frozen=True)
class Ranks:
    """Where each of U targets stands: `above` items score more, `tied` score the same, itself counted."""

    above: Ints  # (U,)
    tied: Ints  # (U,)

    def expected(self, gain: Reals) -> Reals:
        """(U,): the mean of gain[place] over the places a target may have; gain is 0 beyond its end."""
        cumulated = np.concatenate([[0.0], np.cumsum(gain)])
        low = np.minimum(self.above, len(gain))
        high = np.minimum(self.above + self.tied, len(gain))
        return (cumulated[high] - cumulated[low]) / self.tied

    def recall(self, k: int) -> Reals:
        """(U,): the chance that the target is among the first k. With one target a user, also the hit rate."""
        return self.expected(np.ones(k))

    def ndcg(self, k: int) -> Reals:
        """(U,): 1 / log2(place + 2) if the place (from 0) is below k; the ideal of a single target is 1."""
        return self.expected(1 / np.log2(np.arange(k) + 2))


def place(scores: Floats, targets: Ints, seen: sp.csr_matrix | None = None) -> Ranks:
    """Ranks of targets (B,) among scores (B, I), items that the user has seen left out unless they are the target.

    Raises ValueError for a score that is no number: it would compare as neither above nor tied.
    """
    if np.isnan(scores).any():
        raise ValueError("a score is not a number")
    own = scores[np.arange(len(targets)), targets]
    above, tied = (np.count_nonzero(compare(scores, own[:, None]), axis=1) for compare in (np.greater, np.equal))
    if seen is not None:
        users, items = seen.nonzero()
        counted = items != targets[users]
        users, hidden = users[counted], scores[users[counted], items[counted]]
        above = above - np.bincount(users[hidden > own[users]], minlength=len(targets))
        tied = tied - np.bincount(users[hidden == own[users]], minlength=len(targets))
    return Ranks(above, tied)


def rank_all(scorer: Scorer, histories: Histories, targets: Ints, batch: int = BATCH) -> Ranks:
    """Full ranking of one target a user among all items that the user has not seen."""
    parts = []
    for start in range(0, len(histories), batch):
        some = histories.part(start, start + batch)
        parts.append(place(scorer(some), targets[start : start + batch], some.matrix()))
    return Ranks(np.concatenate([p.above for p in parts]), np.concatenate([p.tied for p in parts]))


def top(scores: Floats, k: int, seen: sp.csr_matrix | None = None) -> Ints:
    """(B, k): the best items of each row of (B, I), best first, equal scores by the item's number.

    Items seen are left out. Raises ValueError where fewer than k are left.
    """
    open_: Reals = scores.astype(np.float64)  # a copy
    if seen is not None:
        open_[seen.nonzero()] = -np.inf
    if (np.isfinite(open_).sum(1) < k).any():
        raise ValueError(f"fewer than {k} items are left to recommend")
    return np.argsort(-open_, axis=1, kind="stable")[:, :k]


def recommend_all(scorer: Scorer, histories: Histories, k: int, batch: int = BATCH) -> Ints:
    """(U, k): what each user is shown."""
    parts = [histories.part(start, start + batch) for start in range(0, len(histories), batch)]
    return np.concatenate([top(scorer(some), k, some.matrix()) for some in parts])


def bootstrap(values: Reals, draws: int, rng: np.random.Generator, level: float = 0.95) -> tuple[float, float]:
    """A percentile interval of the mean over users: what other users would change, not what another seed would."""
    means = [values[rng.integers(len(values), size=len(values))].mean() for _ in range(draws)]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def coverage(lists: Ints, item_count: int) -> float:
    """The share of items that are recommended to anybody."""
    return len(np.unique(lists)) / item_count


def gini(counts: NDArray[np.number]) -> float:
    """How unevenly exposure is spread: 0 if all get the same, towards 1 if one gets everything."""
    ordered = np.sort(counts.astype(np.float64))
    if ordered.sum() == 0:
        return 0.0
    n = len(ordered)
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * ordered.sum()))


def popularity_lift(lists: Ints, histories: Histories) -> Reals:
    """(U,): mean log2 ratio of the popularity of what is shown to that of what the user took."""
    counts = np.bincount(histories.items, minlength=histories.item_count)
    logs = np.log2(counts + 1)
    own = np.add.reduceat(logs[histories.items], histories.starts[:-1]) / histories.lengths
    return logs[lists].mean(1) - own


def diversity(lists: Ints, features: Floats) -> Reals:
    """(U,): mean of 1 − cosine over pairs of a list, in the features (I, G) of the items."""
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features / np.where(norms == 0, 1, norms)
    k = lists.shape[1]
    sums = unit[lists].sum(1)  # (U, G)
    same = (unit[lists] ** 2).sum((1, 2))
    return 1 - ((sums**2).sum(1) - same) / (k * (k - 1))


def miscalibration(lists: Ints, histories: Histories, genres: Floats, blend: float = 0.01) -> Reals:
    """(U,): Kullback-Leibler divergence of a list's genres from those of the user's history (Steck 2018), in nats.

    genres (I, G) has rows that sum to 1. The list's share is blended with the history's, as the source does, so that
    a missing genre costs much and not infinitely much.
    """
    p = np.add.reduceat(genres[histories.items], histories.starts[:-1], axis=0) / histories.lengths[:, None]
    q = (1 - blend) * genres[lists].mean(1) + blend * p
    return np.where(p > 0, p * np.log(np.where(p > 0, p, 1) / np.where(q > 0, q, 1)), 0).sum(1)
