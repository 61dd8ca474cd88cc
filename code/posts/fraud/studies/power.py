"""How long an A/B test takes, and how much shorter a paired one is. Formulas, nothing measured.

Two arms compare recall on different frauds (two proportions, Fleiss et al., 2003). Scored in shadow, both models see
the same frauds, and only those count on which they differ (McNemar; Connor, 1987).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from scipy.stats import norm

if TYPE_CHECKING:
    from lockstep.run import Run

LEVEL, POWER = 0.05, 0.8


def two_arms(first: float, second: float) -> int:
    """Frauds that each arm needs to tell two recalls apart."""
    mean = (first + second) / 2
    by_chance = norm.isf(LEVEL / 2) * math.sqrt(2 * mean * (1 - mean))
    truly = norm.isf(1 - POWER) * math.sqrt(first * (1 - first) + second * (1 - second))
    return math.ceil(((by_chance + truly) / (second - first)) ** 2)


def paired(first: float, second: float, differ: float) -> int:
    """Frauds that both models must see, of which a share `differ` is caught by one of them alone."""
    gained = second - first
    by_chance = norm.isf(LEVEL / 2) * math.sqrt(differ)
    truly = norm.isf(1 - POWER) * math.sqrt(differ - gained**2)
    return math.ceil(((by_chance + truly) / gained) ** 2)


def plan(run: Run) -> list[dict[str, Any]]:
    """Both tests, in frauds and in days of the published traffic."""
    config = run.config
    needed = {
        "two arms": two_arms(config.caught, config.better),
        "paired": paired(config.caught, config.better, config.differing),
    }
    per_day = {"two arms": config.frauds_a_day / 2, "paired": config.frauds_a_day}
    return [{"test": name, "frauds": float(n), "length": n / per_day[name]} for name, n in needed.items()]
