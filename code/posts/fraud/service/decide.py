"""From a score to a decision: the action with the smaller expected cost, and the reasons for it.

Approving a fraud costs its amount and a fee; blocking a genuine payment costs a fixed sum and a share of its amount.
So the threshold on the score depends on the amount. Costs are settings of whoever runs the service.
"""

from __future__ import annotations

from dataclasses import dataclass

from posts.fraud.features import NAMES
from posts.fraud.trees import Trees

REASONS = 3  # as many as a person reads
IN_WORDS = {
    "amount": "the amount",
    "amount_over_usual": "the amount beside what the card usually pays",
    "terminal_risk_1d": "frauds at this terminal",
    "terminal_risk_7d": "frauds at this terminal",
    "terminal_risk_30d": "frauds at this terminal",
    "terminal_streak": "the latest known payments here were frauds",
    "terminal_last_label": "the latest known payment here",
    "terminal_plain_frauds_7d": "frauds at this terminal with ordinary amounts",
    "terminal_plain_frauds_30d": "frauds at this terminal with ordinary amounts",
    "card_frauds_7d": "frauds with this card",
    "card_frauds_30d": "frauds with this card",
    "card_hot_1d": "unusually large payments with this card",
    "card_hot_3d": "unusually large payments with this card",
    "card_hot_7d": "unusually large payments with this card",
    "card_hot_14d": "unusually large payments with this card",
}


@dataclass(frozen=True)
class Costs:
    """In cents, but for the share."""

    fee: int = 1500  # of a fraud that was approved, beside its amount: handling and the scheme's charge
    annoyance: int = 1000  # of a genuine payment that was blocked: support, and a customer who may leave
    margin: float = 0.02  # of a blocked genuine amount that is lost as well


def threshold(cents: int, costs: Costs) -> float:
    """The score above which blocking is cheaper than approving."""
    blocked, approved = costs.annoyance + costs.margin * cents, costs.fee + cents
    return blocked / (blocked + approved)


def expected_cost(score: float, cents: int, block: bool, costs: Costs) -> float:
    """In cents, of one action on one payment."""
    return (1 - score) * (costs.annoyance + costs.margin * cents) if block else score * (costs.fee + cents)


def reasons(trees: Trees, features: list[float]) -> list[str]:
    """What moved the score up most, in words, at most REASONS of them."""
    pushed = trees.contributions(features)
    order = sorted(range(len(pushed)), key=lambda place: -pushed[place])
    words = [IN_WORDS.get(NAMES[place], NAMES[place].replace("_", " ")) for place in order if pushed[place] > 0]
    return list(dict.fromkeys(words))[:REASONS]
