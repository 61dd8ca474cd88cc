"""Features of a whole data set at once, by sorting and running totals: what studies train on.

The same counts as windows.py makes row by row, reached by another way: rows are sorted by card or terminal, a window is
found by binary search over (entity, time), and its sum is a difference of two running totals of int64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from posts.fraud.data import FIRST_WEEKDAY, Transactions
from posts.fraud.features import (
    CARD_WINDOWS,
    DAY,
    HOT_WINDOWS,
    LABEL_WINDOWS,
    LARGE,
    NONE,
    PRIOR_COUNT,
    PRIOR_SUM,
    TERMINAL_WINDOWS,
    finish,
    hot,
    usual,
)

Array = np.ndarray[Any, Any]
NIGHT_ENDS = 7  # hours 0 to 6 are night
ENTITY = 1 << 32  # seconds between the keys of two entities: more than any window reaches back


class Sorted:
    """Rows by entity, those of an entity in order of arrival."""

    def __init__(self, entity_N: Array, time_N: Array):
        self.order_N = np.argsort(entity_N, kind="stable")
        self.entity_N, self.time_N = entity_N[self.order_N], time_N[self.order_N]
        self.key_N = self.entity_N * ENTITY + self.time_N + ENTITY // 2
        self.start_N = np.searchsorted(self.entity_N, self.entity_N)  # the entity's first row
        self.row_N = np.arange(len(entity_N))

    def at(self, seconds_ago: int) -> Array:
        """For each row, the first row of its entity that is younger than so many seconds before it."""
        return np.maximum(np.searchsorted(self.key_N, self.key_N - seconds_ago, side="right"), self.start_N)

    def totals(self, value_N: Array) -> Array:
        """Running totals (N + 1,) of a column that is in the original order."""
        return np.concatenate([[0], np.cumsum(value_N[self.order_N].astype(np.int64))])

    def back(self, value_N: Array) -> Array:
        """A column in the original order."""
        restored_N = np.empty_like(value_N)
        restored_N[self.order_N] = value_N
        return restored_N


def counts(world: Transactions, delay: int) -> Array:
    """Integer features (N, F) in the order of features.NAMES. `delay` in seconds."""
    cards, terminals = Sorted(world.customer_N, world.time_N), Sorted(world.terminal_N, world.time_N)
    weekday_N, hour_N = (FIRST_WEEKDAY + world.time_N // DAY) % 7, world.time_N % DAY // 3600
    columns = [world.cents_N, (weekday_N >= 5).astype(np.int64), (hour_N < NIGHT_ENDS).astype(np.int64)]
    on_card, is_hot_N = of_cards(cards, world, delay)
    at_terminal = of_terminals(terminals, world, delay, is_hot_N)
    columns += [*on_card["windows"], *at_terminal["windows"], *on_card["usual"]]
    columns += [*at_terminal["gap"], *at_terminal["last"], *on_card["labels"], *on_card["hot"], *at_terminal["plain"]]
    return np.column_stack(columns)


def features(world: Transactions, delay: int) -> Array:
    """Features (N, F) in float64."""
    return finish(counts(world, delay))


def of_cards(cards: Sorted, world: Transactions, delay: int) -> tuple[dict[str, list[Array]], Array]:
    """Groups of columns about the card, and which rows (N,) are hot."""
    time_N, start_N, row_N = cards.time_N, cards.start_N, cards.row_N
    cents_N = world.cents_N[cards.order_N]
    total = cards.totals(world.cents_N)
    seen_N, spent_N = row_N - start_N, total[:-1] - total[start_N]
    usual_N = usual(cents_N, seen_N, spent_N)
    usual_rows, usual_total = (np.concatenate([[0], np.cumsum(usual_N * value)]) for value in (1, cents_N))
    usual_count_N = usual_rows[:-1] - usual_rows[start_N] + PRIOR_COUNT
    usual_sum_N = usual_total[:-1] - usual_total[start_N] + PRIOR_SUM
    hot_N = hot(cents_N, usual_count_N, usual_sum_N)

    windows = [cards.at(days * DAY) for days in CARD_WINDOWS]
    hots = np.concatenate([[0], np.cumsum(hot_N)])
    last_hot_N = before(hot_N, start_N)
    old_N = np.minimum(cards.at(delay), row_N)
    frauds = cards.totals(world.fraud_N)
    label_windows = [np.minimum(cards.at(delay + days * DAY), old_N) for days in LABEL_WINDOWS]
    groups = {
        "windows": [row_N + 1 - at for at in windows] + [total[1:] - total[at] for at in windows],
        "usual": [usual_count_N, usual_sum_N, seen_N, since(time_N, row_N - 1, start_N)],
        "labels": [old_N - at for at in label_windows] + [frauds[old_N] - frauds[at] for at in label_windows],
        "hot": [hots[1:] - hots[cards.at(days * DAY)] for days in HOT_WINDOWS] + [since(time_N, last_hot_N, start_N)],
    }
    return {name: [cards.back(column) for column in group] for name, group in groups.items()}, cards.back(hot_N)


def of_terminals(terminals: Sorted, world: Transactions, delay: int, is_hot_N: Array) -> dict[str, list[Array]]:
    """Groups of columns about the terminal."""
    time_N, start_N, row_N = terminals.time_N, terminals.start_N, terminals.row_N
    fraud_N = world.fraud_N[terminals.order_N]
    plain_N = world.fraud_N * ~is_hot_N * (world.cents_N <= LARGE)
    frauds, plain = terminals.totals(world.fraud_N), terminals.totals(plain_N)
    old_N = np.minimum(terminals.at(delay), row_N)  # rows before this one have a label that counts
    windows = [np.minimum(terminals.at(delay + days * DAY), old_N) for days in TERMINAL_WINDOWS]
    last_N = old_N - 1
    known_N = last_N >= start_N
    genuine_N = np.maximum.accumulate(np.where(fraud_N == 0, row_N, -1))  # the last genuine row up to each
    last_genuine_N = np.where(known_N, np.maximum(genuine_N[last_N], start_N - 1), start_N - 1)
    streak_N = np.where(known_N, last_N - last_genuine_N, 0)
    began_N = np.minimum(last_genuine_N + 1, row_N)
    groups = {
        "windows": [old_N - at for at in windows] + [frauds[old_N] - frauds[at] for at in windows],
        "gap": [since(time_N, row_N - 1, start_N)],
        "last": [
            np.where(known_N, fraud_N[last_N], NONE),
            np.where(known_N, time_N - time_N[last_N], NONE),
            row_N - old_N,
        ],
        "plain": [
            *(plain[old_N] - plain[at] for at in windows[1:]),
            streak_N,
            np.where(streak_N > 0, time_N - time_N[began_N], NONE),
            since(time_N, last_genuine_N, start_N),
        ],
    }
    return {name: [terminals.back(column) for column in group] for name, group in groups.items()}


def before(flag_N: Array, start_N: Array) -> Array:
    """The last row before each, of the same entity, that has the flag; a row before the entity's first where none."""
    row_N = np.arange(len(flag_N))
    flagged_N = np.concatenate([[-1], np.maximum.accumulate(np.where(flag_N, row_N, -1))[:-1]])
    return np.maximum(flagged_N, start_N - 1)


def since(time_N: Array, row_N: Array, start_N: Array) -> Array:
    """Seconds from another row to each, or NONE where that row is not the entity's."""
    return np.where(row_N >= start_N, time_N - time_N[row_N], NONE)
