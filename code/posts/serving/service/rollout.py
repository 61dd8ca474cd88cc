"""Which version of an adapter a request gets, and when a new one is taken back by itself.

A canary gets a fixed share of requests, chosen by a hash of who asks, so that a user always meets the same version.
It is taken back as soon as its requests end in errors significantly more often than those of the version before: by
Fisher's exact test, with every end looked at, so the threshold is far below the usual one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from math import comb

ALPHA = 1e-3
MARK = "@canary"


@dataclass
class Counted:
    good: int = 0
    bad: int = 0


@dataclass
class Canary:
    """A version on trial beside the one before."""

    share: float
    new: Counted = field(default_factory=Counted)
    old: Counted = field(default_factory=Counted)

    def chosen(self, who: str) -> bool:
        number = int.from_bytes(hashlib.blake2b(who.encode(), digest_size=8).digest(), "big")
        return number < self.share * 2**64

    def must_go_back(self) -> bool:
        return worse(self.new.bad, self.new.good, self.old.bad, self.old.good) < ALPHA


def worse(bad: int, good: int, bad_before: int, good_before: int) -> float:
    """The chance that so many or more of all bad ends fall to the new version, if both were alike. Twenty
    good ends more are taken for granted of the old one, so that a new version without a comparison can go back too."""
    n, m, k = bad + good, bad_before + good_before + 20, bad + bad_before
    if bad == 0:
        return 1.0
    return sum(comb(n, x) * comb(m, k - x) for x in range(bad, min(n, k) + 1)) / comb(n + m, k)


class Rollouts:
    """The canaries that run, by the name of their adapter."""

    def __init__(self) -> None:
        self.running: dict[str, Canary] = {}
        self.taken_back: list[str] = []

    def version(self, name: str, who: str) -> str:
        """The name under which the engine has what this request gets."""
        canary = self.running.get(name)
        return name + MARK if canary and canary.chosen(who) else name

    def ended(self, version: str, failed: bool) -> str:
        """Count an end. The name of an adapter whose canary must go back now, or nothing."""
        name = version.removesuffix(MARK)
        if (canary := self.running.get(name)) is None:
            return ""
        counted = canary.new if version.endswith(MARK) else canary.old
        counted.good, counted.bad = counted.good + (not failed), counted.bad + failed
        if not canary.must_go_back():
            return ""
        del self.running[name]
        self.taken_back.append(name)
        return name
