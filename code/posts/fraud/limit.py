"""The limit: the probability of fraud for someone who knows how the world was made, and sees what a bank sees.

Known: the rules of the simulation, each customer's true mean amount, all amounts so far, and the labels of transactions
that are older than the delay. Not known: which terminals and cards are bad, and since when. So a transaction's score is
the posterior probability of fraud, by Bayes' rule over the day on which its terminal, or its card, went bad.

    terminal   bad since day s: every transaction on days [s, s + 28) is a fraud
    card       bad since day s: each transaction on days [s, s + 14) is one of the third that is multiplied by five
    amount     above 220: fraud for certain

With `digits` it also sees that an amount times five ends in 0 or 5: a trace of the simulation which no bank has, kept
apart.

Three simplifications, each small: a terminal or card goes bad at most once within the days looked at; what a card's
labels say does not depend on its terminals' states beyond a constant rate; a third is taken as independent draws. So
this is the limit within them, and a test checks its calibration on a world made anew.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr

from posts.fraud.batch import ENTITY, Sorted
from posts.fraud.data import CARD_DAYS, DAY, LARGE, TERMINAL_DAYS, TIMES, Transactions

Array = np.ndarray[Any, Any]
SHARE = 1 / 3  # of a bad card's transactions that are multiplied
LOOKED = 62  # days before the transaction on which a terminal may have gone bad; its labels are looked at since then
NEVER = -30.0  # log probability of what cannot be
ROUNDING = 0.5  # cents: half of the step in which amounts are recorded


class Rates(NamedTuple):
    """How often a terminal, and a card, goes bad on a day; and the share of transactions at bad terminals."""

    terminal: float
    card: float
    at_bad_terminals: float


def rates(terminals: int = 10_000, customers: int = 5_000) -> Rates:
    """Those of the handbook: two terminals and three cards a day, whatever the size of a smaller world is."""
    return Rates(2 / 10_000, 3 / 5_000, TERMINAL_DAYS * 2 / 10_000)


def density(cents_N: Array, mean_N: Array) -> Array:
    """Probability of a genuine amount, to the cent: normal with half its mean as deviation; a negative draw is drawn
    again, uniform up to the mean twice."""
    spread_N = mean_N / 2
    upper, lower = (cents_N + ROUNDING - mean_N) / spread_N, (cents_N - ROUNDING - mean_N) / spread_N
    normal = np.where(lower > 0, ndtr(-lower) - ndtr(-upper), ndtr(upper) - ndtr(lower))
    return normal + ndtr(-2.0) * (cents_N <= 2 * mean_N) / (2 * mean_N)


class Evidence:
    """What each row of a world says, in log ratios of bad to good, summed along its terminal and along its card."""

    def __init__(self, world: Transactions, rate: Rates, digits: bool = False):
        self.world, self.rate = world, rate
        mean_N = world.mean_C[world.customer_N]
        self.genuine_N = density(world.cents_N, mean_N) + 1e-15
        self.multiplied_N = density(world.cents_N / TIMES, mean_N) / TIMES + 1e-16
        if digits:  # cents times five end in 0 or 5: a trace of how the world was made
            self.multiplied_N = np.where(world.cents_N % TIMES == 0, self.multiplied_N * TIMES, 1e-16)
        self.large_N = world.cents_N > LARGE
        fraud_N = world.fraud_N == 1
        self.terminals = Sorted(world.terminal_N, world.time_N)
        self.cards = Sorted(world.customer_N, world.time_N)
        bad = CARD_DAYS * rate.card
        other_N = self.multiplied_N * bad * SHARE
        other_N = np.where(self.large_N, 1 - 1e-6, other_N / (other_N + (1 - bad * SHARE) * self.genuine_N))
        other_N = np.clip(other_N, 1e-7, 1 - 1e-6)  # that it is a fraud at a good terminal
        self.terminal_ratio = running(self.terminals, np.where(fraud_N, -np.log(other_N), NEVER - np.log1p(-other_N)))
        at_bad_N = np.where(self.large_N, 1 - 1e-6, rate.at_bad_terminals)
        good_N = self.genuine_N * np.where(fraud_N, at_bad_N, 1 - at_bad_N)
        labelled_N = np.where(fraud_N, SHARE * self.multiplied_N, 0) + (1 - SHARE) * good_N
        unlabelled_N = SHARE * self.multiplied_N + (1 - SHARE) * self.genuine_N
        self.labelled_ratio = running(self.cards, np.log(labelled_N) - np.log(good_N))
        self.unlabelled_ratio = running(self.cards, np.log(unlabelled_N) - np.log(self.genuine_N))

    def posterior(self, rows_M: Array, delay: int) -> Array:
        """Probability of fraud (M,) of these rows, labels being `delay` seconds late."""
        terminal_M, card_M = self.bad_terminal(rows_M, delay), self.bad_card(rows_M, delay) * SHARE
        genuine_M, multiplied_M = self.genuine_N[rows_M], self.multiplied_N[rows_M]
        fraud_M = card_M * multiplied_M + (1 - card_M) * terminal_M * genuine_M
        return np.where(self.large_N[rows_M], 1.0, fraud_M / (fraud_M + (1 - card_M) * (1 - terminal_M) * genuine_M))

    def bad_terminal(self, rows_M: Array, delay: int) -> Array:
        """Probability that the terminal is bad on the row's day, from known labels."""
        entity_M, time_M, place_M = self.of(self.terminals, self.world.terminal_N, rows_M)
        day_M = time_M // DAY
        known_M = np.minimum(find(self.terminals, entity_M, time_M - delay + 1), place_M)
        since_MS = day_M[:, None] + np.arange(-LOOKED, 1)
        first_MS = self.days(self.terminals, entity_M, since_MS)
        last_MS = self.days(self.terminals, entity_M, since_MS + TERMINAL_DAYS)
        ratio_MS = between(self.terminal_ratio, first_MS, last_MS, known_M[:, None])
        return posterior(ratio_MS, self.rate.terminal, np.arange(-LOOKED, 1) > -TERMINAL_DAYS)

    def bad_card(self, rows_M: Array, delay: int) -> Array:
        """Probability that the card is bad on the row's day, from amounts so far and known labels."""
        entity_M, time_M, place_M = self.of(self.cards, self.world.customer_N, rows_M)
        known_M = np.minimum(find(self.cards, entity_M, time_M - delay + 1), place_M)[:, None]
        start = np.arange(2 - 2 * CARD_DAYS, 1)
        since_MS = (time_M // DAY)[:, None] + start
        first_MS = self.days(self.cards, entity_M, since_MS)
        last_MS = np.minimum(self.days(self.cards, entity_M, since_MS + CARD_DAYS), place_M[:, None])
        ratio_MS = between(self.labelled_ratio, first_MS, last_MS, known_M)
        ratio_MS += between(self.unlabelled_ratio, np.maximum(first_MS, known_M), last_MS, place_M[:, None])
        return posterior(ratio_MS, self.rate.card, start > -CARD_DAYS)

    @staticmethod
    def of(entities: Sorted, entity_N: Array, rows_M: Array) -> tuple[Array, Array, Array]:
        """Entity, time and place in the sorted order of rows."""
        place_N = np.empty(len(entity_N), dtype=np.int64)
        place_N[entities.order_N] = entities.row_N
        place_M = place_N[rows_M]
        return entities.entity_N[place_M], entities.time_N[place_M], place_M

    @staticmethod
    def days(entities: Sorted, entity_M: Array, day_MS: Array) -> Array:
        """The first sorted row of each entity on or after a day."""
        return find(entities, np.broadcast_to(entity_M[:, None], day_MS.shape), day_MS * DAY)


def running(entities: Sorted, ratio_N: Array) -> Array:
    """Running totals (N + 1,) along the sorted order."""
    return np.concatenate([[0.0], np.cumsum(ratio_N[entities.order_N])])


def find(entities: Sorted, entity_M: Array, time_M: Array) -> Array:
    """The first sorted row of an entity at or after a time."""
    return np.searchsorted(entities.key_N, entity_M * ENTITY + time_M + ENTITY // 2)


def between(total: Array, first_MS: Array, last_MS: Array, end_M1: Array) -> Array:
    """Sums of rows from first up to last, none of them at or after the end."""
    last_MS = np.minimum(last_MS, end_M1)
    return np.where(last_MS > first_MS, total[last_MS] - total[np.minimum(first_MS, last_MS)], 0.0)


def posterior(ratio_MS: Array, rate: float, still_S: Array) -> Array:
    """Probability (M,) that it went bad, at most once, on a day from which it would still be bad."""
    ratio_MS = np.minimum(ratio_MS, 500.0)
    weight_MS = rate * np.exp(ratio_MS)
    never = 1 - rate * ratio_MS.shape[1]
    return (weight_MS * still_S).sum(axis=1) / (weight_MS.sum(axis=1) + never)
