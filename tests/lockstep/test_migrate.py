"""Runs that an older engine recorded are taken over where nothing they depend on differs from their own commit."""

import dataclasses
import json
import subprocess
from pathlib import Path

import pytest
from lockstep.record import ledger
from mini import edit, lockstep

GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
HELPERS = "code/posts/mini/helpers.py"


def git(root: Path, *arguments: str) -> None:
    subprocess.run([*GIT, *arguments], cwd=root, check=True, capture_output=True)


def lines(root: Path) -> dict:
    return ledger.read(root / "content/mini/results").lines


def age(root: Path, dirty: bool = False) -> None:
    """Let every line be one of the first version: no `seen`, and fingerprints of a scheme that nobody knows."""
    aged = {line.fingerprint: f"old-{line.fingerprint}" for line in lines(root).values()}
    for path in (root / "content/mini/results").glob("*.jsonl"):
        texts = []
        for line in ledger.read(path.parent).of(path.stem):
            upstream = [entry | {"fingerprint": aged[entry["fingerprint"]]} for entry in line.upstream]
            old = dataclasses.replace(
                line, v=1, seen=[], code="old", fingerprint=aged[line.fingerprint], upstream=upstream
            )
            texts.append(old.summed().text())
        path.write_text("\n".join(texts) + "\n")
    for path in (root / "content/mini/results/provenance").glob("*.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"dirty": dirty}))


@pytest.fixture
def committed(project) -> Path:
    """The project with its code committed before anything of it ran."""
    git(project, "init", "-q")
    git(project, "add", "code")
    git(project, "commit", "-qm", "code")
    done = lockstep(project, "run", "mini", "--force")
    assert done.returncode == 0, done.stderr
    return project


def test_a_line_of_an_older_engine_is_stale_and_says_what_to_do(committed):
    age(committed)
    assert "it was recorded by an older engine: lockstep migrate" in lockstep(committed, "check").stderr


def test_what_has_not_changed_since_its_commit_is_as_if_it_had_been_recorded_today(committed):
    before = lines(committed)
    age(committed)
    edit(committed, HELPERS, "return -x", "return +x")  # which no stage reaches
    done = lockstep(committed, "migrate")
    assert done.returncode == 0, done.stderr
    assert "mini: 7 runs are as they were, 0 ran other code than today's" in done.stdout
    assert {key: line.fingerprint for key, line in lines(committed).items()} == {
        key: line.fingerprint for key, line in before.items()
    }
    assert lockstep(committed, "check").returncode == 0


def test_what_ran_other_code_is_stale_by_name_and_its_results_stay(committed):
    before = lines(committed)
    age(committed)
    edit(committed, HELPERS, "x**3", "x**2")
    done = lockstep(committed, "migrate", "mini")
    assert "4 runs are as they were, 3 ran other code" in done.stdout
    assert "code: helpers:cube changed" in lockstep(committed, "why").stdout
    assert [line.rows for line in lines(committed).values()] == [line.rows for line in before.values()]


def test_a_commit_proves_nothing_for_a_run_from_a_tree_with_changes(committed):
    age(committed, dirty=True)
    lockstep(committed, "migrate")
    assert "code: made from a tree with changes beside its commit" in lockstep(committed, "why").stdout
    accepted = lockstep(committed, "accept", "mini", "--reason", "only comments were changed")
    assert accepted.returncode == 0, accepted.stderr
    assert lockstep(committed, "check").returncode == 0


def test_what_read_other_data_is_left_and_said(committed):
    age(committed)
    edit(committed, "code/posts/mini/experiment.py", "np.arange(4,", "np.arange(5,")
    done = lockstep(committed, "migrate")
    assert done.returncode == 1
    assert "mini.train (seed=0): it read another line: make it again" in done.stderr
    assert "mini.evaluate (seed=0): it reads train (seed=0), which has no record of this scheme" in done.stderr
