"""What is wrong with a query: the first of a fixed list of kinds that applies, so that the shares add up to all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from posts.asksql.sketch import Sketch

KINDS = (
    *("right", "no query", "aggregate", "selected column", "condition missing", "condition too many"),
    *("condition column", "sign", "value cut or widened", "value wrong"),
)


def kind(gold: Sketch, written: Sketch | None) -> str:
    """The kind of error of what was written."""
    if written is None:
        return "no query"
    if written.form == gold.form:
        return "right"
    if written.aggregate != gold.aggregate:
        return "aggregate"
    if written.column != gold.column:
        return "selected column"
    _, _, ours = written.form
    _, _, theirs = gold.form
    if len(ours) != len(theirs):
        return "condition missing" if len(ours) < len(theirs) else "condition too many"
    if Counter(column for column, _, _ in ours) != Counter(column for column, _, _ in theirs):
        return "condition column"
    if Counter((column, sign) for column, sign, _ in ours) != Counter((column, sign) for column, sign, _ in theirs):
        return "sign"
    wrong = zip(sorted(ours - theirs), sorted(theirs - ours), strict=True)
    return "value cut or widened" if all(a[2] in b[2] or b[2] in a[2] for a, b in wrong) else "value wrong"


def mcnemar(one: Sequence[bool], other: Sequence[bool]) -> tuple[int, int, float]:
    """Questions that only the one and only the other answers rightly, and the exact two-sided probability of a split
    at least as uneven (McNemar, 1947): 1 where they never differ."""
    only_one = sum(a and not b for a, b in zip(one, other, strict=True))
    only_other = sum(b and not a for a, b in zip(one, other, strict=True))
    n, least = only_one + only_other, min(only_one, only_other)
    tail = sum(math.comb(n, i) for i in range(least + 1)) / 2**n
    return only_one, only_other, min(1.0, 2 * tail)
