"""Histories of users: parsed from the published files, split by leaving the last items out, and made by code.

The Amazon files hold a line a user, `user item item …` in the order of time; item 0 of this code is their item 1.
MovieLens holds a line a rating with its time. `markov_sessions` and `made_movies` make data in the same two formats,
small, and in the first case with a next item whose distribution is known.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from lockstep.datasets import Arrays, Made
from lockstep.errors import LockstepError
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
Sparse = Any  # a matrix of scipy.sparse, which declares no types

SUCCESSORS = (0.6, 0.25, 0.15)  # of a made session: how likely the next, second and third item of the ring follow
RING = 60
GENRES = ("comedy", "crime", "drama", "horror")


@dataclass(frozen=True)
class Histories:
    """What U users took, in the order of time: user u has items[starts[u]:starts[u + 1]], ids below `item_count`."""

    items: Ints  # (N,)
    starts: Ints  # (U + 1,)
    item_count: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> Ints:
        return np.diff(self.starts)

    @property
    def users(self) -> Ints:
        """(N,): whose each event is."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def ages(self) -> Ints:
        """(N,): how many events of the same user came after each event."""
        return np.repeat(self.starts[1:], self.lengths) - 1 - np.arange(len(self.items))

    def of(self, user: int) -> Ints:
        return self.items[self.starts[user] : self.starts[user + 1]]

    def part(self, start: int, stop: int) -> Histories:
        """Users start..stop-1."""
        low, high = self.starts[start], self.starts[min(stop, len(self))]
        return Histories(self.items[low:high], self.starts[start : stop + 1] - low, self.item_count)

    def without_last(self, count: int) -> Histories:
        """Each history without its last `count` items. Raises LockstepError where one would be empty."""
        if (shortest := self.lengths.min(initial=count + 1)) <= count:
            raise LockstepError(f"a history of {shortest} items leaves nothing after its last {count} are taken out")
        kept = self.ages >= count
        starts = np.concatenate([[0], np.cumsum(self.lengths - count)])
        return Histories(self.items[kept], starts, self.item_count)

    def last(self, back: int = 1) -> Ints:
        """(U,): the item `back` places from the end of each history."""
        return self.items[self.starts[1:] - back]

    def matrix(self, decay: float = 1.0) -> Sparse:
        """(U, I): the weight decay^age of each item, its latest event counting; 1 for every item taken at decay 1."""
        weights = np.power(np.float32(decay), self.ages).astype(np.float32)
        order = np.argsort(self.ages, kind="stable")  # the latest event of a pair comes first, and is the one kept
        pairs = self.users[order] * self.item_count + self.items[order]
        _, first = np.unique(pairs, return_index=True)
        kept = order[first]
        shape = (len(self), self.item_count)
        return sp.csr_matrix((weights[kept], (self.users[kept], self.items[kept])), shape=shape)


@dataclass(frozen=True)
class Split:
    """Leave the last two out: fit on `train`, select on `validation`, and read `test` once.

    A model is asked about the test item with `known`, which holds the validation item; it is fitted on `train` alone.
    """

    train: Histories
    known: Histories
    validation: Ints  # (U,)
    test: Ints  # (U,)


def leave_last_out(histories: Histories) -> Split:
    """The split of the sequential literature: last item test, last but one validation."""
    return Split(histories.without_last(2), histories.without_last(1), histories.last(2), histories.last(1))


def histories_of(arrays: Mapping[str, NDArray[np.uint8]]) -> Histories:
    """Amazon's lines as histories. Raises LockstepError for a line that is not numbers."""
    lines = arrays["sequences"].tobytes().decode("ascii").splitlines()
    try:
        rows = [np.array(line.split()[1:], dtype=np.int64) - 1 for line in lines]
    except ValueError as error:
        raise LockstepError(f"a line of the sequences is not `user item item …`: {error}") from None
    items = np.concatenate(rows)
    return Histories(items, np.cumsum([0, *map(len, rows)]), int(items.max()) + 1)


@dataclass(frozen=True)
class Events:
    """Ratings in the order of time: users and items numbered from 0 as `item_ids` lists the file's numbers."""

    users: Ints  # (N,)
    items: Ints  # (N,)
    stars: Floats  # (N,)
    times: Ints  # (N,) seconds
    item_ids: Ints  # (I,) the file's number of each item

    def histories(self) -> Histories:
        """The same events by user; equal times keep the order of the file."""
        order = np.argsort(self.users, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(self.users))])
        return Histories(self.items[order], starts, len(self.item_ids))


def events_of(arrays: Mapping[str, NDArray[np.uint8]]) -> Events:
    """MovieLens ratings, tab-separated (100k) or CSV with a header (latest-small)."""
    text = arrays["ratings"].tobytes().decode("ascii").replace("\t", ",")
    table = np.loadtxt(io.StringIO(text), delimiter=",", skiprows=int(text.startswith("userId")), dtype=np.float64)
    table = table[np.argsort(table[:, 3], kind="stable")]
    _, users = np.unique(table[:, 0], return_inverse=True)
    item_ids, items = np.unique(table[:, 1].astype(np.int64), return_inverse=True)
    return Events(users, items, table[:, 2].astype(np.float32), table[:, 3].astype(np.int64), item_ids)


def movies_of(arrays: Mapping[str, NDArray[np.uint8]], item_ids: Ints) -> tuple[list[str], list[list[str]]]:
    """Title and genres of each item, in the order of `item_ids`."""
    rows = csv.DictReader(io.StringIO(arrays["movies"].tobytes().decode("utf-8")))
    known = {int(row["movieId"]): (row["title"], row["genres"].split("|")) for row in rows}
    found = [known[int(number)] for number in item_ids]
    return [title for title, _ in found], [genres for _, genres in found]


def genre_matrix(genres: list[list[str]]) -> tuple[Floats, list[str]]:
    """(I, G), rows summing to 1, and the names of the columns."""
    names = sorted({name for row in genres for name in row})
    column = {name: n for n, name in enumerate(names)}
    table = np.zeros((len(genres), len(names)), np.float32)
    for row, own in enumerate(genres):
        table[row, [column[name] for name in own]] = 1 / len(own)
    return table, names


def _sessions() -> Arrays:
    """Walks on a ring of items in a hidden order: always forward by one, two or three, and never all the way round.

    So the next item is new to the session, and its distribution, SUCCESSORS, is all there is to know about it.
    """
    rng = np.random.default_rng(2026)
    ring = rng.permutation(RING) + 1
    lines = []
    for user in range(600):
        steps = rng.choice([1, 2, 3], size=int(rng.integers(5, 13)), p=SUCCESSORS)
        places = (rng.integers(RING) + np.cumsum(steps)) % RING
        lines.append(" ".join(map(str, [user + 1, *ring[places]])))
    return {"sequences": np.frombuffer("\n".join(lines).encode(), np.uint8)}


def _movies() -> Arrays:
    """Ratings of users with a favourite genre each, of films that come out over time, in the form of latest-small."""
    rng = np.random.default_rng(2027)
    films = 80
    genre, appeared = rng.integers(len(GENRES), size=films), np.sort(rng.integers(0, 900, films))
    appeal = rng.gamma(1.0, size=films)
    ratings = ["userId,movieId,rating,timestamp"]
    for user in range(120):
        favourite, start = rng.integers(len(GENRES)), rng.integers(400, 1000)
        weight = appeal * np.where(genre == favourite, 6.0, 1.0) * (appeared <= start)
        taken = rng.choice(films, size=int(rng.integers(8, 13)), replace=False, p=weight / weight.sum())
        for place, film in enumerate(taken):
            ratings.append(f"{user + 1},{film + 1},{rng.integers(1, 11) / 2},{(start + place) * 1000}")
    movies = ["movieId,title,genres", *(f'{n + 1},"Film {n + 1}",{GENRES[genre[n]]}' for n in range(films))]
    texts = {"ratings": ratings, "movies": movies}
    return {name: np.frombuffer("\n".join(lines).encode(), np.uint8) for name, lines in texts.items()}


markov_sessions = Made("markov_sessions", _sessions, licence="MIT")
made_movies = Made("made_movies", _movies, licence="MIT")
