"""What another policy would have earned, from a log of what this one did: IPS, SNIPS and DR with intervals.

Each logged action has its propensity, the probability with which the logging policy took it. The target policy's
probability of the same action over that is its weight w. With all weights known and overlap enough:

    IPS   mean(w r)                       Horvitz and Thompson (1952)
    SNIPS Σ w r / Σ w                     Swaminathan and Joachims (2015)
    DR    mean(m(x) + w (r − q(x, a)))    Dudík, Langford and Li (2011), m(x) = Σ_a π(a | x) q(x, a)

Where overlap is weak, a few heavy weights carry the estimate, and normal intervals are far too short. `refuse_weak`
says so before anybody reads a number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from lockstep.errors import LockstepError

from posts.recommender.metrics import Reals

Z95 = 1.959964


class WeakOverlap(LockstepError):
    """The log says too little about the target policy for an estimate with an honest interval."""


@dataclass(frozen=True)
class Logged:
    """N logged actions: reward, propensity, the target policy's probability of the action; and for DR the predicted
    reward of the action and the target policy's mean predicted reward in the same context."""

    rewards: Reals  # (N,)
    propensities: Reals  # (N,)
    targets: Reals  # (N,)
    predicted: Reals | None = None  # (N,)
    direct: Reals | None = None  # (N,)

    def __post_init__(self) -> None:
        """Raises LockstepError for a propensity that no action taken can have."""
        wrong = ~((self.propensities > 0) & (self.propensities <= 1))
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise LockstepError(
                f"action {row} is logged with propensity {self.propensities[row]:g}: what was done had a probability "
                "above 0 and at most 1; log the probability with which the policy chose it"
            )

    @property
    def weights(self) -> Reals:
        return self.targets / self.propensities

    @property
    def effective(self) -> float:
        """Kish's effective sample size, (Σ w)² / Σ w²: how many equally weighted actions the log is worth."""
        w = self.weights
        return float(w.sum() ** 2 / (w**2).sum()) if w.any() else 0.0

    @property
    def weight_error(self) -> float:
        """How far the mean weight is from 1, its expectation under full support, in its standard errors."""
        w = self.weights
        spread = w.std(ddof=1) / np.sqrt(len(w))
        return float(abs(w.mean() - 1) / spread) if spread else float(w.mean() != 1) * np.inf


@dataclass(frozen=True)
class Estimate:
    """A value with its normal 95 % interval."""

    value: float
    low: float
    high: float


def _normal(value: float, error: float) -> Estimate:
    return Estimate(value, value - Z95 * error, value + Z95 * error)


def _of_mean(terms: Reals) -> Estimate:
    return _normal(float(terms.mean()), float(terms.std(ddof=1) / np.sqrt(len(terms))))


def ips(log: Logged) -> Estimate:
    return _of_mean(log.weights * log.rewards)


def snips(log: Logged) -> Estimate:
    """Self-normalised; its error by the delta method. Raises WeakOverlap where the target takes no logged action."""
    w = log.weights
    if not w.any():
        raise WeakOverlap("the target policy takes none of the logged actions")
    value = float(w @ log.rewards / w.sum())
    return _normal(value, float(np.sqrt((w**2 * (log.rewards - value) ** 2).sum()) / w.sum()))


def dr(log: Logged) -> Estimate:
    """Doubly robust: unbiased with known propensities whatever the reward model. Raises LockstepError without one."""
    if log.predicted is None or log.direct is None:
        raise LockstepError("the doubly robust estimate needs predicted and direct rewards: fit a reward model first")
    return _of_mean(log.direct + log.weights * (log.rewards - log.predicted))


def naive(log: Logged) -> Estimate:
    """The mean reward where the target prefers what was done: what a dashboard shows. Biased by who was shown what."""
    same = log.targets > log.propensities
    return _of_mean(log.rewards[same]) if same.sum() > 1 else _of_mean(log.rewards)


ESTIMATORS = {"ips": ips, "snips": snips, "dr": dr, "naive": naive}


def refuse_weak(log: Logged, least_effective: float, largest_weight: float) -> None:
    """Raises WeakOverlap for a log worth fewer than `least_effective` actions, one in which a single action carries
    more than the share `largest_weight` of all weight, or one whose mean weight is far from 1."""
    w = log.weights
    if log.effective < least_effective:
        raise WeakOverlap(
            f"{len(w)} logged actions are worth {log.effective:.0f} for this policy, {least_effective:g} are needed: "
            "log more, explore more, or evaluate a policy nearer to the logging one"
        )
    if (share := float(w.max() / w.sum())) > largest_weight:
        raise WeakOverlap(
            f"one action carries {share:.1%} of all weight, at most {largest_weight:.1%} may: its reward would decide"
        )
    if log.weight_error > 4:
        raise WeakOverlap(
            f"the mean weight is {w.mean():.3f}, {log.weight_error:.1f} standard errors from 1: the logging policy "
            "never takes some actions of the target, or the propensities are wrong"
        )


def reward_means(
    actions: np.ndarray, rewards: Reals, count: int, folds: np.ndarray, prior: float = 5.0
) -> tuple[Reals, Reals]:
    """A deliberately simple reward model: each action's mean reward, shrunk, from the other fold.

    `folds` (N,) is 0 or 1. Returns (2, A): the means to use in fold 0 and in fold 1.
    """
    tables = []
    for fold in (0, 1):
        other = folds != fold
        sums = np.bincount(actions[other], rewards[other], minlength=count)
        counts = np.bincount(actions[other], minlength=count)
        tables.append((sums + prior * rewards[other].mean()) / (counts + prior))
    return tables[0], tables[1]
