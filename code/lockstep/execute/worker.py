"""The process that runs are forked from, and a run in its own process.

The server holds the engine and installed packages only, never a module of the project, and no threads of Python; each
run is a fork of it, so that nothing that a run leaves behind, in a module or in a library, meets another. Where forking
is unsafe, a server makes one run and ends. What a run needs of the planner (code, data, artefacts, published values) it
asks for over a connection, and what it says at the end is plain: the planner alone writes the ledger.
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import importlib
import importlib.util
import json
import os
import pickle
import random
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from lockstep.depend.guard import ENGINE, STANDARD, Guard, UndeclaredRead, paused
from lockstep.depend.seen import Compiler, Finder, Seen, Text
from lockstep.errors import LockstepError, RunFailed
from lockstep.record.ledger import Provenance
from lockstep.run import Input, Run

FORKS = sys.platform.startswith("linux")
SYSTEM = ctypes.CDLL(None)


@dataclass(frozen=True)
class Read:
    """A finished run that is read: what `Input` takes, without the means to fetch."""

    stage: str
    keys: dict[str, Any]
    rows: list[dict[str, Any]]
    artefacts: dict[str, str]
    outputs: dict[str, str]
    results: Path


@dataclass(frozen=True)
class Job:
    """One run, or one leg of it: everything that it is told before it begins."""

    root: Path
    module: str
    function: str
    config: tuple[str, str]  # module and class
    settings: bytes  # pickled: fields that differ from the class's own defaults
    keys: dict[str, Any]
    data: tuple[str, ...]
    scratch: Path
    inputs: tuple[Read, ...]
    modules: tuple[Text, ...]
    libraries: tuple[str, ...]
    programs: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    leg: int = 0
    legs: int = 1
    docstrings: bool = False
    temporary: Path = Path()


@dataclass
class Outcome:
    """How a run ended. `kind`: done, failed (on its own account), or error; `frames`: where in the project's code."""

    kind: str
    told: str = ""
    frames: list[tuple[str, int, str]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    config: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    reported: dict[str, Any] = field(default_factory=dict)
    inputs: list[dict[str, str]] = field(default_factory=list)
    variables: dict[str, str | None] = field(default_factory=dict)
    seconds: float = 0.0
    seen: dict[str, Any] = field(default_factory=lambda: Seen().plain())
    loaded: list[str] = field(default_factory=list)
    accelerator: str = ""
    elsewhere: Provenance | None = None  # what explains it, where another machine made it


class Planner:
    """What a run asks of the process that planned it."""

    def __init__(self, connection: Connection):
        self.connection = connection

    def ask(self, what: str, *arguments: Any) -> Any:
        with paused():
            self.connection.send((what, *arguments))
            answer = self.connection.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def data(self, name: str) -> Any:
        path = self.ask("data", name)
        with paused(), open(path, "rb") as file:
            return pickle.load(file)


def execute(job: Job, compiler: Compiler, connection: Connection) -> Outcome:
    """Make one run in this process, which nothing else will ever use."""
    planner = Planner(connection)
    known = {text.name: text for text in job.modules}

    def provide(name: str) -> Text | list[str] | None:
        found = known[name] if name in known else planner.ask("module", name)
        return replace(found, docstrings=job.docstrings) if isinstance(found, Text) else found

    finder = Finder(compiler, provide)
    guard = Guard(job.root, (job.scratch, job.temporary), finder, job.programs, job.variables)
    tempfile.tempdir = os.environ["TMPDIR"] = str(job.temporary)
    _seed(job)
    sys.meta_path.insert(0, finder)
    guard.install()
    data = {name: (lambda name=name: planner.data(name)) for name in job.data}
    inputs = [
        Input(r.stage, r.keys, r.rows, r.artefacts, r.outputs, lambda digest: planner.ask("fetch", digest), r.results)
        for r in job.inputs
    ]
    outcome = Outcome("done")
    run: Run | None = None
    try:
        settings = pickle.loads(job.settings)
        config = getattr(importlib.import_module(job.config[0]), job.config[1])(**settings)
        run = Run(config, job.keys, data, job.scratch, inputs, lambda *asked: planner.ask("reported", *asked), finder)
        run.leg, run.legs = job.leg, job.legs
        result: Any = getattr(importlib.import_module(job.module), job.function)(run)
        if guard.found:
            raise UndeclaredRead(guard.found[0])
        outcome.rows = plain_rows(result, run.last)
    except RunFailed as error:
        outcome.kind, outcome.told = "failed", str(error)
    except LockstepError as error:
        outcome.kind, outcome.told = "error", guard.found[0] if guard.found else str(error)
        outcome.frames = _frames(error, job.root)[-1:]
    except (Exception, SystemExit) as error:
        outcome.kind, outcome.told = "error", guard.found[0] if guard.found else f"raised {_said(error)}"
        outcome.frames = _frames(error, job.root)
    guard.paused += 1
    if run is not None:
        run.tell(outcome)
    outcome.variables = {name: os.environ.get(name) for name in sorted(guard.variables_read)}
    outcome.seen = finder.gather().plain()
    outcome.loaded = sorted({name.partition(".")[0] for name in sys.modules})
    outcome.accelerator = _accelerator()
    return outcome


def _seed(job: Job) -> None:
    """The generators that belong to nobody: the same for a run wherever it is made, others for another run. What a
    stage is to depend on it draws from a generator of its own."""
    told = json.dumps([job.module, job.function, job.keys], sort_keys=True, default=str)
    seed = int.from_bytes(hashlib.sha256(told.encode()).digest()[:4], "big")
    random.seed(seed)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(seed)


def _is_installed(name: str) -> bool:
    """Does a module come from the standard library or from an installed package, not from the project or the path?"""
    spec = importlib.util.find_spec(name)
    origin = (spec.origin or "frozen") if spec else ""
    return origin in ("built-in", "frozen") or origin.startswith(STANDARD) or "-packages" in origin


def _said(error: BaseException) -> str:
    text = str(error)
    return type(error).__name__ + (f": {text}" if text else "")


def plain_rows(result: Any, last: bool) -> list[dict[str, Any]]:
    """What a stage returned as rows of plain values. Raises LockstepError for anything else."""
    if not last and result is not None:
        raise LockstepError(f"a leg that is not the last returns nothing, it returned {result!r:.60}")
    rows = [result] if isinstance(result, Mapping) else [] if result is None else result
    if not isinstance(rows, (list, tuple)) or not all(isinstance(row, Mapping) for row in rows):
        raise LockstepError(f"it returns {result!r:.60}: expected a row, a list of rows, or None")
    return [{str(name): _plain(str(name), value) for name, value in row.items()} for row in rows]


def _plain(name: str, value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)  # also of a class derived from it
    raise LockstepError(f"it returns {name} = {value!r:.60}: expected a number or a text")


def _frames(error: BaseException, root: Path) -> list[tuple[str, int, str]]:
    """Where in the project's code an error came by, the innermost last: file, line and source."""
    inside = str(root / "code") + os.sep
    with paused():
        found = traceback.extract_tb(error.__traceback__)
        return [
            (f.filename, f.lineno or 1, f.line or "")
            for f in found
            if f.filename.startswith(inside) and not f.filename.startswith(ENGINE)
        ]


def _accelerator() -> str:
    torch = sys.modules.get("torch")
    with suppress(Exception):
        if torch is not None and torch.cuda.is_available():
            return torch.cuda.get_device_name()
    return ""


def main(descriptor: int) -> None:
    """Serve runs until the planner closes the connection: (libraries to load) or (a job, with two file descriptors: its
    connection, and the lock that it keeps while it works)."""
    control = socket.socket(fileno=descriptor)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted planner closes the connection
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    compiler = Compiler()
    while True:
        message, handles = _receive(control)
        if message is None:
            os._exit(0)
        job: Job = message
        for name in job.libraries:
            with suppress(BaseException):  # what cannot be imported fails again, and is said, where the stage asks
                if _is_installed(name):
                    importlib.import_module(name)
        with suppress(Exception):
            for text in job.modules:
                compiler.compiled(text)
        gc.collect()
        gc.freeze()
        if not FORKS or os.fork() == 0:
            _begin(control, job, compiler, handles)
        for handle in handles:
            os.close(handle)


def _receive(control: socket.socket) -> tuple[Any, list[int]]:
    head, handles, _, _ = socket.recv_fds(control, 8, 2)
    if len(head) < 8:
        return None, handles
    left, parts = int.from_bytes(head, "big"), []
    while left:
        part = control.recv(min(left, 1 << 20))
        if not part:
            return None, handles
        parts.append(part)
        left -= len(part)
    return pickle.loads(b"".join(parts)), list(handles)


def _begin(control: socket.socket, job: Job, compiler: Compiler, handles: list[int]) -> None:
    """In the process of the run, which ends here."""
    code = 1
    try:
        _end_with_the_server()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        compiler.renew()
        if FORKS:
            control.close()
        connection = Connection(handles[0])
        outcome = execute(job, compiler, connection)
        connection.send(("ended", outcome))
        code = 0
    except (EOFError, BrokenPipeError):
        pass  # the planner is gone
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _end_with_the_server() -> None:
    """A run whose planner is gone would go on unseen, beside the one that takes it up."""
    if FORKS:
        SYSTEM.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
