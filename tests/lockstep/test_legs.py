"""A long run in legs: each a process of its own, each in the store, and one row at the end."""

import json
import shutil
from pathlib import Path

import pytest
from lockstep.errors import ProjectError
from lockstep.experiment import Experiment
from lockstep.project.paper import NoConfig
from lockstep.record import ledger
from mini import create, edit, lockstep

EXPERIMENT, TRAIN = "code/posts/mini/experiment.py", "code/posts/mini/train.py"
FIT = """
    import json, os
    state = json.loads(run.resume().read_text()) if run.resume() else {"step": 0, "sum": 0.0, "made": []}
    state["made"].append([run.leg, os.getpid()])
    for step in range(state["step"], run.until(7)):
        state["step"], state["sum"] = step + 1, state["sum"] + run.config.scale * step
        if os.getenv("LANGUAGE") == f"kill {step}":
            os.kill(os.getpid(), 9)
    with run.checkpoint() as path:
        path.write_text(json.dumps(state))
    if not run.last:
        return None
    run.write_csv("made.csv", [{"leg": leg, "process": process} for leg, process in state["made"]])
    return {"total": state["sum"]}
"""


@pytest.fixture
def project(tmp_path) -> Path:
    root = create(tmp_path)
    edit(root, EXPERIMENT, '"train:fit", seed=range(3)', '"train:fit", seed=[0], legs=3')
    edit(root, TRAIN, '    """The stage."""\n', FIT)
    return root


def made(root: Path) -> list[list[str]]:
    text = (root / "content/mini/results/train/seed=0/made.csv").read_text()
    return [line.split(",") for line in text.splitlines()[1:]]


def row(root: Path) -> dict:
    [line] = ledger.read(root / "content/mini/results").of("train")
    return line.rows[0]


def kept(root: Path) -> list[Path]:
    return sorted((root / ".lockstep/store/legs").glob("*/*.json"))


def test_each_leg_is_a_process_of_its_own_and_the_run_one_row_with_a_provenance_for_each(project):
    done = lockstep(project, "run", "mini.train")
    assert done.returncode == 0, done.stderr
    assert row(project) == {"seed": 0, "total": 42.0}
    legs, processes = zip(*made(project), strict=True)
    assert legs == ("0", "1", "2")
    assert len(set(processes)) == 3
    told = json.loads((project / "content/mini/results/provenance/train-seed=0.json").read_text())
    assert len(told["legs"]) == 3
    assert sum(leg["seconds"] for leg in told["legs"]) == pytest.approx(told["seconds"], abs=0.01)


def test_a_run_that_is_killed_goes_on_with_the_leg_that_it_was_in(project):
    whole = shutil.copytree(project, project.parent / "whole")
    assert lockstep(whole, "run", "mini.train").returncode == 0
    killed = lockstep(project, "run", "mini.train", LANGUAGE="kill 3")
    assert killed.returncode == 1
    assert "its process was ended from outside" in killed.stderr
    assert len(kept(project)) == 1
    assert lockstep(project, "run", "mini.train").returncode == 0
    assert [leg for leg, _ in made(project)] == ["0", "1", "2"]
    assert row(project) == row(whole)


def test_a_leg_is_found_in_the_store_when_the_scratch_folder_is_lost(project):
    lockstep(project, "run", "mini.train", LANGUAGE="kill 5")
    shutil.rmtree(project / ".lockstep/scratch")
    first = [path.stat().st_mtime_ns for path in kept(project)]
    assert lockstep(project, "run", "mini.train").returncode == 0
    assert [path.stat().st_mtime_ns for path in kept(project)] == first
    assert row(project) == {"seed": 0, "total": 42.0}


def test_a_leg_whose_checkpoint_is_lost_is_made_again_from_the_one_before(project):
    lockstep(project, "run", "mini.train", LANGUAGE="kill 5")
    shutil.rmtree(project / ".lockstep/scratch")
    lost = json.loads(kept(project)[1].read_bytes())["checkpoint"]
    (project / ".lockstep/store" / lost[:2] / lost[2:]).unlink()
    assert lockstep(project, "run", "mini.train").returncode == 0
    assert [leg for leg, _ in made(project)] == ["0", "1", "2"]
    assert row(project) == {"seed": 0, "total": 42.0}


def test_legs_of_other_code_are_not_gone_on_with(project):
    lockstep(project, "run", "mini.train", LANGUAGE="kill 5")
    edit(project, TRAIN, "run.config.scale * step", "run.config.scale * step + 1")
    assert lockstep(project, "run", "mini.train").returncode == 0
    assert row(project) == {"seed": 0, "total": 49.0}


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("        path.write_text(json.dumps(state))", "        raise SystemExit", "raised SystemExit"),
        (
            "    with run.checkpoint() as path:",
            "    with open(run.artefact('x'), 'w') as path:",
            "raised AttributeError",
        ),
        ("        return None\n", "        return {}\n", "a leg that is not the last returns nothing"),
    ],
)
def test_a_leg_that_does_not_end_as_it_must_is_told_and_nothing_recorded(project, old, new, message):
    edit(project, TRAIN, old, new)
    done = lockstep(project, "run", "mini.train")
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(ledger.read(project / "content/mini/results").of("train"))


def test_a_leg_without_a_checkpoint_is_told(project):
    edit(project, TRAIN, "    with run.checkpoint() as path:\n        path.write_text(json.dumps(state))\n", "")
    done = lockstep(project, "run", "mini.train")
    assert "leg 1 ended without a checkpoint: write one with run.checkpoint() at run.until(total)" in done.stderr


def test_legs_and_needs_are_checked_where_they_are_declared():
    post = Experiment(NoConfig)
    with pytest.raises(ProjectError, match="legs is how many parts a run has"):
        post.stage("train:fit", legs=0)
    with pytest.raises(ProjectError, match='needs="fp8" is nothing that can be measured'):
        post.stage("train:fit", needs="fp8")
    with pytest.raises(ProjectError, match=r'programs takes a list of names, as in programs=\["dot"\]'):
        post.stage("train:fit", programs="dot")
