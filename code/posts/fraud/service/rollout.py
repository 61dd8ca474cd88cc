"""A new model's way to all transactions, and back: shadow, canary, all.

    shadow   scores every transaction, decides none
    canary   decides for a fixed share of cards, chosen by a hash, so that a card always meets the same model
    all      takes the champion's place; the former champion stays at hand

Two gates, both in numbers. Going back is automatic and needs no labels: on the same transactions the two models block
different ones, and if that is too lopsided for chance, or the new model gives no valid score, it is out. Going on needs
labels: the new model must have cost less on enough frauds.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, field

SIGMAS = 6.0  # lopsidedness at which a model is taken back; one in 500 million by chance, looked at every time
FACTOR = 2.0  # and only if it blocks so many times more, or fewer, than the champion
CANARY_SHARE = 0.05  # of cards
ENOUGH_FRAUDS = 100  # with a label, before a model may go on
BUCKETS = 10_000

NEVER, SHADOW, CANARY, ALL = "none", "shadow", "canary", "all"
ORDER = (SHADOW, CANARY, ALL)


@dataclass
class Comparison:
    """Two models on the same transactions."""

    seen: int = 0
    only_new: int = 0  # transactions that only the new model would block
    only_old: int = 0
    both: int = 0
    frauds: int = 0  # with a label
    caught_only_new: int = 0
    caught_only_old: int = 0
    cost_new: float = 0.0  # cents, of labelled transactions
    cost_old: float = 0.0

    def decided(self, new: bool, old: bool) -> None:
        self.seen += 1
        self.both += new and old
        self.only_new += new and not old
        self.only_old += old and not new

    @property
    def lopsided(self) -> float:
        """How many standard deviations from a fair coin the disagreements are, as in McNemar's test."""
        disagreed = self.only_new + self.only_old
        return (self.only_new - self.only_old) / math.sqrt(disagreed) if disagreed else 0.0

    def must_go_back(self) -> bool:
        new, old = self.both + self.only_new, self.both + self.only_old
        apart = new > FACTOR * old or old > FACTOR * new
        return apart and abs(self.lopsided) > SIGMAS

    def may_go_on(self) -> bool:
        return self.frauds >= ENOUGH_FRAUDS and self.cost_new <= self.cost_old and not self.must_go_back()


@dataclass
class Rollout:
    """Which model decides. Digests only: who loads models is the engine."""

    champion: str = ""
    former: str = ""
    challenger: str = ""
    stage: str = NEVER
    comparison: Comparison = field(default_factory=Comparison)

    def decides(self, card: int) -> str:
        """The digest of the model that decides for a card."""
        if self.stage == CANARY and in_canary(card):
            return self.challenger
        return self.champion

    def move(self, action: str, digest: str) -> None:
        """Apply what was decided: a stage for a model, or `back`. Anything else is ignored by nobody: see engine."""
        if action == "back":
            if self.stage == NEVER:  # everybody is on a model that must go
                self.champion, self.former = self.former, ""
            self.challenger, self.stage = "", NEVER
        elif action == ALL:
            self.former, self.champion = self.champion, digest
            self.challenger, self.stage = "", NEVER
        else:
            self.challenger, self.stage = digest, action
        self.comparison = Comparison()


def in_canary(card: int) -> bool:
    return zlib.crc32(card.to_bytes(8, "little", signed=True)) % BUCKETS < CANARY_SHARE * BUCKETS
