"""Transactions: the published world of the handbook, and worlds of our own by the same published rules.

The rules are those of chapter 3 of Le Borgne et al., *Reproducible machine learning for credit card fraud detection*
(2022). A customer has a place, a mean amount and a rate; a terminal has a place; customers pay at terminals near them.
Then three scenarios of fraud are added: amounts above 220; terminals that are bad for 28 days; cards of which a third
of the payments are multiplied by five for 14 days. What is written here follows the text, not the code, and draws
other numbers: an independent world for each seed.

Amounts are integers of cents everywhere. Rows are in the order of the data set, which is the order of arrival: several
transactions share a second, and sums over windows depend on which of them came first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from lockstep.datasets import Arrays, Made
from lockstep.errors import DataError

Array = np.ndarray[Any, Any]
DAY = 86_400  # seconds
RADIUS = 5.0  # how far a customer goes for a terminal, on a map of 100 × 100
LARGE = 22_000  # cents above which the first scenario calls a transaction fraud
TERMINAL_DAYS, CARD_DAYS, TIMES = 28, 14, 5
TERMINALS_A_DAY, CARDS_A_DAY = 2, 3
NOON, SPREAD = DAY // 2, 20_000  # seconds: when in the day people pay
LOWEST, HIGHEST = 500, 10_000  # cents: customers' mean amounts are uniform between these
PUBLISHED_CUSTOMERS, PUBLISHED_TERMINALS = 5_000, 10_000
FIRST_WEEKDAY = 6  # 2018-04-01, the first day of the published data, was a Sunday; a world of our own begins on one too


@dataclass(frozen=True)
class Transactions:
    """Columns of N transactions in order of arrival.

    `time_N` in seconds from the first midnight, `cents_N` in cents, `scenario_N` 0 for a genuine transaction or the
    scenario of the fraud. `mean_C` is each customer's true mean amount in cents, which only the limit may look at.
    """

    time_N: Array
    customer_N: Array
    terminal_N: Array
    cents_N: Array
    scenario_N: Array
    mean_C: Array

    def __len__(self) -> int:
        return len(self.time_N)

    @property
    def fraud_N(self) -> Array:
        return (self.scenario_N > 0).astype(np.int64)

    @property
    def day_N(self) -> Array:
        return self.time_N // DAY


def transactions(arrays: Arrays) -> Transactions:
    """Columns of a declared data set as the post uses them.

    Raises DataError where an amount is no whole number of cents, or the rows are not in the order of time: windows
    would count something else without a word.
    """
    if "cents" in arrays:
        cents = arrays["cents"].astype(np.int64)
    else:
        cents = np.rint(arrays["TX_AMOUNT"] * 100).astype(np.int64)
        if np.abs(cents / 100 - arrays["TX_AMOUNT"]).max() > 1e-6:  # what was multiplied by five is not always exact
            raise DataError("an amount of the data set is no whole number of cents")
    time = arrays["TX_TIME_SECONDS"].astype(np.int64)
    if (np.diff(time) < 0).any():
        raise DataError("the rows of the data set are not in the order of time")
    columns = ("CUSTOMER_ID", "TERMINAL_ID", "TX_FRAUD_SCENARIO")
    customer, terminal, scenario = (arrays[name].astype(np.int64) for name in columns)
    mean = arrays["mean"] if "mean" in arrays else published_means()
    return Transactions(time, customer, terminal, cents, scenario, mean.astype(np.float64))


def published_means() -> Array:
    """Customers' true mean amounts in the published world, in cents.

    Its recipe draws four uniform numbers for each customer from NumPy's legacy generator with seed 0, the third of
    which is the mean between 5 and 100. A test compares them with what the customers spend.
    """
    uniform_C4 = np.random.RandomState(0).uniform(size=(PUBLISHED_CUSTOMERS, 4))
    return LOWEST + (HIGHEST - LOWEST) * uniform_C4[:, 2]


def simulate(seed: int, customers: int, terminals: int, days: int) -> Arrays:
    """One world. The same seed gives the same bytes."""
    rng = np.random.default_rng(seed)
    home_C2, place_T2 = rng.uniform(0, 100, (customers, 2)), rng.uniform(0, 100, (terminals, 2))
    mean_C, rate_C = rng.uniform(LOWEST, HIGHEST, customers), rng.uniform(0, 4, customers)
    columns = []
    for customer in range(customers):
        near = np.flatnonzero(((place_T2 - home_C2[customer]) ** 2).sum(axis=1) < RADIUS**2)
        count_D = rng.poisson(rate_C[customer], days)
        day = np.repeat(np.arange(days), count_D)
        within = np.rint(rng.normal(NOON, SPREAD, len(day))).astype(np.int64)
        kept = (within > 0) & (within < DAY)
        if len(near) == 0 or not kept.any():
            continue
        time, mean = (day * DAY + within)[kept], mean_C[customer]
        amount = rng.normal(mean, mean / 2, len(time))
        amount = np.where(amount < 0, rng.uniform(0, 2 * mean, len(time)), amount)
        where = rng.choice(near, len(time))
        columns.append((time, np.full(len(time), customer), where, np.rint(amount).astype(np.int64)))
    time, customer, terminal, cents = (np.concatenate(column) for column in zip(*columns, strict=True))
    order = np.argsort(time, kind="stable")
    time, customer, terminal, cents = time[order], customer[order], terminal[order], cents[order]
    scenario, cents = add_fraud(rng, time // DAY, customer, terminal, cents, (customers, terminals, days))
    return {
        "TX_TIME_SECONDS": time.astype("<i4"),
        "CUSTOMER_ID": customer.astype("<i4"),
        "TERMINAL_ID": terminal.astype("<i4"),
        "cents": cents.astype("<i4"),
        "TX_FRAUD_SCENARIO": scenario.astype("i1"),
        "mean": mean_C,
    }


def add_fraud(
    rng: np.random.Generator, day_N: Array, customer_N: Array, terminal_N: Array, cents_N: Array, size: tuple[int, ...]
) -> tuple[Array, Array]:
    """Scenarios (N,) and amounts (N,) after the three scenarios, in the order in which the handbook adds them.

    A smaller world has proportionally fewer bad terminals and stolen cards a day.
    """
    customers, terminals, days = size
    cents_N = cents_N.copy()
    scenario_N = np.where(cents_N > LARGE, 1, 0)
    first_D = np.searchsorted(day_N, np.arange(days + 1))  # the row at which each day begins
    for day in range(days):
        span = slice(first_D[day], first_D[min(day + TERMINAL_DAYS, days)])
        bad = rng.choice(terminals, some(rng, TERMINALS_A_DAY * terminals / PUBLISHED_TERMINALS), replace=False)
        scenario_N[span][np.isin(terminal_N[span], bad)] = 2
    for day in range(days):
        span = slice(first_D[day], first_D[min(day + CARD_DAYS, days)])
        stolen = rng.choice(customers, some(rng, CARDS_A_DAY * customers / PUBLISHED_CUSTOMERS), replace=False)
        rows = span.start + np.flatnonzero(np.isin(customer_N[span], stolen))
        chosen = rng.choice(rows, len(rows) // 3, replace=False)
        cents_N[chosen] *= TIMES
        scenario_N[chosen] = 3
    return scenario_N, cents_N


def some(rng: np.random.Generator, expected: float) -> int:
    """A whole number with this mean: the one below or the one above."""
    return int(expected) + int(rng.random() < expected % 1)


def _small() -> Arrays:
    return simulate(0, customers=200, terminals=400, days=95)


small = Made("small_world", _small, licence="made by this file")
