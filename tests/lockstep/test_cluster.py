"""Runs on a Dask cluster: the same as here, whatever is killed, slow or of another mind; recorded once."""

import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import importlib_metadata  # before any fixture: dask's import of it takes a place among sys.meta_path
import lockstep
import psutil
import pytest
from daskhere import LIMIT, Dask
from gate import EXPERIMENT, TRAIN, Gate, Waiting, gated, until
from lockstep.errors import LockstepError
from lockstep.execute import cluster
from lockstep.execute.cluster import Cluster
from lockstep.execute.executors import named
from lockstep.execute.merge import merge
from lockstep.execute.parcel import digest_files, packed, unpacked
from lockstep.execute.plan import Selection
from lockstep.execute.profiles import Profile
from lockstep.execute.runner import run_stages
from lockstep.project.project import Project
from lockstep.record import ledger
from lockstep.record.ledger import Line, Provenance
from mini import create, edit

assert importlib_metadata
BOUND = 120  # seconds for a test on a loaded machine
BIG = f"    held = np.ones({LIMIT + 100}_000_000 // 8)\n    time.sleep({BOUND})\n"
HELD = f"        if step == 1:\n            held = b'1' * {LIMIT + 100}_000_000\n"
ONLY = Selection(frozenset(["train"]))


@pytest.fixture(scope="module")
def dask(tmp_path_factory) -> Iterator[Dask]:
    started = Dask(tmp_path_factory.mktemp("dask"))
    try:
        yield started
    finally:
        started.close()


@pytest.fixture(autouse=True)
def bounded(monkeypatch) -> Iterator[None]:
    monkeypatch.delenv("LOCKSTEP_STORE", raising=False)

    def end(*_: object) -> None:
        raise TimeoutError("the test took too long")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(BOUND)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def there(dask, monkeypatch) -> Iterator[Cluster]:
    monkeypatch.setattr(cluster, "LOOK", 1)
    dask.start()
    place = Cluster(dask.address)
    yield place
    place.close()


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.close()


def run(root: Path, place: Cluster, selection: Selection = ONLY) -> list[Line]:
    return run_stages(Profile.published(Project(root).post("mini")), selection, place)


def recorded(root: Path) -> dict[str, Line]:
    found = ledger.read(root / "content/mini/results")
    assert found.problems == []
    return {ledger.describe(line.stage, line.keys): line for line in found.lines.values()}


def meanwhile(act: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=act)
    thread.start()
    return thread


def refused(root: Path, place: Cluster) -> str:
    with pytest.raises(LockstepError) as caught:
        run(root, place)
    return str(caught.value)


def worker_of(run: Waiting) -> psutil.Process:
    parent = psutil.Process(run.parent).parent()
    assert parent is not None
    return parent


def test_what_a_cluster_makes_is_what_is_made_here_and_says_where(built, there, tmp_path):
    root = create(tmp_path)
    run(root, there, Selection())
    here = {name: line.text() for name, line in recorded(built).items()}
    assert {name: line.text() for name, line in recorded(root).items()} == here
    assert len(here) == 7
    found = ledger.read(root / "content/mini/results")
    assert {explained.host for line in found.lines.values() if (explained := found.provenance(line))} == {"worker"}
    assert run(root, there, Selection()) == []


def test_a_run_whose_worker_is_killed_goes_on_with_another_from_its_checkpoint(there, gate, tmp_path, monkeypatch):
    monkeypatch.setenv("LOCKSTEP_STORE", f"file://{tmp_path}/store")
    root = gated(tmp_path / "mini", gate)

    made = list[Line]()
    thread = meanwhile(lambda: made.extend(run(root, there)))
    waiting = [gate.next(), gate.next()]
    until(lambda: len(list(tmp_path.glob("store/unfinished/*/last"))) == 2, "a copy of each checkpoint")
    killed, other = sorted(waiting, key=lambda each: each.seed)
    worker_of(killed).kill()
    assert killed.ended()
    other.go()
    thread.join(60)
    assert sorted(line.keys["seed"] for line in made) == [0, 1]
    assert len(recorded(root)) == 2
    begun = {seed: (root / f"content/mini/results/train/seed={seed}/begun.csv").read_text().split() for seed in (0, 1)}
    assert begun == {0: ["at", "0", "2"], 1: ["at", "0"]}  # the second attempt found two steps done
    assert not list(tmp_path.glob("store/unfinished/*/*"))


def test_each_leg_is_a_task_of_its_own_that_goes_on_where_the_last_one_ended(there, gate, tmp_path):
    root = gated(tmp_path, gate, "[0]", legs=2)
    thread = meanwhile(lambda: run(root, there))
    gate.next().go()
    thread.join(BOUND)
    [line] = recorded(root).values()
    assert line.rows == [{"seed": 0, "total": 0.0}]
    assert (root / "content/mini/results/train/seed=0/begun.csv").read_text().split() == ["at", "0", "2"]
    explained = ledger.read(root / "content/mini/results").provenance(line)
    assert explained is not None
    assert [leg["host"] for leg in explained.legs] == ["worker", "worker"]
    assert len(list(root.glob(".lockstep/store/legs/*/0.json"))) == 1


def test_of_two_planners_in_one_clone_one_makes_a_run_and_the_other_is_told(there, gate, tmp_path):
    root = gated(tmp_path, gate, "[0]")
    thread = meanwhile(lambda: run(root, there))
    waiting = gate.next()
    assert refused(root, there) == "mini.train (seed=0) is being made by another process: wait for it, or end it"
    waiting.go()
    thread.join(BOUND)
    assert list(recorded(root)) == ["train (seed=0)"]


def test_two_clones_with_one_store_make_the_same_and_merging_takes_it_once(there, gate, tmp_path, monkeypatch):
    monkeypatch.setenv("LOCKSTEP_STORE", f"file://{tmp_path}/store")
    ours, theirs = gated(tmp_path / "ours", gate, "[0]"), gated(tmp_path / "theirs", gate, "[0]")
    out = Profile.elsewhere(Project(theirs).post("mini"), tmp_path / "out")
    other = meanwhile(lambda: run_stages(out, ONLY, there))
    first = gate.next()
    thread = meanwhile(lambda: run(ours, there))
    second = gate.next()
    first.go()
    second.go()
    thread.join(BOUND)
    other.join(BOUND)
    before = recorded(ours)
    merged = merge(Project(ours), tmp_path / "out")
    assert (merged.taken, merged.known, merged.refused) == ([], ["mini.train (seed=0)"], [])
    assert recorded(ours) == before
    assert list(before) == ["train (seed=0)"]


def test_a_worker_with_another_lockstep_is_told_once_and_others_make_its_runs(dask, there, gate, tmp_path, capfd):
    engine = Path(shutil.copytree(Path(lockstep.__file__).parent, tmp_path / "other/lockstep"))
    with (engine / "errors.py").open("a") as file:
        file.write("OTHER = 1\n")
    root = gated(tmp_path / "mini", gate, "range(3)")
    with dask.worker(tmp_path, PYTHONPATH=str(engine.parent)):
        until(lambda: len(there.client().scheduler_info(n_workers=-1)["workers"]) == 3, "a third worker")
        thread = meanwhile(lambda: run(root, there))
        both = gate.next(), gate.next()  # so the third run has nowhere else to go
        until(lambda: there._told, "a refusal")
        for waiting in both:
            waiting.go()
        gate.next().go()
        thread.join(BOUND)
    assert len(recorded(root)) == 3
    assert capfd.readouterr().err.count("has another lockstep (") == 1


def test_where_no_worker_has_the_planners_lockstep_that_is_told_in_a_line(there, gate, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "engine", lambda: "0" * 64)
    told = refused(gated(tmp_path, gate, "[0]"), there)
    assert "mini.train (seed=0) is made by no worker: tcp://127.0.0.1:" in told
    assert "has another lockstep (" in told
    assert "install the same commit" in told
    assert len(told.splitlines()) == 1


def test_a_kept_snapshot_that_was_changed_is_not_run(tmp_path):
    files = packed(Project(create(tmp_path / "mini")).post("mini"))
    digest = digest_files(files)
    root = unpacked(tmp_path / "kept", digest, files)
    assert unpacked(tmp_path / "kept", digest, {}) == root  # it is read, not written
    edit(root, "code/posts/mini/deep.py", "FACTOR = 2", "FACTOR = 3")
    assert unpacked(tmp_path / "kept", digest, files) == root
    assert (root / "code/posts/mini/deep.py").read_bytes() == files["code/posts/mini/deep.py"]
    (root / "code/posts/mini/more.py").touch()
    unpacked(tmp_path / "kept", digest, files)
    assert not (root / "code/posts/mini/more.py").exists()


def test_data_that_comes_out_otherwise_at_the_worker_is_not_used(there, tmp_path, monkeypatch):
    root = create(tmp_path)
    edit(root, EXPERIMENT, "np.arange(4,", 'np.arange(5 if __import__("os").environ["LANGUAGE"] else 4,')
    monkeypatch.setenv("LANGUAGE", "here")
    told = refused(root, there)
    assert "is made by no worker: tcp://127.0.0.1:" in told
    assert "makes other data line (digest" in told
    assert recorded(root) == {}


def test_versions_that_differ_are_told_in_one_line_for_all_runs(capsys):
    place, there = Cluster("tcp://127.0.0.1:1"), {"python": "3.12.1", "numpy": "0.1", "rich": metadata.version("rich")}
    for seconds in (1, 2):
        explained = Provenance(
            command="", commit="", dirty=False, date="", seconds=seconds, host="far", hardware="", versions=there
        )
        place._compare("tcp://127.0.0.1:2", explained)
    [line] = capsys.readouterr().err.splitlines()
    here = f"python 3.12.1 (here {platform.python_version()}), numpy 0.1 (here {metadata.version('numpy')})"
    assert line.strip() == f"far has other versions, which are recorded: {here}"


def test_a_slow_worker_holds_up_its_own_run_alone(there, gate, tmp_path):
    root = gated(tmp_path, gate, "range(3)")
    thread = meanwhile(lambda: run(root, there))
    slow, quick = gate.next(), gate.next()
    worker = worker_of(slow)
    worker.suspend()
    try:
        quick.go()
        gate.next().go()
        until(lambda: len(recorded(root)) == 2, "two runs")
        assert f"train (seed={slow.seed})" not in recorded(root)
    finally:
        worker.resume()
    slow.go()
    thread.join(BOUND)
    assert len(recorded(root)) == 3
    assert gate.idle()  # nobody made one of them again


def test_a_run_that_outgrows_its_worker_is_ended_and_told(there, gate, tmp_path):
    root = gated(tmp_path, gate, "[0]")
    edit(
        root,
        TRAIN,
        "        if step == 1:\n",
        f"        if step == 1:\n            held = b'1' * {LIMIT + 100}_000_000\n",
    )
    message = rf"mini.train \(seed=0\): it takes \d{{3}} MB, and its worker may have {LIMIT} MB: --memory-limit"
    assert re.fullmatch(message, refused(root, there))
    assert recorded(root) == {}


def test_workers_that_die_of_memory_are_not_tried_without_end(there, tmp_path):
    root = create(tmp_path)
    edit(root, EXPERIMENT, 'Made("line", make)', 'Made("line", make, declared="0" * 64)')
    edit(root, EXPERIMENT, "    import numpy as np\n", f"    import time\n    import numpy as np\n{BIG}")
    edit(root, EXPERIMENT, "seed=range(3)", "seed=[0]")
    told = refused(root, there)
    assert told == (
        "mini.train (seed=0): 2 workers ended while they made it, perhaps for want of memory: give them more "
        "(--memory-limit), and run it again"
    )


def test_an_interrupted_planner_names_what_is_not_finished_and_its_runs_end(dask, there, gate, tmp_path):
    root = gated(tmp_path, gate, "range(3)")
    code = "import sys; from lockstep import cli; from lockstep.execute import cluster; cluster.LOOK = 1; "
    code += f"sys.exit(cli.main(['run', 'mini.train', '--on', '{dask.address}']))"
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "LOCKSTEP_STORE")}
    planner = subprocess.Popen(
        [sys.executable, "-c", code], cwd=root, env=environment, stderr=subprocess.PIPE, text=True
    )
    first, second = gate.next(), gate.next()
    first.go()
    third = gate.next()
    until(lambda: recorded(root), "the first run")
    planner.send_signal(signal.SIGINT)
    _, told = planner.communicate(timeout=BOUND)
    assert planner.returncode == 130
    assert second.ended()  # nothing goes on unseen
    assert third.ended()
    names = [f"mini.train (seed={seed})" for seed in range(3) if seed != first.seed]
    assert f"not finished: {', '.join(names)}: the same command makes them, from their last checkpoints" in told
    assert "Traceback" not in told
    assert list(recorded(root)) == [f"train (seed={first.seed})"]


def test_where_the_scheduler_is_lost_the_runs_that_ended_stay_and_the_others_are_told(
    dask, there, gate, tmp_path, capfd
):
    root = gated(tmp_path, gate, "range(2)")
    told: list[str] = []
    thread = meanwhile(lambda: told.append(refused(root, there)))
    first, second = gate.next(), gate.next()
    first.go()
    until(lambda: recorded(root), "the first run")
    dask.processes["scheduler"].kill()
    thread.join(BOUND)
    assert told == [f"the scheduler {dask.address} is lost: start it again, and run the same command"]
    assert f"not finished: mini.train (seed={second.seed}): the same command" in capfd.readouterr().err
    assert list(recorded(root)) == [f"train (seed={first.seed})"]
    dask.close()
    assert second.ended()
    thread = meanwhile(lambda: run_stages(Profile.published(Project(root).post("mini")), ONLY))
    gate.next().go()
    thread.join(BOUND)
    assert len(recorded(root)) == 2


def test_where_no_worker_takes_runs_that_is_told_once(dask, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(cluster, "LOOK", 1)
    dask.close()
    dask.schedule()
    place, told = Cluster(dask.address), list[str]()
    thread = meanwhile(lambda: told.append(refused(create(tmp_path), place)))
    until(lambda: place._told, "a word about workers")
    dask.close()
    thread.join(BOUND)
    place.close()
    assert told == [f"the scheduler {dask.address} is lost: start it again, and run the same command"]
    said = f"no worker at {dask.address} takes runs: they wait for one (dask worker {dask.address})"
    assert capfd.readouterr().err.count(said) == 1


def test_an_address_without_a_scheduler_and_one_with_a_secret_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "TIMEOUT", 1)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    told = refused(create(tmp_path), Cluster(address))
    assert told.startswith(f"no scheduler answers at {address} (")
    assert len(told.splitlines()) == 1
    with pytest.raises(LockstepError, match=r"the scheduler tcp://\*\*\*@far:1 holds a secret") as caught:
        named("tcp://me:hunter22@far:1")
    assert "hunter22" not in str(caught.value)
