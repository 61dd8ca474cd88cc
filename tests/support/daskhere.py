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
from gate import PATIENCE, until

LIMIT = 400  # MB of a worker


class Dask:
    """A scheduler, and two workers whose nanny starts them again."""

    def __init__(self, folder: Path):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        own = {"LOCKSTEP_HOST": "worker", "LANGUAGE": ""}
        own |= {
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
            "DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE": "False",
        }
        own |= {"DASK_DISTRIBUTED__SCHEDULER__WORK_STEALING": "False"}  # so that a run may wait behind another
        own |= {f"DASK_DISTRIBUTED__COMM__TIMEOUTS__{name}": f"{PATIENCE}s" for name in ("CONNECT", "TCP")}
        own |= {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": f"{2 * PATIENCE}s"}  # one that stands still is not lost
        self.environment = {name: value for name, value in os.environ.items() if name not in ("CI", "LOCKSTEP_STORE")}
        self.environment |= own

    def schedule(self) -> None:
        """A scheduler that answers, where none is there."""
        host, _, port = self.address.removeprefix("tcp://").rpartition(":")
        self._start("scheduler", "scheduler", "--host", host, "--port", port, "--no-dashboard")
        until(lambda: answers(host, int(port)), "a scheduler")

    def start(self) -> None:
        """Whatever is not there. Workers are as on two machines: each has a cache of its own."""
        self.schedule()
        options = ["--host", "127.0.0.1", "--nworkers", "1", "--nthreads", "1", "--memory-limit", f"{LIMIT}MB"]
        for name in ("first", "second"):
            own = {"LOCKSTEP_CACHE": str(self.folder / name / "cache")}
            where = ["--no-dashboard", "--local-directory", str(self.folder / name)]
            self._start(name, "worker", self.address, *options, *where, **own)

    def _start(self, name: str, kind: str, *arguments: str, **variables: str) -> None:
        if name not in self.processes or self.processes[name].poll() is not None:
            command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *arguments]
            with (self.folder / f"{name}.log").open("ab") as log:
                environment = self.environment | variables
                self.processes[name] = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    @contextmanager
    def worker(self, folder: Path, **variables: str) -> Iterator[None]:
        """One more, of its own kind."""
        own = {"LOCKSTEP_CACHE": str(folder / "cache")}
        command = [sys.executable, "-m", "distributed.cli.dask_worker", self.address, "--nthreads", "1", "--no-nanny"]
        command += ["--host", "127.0.0.1", "--no-dashboard", "--local-directory", str(folder)]
        process = subprocess.Popen(command, env=self.environment | own | variables, stderr=subprocess.DEVNULL)
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


def answers(host: str, port: int) -> bool:
    """Does something listen there?"""
    try:
        socket.create_connection((host, port), PATIENCE).close()
    except ConnectionRefusedError:
        return False
    return True
