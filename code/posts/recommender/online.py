"""Experiments with people: how many an A/B test needs, and what interleaving saves.

Sample sizes follow the normal approximation for two proportions, and are tried by simulation. Team-draft interleaving
(Radlinski, Kurup and Joachims 2008): two rankings take turns, in random order a round, to add their best item not yet
listed; clicks are credited to the team that added the item; a session is won by the team with more clicks.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from lockstep.errors import LockstepError

from posts.recommender.data import Ints
from posts.recommender.metrics import Reals

LEVEL, POWER = 0.05, 0.8


def users_per_arm(rate: float, lift: float, level: float = LEVEL, power: float = POWER) -> int:
    """Users in each arm to see a relative lift of a conversion rate, two-sided. Raises LockstepError for no lift."""
    other = rate * (1 + lift)
    if not 0 < rate < 1 or not 0 < other < 1 or lift == 0:
        raise LockstepError(f"a rate of {rate:g} with a lift of {lift:g} is no pair of different rates between 0 and 1")
    z = NormalDist().inv_cdf
    mean = (rate + other) / 2
    under_null = z(1 - level / 2) * np.sqrt(2 * mean * (1 - mean))
    under_lift = z(power) * np.sqrt(rate * (1 - rate) + other * (1 - other))
    return int(np.ceil((under_null + under_lift) ** 2 / (other - rate) ** 2))


def power_of(rate: float, lift: float, users: int, tests: int, rng: np.random.Generator) -> float:
    """The share of simulated A/B tests that find a difference at the level, by a pooled z test."""
    a, b = (rng.binomial(users, p, size=tests) / users for p in (rate, rate * (1 + lift)))
    pooled = (a + b) / 2
    error = np.sqrt(2 * pooled * (1 - pooled) / users)
    return float((np.abs(b - a) > NormalDist().inv_cdf(1 - LEVEL / 2) * error).mean())


def team_draft(first: Ints, second: Ints, k: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """A list of k items and which ranking (0 or 1) added each. Raises LockstepError where they hold fewer items."""
    rankings, listed, teams = (first, second), [], []
    at = [0, 0]
    while len(listed) < k:
        for team in rng.permutation(2):
            ranking = rankings[team]
            while at[team] < len(ranking) and ranking[at[team]] in listed:
                at[team] += 1
            if at[team] < len(ranking) and len(listed) < k:
                listed.append(int(ranking[at[team]]))
                teams.append(int(team))
        if len(listed) < k and all(at[t] >= len(rankings[t]) for t in (0, 1)):
            raise LockstepError(f"the two rankings hold {len(listed)} different items, {k} are to be shown")
    return np.array(listed), np.array(teams)


def session_clicks(shown: Ints, relevance: Reals, rng: np.random.Generator) -> np.ndarray:
    """(k,) of bool: looked at with a chance that falls with the place, clicked with the item's relevance."""
    looked = 1 / np.log2(np.arange(len(shown)) + 2)
    return rng.random(len(shown)) < looked * relevance[shown]


def sign_test_wins(outcomes: np.ndarray) -> bool:
    """Do wins (+1) and losses (−1) differ at the level, ties left out? Normal approximation of the sign test."""
    decided = outcomes[outcomes != 0]
    if not len(decided):
        return False
    return bool(abs(decided.sum()) / np.sqrt(len(decided)) > NormalDist().inv_cdf(1 - LEVEL / 2))
