"""The planner's side of a run: starts the server that runs are forked from, and answers what they ask."""

from __future__ import annotations

import atexit
import os
import pickle
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from lockstep.depend.seen import Text
from lockstep.depend.source import ENGINE, Source
from lockstep.errors import LockstepError
from lockstep.execute.worker import FORKS, Job, Outcome
from lockstep.project.post import Post

START = "import sys; sys.path[:] = {path!r}; from lockstep.execute.worker import main; main({descriptor})"
HASHES = "0"  # the seed of Python's hashes in every run: sets of texts have one order, as the time has one zone


class Server:
    """Starts runs. The first starts its process; `close`, or the end of this one, ends it and every run of it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._starting = threading.Lock()

    def start(self, job: Job, lock: int) -> Connection:
        """Begin a run, which keeps the lock of that file descriptor for as long as it lives; returns its connection."""
        ours, theirs = socket.socketpair()
        message = pickle.dumps(job)
        with self._starting:
            if self._control is None or not FORKS:
                self._begin()
            assert self._control is not None
            try:
                head = len(message).to_bytes(8, "big")
                socket.send_fds(self._control, [head], [theirs.fileno(), lock])
                self._control.sendall(message)
            except OSError as error:
                raise LockstepError(f"the process that runs are made in has ended ({error}): try again") from None
        theirs.close()
        return Connection(ours.detach())

    def _begin(self) -> None:
        self._end()
        self._control, theirs = socket.socketpair()
        path = [folder or os.getcwd() for folder in sys.path]
        code = START.format(path=path, descriptor=theirs.fileno())
        options = [f"-W{option}" for option in sys.warnoptions]
        self._process = subprocess.Popen(
            [sys.executable, *options, "-P", "-c", code],
            pass_fds=[theirs.fileno()],
            env={**os.environ, "PYTHONHASHSEED": HASHES, "TZ": "UTC"},
        )
        theirs.close()

    def _end(self) -> None:
        if self._control:
            self._control.close()
        if self._process and FORKS:
            self._process.wait()

    def close(self) -> None:
        self._end()
        self._process = self._control = None

    def memory(self) -> int:
        """Bytes that its runs hold. Needs psutil, which dask brings."""
        import psutil

        total = 0
        with suppress(psutil.Error, AttributeError):
            for process in psutil.Process(self._process.pid).children(recursive=True):  # type: ignore[union-attr]
                with suppress(psutil.Error):
                    total += process.memory_info().rss
        return total


_shared: tuple[Any, Server] | None = None


def shared() -> Server:
    """The one server of this process, begun anew where what it would start from is another."""
    global _shared
    around = (os.getpid(), os.getcwd(), dict(os.environ), list(sys.path))
    if _shared is None or _shared[0] != around:
        if _shared and _shared[0][0] == os.getpid():
            _shared[1].close()
        _shared = around, Server()
        atexit.register(_shared[1].close)
    return _shared[1]


class Answers:
    """What runs of a post may ask for while they work. Runs at the same time ask one after another."""

    def __init__(self, post: Post, fetch: Callable[[str], Path | None]):
        self.post = post
        self.fetch = fetch
        self.lock = threading.RLock()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._made: dict[str, tuple[str, str]] = {}

    def close(self) -> None:
        if self._folder:
            self._folder.cleanup()

    def digest(self, name: str) -> str:
        """Of data as a run was given it."""
        return self._made[name][1] if name in self._made else self.post.data_digest(name)

    def outcome(self, connection: Connection) -> Outcome | None:
        """Answer until the run ends; None where it ended without a word."""
        answer: Mapping[str, Callable[..., Any]] = {
            "data": self.data,
            "fetch": self.fetch,
            "reported": self.post.paper.find,
            "module": self.module,
        }
        try:
            while True:
                what, *arguments = connection.recv()
                if what == "ended":
                    return arguments[0]
                with self.lock:
                    try:
                        told = answer[what](*arguments)
                    except LockstepError as error:
                        told = LockstepError(str(error))
                connection.send(told)
        except (EOFError, OSError):
            return None
        finally:
            connection.close()

    def data(self, name: str) -> str:
        """A file with the decoded arrays, made once."""
        if name not in self._made:
            self._folder = self._folder or tempfile.TemporaryDirectory(prefix="lockstep-data-")
            path = Path(self._folder.name) / f"{len(self._made)}.pickle"
            digest = self.post.data_digest(name)
            with path.open("wb") as file:
                pickle.dump(_writable(self.post.experiment.data[name].load()), file, protocol=5)
            self._made[name] = str(path), digest
        return self._made[name][0]

    def module(self, name: str) -> Text | list[str] | None:
        """A module of the project from the snapshot that the run was planned with."""
        return text_of(self.post.project.source, name)


def _writable(arrays: Any) -> Any:
    """Arrays that a stage may write to, whatever they were decoded from: each run has its own."""
    if not isinstance(arrays, dict):
        return arrays
    return {
        name: array if getattr(array, "flags", None) is None or array.flags.writeable else array.copy()
        for name, array in arrays.items()
    }


def text_of(source: Source, name: str, kept: tuple[int, ...] | None = None) -> Text | list[str] | None:
    """A module as a run gets it; the folder of a package without `__init__`; None for what is not the project's."""
    if name.partition(".")[0] == ENGINE:
        return None
    if module := source.module(name):
        return Text(name, str(module.path), module.text, module.is_package, kept)
    return [str(source.root.joinpath(*name.split(".")))] if source.is_package(name) else None
