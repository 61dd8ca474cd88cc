"""What an adversary tried, on the real command line: no edit that changes a result may leave it fresh.

Every case of posts.drift.adversary is built, edited and checked, and then run from scratch, each run in a process of
its own: the truth is what comes of that. `python tests/support/adversary.py` tells the same as a table.
"""

import json

import pytest
from adversary import Outcome, Trial, judged, trial_of, tried
from posts.drift.adversary.collected import CASES, HARMLESS

HARMLESS_KINDS = {case.kind for case in HARMLESS}
TRIALS = {f"{case.kind}: {case.name}": trial_of(case) for case in CASES}
NEEDLESS = 0.03  # of all edits


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    return dict(zip(TRIALS, tried([*TRIALS.values()], jobs=2), strict=True))


@pytest.mark.parametrize("name", TRIALS)
def test_no_edit_leaves_a_wrong_result_fresh(outcomes, name):
    outcome = outcomes[name]
    assert outcome.verdict in ("right", "needless"), f"{outcome.verdict}: {outcome.reason}\n{outcome.said}"


def test_few_edits_run_something_for_nothing(outcomes):
    needless = [f"{name}: {outcome.reason}" for name, outcome in outcomes.items() if outcome.verdict == "needless"]
    assert len(needless) <= NEEDLESS * len(outcomes), "\n".join(needless)


def test_an_edit_changes_a_result_where_its_kind_says_so(outcomes):
    """A case that changes nothing would pass whatever the engine does. What is refused is never run."""
    for name, outcome in outcomes.items():
        assert outcome.changes in (None, outcome.trial.kind not in HARMLESS_KINDS), name
    assert sum(outcome.changes is not None for outcome in outcomes.values()) > len(outcomes) / 2


def answer(build: int = 0, check: int = 0, again: int = 0, truth: int = 0, after: int = 2, said: str = "") -> dict:
    """What a worker found: the codes of the commands, and what a run from scratch gives after the edit (before: 1)."""
    rows = [{"train": {"rows": [{"value": value}]}} for value in (1, after)]
    found = {"build": [build, said], "before": {} if build else rows[0], "after": rows[1], "seconds": 0.1}
    return found if build else found | {"check": [check, said], "check again": [again, said], "truth": [truth, said]}


@pytest.mark.parametrize(
    "found, verdict",
    [
        (answer(check=1), "right"),
        (answer(after=1), "right"),
        (answer(), "missed"),
        (answer(again=1), "cached"),
        (answer(check=1, after=1), "needless"),
        (answer(again=1, after=1), "needless"),
        (answer(build=1, said="the stage opened line.csv, which it did not declare"), "right"),
        (answer(build=1, said="the stage opened other.csv, which it did not declare"), "refused"),
        (answer(build=1, said="mini.train raised OSError: line.csv"), "refused"),
        (answer(check=1, truth=1, said="the stage opened line.csv"), "right"),
        (answer(check=1, truth=1, said="a syntax error"), "refused"),
        (answer(truth=1, said="the stage opened line.csv"), "missed"),
        (answer(check=1, said="Traceback (most recent call last):\nValueError"), "crash"),
        (answer(build=1, said="line.csv") | {"before": {"train": {}}}, "broken"),
        ({"error": "Traceback:\nOSError: disk"}, "broken"),
    ],
)
def test_a_verdict_is_what_check_said_against_a_run_from_scratch(found, verdict):
    trial = Trial("a case", "a kind", {}, {}, needs="line.csv")
    assert judged(trial, json.loads(json.dumps(found))).verdict == verdict
