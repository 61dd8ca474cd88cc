"""Runs made elsewhere are taken where they are what a run here would be, and refused with the reason where not."""

import json
import os
import shutil
from pathlib import Path

import lockstep as lockstep_package
import pytest
from mini import create, edit, lockstep

EDIT = ("code/posts/mini/deep.py", "FACTOR = 2", "FACTOR = 3")


@pytest.fixture
def elsewhere(tmp_path):
    """Another clone, without any recorded run; what it makes goes to `out`."""
    return create(tmp_path / "elsewhere")


def make(root, *arguments, **variables):
    done = lockstep(root, "run", *arguments, "--out", "out", **variables)
    assert done.returncode == 0, done.stderr
    return root / "out"


@pytest.fixture
def empty(tmp_path):
    return create(tmp_path / "here")


def test_runs_of_one_seed_come_back_with_outputs_artefacts_and_provenance(elsewhere, empty):
    out = make(elsewhere, "mini.evaluate", "--seed", "1", LOCKSTEP_HOST="a machine elsewhere")
    assert not (elsewhere / "content/mini/results").exists()
    done = lockstep(empty, "merge", str(out))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "taken: mini.train (seed=1)\ntaken: mini.evaluate (seed=1)\n"
    assert (empty / "content/mini/results/train/seed=1/curve.csv").exists()
    assert "a machine elsewhere" in (empty / "content/mini/results/provenance/train-seed=1.json").read_text()
    built = lockstep(empty, "build", "--no-render")
    assert built.returncode == 0, built.stderr
    assert "mini.train (seed=1)" not in built.stderr.replace("train (seed=1): missing", "")
    whole = create(empty.parent / "whole")
    lockstep(whole, "build", "--no-render")
    results = "content/mini/results/evaluate.jsonl"
    assert (whole / results).read_bytes() == (empty / results).read_bytes()


def test_runs_made_by_another_interpreter_that_has_only_numpy_are_taken(elsewhere, empty):
    """LOCKSTEP_BARE_PYTHON names it: another version where the machine has one, with NumPy and nothing of ours."""
    bare = os.environ.get("LOCKSTEP_BARE_PYTHON")
    if not bare:
        assert not os.environ.get("CI"), "where CI is set, .ci/run makes such an interpreter"
        pytest.skip("LOCKSTEP_BARE_PYTHON is not set: see .ci/run for how to make such an interpreter")
    engine = str(Path(lockstep_package.__file__).parents[1])
    for absent in ("msgspec", "pelican", "invoke", "rich"):
        assert lockstep(elsewhere, code=f"import {absent}", python=bare, PYTHONPATH=engine).returncode == 1
    out = make(elsewhere, "mini", python=bare, PYTHONPATH=engine)
    done = lockstep(empty, "merge", str(out))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("taken: ") == 7
    built = lockstep(empty, "build", "--no-render")
    assert built.returncode == 0, built.stderr
    assert "[1/" not in built.stderr


def test_an_archive_is_as_good_as_the_folder_and_merging_twice_changes_nothing(elsewhere, empty):
    out = make(elsewhere, "mini")
    archive = shutil.make_archive(str(elsewhere / "packed"), "gztar", out)
    assert lockstep(empty, "merge", archive).returncode == 0
    assert "7 fresh" not in lockstep(empty, "status").stdout
    assert lockstep(empty, "build", "--no-render").returncode == 0
    again = lockstep(empty, "merge", archive)
    assert (again.returncode, again.stdout) == (0, "already here: 7\n")


def test_a_run_of_other_code_is_refused_with_the_symbol(elsewhere, empty):
    edit(elsewhere, *EDIT)
    done = lockstep(empty, "merge", str(make(elsewhere, "mini.train", "--seed", "0")))
    assert done.returncode == 1
    assert "refused: mini.train (seed=0): it does not fit this code: code: " in done.stderr
    assert not (empty / "content/mini/results/train.jsonl").exists()


def test_a_run_of_other_settings_or_data_is_refused(elsewhere, empty):
    edit(elsewhere, "code/posts/mini/experiment.py", "scale: float = 2.0", "scale: float = 2.5")
    edit(elsewhere, "code/posts/mini/experiment.py", "np.arange(4,", "np.arange(5,")
    done = lockstep(empty, "merge", str(make(elsewhere, "mini.train", "--seed", "0")))
    assert "config: scale was 2.5, is 2.0" in done.stderr
    assert 'the digest of "line" was' in done.stderr


def test_rows_that_read_another_artefact_than_the_one_here_are_refused(elsewhere, project):
    noise = (
        "code/posts/mini/train.py",
        "total = run",
        "import os\n    total = float(os.getenv('LANGUAGE') or 0) + run",
    )
    edit(elsewhere, *noise)
    edit(project, *noise)
    assert lockstep(project, "build", "--no-render").returncode == 0
    out = make(elsewhere, "mini.evaluate", "--seed", "0", LANGUAGE="1")
    for path in (project / "content/mini/results/evaluate.jsonl",):
        path.unlink()
    done = lockstep(project, "merge", str(out))
    assert done.returncode == 1
    assert "mini.train (seed=0): a fresh run with other results is recorded here" in done.stderr
    assert "mini.evaluate (seed=0): it does not fit this code: upstream: train (seed=0) ran again" in done.stderr


def test_damaged_and_incomplete_packages_are_refused_and_the_rest_taken(elsewhere, empty):
    out = make(elsewhere, "mini.train")
    lines = (out / "mini/results/train.jsonl").read_text().splitlines()
    tampered = lines[0].replace('"status":"done"', '"status":"dome"')
    (out / "mini/results/train.jsonl").write_text("\n".join([tampered, *lines[1:]]) + "\n")
    (out / "mini/results/train/seed=1/curve.csv").write_text("step,value\n")
    done = lockstep(empty, "merge", str(out))
    assert done.returncode == 1
    assert done.stdout == "taken: mini.train (seed=2)\n"
    assert "train.jsonl:1: the line of train (seed=0) was edited" in done.stderr
    assert "mini.train (seed=1): results/train/seed=1/curve.csv, which it made, was not brought whole" in done.stderr


def test_a_run_outside_todays_grid_is_refused(elsewhere, empty):
    edit(elsewhere, "code/posts/mini/experiment.py", "seed=range(3)", "seed=range(9)")
    done = lockstep(empty, "merge", str(make(elsewhere, "mini.train", "--seed", "7")))
    assert "mini.train (seed=7): it is at no point of today's grid" in done.stderr


def test_an_unknown_post_names_the_nearest(elsewhere, empty):
    out = make(elsewhere, "mini.train", "--seed", "0")
    (out / "mini").rename(out / "minu")
    done = lockstep(empty, "merge", str(out))
    assert done.returncode == 1
    assert 'minu: there is no post "minu"; did you mean "mini"?' in done.stderr


@pytest.mark.parametrize("what", ["nothing", "an empty folder", "no archive"])
def test_what_holds_no_runs_is_an_error_without_traceback(empty, tmp_path, what):
    place = tmp_path / "brought"
    if what == "an empty folder":
        place.mkdir()
    elif what == "no archive":
        place.write_text("words")
    done = lockstep(empty, "merge", str(place))
    assert done.returncode == 1
    assert str(place) in done.stderr
    assert "Traceback" not in done.stderr


def test_out_leaves_the_ledger_alone_and_knows_what_is_recorded(project):
    before = (project / "content/mini/results/train.jsonl").read_bytes()
    assert "nothing to run" in lockstep(project, "run", "mini", "--out", "out").stdout
    edit(project, *EDIT)
    make(project, "mini.train", "--seed", "2")
    assert (project / "content/mini/results/train.jsonl").read_bytes() == before
    made = [json.loads(line) for line in (project / "out/mini/results/train.jsonl").read_text().splitlines()]
    assert [line["keys"] for line in made] == [{"seed": 2}]


def test_a_post_that_does_not_load_keeps_no_other_from_its_runs(elsewhere, empty):
    """Two posts are brought; the first in order is broken here."""
    for root in (elsewhere, empty):
        for folder in ("code/posts", "content"):
            shutil.copytree(root / folder / "mini", root / folder / "first")
        for path in (root / "code/posts/first").rglob("*.py"):
            path.write_text(path.read_text().replace("posts.mini", "posts.first").replace("mini = Exp", "first = Exp"))
            path.write_text(path.read_text().replace("mini.", "first."))
    out = make(elsewhere, "first.train", "--seed", "0")
    make(elsewhere, "mini.train", "--seed", "0")
    edit(empty, "code/posts/first/experiment.py", "first = Exp", "first == Exp")
    done = lockstep(empty, "merge", str(out))
    assert done.returncode == 1
    assert done.stdout == "taken: mini.train (seed=0)\n"
    assert "first: code/posts/first/experiment.py" in done.stderr
    assert "Traceback" not in done.stderr
    edit(empty, "code/posts/first/experiment.py", "first == Exp", "first = Exp")
    assert "taken: first.train (seed=0)\n" in lockstep(empty, "merge", str(out)).stdout
