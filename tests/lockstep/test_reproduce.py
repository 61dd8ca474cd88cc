"""Reproducing runs again and says reproduced, not reproduced or inconclusive: of metrics, of claims, of the whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lockstep.report.reproduce import verdict
from mini import edit, lockstep

NOISE = (
    "code/posts/mini/train.py",
    "total = run",
    "import os\n    total = float(os.getenv('LANGUAGE') or 0) + run",
)


@pytest.fixture
def noisy(project):
    """Training follows an environment variable, as it might follow the hardware."""
    edit(project, *NOISE)
    assert lockstep(project, "build", "--no-render").returncode == 0
    return project


def test_the_same_again_is_reproduced_byte_for_byte_and_leaves_the_record_alone(project):
    before = {path: path.read_bytes() for path in (project / "content").rglob("*") if path.is_file()}
    done = lockstep(project, "reproduce", "mini")
    assert done.returncode == 0, done.stderr
    assert "# mini: reproduced" in done.stdout
    assert "| score | evaluate | 3 | 250.8 ± 0.2 points | 250.8 ± 0.2 points | 0.05 | reproduced |" in done.stdout
    assert "| scores_are_positive | greater | greater: " in done.stdout
    assert "6 of 6 files that the runs made are the same byte for byte" in done.stdout
    assert {path: path.read_bytes() for path in (project / "content").rglob("*") if path.is_file()} == before


def test_another_result_is_not_reproduced_and_the_exit_code_says_so(noisy):
    done = lockstep(noisy, "reproduce", "mini", LANGUAGE="1")
    assert done.returncode == 1
    assert "# mini: not reproduced" in done.stdout
    assert "| 0.05 | not reproduced |" in done.stdout
    assert "3 of 6 files" not in done.stdout


def test_a_declared_tolerance_decides(noisy):
    edit(noisy, "code/posts/mini/experiment.py", 'title="score")', 'title="score", tolerance=2.0)')
    edit(
        noisy, "code/posts/mini/experiment.py", 'Metric("total", digits=1)', 'Metric("total", digits=1, tolerance=6.0)'
    )
    done = lockstep(noisy, "reproduce", "mini", LANGUAGE="1")
    assert done.returncode == 0, done.stdout
    assert "| 2 | reproduced |" in done.stdout


def test_one_seed_beyond_the_tolerance_is_inconclusive(noisy):
    done = lockstep(noisy, "reproduce", "mini.evaluate", "--seed", "1", LANGUAGE="1")
    assert done.returncode == 0, "the recorded artefact is at hand: evaluating it again gives the same"
    for path in (noisy / ".lockstep/store").rglob("*"):
        if path.is_file():
            path.unlink()
    done = lockstep(noisy, "reproduce", "mini.evaluate", "--seed", "1", LANGUAGE="1")
    assert done.returncode == 3
    assert "2 runs of train, evaluate" in done.stdout
    assert "# mini: inconclusive" in done.stdout


def test_a_claim_that_no_longer_holds_is_not_reproduced(noisy):
    edit(noisy, "code/posts/mini/experiment.py", 'title="score")', 'title="score", tolerance=1e9)')
    edit(
        noisy, "code/posts/mini/experiment.py", 'Metric("total", digits=1)', 'Metric("total", digits=1, tolerance=1e9)'
    )
    done = lockstep(noisy, "reproduce", "mini", LANGUAGE="-5000")
    assert done.returncode == 1
    assert "| scores_are_positive | greater | less: " in done.stdout
    assert done.stdout.splitlines()[0] == "# mini: not reproduced"


def test_a_run_that_fails_this_time_is_not_reproduced(project):
    edit(project, *NOISE[:2], "import os\n    os.getenv('LANGUAGE') == 'F' and run.fail('too hot')\n    total = run")
    assert lockstep(project, "build", "--no-render").returncode == 0
    done = lockstep(project, "reproduce", "mini.train", LANGUAGE="F")
    assert done.returncode == 1
    assert "Failed: train (seed=0) is failed, recorded done" in done.stdout


def test_a_stale_record_is_refused(project):
    edit(project, "code/posts/mini/deep.py", "FACTOR = 2", "FACTOR = 3")
    done = lockstep(project, "reproduce", "mini")
    assert done.returncode == 1
    assert "mini.train (seed=0) is stale (code: deep:FACTOR changed" in done.stderr
    assert "run lockstep build first" in done.stderr


def test_the_smoke_profile_reproduces_itself_and_reads_nothing_published(project):
    done = lockstep(project, "reproduce", "mini", "--profile", "smoke")
    assert done.returncode == 0, done.stderr
    assert "The smoke profile twice" in done.stdout
    assert "claim" not in done.stdout
    edit(project, *NOISE[:2], "import time\n    total = time.monotonic_ns() % 10**9 + run")
    assert lockstep(project, "reproduce", "mini", "--profile", "smoke").returncode == 3
    refused = lockstep(project, "reproduce", "mini.train", "--profile", "smoke")
    assert refused.returncode == 1
    assert "leave stage, --seed, --where and --on out" in refused.stderr


def test_a_selection_without_runs_reproduces_nothing(project):
    done = lockstep(project, "reproduce", "mini.train", "--seed", "99")
    assert done.returncode == 1
    assert "mini.train has no seed 99: there are 0, 1, 2" in done.stderr


def test_one_place_of_a_grid_is_reproduced_whatever_became_of_the_others(noisy):
    """A stale run elsewhere in the grid does not hinder; the upstream run whose artefact is gone is made as well."""
    edit(noisy, "code/posts/mini/experiment.py", "seed=range(3)", "seed=range(4)")
    for path in (noisy / ".lockstep/store").rglob("*"):
        if path.is_file():
            path.unlink()
    done = lockstep(noisy, "reproduce", "mini.evaluate", "--where", "seed=1")
    assert done.returncode == 0, done.stderr
    assert "2 runs of train, evaluate" in done.stdout
    assert 'Not judged: the claim "scores_are_positive": incomplete: the run evaluate (seed=3) is' in done.stdout
    refused = lockstep(noisy, "reproduce", "mini.evaluate", "--where", "seed=3")
    assert refused.returncode == 1
    assert "mini.train (seed=3) is missing" in refused.stderr
    unknown = lockstep(noisy, "reproduce", "mini.evaluate", "--where", "sede=1")
    assert unknown.returncode == 1
    assert 'mini.evaluate has no key "sede"; did you mean "seed"?' in unknown.stderr


def test_a_stage_without_metrics_is_reproduced_by_its_files_alone(noisy):
    assert lockstep(noisy, "reproduce", "mini.train").returncode == 0
    done = lockstep(noisy, "reproduce", "mini.train", LANGUAGE="0.01")
    assert done.returncode == 3
    assert "0 of 6 files" in done.stdout


def test_verdicts_on_differences_with_known_answers():
    assert verdict([0.0, 0.0], 0.0) == "reproduced"
    assert verdict([0.4, -0.4, 0.3], 0.5) == "reproduced"
    assert verdict([5.0, 5.1, 4.9], 0.5) == "not reproduced"
    assert verdict([-5.0, -5.1, -4.9], 0.5) == "not reproduced"
    assert verdict([0.9, -0.9, 0.6], 0.5) == "inconclusive"
    assert verdict([0.6] + [0.0] * 30, 0.5) == "reproduced"
    assert verdict([9.0], 0.5) == "inconclusive"


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=8), st.floats(0, 5), st.floats(0, 5))
def test_a_wider_tolerance_never_takes_a_reproduction_back(differences, tolerance, more):
    if verdict(differences, tolerance) == "reproduced":
        assert verdict(differences, tolerance + more) == "reproduced"
