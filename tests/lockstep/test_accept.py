"""Accepting lets a stale run stand, for a reason that is recorded, and no longer than the code stays as it was."""

import json
import re

import pytest
from lockstep.prose.colophon import _counted
from mini import edit, lockstep

RECORD = "content/mini/accepted.jsonl"
HELPER = "code/posts/mini/helpers.py"


@pytest.fixture
def stale(project):
    edit(project, HELPER, "return x**3 * FACTOR", "return FACTOR * x**3")
    return project


def test_an_accepted_run_is_fresh_keeps_its_fingerprint_and_shows_the_reason(stale):
    ledger = (stale / "content/mini/results/train.jsonl").read_bytes()
    done = lockstep(stale, "accept", "mini.train", "--reason", "a product in another order")
    assert done.returncode == 0, done.stderr
    assert "helpers:cube changed" in done.stdout
    assert (stale / "content/mini/results/train.jsonl").read_bytes() == ledger
    assert re.search(r"train +3 accepted", lockstep(stale, "status").stdout)
    built = lockstep(stale, "build", "--no-render")
    assert built.returncode == 0, built.stderr
    assert "[1/" not in built.stderr
    entry = json.loads((stale / RECORD).read_text().splitlines()[0])
    assert entry["reason"] == "a product in another order"
    assert entry["from"] == json.loads(ledger.splitlines()[0])["fingerprint"] != entry["to"]


def test_what_reads_an_accepted_run_stays_fresh_and_the_page_tells(stale):
    lockstep(stale, "accept", "mini", "--reason", "a product in another order")
    code = "from lockstep.project.project import Project; from lockstep.prose.resolve import Resolver\n"
    code += "from lockstep.prose.colophon import colophon\n"
    code += "print(colophon(Resolver.of(Project.find().post('mini')))['accepted'])"
    shown = lockstep(stale, code=code).stdout
    assert "a product in another order" in shown
    assert "train (3 runs)" in shown
    assert "evaluate" not in shown


def test_a_further_change_makes_an_accepted_run_stale_again(stale):
    lockstep(stale, "accept", "mini.train", "--reason", "a product in another order")
    edit(stale, HELPER, "return FACTOR * x**3", "return FACTOR * x**2")
    assert "helpers:cube changed" in lockstep(stale, "check").stderr
    edit(stale, HELPER, "return FACTOR * x**2", "return FACTOR * x**3")
    assert lockstep(stale, "check").returncode == 0


def test_when_a_run_is_made_again_its_acceptance_goes_and_the_others_stay(stale):
    lockstep(stale, "accept", "mini.train", "--reason", "a product in another order")
    assert lockstep(stale, "reproduce", "mini.train", "--seed", "1").returncode == 0  # elsewhere: nothing goes
    assert len((stale / RECORD).read_text().splitlines()) == 3
    assert lockstep(stale, "run", "mini.train", "--seed", "1", "--force").returncode == 0
    assert [json.loads(line)["keys"]["seed"] for line in (stale / RECORD).read_text().splitlines()] == [0, 2]
    assert lockstep(stale, "run", "mini.train", "--force").returncode == 0
    assert not (stale / RECORD).exists()


REFUSALS = {
    "no reason": (("mini.train", "--reason", " "), "accepting needs a reason"),
    "an unknown stage": (("mini.trian", "--reason", "x"), 'no stage "trian"; did you mean "train"?'),
    "an unknown post": (("minu", "--reason", "x"), 'there is no post "minu"; did you mean "mini"?'),
    "stale through what it reads": (("mini.evaluate", "--reason", "x"), "accept or run that first"),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_what_cannot_be_accepted_is_refused_and_nothing_recorded(stale, what):
    arguments, message = REFUSALS[what]
    done = lockstep(stale, "accept", *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (stale / RECORD).exists()


def test_fresh_and_missing_runs_cannot_be_accepted(project):
    assert "nothing of train is stale" in lockstep(project, "accept", "mini.train", "--reason", "x").stderr
    edit(project, "code/posts/mini/experiment.py", "seed=range(3)", "seed=range(4)")
    assert "train (seed=3) has never run" in lockstep(project, "accept", "mini.train", "--reason", "x").stderr


def test_a_run_that_read_other_results_cannot_be_accepted(project):
    edit(
        project,
        "code/posts/mini/train.py",
        "total = run",
        "import os\n    total = float(os.getenv('LANGUAGE') or 0) + run",
    )
    assert lockstep(project, "build", "--no-render").returncode == 0
    lockstep(project, "run", "mini.train", "--force", LANGUAGE="1")
    done = lockstep(project, "accept", "mini.evaluate", "--reason", "x")
    assert done.returncode == 1
    assert "made another weights.txt" in done.stderr


def test_a_damaged_record_is_named_with_its_line(stale):
    lockstep(stale, "accept", "mini.train", "--reason", "a product in another order")
    path = stale / RECORD
    path.write_text(path.read_text().replace('"reason"', '"raeson"', 1))
    done = lockstep(stale, "check")
    assert done.returncode == 1
    assert "content/mini/accepted.jsonl:1: not a whole acceptance" in done.stderr


def test_several_accepted_runs_of_a_stage_are_counted_and_one_is_named():
    stages = {"train": ["train (seed=0)", "train (seed=2)"], "total": ["total"], "score": ["score (seed=1)"]}
    assert _counted(stages) == ["train (2 runs)", "total", "score (seed=1)"]
