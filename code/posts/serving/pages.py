"""Who owns which page of the KV cache, and which pages are kept because another request may begin the same way.

A full page is known by a digest of its tokens, of the digest of the page before it, and of the weights that computed
it: so a digest stands for everything that its keys and values depend on. It is BLAKE2b and not Python's `hash`, with
which a stranger can make two prefixes collide and read into another's answer. Only full pages are shared, and nobody
writes to a full page, so sharing needs no copy.

Invariants, which the tests check after every step: each page is free, kept or owned, in exactly one way; a page that
has k owners is in the tables of exactly k sequences.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from posts.serving.model import PAGE

Digest = bytes


class Full(Exception):
    """There is no free page, and none that is only kept."""


def digest(before: Digest, tokens: Sequence[int]) -> Digest:
    """Of a full page, after the pages that `before` stands for."""
    return hashlib.blake2b(before + np.asarray(tokens, "<i4").tobytes(), digest_size=16).digest()


class Pages:
    """`total` pages, numbered from 0. `share=False` keeps none for others."""

    def __init__(self, total: int, share: bool = True):
        self.total, self.share = total, share
        self.free = list(range(total - 1, -1, -1))
        self.owners = [0] * total
        self.by_digest: dict[Digest, int] = {}
        self.digest_of: dict[int, Digest] = {}
        self.kept: OrderedDict[int, None] = OrderedDict()  # without owner, the longest unused first
        self.hits = self.queries = self.evicted = 0

    @property
    def available(self) -> int:
        """How many could be taken now."""
        return len(self.free) + len(self.kept)

    @property
    def used(self) -> int:
        return self.total - self.available

    def match(self, salt: Digest, tokens: Sequence[int]) -> tuple[list[int], Digest]:
        """The longest run of pages that hold the beginning of `tokens`, now owned by the caller, and their digest.

        At least one token is left over, because something must be computed to have scores.
        """
        pages: list[int] = []
        last = salt
        for start in range(0, len(tokens) - PAGE, PAGE) if self.share else ():
            self.queries += 1
            after = digest(last, tokens[start : start + PAGE])
            if (page := self.by_digest.get(after)) is None:
                break
            self.hits += 1
            pages.append(page)
            last = after
        for page in pages:
            self.owners[page] += 1
            self.kept.pop(page, None)
        return pages, last

    def take(self) -> int:
        """A page for the caller alone. Raises Full where there is none."""
        if self.free:
            page = self.free.pop()
        elif self.kept:
            page, _ = self.kept.popitem(last=False)
            self._forget(page)
            self.evicted += 1
        else:
            raise Full
        self.owners[page] = 1
        return page

    def seal(self, page: int, after: Digest) -> None:
        """The page is full and will not change: others may begin with it."""
        if self.share and after not in self.by_digest:
            self.by_digest[after] = page
            self.digest_of[page] = after

    def release(self, pages: Sequence[int]) -> None:
        """The caller needs them no more. The later pages of a prefix go first when room is needed."""
        for page in reversed(pages):
            self.owners[page] -= 1
            if self.owners[page] == 0:
                if page in self.digest_of:
                    self.kept[page] = None
                else:
                    self.free.append(page)

    def forget(self) -> None:
        """Keep nothing for others any more: the weights have changed."""
        for page in list(self.kept):
            self.free.append(page)
        self.kept.clear()
        self.by_digest.clear()
        self.digest_of.clear()

    def _forget(self, page: int) -> None:
        self.by_digest.pop(self.digest_of.pop(page), None)

    def problems(self, tables: Sequence[Sequence[int]]) -> list[str]:
        """What is wrong, given the pages of every sequence; nothing, if all is well."""
        counted = [0] * self.total
        for table in tables:
            for page in table:
                counted[page] += 1
        found = [
            f"page {p}: {n} owners, in {c} tables"
            for p, (n, c) in enumerate(zip(self.owners, counted, strict=True))
            if n != c
        ]
        idle = [*self.free, *self.kept]
        if len(set(idle)) != len(idle):
            found.append("a page is free twice")
        if sorted([*idle, *(p for p, n in enumerate(self.owners) if n)]) != list(range(self.total)):
            found.append("a page is neither free, nor kept, nor owned")
        if any(self.by_digest.get(d) != p for p, d in self.digest_of.items()) or len(self.by_digest) != len(
            self.digest_of
        ):
            found.append("digests and pages do not agree")
        return found
