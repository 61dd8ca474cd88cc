"""What a reader is told of a value and of a verdict, in words and numbers."""

import pytest
from lockstep.experiment import Claim, Metric
from lockstep.judge.claims import Judgement
from lockstep.judge.measured import Measured, written
from lockstep.statistics import compare


def test_a_count_that_every_seed_shares_goes_without_a_spread():
    count, share = Metric("missed", digits=0), Metric("share", digits=1)
    assert written(Measured(count, {}, {0: 13.0, 1: 13.0})) == "13"
    assert written(Measured(count, {}, {0: 13.0, 1: 14.0})) == "14 ± 6"
    assert written(Measured(count, {}, {0: 13.5, 1: 13.5})) == "14 ± 0", "no count"
    assert written(Measured(share, {}, {0: 13.0, 1: 13.0})) == "13.0 ± 0", "measured to a digit, and no count"


METRIC = Metric("score", unit="nats", digits=1)


def judged(verdict: str, differences: list[float], margin: float | None = None, **change: object) -> Judgement:
    """A claim over three shared seeds, as the engine judges it."""
    sides = tuple(Measured(METRIC, {}, dict(enumerate(values))) for values in (differences, [0.0] * len(differences)))
    claim = Claim("claim", verdict, None, "A statement.", lambda measured: sides)
    fields = {"sides": sides, "unit": "nats", "digits": 1} | change
    return Judgement(claim, compare(differences, margin), **fields)  # type: ignore[arg-type]


# three differences 2 apart: their 95 % interval reaches 4.97 to each side of the mean, their 90 % interval 3.37
VERDICTS = {
    "greater": (
        ([10.0, 12.0, 14.0], None),
        "the mean difference over 3 shared seeds is 12.0 nats; its 95 % interval, from 7.0 to 17.0 nats, "
        "lies wholly above 0",
        (7.03, "the lower end of the interval is 7.0 nats above 0"),
    ),
    "less": (
        ([-10.0, -12.0, -14.0], None),
        "the mean difference over 3 shared seeds is −12.0 nats; its 95 % interval, from −17.0 to −7.0 nats, "
        "lies wholly below 0",
        (7.03, "the upper end of the interval is 7.0 nats below 0"),
    ),
    "equivalent": (
        ([1.0, 3.0, 5.0], 10.0),
        "the mean difference over 3 shared seeds is 3.0 nats; its 90 % interval, from −0.4 to 6.4 nats, "
        "lies wholly within ± 10 nats",
        (3.63, "the end of the interval nearest to the margin is 3.6 nats inside it"),
    ),
    "undecided": (
        ([2.0, 4.0, 6.0], None),
        "the mean difference over 3 shared seeds is 4.00 nats; its 95 % interval, from −0.97 to 8.97 nats, holds 0",
        (0.97, "the end of the interval nearest to 0 is 0.97 nats beyond it"),
    ),
    "undecided within a margin": (
        ([1.0, 3.0, 5.0], 6.0),
        "the mean difference over 3 shared seeds is 3.00 nats; its 90 % interval, from −0.37 to 6.37 nats, "
        "is not wholly within ± 6 nats",
        (0.37, "the end of the interval farthest from 0 is 0.37 nats outside the margin"),
    ),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_a_verdict_is_told_in_words_with_the_margin_by_which_it_holds(name):
    (differences, margin), predicate, (slack, held_by) = VERDICTS[name]
    found = judged(name.split()[0], differences, margin)
    assert found.holds
    assert found.predicate == predicate
    assert found.slack == pytest.approx(slack, abs=0.005)
    assert found.held_by == held_by


def test_one_pair_has_no_interval_and_no_margin():
    found = judged("undecided", [3.0])
    assert found.predicate == "one pair only, with a difference of 3.0 nats: no verdict is possible"
    assert found.slack is None
    assert found.held_by == ""


def test_a_comparison_with_a_constant_says_which_and_percentages_differ_by_points():
    sides = judged("less", [50.0, 51.0, 52.0]).sides
    told = judged("greater", [20.0, 21.0, 22.0], sides=(sides[0], 30), unit="%").predicate
    assert told.startswith(
        "the mean over 3 seeds minus 30 % is 21.0 percentage points; its 95 % interval, from 18.5 to"
    )
    told = judged("greater", [20.0, 21.0, 22.0], sides=(sides[0], 0), unit="%").predicate
    assert told.startswith("the mean over 3 seeds is 21.0 %; its")
    assert judged("less", [-20.0, -21.0, -22.0], sides=(30, sides[0])).predicate.startswith("30 nats minus the mean")
