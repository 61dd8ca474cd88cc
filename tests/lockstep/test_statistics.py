"""Intervals and verdicts, against SciPy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lockstep.experiment import Metric
from lockstep.statistics import compare, student_cdf, student_quantile, summarise
from scipy import stats


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 30, 200])
@pytest.mark.parametrize("probability", [0.75, 0.95, 0.975, 0.999])
def test_the_student_quantile_agrees_with_scipy(freedom, probability):
    assert student_quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), rel=1e-9)


@given(st.floats(0, 50), st.integers(1, 100))
def test_the_student_distribution_agrees_with_scipy(t, freedom):
    assert student_cdf(t, freedom) == pytest.approx(stats.t.cdf(t, freedom), abs=1e-10)


def test_an_interval_agrees_with_scipy():
    values = [3.1, 2.9, 3.4, 3.0, 3.3]
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    summary = summarise(values)
    assert summary.half is not None
    assert (summary.mean - summary.half, summary.mean + summary.half) == pytest.approx((low, high))


def test_one_value_has_no_interval_and_no_verdict():
    assert summarise([3.0]).half is None
    assert compare([3.0]).verdict == "undecided"
    with pytest.raises(ValueError, match="no values"):
        summarise([])


def test_direction_follows_the_interval():
    assert compare([1.0, 1.1, 0.9]).verdict == "greater"
    assert compare([-1.0, -1.1, -0.9]).verdict == "less"
    assert compare([-1.0, 1.1, 0.9]).verdict == "undecided"


def test_equivalence_is_two_one_sided_tests_at_five_percent():
    values = [0.1, -0.2, 0.3, 0.0, 0.15]
    p = max(
        stats.ttest_1samp(values, bound, alternative=side).pvalue for bound, side in ((-0.3, "greater"), (0.3, "less"))
    )
    assert p < 0.05
    assert compare(values, margin=0.3).verdict == "equivalent"
    assert compare(values, margin=0.15).verdict == "undecided"


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=8))
def test_swapping_the_sides_swaps_the_verdict(differences):
    mirrored = {"greater": "less", "less": "greater", "undecided": "undecided"}
    assert compare([-d for d in differences]).verdict == mirrored[compare(differences).verdict]
    assert math.isclose(compare(differences).mean, math.fsum(differences) / len(differences), abs_tol=1e-9)


@pytest.mark.parametrize(
    "value, half, text",
    [
        (1234.567, 0.05, "1,234.57 ± 0.05 s"),
        (-0.004, None, "0.00 s"),
        (-2.5, 0.0, "−2.50 ± 0 s"),
        (2.5, 0.004, "2.50 ± 0.004 s"),  # small is not none
        (2.5, 0.0004, "2.50 ± 0 s"),
        (2.5, 0.0051, "2.50 ± 0.01 s"),
    ],
)
def test_values_and_intervals_are_written_to_the_metrics_digits(value, half, text):
    assert Metric("time", unit="s", digits=2).format(value, half) == text
