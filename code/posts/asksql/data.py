"""Questions of any source in one form, and the sample of them that a training sees.

A corpus keeps its schemas apart from its questions, since packing shares a schema among its questions.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from posts.asksql.prompt import Table

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Question:
    """A question of one schema, with its SQL over plain names."""

    text: str
    schema: str
    sql: str


@dataclass
class Corpus:
    """Schemas by name, and the questions of each split in the order of their source."""

    schemas: dict[str, tuple[Table, ...]] = field(default_factory=dict)
    splits: dict[str, list[Question]] = field(default_factory=lambda: {name: [] for name in SPLITS})
    left_out: int = 0  # questions whose SQL the source does not give whole


def decoded(arrays: Mapping[str, NDArray[np.uint8]], name: str) -> str:
    """A text that a dataset gives as bytes."""
    return arrays[name].tobytes().decode("utf-8")


def groups(questions: Sequence[Question], most: int, rng: random.Random) -> list[list[Question]]:
    """Questions of one schema together, at most `most` at a time, shuffled within and among groups."""
    by_schema: dict[str, list[Question]] = {}
    for question in questions:
        by_schema.setdefault(question.schema, []).append(question)
    found = []
    for name in sorted(by_schema):
        own = by_schema[name]
        rng.shuffle(own)
        found += [own[i : i + most] for i in range(0, len(own), most)]
    rng.shuffle(found)
    return found


def passes(questions: Sequence[Question], count: int, times: int, most: int, seed: int) -> Iterator[list[Question]]:
    """The groups of a training: `count` questions, the first of the seed's order, in each of several orders.

    Fewer questions are the beginning of more, so that sizes of data can be compared.
    """
    rng = random.Random(seed)
    chosen: list[list[Question]] = []
    left = count
    for group in groups(questions, most, rng):
        if left > 0:
            chosen.append(group[:left])
            left -= len(chosen[-1])
    yield from chosen
    kept = [question for group in chosen for question in group]
    for _ in range(1, times):
        yield from groups(kept, most, rng)


def some(questions: Sequence[Question], count: int, seed: int, most: int = 6) -> list[Question]:
    """A sample for evaluation: at most `count` questions, whole groups of a schema first, in a fixed order."""
    return [question for group in passes(questions, count, 1, most, seed) for question in group]
