"""A build killed at random points: the ledger always reads, finished runs stay, and the end is the same."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from lockstep.record import ledger
from mini import create, edit, lockstep

KILLS = 50
# counts what happens to files of the project (audit events), and ends the process in the middle of it
KILLER = """
import os, signal, sys
EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree", "shutil.copyfile")
count = 0
def hook(event, arguments):
    global count
    if event not in EVENTS or not str(arguments[0]).startswith(os.getcwd()):
        return
    count += 1
    if count == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
from lockstep.cli import main
sys.addaudithook(hook)
code = main(["build", "--no-render"])
print(count)
sys.exit(code)
"""


def build_until(root: Path, event: int) -> subprocess.CompletedProcess[str]:
    """A build that is killed at that event; 0 lets it end and prints how many there were."""
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "LOCKSTEP_STORE")}
    command = [sys.executable, "-c", KILLER, str(event)]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


def recorded(root: Path) -> dict[tuple[str, str], str]:
    found = ledger.read(root / "content/mini/results")
    assert found.problems == []
    return {identity: line.sum for identity, line in found.lines.items()}


def test_a_build_killed_at_fifty_random_points_loses_nothing(tmp_path):
    """Kills fall on start-up, runs, ledger writes and the refresh of the prose; now and then the work is new."""
    root, choose = create(tmp_path), random.Random(0)
    whole = build_until(root, 0)
    assert whole.returncode == 0, whole.stderr
    events, saved = int(whole.stdout.split()[-1]), 0
    for kill in range(KILLS):
        if kill % 3 == 0:
            edit(root, "code/posts/mini/deep.py", f"FACTOR = {kill // 3 + 2}", f"FACTOR = {kill // 3 + 3}")
        before = recorded(root)
        killed = build_until(root, choose.randrange(1, events // (1 + kill % 3)))
        assert killed.returncode == -signal.SIGKILL or kill % 3
        after = recorded(root)
        assert set(before) <= set(after)
        saved += before != after
        prose = (root / "content/mini/index.md").read_text()
        assert prose.startswith("Title: Mini")
        assert prose.endswith("[The scores.](table:scores)\n")
    assert saved > KILLS / 5, "the kills came too early to interrupt any recording"
    done = lockstep(root, "build", "--no-render")
    assert done.returncode == 0, done.stderr
    settled = recorded(root)
    again = lockstep(root, "build", "--no-render")
    assert again.returncode == 0
    assert "[1/" not in again.stderr
    assert recorded(root) == settled
    fresh = create(tmp_path / "fresh")
    for file in ("code/posts/mini/deep.py",):
        (fresh / file).write_text((root / file).read_text())
    assert lockstep(fresh, "build", "--no-render").returncode == 0
    assert recorded(fresh) == settled
    assert (fresh / "content/mini/index.md").read_text() == (root / "content/mini/index.md").read_text()


def test_a_killed_build_goes_on_with_the_runs_that_are_left(tmp_path):
    root = create(tmp_path)
    edit(root, "code/posts/mini/train.py", "    # a comment", "    assert run.seed < 2, 'the machine went down'")
    assert lockstep(root, "build", "--no-render").returncode == 1
    assert {line.keys["seed"] for line in ledger.read(root / "content/mini/results").of("train")} == {0, 1}
    edit(root, "code/posts/mini/train.py", "    assert run.seed < 2, 'the machine went down'", "    # a comment")
    # another code: all run again; the same code as before the fault would have kept both
    done = lockstep(root, "build", "--no-render")
    assert done.returncode == 0
    assert lockstep(root, "status").stdout.count("3 fresh") == 2


def test_a_resumed_run_starts_from_its_checkpoint_and_counts_all_its_time(tmp_path):
    root = create(tmp_path)
    stage = """
    done = int(run.resume().read_text()) if run.resume() else 0
    for step in range(done, 4):
        with run.checkpoint() as path:
            path.write_text(str(step + 1))
        if step == 1 and done == 0 and run.seed == 0:
            import os, signal
            os.kill(os.getpid(), signal.SIGKILL)
    run.write_csv("steps.csv", [{"started_at": done}])
"""
    edit(root, "code/posts/mini/train.py", "    # a comment", stage)
    killed = lockstep(root, "run", "mini.train", "--seed", "0")
    assert killed.returncode == 1
    assert "its process was ended from outside" in killed.stderr
    assert lockstep(root, "run", "mini.train").returncode == 0
    assert (root / "content/mini/results/train/seed=0/steps.csv").read_text() == "started_at\n2\n"
    assert (root / "content/mini/results/train/seed=1/steps.csv").read_text() == "started_at\n0\n"


def test_two_processes_never_make_the_same_run(tmp_path):
    """The stage starts the command that is running: the inner one is refused, the outer one is recorded."""
    root = create(tmp_path)
    inner = """
    import os, subprocess, sys
    if not os.environ.get("LANGUAGE"):
        command = [sys.executable, "-m", "lockstep", "run", "mini.train", "--seed", str(run.seed)]
        done = subprocess.run(command, env=os.environ | {"LANGUAGE": "1"}, capture_output=True, text=True)
        assert done.returncode == 1, done.stdout
        run.write_csv("told.csv", [{"message": done.stderr.splitlines()[-1]}])
"""
    edit(root, "code/posts/mini/experiment.py", '"train:fit", seed', '"train:fit", programs=["python"], seed')
    edit(root, "code/posts/mini/train.py", "    # a comment", inner)
    done = lockstep(root, "run", "mini.train", "--seed", "0")
    assert done.returncode == 0, done.stderr
    told = (root / "content/mini/results/train/seed=0/told.csv").read_text()
    assert "mini.train (seed=0) is being made by another process: wait for it, or end it" in told
    assert [line.keys for line in ledger.read(root / "content/mini/results").of("train")] == [{"seed": 0}]
    assert lockstep(root, "run", "mini.train", "--seed", "1", LANGUAGE="1").returncode == 0
