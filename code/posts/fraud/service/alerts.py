"""Alerts as code: each once, with the rule for Prometheus and the same rule for the service itself.

Thresholds are derived, not felt. `FALSE_ALARM` is how often chance alone may raise one; the rest follows from what the
service knows of its traffic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from posts.fraud.service.engine import Engine

FALSE_ALARM = 1e-6
LABEL_BATCH = 1000  # transactions whose labels the feed may send at once
WITHIN, SHARE_WITHIN = 0.01, 0.99  # the objective: so many seconds, for that share of decisions


def silent_after(labels_per_transaction: float = 1.0) -> int:
    """Transactions without any label that are no chance: labels come for each transaction a delay later, in batches.

    Were they independent, n transactions without one had probability exp(−n · rate).
    """
    return LABEL_BATCH + math.ceil(-math.log(FALSE_ALARM) / labels_per_transaction)


@dataclass(frozen=True)
class Alert:
    """`expression` for Prometheus; `holds` says the same of an engine, and of whether it is degraded."""

    name: str
    expression: str
    lasting: str
    summary: str
    holds: Callable[[Engine, bool], bool]


ALERTS = (
    Alert(
        "LabelsStopped",
        f"fraud_transactions_since_label > {silent_after()}",
        "0m",
        "The label feed is silent: the model flies blind, and every feature made of labels grows old.",
        lambda engine, degraded: fed(engine) and engine.since_label > silent_after(),
    ),
    Alert(
        "InputDrifted",
        "max by (feature) (fraud_drift_index > on() group_left() vector(0.05))",
        "0m",
        "A feature is distributed otherwise than in training. Labels will show the damage a week later.",
        lambda engine, degraded: bool(engine.drift.drifted),
    ),
    Alert(
        "Degraded",
        "fraud_degraded == 1",
        "0m",
        "The store takes nothing. Rules decide, and their decisions are not kept.",
        lambda engine, degraded: degraded,
    ),
    Alert(
        "ModelTakenBack",
        "increase(fraud_rollbacks[1h]) > 0",
        "0m",
        "A model was taken back by its gate.",
        lambda engine, degraded: engine.rollbacks > 0,
    ),
    Alert(
        "TooSlow",
        f'sum(rate(fraud_decision_seconds_bucket{{le="{WITHIN}"}}[5m])) / sum(rate(fraud_decision_seconds_count[5m])) '
        f"< {SHARE_WITHIN}",
        "5m",
        "Fewer decisions than promised are durable in time.",
        lambda engine, degraded: False,  # a rate over time: Prometheus alone can tell
    ),
)


def fed(engine: Engine) -> bool:
    """Is the journal old enough for labels to be due?"""
    waiting = engine.windows.awaited
    return bool(waiting) and next(iter(waiting.values()))[0] + engine.windows.delay < engine.windows.clock


def raised(engine: Engine, degraded: bool) -> list[str]:
    """Names of the alerts that hold now."""
    return [alert.name for alert in ALERTS if alert.holds(engine, degraded)]


def prometheus_rules() -> dict[str, Any]:
    """The content of a rules file; as JSON, which is YAML as well."""
    rules = [
        {"alert": alert.name, "expr": alert.expression, "for": alert.lasting, "annotations": {"summary": alert.summary}}
        for alert in ALERTS
    ]
    return {"groups": [{"name": "fraud", "rules": rules}]}
