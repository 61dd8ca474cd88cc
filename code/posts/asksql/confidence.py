"""How sure an answer is: a logistic regression on what the model thought of it, fitted on validation questions.

It has three inputs: the log-probability of the answer, that of its least likely token, and the number of tokens. An
answer below the threshold is not given. The threshold is the smallest at which validation answers are right often
enough, chosen before any test question is read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posts.asksql.decode import Answer

ROUNDS = 50
RIDGE = 1e-3  # keeps the fit finite where validation answers can be told apart without error


def features(answer: Answer) -> list[float]:
    """Constant, log-probability, that of the least likely token, and the logarithm of the length."""
    return [1.0, answer.log_p, answer.lowest, float(np.log1p(answer.tokens))]


@dataclass(frozen=True)
class Calibration:
    """Weights of the features, and the confidence below which an answer is not given."""

    weights: tuple[float, ...]
    threshold: float

    def confidence(self, answer: Answer) -> float:
        """The estimated probability that an answer is right; 0 for one that did not end."""
        if not answer.whole:
            return 0.0
        z = float(np.dot(self.weights, features(answer)))
        return float(1 / (1 + np.exp(-np.clip(z, -30, 30))))

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1, sort_keys=True) + "\n", encoding="utf-8")

    @staticmethod
    def read(path: Path) -> Calibration:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Calibration(tuple(found["weights"]), found["threshold"])


def fit(answers: Sequence[Answer], right: Sequence[bool], wanted: float) -> Calibration:
    """Newton's method on the penalised likelihood, then the threshold at which `wanted` of the answers are right."""
    x_NF = np.array([features(answer) for answer in answers])
    y_N = np.array(right, float)
    w_F = np.zeros(x_NF.shape[1])
    for _ in range(ROUNDS):
        p_N = 1 / (1 + np.exp(-np.clip(x_NF @ w_F, -30, 30)))
        slope_F = x_NF.T @ (p_N - y_N) + RIDGE * w_F
        curve_FF = (x_NF * (p_N * (1 - p_N))[:, None]).T @ x_NF + RIDGE * np.eye(len(w_F))
        w_F = w_F - np.linalg.solve(curve_FF, slope_F)
    unset = Calibration(tuple(w_F.tolist()), 0.0)
    confidence_N = np.array([unset.confidence(answer) for answer in answers])
    return Calibration(unset.weights, threshold(confidence_N, y_N.astype(bool), wanted))


def threshold(confidence_N: NDArray[np.float64], right_N: NDArray[np.bool_], wanted: float) -> float:
    """The lowest confidence from which on at least the share `wanted` is right; above 1 where there is none."""
    _, risk = risk_against_coverage(confidence_N, right_N)
    enough = np.flatnonzero(1 - risk >= wanted)
    if not len(enough):
        return 1.01
    return float(np.sort(confidence_N)[::-1][enough[-1]])


def risk_against_coverage(
    confidence_N: NDArray[np.float64], right_N: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For the most confident 1, 2, … N answers: their share of all, and the share of them that is wrong."""
    order = np.argsort(-confidence_N, kind="stable")
    counts = np.arange(1, len(order) + 1)
    return counts / len(order), np.cumsum(~right_N[order]) / counts


def right_at(confidence_N: NDArray[np.float64], right_N: NDArray[np.bool_], share: float) -> float:
    """Share right among the most confident `share` of the answers."""
    coverage, risk = risk_against_coverage(confidence_N, right_N)
    return float(1 - risk[max(0, round(share * len(coverage)) - 1)])


def expected_calibration_error(confidence_N: NDArray[np.float64], right_N: NDArray[np.bool_], bins: int = 10) -> float:
    """Mean distance of confidence from the share right, over equally filled bins (Guo et al., 2017)."""
    parts = np.array_split(np.argsort(confidence_N, kind="stable"), bins)
    gaps = [abs(confidence_N[part].mean() - right_N[part].mean()) * len(part) for part in parts if len(part)]
    return float(sum(gaps) / len(confidence_N))
