"""Do the intervals of off-policy estimates cover the truth? A made world of which the truth is known exactly.

A population of contexts, twenty actions, rewards of Bernoulli draws. The logging policy follows an older model with
other preferences, and explores uniformly with a small chance; the target policy prefers what pays. Less exploration
and sharper preferences on both sides mean less overlap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from posts.recommender.metrics import Reals
from posts.recommender.offpolicy import ESTIMATORS, Logged, WeakOverlap, refuse_weak, reward_means

if TYPE_CHECKING:
    from lockstep.run import Run

ACTIONS, FEATURES, POPULATION = 20, 5, 5000
OVERLAPS = {  # share of uniform exploration in the log, sharpness of both policies
    "ample": (0.5, 1.0),
    "good": (0.2, 2.0),
    "thin": (0.05, 4.0),
    "broken": (0.002, 8.0),
}
WORLD_SEED = 77  # the world is one; seeds draw logs from it


def softmax(logits: Reals) -> Reals:
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)


class World:
    """Contexts X (P, F), chances of reward q (P, A), and the two policies (P, A)."""

    def __init__(self, overlap: str):
        explore, sharpness = OVERLAPS[overlap]
        rng = np.random.default_rng(WORLD_SEED)
        contexts = rng.normal(size=(POPULATION, FEATURES))
        affinity = contexts @ (rng.normal(size=(ACTIONS, FEATURES)) * 0.5).T
        self.chances = 1 / (1 + np.exp(2 - affinity))
        older = contexts @ (rng.normal(size=(ACTIONS, FEATURES)) * 0.5).T
        self.logging = (1 - explore) * softmax(sharpness * older) + explore / ACTIONS
        self.target = softmax(sharpness * affinity)
        self.truth = float((self.target * self.chances).sum(1).mean())

    def log(self, count: int, rng: np.random.Generator) -> Logged:
        """Contexts drawn from the population, actions by the logging policy, rewards by their chances."""
        rows = rng.integers(POPULATION, size=count)
        cumulated = self.logging[rows].cumsum(1)
        actions = (cumulated < rng.random(count)[:, None] * cumulated[:, -1:]).sum(1)
        rewards = (rng.random(count) < self.chances[rows, actions]).astype(np.float64)
        folds = np.arange(count) % 2
        means = np.stack(reward_means(actions, rewards, ACTIONS, folds))  # (2, A)
        direct = (self.target[rows] * means[folds]).sum(1)
        return Logged(rewards, self.logging[rows, actions], self.target[rows, actions], means[folds, actions], direct)


def measure(run: Run) -> list[dict[str, Any]]:
    """Repeat the log many times; a row for each estimator: coverage and bias over all logs and over those not refused.

    Also, in a row of its own, how often the check of overlap refuses, and the median effective sample size.
    """
    config = run.config
    world, rng = World(config.overlap), np.random.default_rng(run.seed)
    refused, effective = [], []
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ESTIMATORS}
    for repeat in range(config.logs):
        log = world.log(config.logged, rng)
        effective.append(log.effective)
        try:
            refuse_weak(log, config.least_effective, config.largest_weight)
            refused.append(False)
        except WeakOverlap:
            refused.append(True)
        for name, estimator in ESTIMATORS.items():
            estimate = estimator(log)
            found[name].append((estimate.value, estimate.low, estimate.high))
        run.progress(repeat + 1, config.logs)
    rows: list[dict[str, Any]] = []
    for name, estimates in found.items():
        values, lows, highs = np.array(estimates).T
        covered = (lows <= world.truth) & (world.truth <= highs)
        error = values - world.truth
        rows.append(
            {
                "estimator": name,
                "covered": 100 * float(covered.mean()),
                "bias": float(error.mean()),
                "rmse": float(np.sqrt((error**2).mean())),
            }
        )
    check = {"refused": 100 * float(np.mean(refused)), "effective": float(np.median(effective))}
    return [*rows, {"estimator": "check", "truth": world.truth} | check]
