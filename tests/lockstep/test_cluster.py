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
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import importlib_metadata  # before any fixture: dask's import of it takes a place among sys.meta_path
import lockstep
import psutil
import pytest
from daskhere import LIMIT, Dask
from gate import EXPERIMENT, PATIENCE, TRAIN, Gate, Meanwhile, Waiting, gated, until
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
BIG = f"    held = np.ones({LIMIT + 100}_000_000 // 8)\n    time.sleep({PATIENCE})\n"
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
def without_a_store(monkeypatch) -> None:
    monkeypatch.delenv("LOCKSTEP_STORE", raising=False)


@pytest.fixture
def there(dask, monkeypatch) -> Iterator[Cluster]:
    monkeypatch.setattr(cluster, "LOOK", 1)
    monkeypatch.setattr(cluster, "TIMEOUT", PATIENCE)
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
    return begun(root, place, selection).result()


def begun(root: Path, place: Cluster, selection: Selection = ONLY) -> Meanwhile[list[Line]]:
    return Meanwhile(lambda: run_stages(Profile.published(Project(root).post("mini")), selection, place))


def recorded(root: Path) -> dict[str, Line]:
    found = ledger.read(root / "content/mini/results")
    assert found.problems == []
    return {ledger.describe(line.stage, line.keys): line for line in found.lines.values()}


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

    making = begun(root, there)
    waiting = [gate.next(), gate.next()]
    until(lambda: len(list(tmp_path.glob("store/unfinished/*/last"))) == 2, "a copy of each checkpoint")
    killed, other = sorted(waiting, key=lambda each: each.seed)
    worker_of(killed).kill()
    assert killed.ended()
    other.go()
    assert sorted(line.keys["seed"] for line in making.result()) == [0, 1]
    assert len(recorded(root)) == 2
    steps = {seed: (root / f"content/mini/results/train/seed={seed}/begun.csv").read_text().split() for seed in (0, 1)}
    assert steps == {0: ["at", "0", "2"], 1: ["at", "0"]}  # the second attempt found two steps done
    assert not list(tmp_path.glob("store/unfinished/*/*"))


def test_each_leg_is_a_task_of_its_own_that_goes_on_where_the_last_one_ended(there, gate, tmp_path):
    root = gated(tmp_path, gate, "[0]", legs=2)
    making = begun(root, there)
    gate.next().go()
    making.result()
    [line] = recorded(root).values()
    assert line.rows == [{"seed": 0, "total": 0.0}]
    assert (root / "content/mini/results/train/seed=0/begun.csv").read_text().split() == ["at", "0", "2"]
    explained = ledger.read(root / "content/mini/results").provenance(line)
    assert explained is not None
    assert [leg["host"] for leg in explained.legs] == ["worker", "worker"]
    assert len(list(root.glob(".lockstep/store/legs/*/0.json"))) == 1


def test_of_two_planners_in_one_clone_one_makes_a_run_and_the_other_is_told(there, gate, tmp_path):
    root = gated(tmp_path, gate, "[0]")
    making = begun(root, there)
    waiting = gate.next()
    assert refused(root, there) == "mini.train (seed=0) is being made by another process: wait for it, or end it"
    waiting.go()
    making.result()
    assert list(recorded(root)) == ["train (seed=0)"]


def test_two_clones_with_one_store_make_the_same_and_merging_takes_it_once(there, gate, tmp_path, monkeypatch):
    monkeypatch.setenv("LOCKSTEP_STORE", f"file://{tmp_path}/store")
    ours, theirs = gated(tmp_path / "ours", gate, "[0]"), gated(tmp_path / "theirs", gate, "[0]")
    out = Profile.elsewhere(Project(theirs).post("mini"), tmp_path / "out")
    other = Meanwhile(lambda: run_stages(out, ONLY, there))
    first = gate.next()
    making = begun(ours, there)
    second = gate.next()
    first.go()
    second.go()
    making.result()
    other.result()
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
        making = begun(root, there)
        both = gate.next(), gate.next()  # so the third run has nowhere else to go
        until(lambda: there._told, "a refusal")
        for waiting in both:
            waiting.go()
        gate.next().go()
        making.result()
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


def test_workers_of_a_host_that_unpack_a_snapshot_at_once_take_none_away(tmp_path):
    files = {f"code/posts/mini/m{number}.py": b"" for number in range(40)}
    digest, both = digest_files(files), threading.Barrier(2)

    def unpack(cache: Path) -> int:
        both.wait(PATIENCE)
        return unpacked(cache, digest, files).stat().st_ino

    for number in range(50):
        cache = tmp_path / str(number)
        workers = [Meanwhile(lambda cache=cache: unpack(cache)) for _ in range(2)]
        assert {worker.result() for worker in workers} == {(cache / digest).stat().st_ino}
        assert [path.name for path in cache.iterdir()] == [digest]


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
    making = begun(root, there)
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
    making.result()
    assert len(recorded(root)) == 3
    assert gate.idle()  # nobody made one of them again


def test_a_run_that_outgrows_its_worker_is_ended_and_told(there, gate, tmp_path):
    root = gated(tmp_path, gate, "[0]")
    edit(root, TRAIN, "        if step == 1:\n", HELD)
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


PLANNER = """
import signal, sys
from lockstep import cli
from lockstep.execute import cluster
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background of a shell is born deaf to it
cluster.LOOK, cluster.TIMEOUT = 1, {patience}
sys.exit(cli.main(["run", "mini.train", "--on", "{address}"]))
"""


@contextmanager
def planner(root: Path, address: str) -> Iterator[subprocess.Popen[str]]:
    """The command line in a process of its own, which ends with the test."""
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "LOCKSTEP_STORE")}
    code = PLANNER.format(address=address, patience=PATIENCE)
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=root, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_an_interrupted_planner_names_what_is_not_finished_and_its_runs_end(dask, there, gate, tmp_path):
    root = gated(tmp_path, gate, "range(3)")
    with planner(root, dask.address) as process:
        first, second = gate.next(), gate.next()
        first.go()
        third = gate.next()
        until(lambda: recorded(root), "the first run")
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130
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
    told = Meanwhile(lambda: refused(root, there))
    first, second = gate.next(), gate.next()
    first.go()
    until(lambda: recorded(root), "the first run")
    dask.processes["scheduler"].kill()
    assert told.result() == f"the scheduler {dask.address} is lost: start it again, and run the same command"
    assert f"not finished: mini.train (seed={second.seed}): the same command" in capfd.readouterr().err
    assert list(recorded(root)) == [f"train (seed={first.seed})"]
    dask.close()
    assert second.ended()
    making = Meanwhile(lambda: run_stages(Profile.published(Project(root).post("mini")), ONLY))
    gate.next().go()
    making.result()
    assert len(recorded(root)) == 2


def test_where_no_worker_takes_runs_that_is_told_once(dask, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(cluster, "LOOK", 1)
    dask.close()
    dask.schedule()
    place = Cluster(dask.address)
    told = Meanwhile(lambda: refused(create(tmp_path), place))
    until(lambda: place._told, "a word about workers")
    dask.close()
    assert told.result() == f"the scheduler {dask.address} is lost: start it again, and run the same command"
    place.close()
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
