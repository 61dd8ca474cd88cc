"""Does a model ever rank better than the limit? By area under the ROC curve, a test week may say so.

No score can beat the posterior on average, so such a week is luck, or shows where the posterior is simplified. Frauds
come in groups, of a terminal or of a card, so their number is far smaller than it looks: resampling whole cards, or
whole terminals, says how far the difference of a week can be from its mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from posts.fraud.batch import features
from posts.fraud.data import DAY, transactions
from posts.fraud.limit import Evidence, rates
from posts.fraud.model import fit, predict, settings_of
from posts.fraud.protocol import split
from posts.fraud.weeks import LONG, SHORT

if TYPE_CHECKING:
    from lockstep.run import Run

Array = np.ndarray[Any, Any]


class Ranking:
    """Scores (N,) with their ties, ready for areas under weights."""

    def __init__(self, fraud_N: Array, score_N: Array):
        self.fraud_N = fraud_N == 1
        values, self.place_N = np.unique(score_N, return_inverse=True)
        self.size = len(values)

    def area(self, weight_N: Array) -> float:
        """Area under the ROC curve where row i counts weight_N[i] times."""
        weights = (np.where(self.fraud_N == bad, weight_N, 0.0) for bad in (True, False))
        fraud_V, genuine_V = (np.bincount(self.place_N, weight, self.size) for weight in weights)
        below_V = np.cumsum(genuine_V) - genuine_V / 2
        return float((fraud_V * below_V).sum() / (fraud_V.sum() * genuine_V.sum()))


def interval(
    first: Ranking, second: Ranking, group_N: Array, draws: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Ends of the middle 95 % of the difference of areas, first minus second, over resampled groups.

    There must be a fraud.
    """
    groups, of_group_N = np.unique(group_N, return_inverse=True)
    found = []
    while len(found) < draws:
        times = np.bincount(rng.integers(0, len(groups), len(groups)), minlength=len(groups)).astype(np.float64)
        weight_N = times[of_group_N]
        if not weight_N[first.fraud_N].any():  # a draw without any fraud has no area
            continue
        found.append(first.area(weight_N) - second.area(weight_N))
    low, high = np.quantile(found, (0.025, 0.975))
    return float(low), float(high)


def resample(run: Run) -> list[dict[str, Any]]:
    """For each test week and each length of history: the model's area minus the limit's, with both intervals."""
    config, rng = run.config, np.random.default_rng(run.seed)
    world = transactions(run.data("transactions"))
    tests = {start: split(world, start).test_N for start in config.weeks}
    evidence = Evidence(world, rates())
    limit = {s: evidence.posterior(np.flatnonzero(test_N), config.delay * DAY) for s, test_N in tests.items()}
    del evidence
    x_NF, made = features(world, config.delay * DAY).astype(np.float32), []
    for start, test_N in tests.items():
        fraud_M = world.fraud_N[test_N]
        best = Ranking(fraud_M, limit[start])
        for history, since in ((SHORT, None), (LONG, config.since)):
            train_N = split(world, start, since=since).train_N
            model = fit(x_NF[train_N], world.fraud_N[train_N], settings_of(config), run.seed)
            ours = Ranking(fraud_M, predict(model, x_NF[test_N]))
            once = np.ones(len(fraud_M))
            row: dict[str, Any] = {"week": start, "history": history, "gain": ours.area(once) - best.area(once)}
            for name, group_N in (("card", world.customer_N), ("terminal", world.terminal_N)):
                low, high = interval(ours, best, group_N[test_N], config.resamples, rng)
                row |= {f"{name}_low": low, f"{name}_high": high}
            made.append(row)
        run.progress(len(made), 2 * len(tests))
    return made
