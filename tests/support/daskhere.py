"""A Dask cluster of two workers on loopback, each part a process that a test can kill."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

LIMIT = 400  # MB of a worker


class Dask:
    """A scheduler, and two workers whose nanny starts them again."""

    def __init__(self, folder: Path):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        own = {"LOCKSTEP_HOST": "worker", "LOCKSTEP_CACHE": str(folder / "cache"), "LANGUAGE": ""}
        own |= {
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
            "DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE": "False",
        }
        own |= {"DASK_DISTRIBUTED__SCHEDULER__WORK_STEALING": "False"}  # so that a run may wait behind another
        own |= {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "60s"}
        self.environment = {name: value for name, value in os.environ.items() if name not in ("CI", "LOCKSTEP_STORE")}
        self.environment |= own

    def schedule(self) -> None:
        """A scheduler, where none is there."""
        port = self.address.rpartition(":")[2]
        self._start("scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")

    def start(self) -> None:
        """Whatever is not there."""
        self.schedule()
        many = ["--nworkers", "2", "--nthreads", "1", "--memory-limit", f"{LIMIT}MB", "--no-dashboard"]
        self._start("worker", self.address, "--host", "127.0.0.1", *many, "--local-directory", str(self.folder))

    def _start(self, name: str, *arguments: str) -> None:
        if name not in self.processes or self.processes[name].poll() is not None:
            command = [sys.executable, "-m", f"distributed.cli.dask_{name}", *arguments]
            with (self.folder / f"{name}.log").open("ab") as log:
                self.processes[name] = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)

    @contextmanager
    def worker(self, folder: Path, **variables: str) -> Iterator[None]:
        """One more, of its own kind."""
        command = [sys.executable, "-m", "distributed.cli.dask_worker", self.address, "--nthreads", "1", "--no-nanny"]
        command += ["--host", "127.0.0.1", "--no-dashboard", "--local-directory", str(folder)]
        process = subprocess.Popen(command, env=self.environment | variables, stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.kill()
            process.wait()

    def close(self) -> None:
        for process in reversed(self.processes.values()):
            family = [process, *psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []
            for member in family:
                member.kill()
            process.wait()
