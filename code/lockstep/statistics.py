"""Mean, interval, paired comparison and verdicts, with NumPy-free mathematics: SciPy costs a second of start-up.

Intervals are two-sided 95 % Student-t intervals over seeds. A verdict has no truth value: it is a word.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

Verdict = Literal["greater", "less", "equivalent", "undecided"]


@dataclass(frozen=True)
class Summary:
    """The mean of n values and the half-width of its 95 % interval; None for n = 1."""

    n: int
    mean: float
    half: float | None


def summarise(values: Sequence[float]) -> Summary:
    """Raises ValueError for no values."""
    n = len(values)
    if n == 0:
        raise ValueError("no values")
    mean = math.fsum(values) / n
    return Summary(n, mean, None if n == 1 else student_quantile(0.975, n - 1) * deviation(values) / math.sqrt(n))


def deviation(values: Sequence[float]) -> float:
    """The sample standard deviation (n - 1)."""
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


@dataclass(frozen=True)
class Comparison:
    """The difference a - b over n pairs (or against a constant): mean, 95 % interval, verdict.

    greater, less: the interval lies on one side of zero. equivalent: the 90 % interval lies inside ± margin (two
    one-sided tests at 5 %). undecided: neither, or n = 1.
    """

    verdict: Verdict
    n: int
    mean: float
    low: float | None
    high: float | None
    margin: float | None = None


def compare(differences: Sequence[float], margin: float | None = None) -> Comparison:
    """Verdict on paired differences. With a margin the question is equivalence, without it direction."""
    summary = summarise(differences)
    if summary.half is None:
        return Comparison("undecided", 1, summary.mean, None, None, margin)
    if margin is not None:
        half = student_quantile(0.95, summary.n - 1) * deviation(differences) / math.sqrt(summary.n)
        low, high = summary.mean - half, summary.mean + half
        return Comparison(
            "equivalent" if -margin < low and high < margin else "undecided", summary.n, summary.mean, low, high, margin
        )
    low, high = summary.mean - summary.half, summary.mean + summary.half
    verdict: Verdict = "greater" if low > 0 else "less" if high < 0 else "undecided"
    return Comparison(verdict, summary.n, summary.mean, low, high)


@cache
def student_quantile(probability: float, freedom: int) -> float:
    """The quantile of Student's t distribution, by bisection of its cumulative function; probability in (0.5, 1)."""
    low, high = 0.0, 1.0
    while student_cdf(high, freedom) < probability:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if student_cdf(middle, freedom) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def student_cdf(t: float, freedom: int) -> float:
    """P(T ≤ t) for t ≥ 0: 1 - I_x(ν/2, 1/2)/2 with x = ν/(ν + t²). Abramowitz and Stegun, 26.7.1."""
    if t * t < freedom:  # the other tail of the same function, which keeps its digits here
        return 0.5 + beta_inc(0.5, freedom / 2, t * t / (freedom + t * t)) / 2
    return 1 - beta_inc(freedom / 2, 0.5, freedom / (freedom + t * t)) / 2


def beta_inc(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function by its continued fraction (ibid., 26.5.8), Lentz's method."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_inc(b, a, 1 - x)
    tiny = 1e-300
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    c, d = 1.0, 1 / max(1 - (a + b) * x / (a + 1), tiny)
    value = d
    for m in range(1, 500):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + term * d or tiny)
            c = 1 + term / c or tiny
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * value
