"""The worker's side of a run on a cluster: takes a parcel, makes the run as it would be made here, hands it back.

The run is a process of its own, forked from a server as everywhere (worker.py). Beside it, a thread ends it where
nobody waits for it any more, or where it outgrows the worker's memory, which dask measures of its own process alone.
"""

from __future__ import annotations

import pickle
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from lockstep import datasets
from lockstep.errors import DataError, LockstepError
from lockstep.execute.legs import stamp
from lockstep.execute.parcel import Files, Made, Parcel, engine, unpacked
from lockstep.execute.server import Answers, Server
from lockstep.execute.unfinished import Unfinished, lay
from lockstep.execute.worker import Outcome
from lockstep.project.importer import serve
from lockstep.project.project import Project
from lockstep.record.address import masked
from lockstep.record.machine import BENEATH, provenance, slow
from lockstep.record.remote import RemoteStore
from lockstep.record.store import Store

LOADING = threading.RLock()  # a process holds the declarations of one snapshot at a time
EVERY = 0.5  # seconds between two looks at a run
_answers: dict[tuple[str, ...], Served] = {}
_idle: list[Server] = []


class Served(Answers):
    """Answers from the snapshot, with data that is the planner's or none."""

    wanted: dict[str, str]
    unfit = ""

    def data(self, name: str) -> str:
        serve(self.post.project.source)
        try:
            path = super().data(name)
            if (digest := self.digest(name)) != self.wanted[name]:
                raise DataError(
                    f"makes other data {name} (digest {digest[:12]}, the planner's is {self.wanted[name][:12]})"
                )
            self.unfit = ""
            return path
        except DataError as error:
            self.unfit = str(error)
            raise


def perform(wanted: str, content: bytes, snapshot: Files, held: list[bytes], worker: Any) -> Made:
    """Make one run: a pickled Parcel, for an engine of this digest. Raises nothing that a user or machine can cause."""
    if wanted != engine():
        return Made(
            unfit=f"has another lockstep ({engine()[:12]}, the planner's is {wanted[:12]}): install the same commit"
        )
    try:
        return _perform(pickle.loads(content), snapshot, held, worker)
    except LockstepError as error:
        return Made(error=str(error))
    except OSError as error:
        return Made(unfit=f"cannot make it: {masked(str(error))}")


def _perform(parcel: Parcel, snapshot: Files, held: list[bytes], worker: Any) -> Made:
    if reason := slow(parcel.needs):
        return Made(unfit=f"cannot make it: it {reason}")
    kept = datasets.cache()
    root = unpacked(kept / "snapshots", parcel.snapshot, snapshot)
    store = RemoteStore(parcel.store, kept / "store") if parcel.store else Store(kept / "store")
    with tempfile.TemporaryDirectory(prefix="lockstep-agent-", dir=worker.local_directory) as temporary:
        folder = Path(temporary)
        scratch, unfinished = folder / "scratch", Unfinished(store, parcel.key)
        here = Store(kept / "store")
        for number, content in enumerate(held):
            (path := folder / f"held-{number}").write_bytes(content)
            here.put(path)
            path.unlink()
        files: dict[str, Path | bytes] = {}
        for name, digest in parcel.at.items():
            if (path := store.get(digest)) is None:
                return Made(error=f"{name} of the unfinished run is not in the store {parcel.store}")
            files[name] = path
        lay(scratch, files)
        for number, outputs in enumerate(parcel.outputs):
            lay(folder / str(number), dict(outputs))
        restored = unfinished.restore(scratch, parcel.job.leg)
        begun = None if restored else stamp(scratch)
        made = _work(parcel, root, scratch, folder, store, unfinished, worker)
        if made.outcome and made.outcome.kind != "error":
            _hand_back(made, scratch, store if parcel.store else None, parcel.job.leg < parcel.job.legs - 1, begun)
            if not parcel.store:
                unfinished.clear()
        return made


def _work(
    parcel: Parcel, root: Path, scratch: Path, folder: Path, store: Store, unfinished: Unfinished, worker: Any
) -> Made:
    answers, told = _served(parcel, root, store), list[str]()
    (temporary := folder / "temporary").mkdir()
    job = replace(parcel.placed(root, scratch, folder), temporary=temporary)
    lock = (folder / "lock").open("w")
    with lock, _server() as server, _watched(server, worker, told), unfinished.kept(scratch, job.leg):
        outcome = answers.outcome(server.start(job, lock.fileno()))
    if told:
        return Made(error=told[0])
    if outcome is None:
        return Made()
    if outcome.kind == "error" and answers.unfit:
        return Made(unfit=answers.unfit)
    outcome.frames = [(_back(file, root, parcel), line, text) for file, line, text in outcome.frames]
    outcome.told = outcome.told.replace(str(root), str(parcel.job.root))
    outcome.elsewhere = _explained(parcel, answers, outcome)
    return Made(outcome=outcome)


def _back(file: str, root: Path, parcel: Parcel) -> str:
    return str(parcel.job.root) + file.removeprefix(str(root)) if file.startswith(str(root)) else file


def _explained(parcel: Parcel, answers: Answers, outcome: Outcome) -> Any:
    source = answers.post.project.source
    used = set(parcel.job.libraries) | source.packages(outcome.seen["modules"]) | {*BENEATH}
    command = f"invoke {parcel.post}.{parcel.stage}"
    imported = used & set(outcome.loaded)
    return provenance(parcel.code, command, outcome.seconds, imported, parcel.job.programs, outcome.accelerator)


def _hand_back(made: Made, scratch: Path, store: Store | None, goes_on: bool, begun: int | None) -> None:
    """Put what the run left into what goes back; large files into the store, where all reach it."""
    names = [p.relative_to(scratch).as_posix() for p in scratch.rglob("*") if p.is_file() and p.parent != scratch]
    if goes_on and stamp(scratch) not in (None, begun):
        names += ["attempt.json", "checkpoint"]
    for name in names:
        large = store is not None and (name.startswith("artefacts/") or name == "checkpoint")
        made.files[name] = store.put(scratch / name) if large and store else (scratch / name).read_bytes()


def _served(parcel: Parcel, root: Path, store: Store) -> Served:
    """One for all runs of a snapshot in this process, so that data is decoded once."""
    key = (parcel.snapshot, parcel.post, parcel.store, *sorted(parcel.data.values()))
    with LOADING:
        if key not in _answers:
            project = Project(root)
            served = Served(project.post(parcel.post), store.get)
            served.lock, served.wanted = LOADING, parcel.data
            _answers[key] = served
        serve(_answers[key].post.project.source)
        _ = _answers[key].post.experiment
        return _answers[key]


@contextmanager
def _server() -> Iterator[Server]:
    """A server of runs for one run at a time, so that ending it ends no other."""
    server = _idle.pop() if _idle else Server()
    try:
        yield server
    except BaseException:
        server.close()
        raise
    _idle.append(server)


@contextmanager
def _watched(server: Server, worker: Any, told: list[str]) -> Iterator[None]:
    ended, wanted, limit = threading.Event(), _wanted(worker), worker.memory_manager.memory_limit

    def look() -> None:
        while not ended.wait(EVERY):
            if limit and (size := server.memory()) > limit:
                told.append(
                    f"it takes {size / 1e6:,.0f} MB, and its worker may have {limit / 1e6:,.0f} MB: --memory-limit"
                )
            elif not wanted():
                told.append("nobody waits for it any more")
            if told:
                server.close()
                return

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _wanted(worker: Any) -> Callable[[], bool]:
    """Does anybody still wait for the task of this thread?"""
    key = worker.get_current_task()

    def ask() -> bool:
        with suppress(Exception):
            task = worker.state.tasks.get(key)
            return task is not None and task.state == "executing" and worker.status.name != "closed"
        return True

    return ask
