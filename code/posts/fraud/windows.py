"""Windows over the stream, row by row: integers that the service keeps in its process, and the trainer replays.

A card or a terminal keeps the times of its recent transactions and running totals beside them. A window is the
difference of two totals, found by bisection, so that nothing is ever subtracted twice and a snapshot is plain data.
Labels come later, by their own feed. A label counts once its transaction is older than the delay, however early it
arrived; one that comes later than that is put in its place, and the totals after it are made again.

Order is the order of arrival. The clock never goes back: a transaction that says it is older than the newest one seen
is counted at the time of the newest.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import msgspec

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
    hot,
    usual,
)

CHUNK = 32  # rows that are forgotten at once, when all of them are out of every window
UNKNOWN, GENUINE, FRAUD = -1, 0, 1
EVENING = 6  # the handbook calls the hours 0 to 6 night


def zero() -> Any:
    """A field that begins as [0]."""
    return msgspec.field(default_factory=lambda: [0])


def none() -> Any:
    """A field that begins as [NONE]."""
    return msgspec.field(default_factory=lambda: [NONE])


class Card(msgspec.Struct, array_like=True):
    """A customer's recent transactions. Totals have one entry more than rows: what came before the first."""

    times: list[int] = []
    numbers: list[int] = []
    labels: list[int] = []
    cents: list[int] = zero()  # total up to each row
    hots: list[int] = zero()
    frauds: list[int] = zero()  # of the rows whose label counts already: `counted` of them
    counted: int = 0
    seen: int = 0
    total: int = 0
    usual_count: int = 0
    usual_total: int = 0
    last_hot: int = NONE


class Terminal(msgspec.Struct, array_like=True):
    """A terminal's recent transactions; of each row whose label counts also what was last known after it."""

    times: list[int] = []
    numbers: list[int] = []
    labels: list[int] = []
    plain: list[bool] = []  # no hot and no large amount
    frauds: list[int] = zero()
    plain_frauds: list[int] = zero()
    genuine: list[int] = none()  # time of the last known genuine transaction
    streak: list[int] = zero()  # known frauds since then
    began: list[int] = none()  # time of the first of them
    last: list[int] = none()  # the last known label, and the time of its transaction
    last_time: list[int] = none()
    counted: int = 0


class Windows(msgspec.Struct):
    """The state of the service. `delay` in seconds: how old a transaction is when its label counts."""

    delay: int
    weekday: int = 6  # of day 0; Monday is 0
    clock: int = 0
    cards: dict[int, Card] = {}
    terminals: dict[int, Terminal] = {}
    awaited: dict[int, tuple[int, int, int]] = {}  # number: (time, card, terminal), until its label has come

    def observe(self, number: int, time: int, customer: int, terminal: int, cents: int) -> list[int]:
        """Count one transaction in, and return its features as integers, in the order of features.NAMES."""
        self.clock = time = max(time, self.clock)
        known = time - self.delay
        card = self.cards.get(customer)
        if card is None:
            card = self.cards[customer] = Card()
        place = self.terminals.get(terminal)
        if place is None:
            place = self.terminals[terminal] = Terminal()
        _count_card(card, known)
        _count_terminal(place, known)

        usual_count, usual_total = card.usual_count + PRIOR_COUNT, card.usual_total + PRIOR_SUM
        is_hot = hot(cents, usual_count, usual_total)
        card_gap = time - card.times[-1] if card.times else NONE
        hot_gap = time - card.last_hot if card.last_hot != NONE else NONE
        seen = card.seen
        _enter_card(card, number, time, cents, is_hot)

        times, total, hots = card.times, card.cents, card.hots
        rows = len(times)
        starts = [bisect_right(times, time - days * DAY) for days in CARD_WINDOWS]
        old = bisect_right(times, known, 0, rows - 1)  # the row itself is never known, without any delay either
        label_starts = [min(bisect_right(times, known - days * DAY), old) for days in LABEL_WINDOWS]
        hot_starts = [bisect_right(times, time - days * DAY) for days in HOT_WINDOWS]
        at, then = bisect_right(place.times, known), place.times
        from_row = [min(bisect_right(then, known - days * DAY), at) for days in TERMINAL_WINDOWS]
        counts = [cents, int((self.weekday + time // DAY) % 7 >= 5), int(time % DAY // 3600 <= EVENING)]
        counts += [rows - start for start in starts]
        counts += [total[rows] - total[start] for start in starts]
        counts += [at - start for start in from_row]
        counts += [place.frauds[at] - place.frauds[start] for start in from_row]
        counts += [usual_count, usual_total, seen, card_gap, time - then[-1] if then else NONE]
        counts += [place.last[at], time - place.last_time[at] if place.last[at] != NONE else NONE, len(then) - at]
        counts += [old - start for start in label_starts]
        counts += [card.frauds[old] - card.frauds[start] for start in label_starts]
        counts += [hots[rows] - hots[start] for start in hot_starts]
        counts += [hot_gap]
        counts += [place.plain_frauds[at] - place.plain_frauds[start] for start in from_row[1:]]
        counts += [place.streak[at], time - place.began[at] if place.streak[at] else NONE]
        counts += [time - place.genuine[at] if place.genuine[at] != NONE else NONE]

        _enter_terminal(place, number, time, not is_hot and cents <= LARGE)
        self.awaited[number] = (time, customer, terminal)
        _forget(card, known - CARD_WINDOWS[-1] * DAY, ("times", "numbers", "labels", "cents", "hots", "frauds"))
        _forget(place, known - TERMINAL_WINDOWS[-1] * DAY, TERMINAL_LISTS)
        return counts

    def label(self, number: int, is_fraud: bool) -> bool:
        """What the feed says of a transaction. False where none is waiting for it: unknown, labelled or too old."""
        entry = self.awaited.pop(number, None)
        if entry is None:
            return False
        time, customer, terminal = entry
        card, place = self.cards[customer], self.terminals[terminal]
        found = _place(card, number, time), _place(place, number, time)
        if found[0] is None or found[1] is None:
            return False
        label = FRAUD if is_fraud else GENUINE
        card.labels[found[0]] = place.labels[found[1]] = label
        if found[0] < card.counted:  # late: its row has counted as unknown
            card.counted = found[0]
            del card.frauds[found[0] + 1 :]
        if found[1] < place.counted:
            place.counted = found[1]
            for name in KNOWN_LISTS:
                del getattr(place, name)[found[1] + 1 :]
        return True


KNOWN_LISTS = ("frauds", "plain_frauds", "genuine", "streak", "began", "last", "last_time")
TERMINAL_LISTS = ("times", "numbers", "labels", "plain", *KNOWN_LISTS)


def _count_card(card: Card, known: int) -> None:
    """Let the labels count of all rows that are old enough."""
    times, row = card.times, card.counted
    while row < len(times) and times[row] <= known:
        card.frauds.append(card.frauds[row] + (card.labels[row] == FRAUD))
        row += 1
    card.counted = row


def _count_terminal(place: Terminal, known: int) -> None:
    times, row = place.times, place.counted
    while row < len(times) and times[row] <= known:
        time, label = times[row], place.labels[row]
        genuine, streak, began = place.genuine[row], place.streak[row], place.began[row]
        if label == FRAUD:
            streak, began = streak + 1, began if streak else time
        elif label == GENUINE:
            genuine, streak = time, 0
        place.frauds.append(place.frauds[row] + (label == FRAUD))
        place.plain_frauds.append(place.plain_frauds[row] + (label == FRAUD and place.plain[row]))
        place.genuine.append(genuine)
        place.streak.append(streak)
        place.began.append(began)
        place.last.append(label if label != UNKNOWN else place.last[row])
        place.last_time.append(time if label != UNKNOWN else place.last_time[row])
        row += 1
    place.counted = row


def _enter_card(card: Card, number: int, time: int, cents: int, is_hot: bool) -> None:
    card.times.append(time)
    card.numbers.append(number)
    card.labels.append(UNKNOWN)
    card.cents.append(card.cents[-1] + cents)
    card.hots.append(card.hots[-1] + is_hot)
    if usual(cents, card.seen, card.total):
        card.usual_count += 1
        card.usual_total += cents
    card.seen += 1
    card.total += cents
    if is_hot:
        card.last_hot = time


def _enter_terminal(place: Terminal, number: int, time: int, plain: bool) -> None:
    place.times.append(time)
    place.numbers.append(number)
    place.labels.append(UNKNOWN)
    place.plain.append(plain)


def _place(history: Card | Terminal, number: int, time: int) -> int | None:
    """The row of a transaction, among those of the same second."""
    row = bisect_right(history.times, time) - 1
    while row >= 0 and history.times[row] == time:
        if history.numbers[row] == number:
            return row
        row -= 1
    return None


def _forget(history: Card | Terminal, horizon: int, lists: tuple[str, ...]) -> None:
    """Drop rows that no window can reach again; the last of them stays, with what is last known."""
    times = history.times
    if len(times) > CHUNK and times[CHUNK] <= horizon and history.counted > CHUNK:
        for name in lists:
            del getattr(history, name)[:CHUNK]
        history.counted -= CHUNK


def replay(windows: Windows, rows: Any, labels: Any = None) -> Any:
    """Counts of each transaction (number, time, customer, terminal, cents) in turn, every label fed as it falls due.

    `labels` are the truth of the same rows, 0 or 1; each is fed when its transaction is as old as the delay.
    """
    waiting = iter(()) if labels is None else iter(zip(rows, labels, strict=True))
    due = next(waiting, None)
    for row in rows:
        while due is not None and due[0][1] + windows.delay <= row[1] and due[0][0] != row[0]:
            windows.label(due[0][0], bool(due[1]))
            due = next(waiting, None)
        yield windows.observe(*row)
