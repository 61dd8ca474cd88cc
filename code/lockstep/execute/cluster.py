"""Runs on a Dask cluster that is there already: `--on tcp://scheduler:8786`, on one laptop, on Slurm or on Kubernetes.

Each run is one task. A thread here plans it, waits for it and records it, as for `local:N`: so that what is killed on
the way is made again by the scheduler, and recorded once, by the planner alone. The scheduler needs no lockstep.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import logging
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from lockstep.errors import LockstepError
from lockstep.execute.executors import Elsewhere, Task, local, unfinished
from lockstep.execute.parcel import Made, Parcel, digest_files, engine, packed
from lockstep.execute.unfinished import lay
from lockstep.experiment import Stage
from lockstep.record.address import masked, plain
from lockstep.record.files import digest_file
from lockstep.record.ledger import Line, Provenance, describe
from lockstep.record.machine import versions

if TYPE_CHECKING:
    from lockstep.execute.runner import Making
    from lockstep.execute.worker import Job, Outcome

SCHEMES = ("tcp://", "tls://")
AHEAD = 256  # runs that the scheduler knows of at a time, so that a cluster that grows with its queue grows
TIMEOUT = 20  # seconds for the scheduler to answer; a loaded machine takes several
LOOK = 10  # seconds after which a run that waits is looked after
GIVEN_UP = 3  # workers that may end while they make a run that no other may have; Dask counts the others
CANCELLED = (asyncio.CancelledError, concurrent.futures.CancelledError)
FOLDERS = ("artefacts", "outputs", "figures", "demo")
ALONG = 256_000_000  # bytes that may travel along with a run; more needs a store that all machines reach


class Lost(LockstepError):
    """The scheduler cannot be reached any more."""


@dataclass(frozen=True)
class Seen:
    """A cluster at a moment: the state of each worker (one that is short of memory is paused: it goes on with its runs
    and takes no other), those that idle, and the keys of the runs that have begun."""

    at: float = 0.0
    states: dict[str, str] = field(default_factory=dict)
    idle: set[str] = field(default_factory=set)
    begun: set[str] = field(default_factory=set)


class Cluster(Elsewhere):
    """Runs on the workers of one scheduler, to which the first run connects."""

    def __init__(self, address: str):
        self.address = plain(address, "the scheduler")
        self.topic = f"lockstep-{uuid4().hex}"  # under which workers say which runs have begun
        self._client: Any = None
        self._lock = threading.Lock()
        self._held: dict[str, Any] = {}
        self._packed: tuple[Making, Any, str, Any] | None = None
        self._told = set[str]()
        self._seen = Seen()

    def __call__(self, names: Sequence[str], tasks: Sequence[Task]) -> Iterator[Line | str]:
        lost: list[str] = []

        def guarded(name: str, task: Task) -> Line:
            try:
                return task()
            except Lost:
                lost.append(name)
                raise

        try:
            yield from local(AHEAD)(names, [partial(guarded, *pair) for pair in zip(names, tasks, strict=True)])
        except BaseException:
            self.close()  # and with it what still works
            raise
        finally:
            self._held.clear()
        if lost:
            unfinished(lost)

    def close(self) -> None:
        """Let the workers go; what still works there ends."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):  # what ended this is what is told, not that the end took long
                client.close(timeout=TIMEOUT)

    def client(self) -> Any:
        """The connection. Raises LockstepError where there is none."""
        with self._lock:
            if self._client is None:
                self._client = self._connected()
                atexit.register(self.close)
            return self._client

    def _connected(self) -> Any:
        try:
            from dask import config
            from distributed import Client
        except ImportError:
            raise LockstepError(
                f"runs at {self.address} are made by libraries that are not installed: pip install "
                '"lockstep-blog[cluster]"'
            ) from None
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what happens is told here, in a line each
        config.set({"distributed.admin.large-graph-warning-threshold": 2 * ALONG})  # what comes along is meant to
        try:
            return Client(self.address, timeout=TIMEOUT, set_as_default=False, name="lockstep")
        except Exception as error:
            told = " ".join(masked(str(error) or type(error).__name__).split())
            raise Lost(f"no scheduler answers at {self.address} ({told:.200}): start one with dask scheduler") from None

    def work(self, shared: Making, stage: Stage, job: Job, key: str) -> Outcome | None:
        name = describe(f"{shared.post.slug}.{stage.name}", job.keys)
        content, snapshot, held = self._parcel(shared, stage, job, key, name)
        avoided: dict[str, str] = {}
        while True:
            worker, made = self._made(name, content, snapshot, held, avoided)
            if not made.unfit:
                break
            avoided[worker] = made.unfit
            self._say(f"{worker} {made.unfit}")
        if made.error:
            raise LockstepError(f"{name}: {made.error}")
        if made.outcome is None:
            return None
        for folder in FOLDERS:
            (job.scratch / folder).mkdir(parents=True, exist_ok=True)
        lay(job.scratch, {file: self._content(shared, file, content) for file, content in made.files.items()})
        self._compare(worker, made.outcome.elsewhere)
        return made.outcome

    def _parcel(self, shared: Making, stage: Stage, job: Job, key: str, name: str) -> tuple[bytes, Any, list[Any]]:
        """The pickled parcel, and what comes along with it as futures: the snapshot, and files by digest."""
        post, store = shared.post, shared.profile.store
        at = {file: job.scratch / file for file in ("checkpoint", "attempt.json") if (job.scratch / file).exists()}
        digests = {file: digest_file(path) for file, path in at.items()}
        along = dict[str, Path]()
        with shared.answers.lock:
            digest, snapshot = self._snapshot(shared)
            read = {digest for one in job.inputs for digest in one.artefacts.values()}
            for wanted in {*read, *digests.values()}:
                if store.url and store.has(wanted):
                    continue
                path = next((at[file] for file in at if digests[file] == wanted), None) or shared.profile.fetch(wanted)
                along |= {wanted: path} if path else {}
            if (size := sum(path.stat().st_size for path in along.values())) > ALONG:
                raise LockstepError(
                    f"{name} reads {size / 1e6:,.0f} MB of artefacts, too much to send along: keep them where all "
                    "machines reach them, as in LOCKSTEP_STORE=s3://bucket/prefix"
                )
            parcel = Parcel(
                post=post.slug,
                stage=stage.name,
                key=key,
                job=job,
                snapshot=digest,
                code=shared.code,
                needs=stage.needs if shared.profile.commits else "",
                data={each: post.data_digest(each) for each in job.data},
                store=store.url,
                at=digests,
                held=tuple(along),
                outputs=tuple(_outputs(read.results.parent, read.outputs) for read in job.inputs),
            )
            held = [self._future(digest, path.read_bytes) for digest, path in along.items()]
        return pickle.dumps(parcel), snapshot, held

    def _snapshot(self, shared: Making) -> tuple[str, Any]:
        """The code of the plan: its digest, and where the workers have it from."""
        if self._packed is None or self._packed[0] is not shared or self._packed[1] is not self.client():
            files = packed(shared.post)
            digest = digest_files(files)
            self._packed = shared, self.client(), digest, self._future(digest, lambda: files)
        return self._packed[2:]

    def _future(self, digest: str, read: Callable[[], Any]) -> Any:
        """Held by the scheduler, so that a worker that is lost takes nothing with it."""
        if digest not in self._held:
            self._held[digest] = self.client().submit(_same(), read(), key=f"lockstep-{digest}")
        return self._held[digest]

    def _made(
        self, name: str, content: bytes, snapshot: Any, held: list[Any], avoided: dict[str, str]
    ) -> tuple[str, Made]:
        """Which worker made a run, and how it ended. Raises LockstepError where none could."""
        client, only, gone = self.client(), set[str](), 0
        try:
            while True:
                if avoided and not only and not (only := self._look().states.keys() - avoided.keys()):
                    worker, reason = list(avoided.items())[-1]
                    raise LockstepError(f"{name} is made by no worker: {worker} {reason}")
                # runs of a stage have one name, by which the scheduler knows how long they take
                key, options = f"{name.partition(' ')[0]}-{uuid4().hex}", {"workers": sorted(only)} if only else {}
                what = (self.topic, engine(), content, snapshot, *held)
                future = client.submit(_carrier(), *what, key=key, pure=False, retries=0, **options)
                if isinstance(answer := self._waited(future, only, avoided), tuple):
                    worker, told, result = answer
                    return worker, Made(unfit=told) if told else pickle.loads(result)
                only, gone = answer, gone + (not answer)
                if gone > GIVEN_UP:
                    raise _killed(name, gone)
        except LockstepError:
            raise
        except (Exception, asyncio.CancelledError) as error:
            raise self._failed(name, error) from None

    def _waited(self, future: Any, only: set[str], avoided: Iterable[str]) -> tuple[str, str, bytes] | set[str]:
        """What a task gave. Where it is to be sent again, the workers that may have it (none: any): those of `only` are
        gone, or it waits behind another run while they idle, since the scheduler took that for short."""
        while True:
            try:
                return future.result(timeout=LOOK)
            except TimeoutError:
                there = self._look()
                if "running" not in there.states.values():
                    self._say(f"no worker at {self.address} takes runs: they wait for one (dask worker {self.address})")
                    continue
                idle = set[str]() if future.key in there.begun else there.idle.difference(avoided)
                if idle or (only and not there.states.keys() & only):
                    future.cancel()
                    return idle

    def _look(self) -> Seen:
        """What happens there, as of a moment ago: many threads ask. Raises Lost where nobody answers, or none is asked
        any more: what waits ends with the connection."""
        with self._lock:
            if (client := self._client) is None:
                raise self._lost()
            if time.monotonic() - self._seen.at > LOOK / 10:
                try:
                    found = client.scheduler_info(n_workers=-1)["workers"]
                    processing, events = client.processing(), client.get_events(self.topic)
                except Exception:  # of many kinds, by how far the connection has been closed
                    raise self._lost() from None
                states = {name: found[name]["status"] for name in found}
                idle = {name for name, keys in processing.items() if not keys and states.get(name) == "running"}
                self._seen = Seen(time.monotonic(), states, idle, {key for _, key in events})
            return self._seen

    def _lost(self) -> Lost:
        return Lost(f"the scheduler {self.address} is lost: start it again, and run the same command")

    def _failed(self, name: str, error: BaseException) -> LockstepError:
        if type(error).__name__ == "KilledWorker":
            return _killed(name, getattr(error, "allowed_failures", 0) + 1)
        client, closed = self._client, isinstance(error, CANCELLED) or type(error).__name__ == "CommClosedError"
        if closed or client is None or client.status != "running":
            return self._lost()
        told = " ".join(masked(str(error) or type(error).__name__).split())
        return LockstepError(f"{name}: the cluster did not make it ({type(error).__name__}: {told:.300})")

    def _content(self, shared: Making, file: str, content: bytes | str) -> Path | bytes:
        if isinstance(content, bytes):
            return content
        if (path := shared.profile.store.get(content)) is None:
            raise LockstepError(f"{file}, which the worker made, is not in the store {shared.profile.store.url}")
        return path

    def _compare(self, worker: str, there: Provenance | None) -> None:
        """Say which versions differ; the provenance of the run has those of its worker."""
        found = there.versions if there else {}
        here = versions(("numpy",)) | {name: _version(name) for name in found if name not in ("python", "numpy")}
        differing = [f"{name} {found[name]} (here {here[name]})" for name in found if here.get(name) != found[name]]
        if differing and there:
            self._say(f"{there.host} has other versions, which are recorded: {', '.join(differing)}")

    def _say(self, line: str) -> None:
        with self._lock:
            if line not in self._told:
                self._told.add(line)
                print(f"  {masked(line)}", file=sys.stderr, flush=True)


def _killed(name: str, count: int) -> LockstepError:
    return LockstepError(
        f"{name}: {count} workers ended while they made it, perhaps for want of memory: give them more "
        "(--memory-limit), and run it again"
    )


def _version(name: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "none"


def _outputs(folder: Path, outputs: dict[str, str]) -> dict[str, bytes]:
    """The tables that a run may read of another."""
    names = [name for name in outputs if name.endswith(".csv") or name.startswith("results/")]
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


def _same() -> Callable[[Any], Any]:
    """A function that travels by value."""
    return lambda content: content


def _carrier() -> Callable[..., tuple[str, str, bytes]]:
    """What a worker is sent: it travels by value and names lockstep only when it runs, so the scheduler needs none."""

    def perform(topic: str, engine: str, content: bytes, snapshot: Any, *held: Any) -> tuple[str, str, bytes]:
        import pickle

        from distributed import get_worker

        worker = get_worker()
        worker.log_event(topic, worker.get_current_task())
        try:
            from lockstep.execute.agent import perform
        except ImportError as error:
            return worker.address, f"has no lockstep of this kind ({error}): install the same commit", b""
        return worker.address, "", pickle.dumps(perform(engine, content, snapshot, list(held), worker))

    return perform
