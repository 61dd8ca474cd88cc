"""People who click, and a recommender that learns from what it showed them: a feedback loop with a known optimum.

Each of U people has tastes, each of I items qualities, both hidden; a shown item is clicked with a chance that follows
from both. Every round each person is shown k items, and the recommender is fitted again on all clicks so far. The
oracle shows everybody the k items with the highest chances; clicks are given as a fraction of its clicks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from posts.recommender.data import Ints
from posts.recommender.metrics import Reals, gini


@dataclass
class People:
    """Chances of a click (U, I), from tastes and qualities of `dimensions` and an appeal that everybody shares."""

    users: int
    items: int
    rng: np.random.Generator
    dimensions: int = 6
    chances: Reals = field(init=False)

    def __post_init__(self) -> None:
        tastes = self.rng.normal(size=(self.users, self.dimensions))
        qualities = self.rng.normal(size=(self.items, self.dimensions)) / np.sqrt(self.dimensions)
        appeal = 0.5 * self.rng.normal(size=self.items)
        self.chances = 1 / (1 + np.exp(2.5 - 1.5 * tastes @ qualities.T - appeal))

    def clicks(self, shown: Ints) -> np.ndarray:
        """(U, k) of 0 and 1, for lists (U, k)."""
        return self.rng.random(shown.shape) < np.take_along_axis(self.chances, shown, 1)

    def best(self, k: int) -> float:
        """Expected clicks of one round of the oracle."""
        return float(np.sort(self.chances, axis=1)[:, -k:].sum())


def predicted(clicks_UI: Reals, shown_UI: Reals, prior: float = 10.0) -> Reals:
    """(U, I): what the recommender thinks of each item for each person: a shrunk click rate, and neighbours' clicks.

    Co-clicks are normalised as a cosine; an item that was never shown has nothing but the average to speak for it.
    """
    rate = clicks_UI.sum() / max(shown_UI.sum(), 1)
    item_rate = (clicks_UI.sum(0) + prior * rate) / (shown_UI.sum(0) + prior)
    taken = (clicks_UI > 0).astype(np.float64)
    norms = np.sqrt(np.maximum(taken.sum(0), 1))
    cosine = (taken.T @ taken) / norms[:, None] / norms
    np.fill_diagonal(cosine, 0)
    own = np.maximum(taken.sum(1, keepdims=True), 1)
    return item_rate + taken @ cosine / own


def choose(scores: Reals, k: int, explore: float, rng: np.random.Generator) -> Ints:
    """(U, k): the best k of each row, then each place replaced, with probability `explore`, by an item not yet listed.

    Replacements are drawn without repeats from all other items.
    """
    jitter = rng.random(scores.shape) * 1e-9  # equal scores in random order
    order = np.argsort(-(scores + jitter), axis=1)
    shown = order[:, :k].copy()
    for user, place in zip(*np.nonzero(rng.random(shown.shape) < explore), strict=True):
        others = np.setdiff1d(order[user], shown[user])
        shown[user, place] = rng.choice(others)
    return shown


@dataclass(frozen=True)
class Round:
    """What a round of the loop came to."""

    fraction: float  # of the oracle's clicks
    exposure_gini: float  # over all rounds so far
    never_shown: float  # share of items nobody has been shown


def loop(people: People, rounds: int, k: int, explore: float, rng: np.random.Generator) -> list[Round]:
    """Recommend, click, learn, again. The first round is random for every policy."""
    shown_UI, clicks_UI = np.zeros((2, people.users, people.items))
    best, past = people.best(k), []
    for number in range(rounds):
        known = predicted(clicks_UI, shown_UI) if number else np.zeros_like(shown_UI)
        shown = choose(known, k, explore, rng)
        clicked = people.clicks(shown)
        rows = np.arange(people.users)[:, None]
        shown_UI[rows, shown] += 1
        clicks_UI[rows, shown] += clicked
        exposure = shown_UI.sum(0)
        past.append(Round(clicked.sum() / best, gini(exposure), float((exposure == 0).mean())))
    return past
