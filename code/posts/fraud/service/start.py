"""Start the service, or a Redis, as a child process on this machine, and stop it. Nothing else starts one."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

import lockstep
from lockstep.errors import LockstepError

PATIENCE = 300.0  # seconds until a service must answer; long, for a start on a machine that is busy otherwise
ROOT = Path(lockstep.__path__[0]).parent


class Service:
    """A running service. `with Service(directory) as service:`; at the end it is stopped."""

    def __init__(self, directory: Path, *options: str):
        self.directory, self.options, self.port = directory, options, free_port()

    def command(self) -> list[str]:
        """What is started."""
        serve = ["-m", "posts.fraud.service", "serve", str(self.directory), "--port", str(self.port)]
        return [sys.executable, *serve, *self.options]

    def __enter__(self) -> Self:
        directory = self.directory
        directory.mkdir(parents=True, exist_ok=True)
        self._log = (directory / "log.txt").open("ab")
        self.process = subprocess.Popen(self.command(), cwd=ROOT, stdout=self._log, stderr=self._log)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self.process.poll() is None:
            try:
                self.ask("GET", "/health")
                return self
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
        self.__exit__()
        told = (directory / "log.txt").read_text(encoding="utf-8").strip().splitlines()
        raise LockstepError(f"the service did not start: {told[-1] if told else 'no message'}")

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._log.close()

    def kill(self) -> None:
        """As if the machine went dark."""
        self.process.kill()
        self.process.wait()

    def ask(self, method: str, path: str, content: Any = None) -> Any:
        """One request; the decoded answer. Raises HTTPError for a refusal."""
        body = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return json.loads(response.read())


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def redis_server(directory: Path, port: int) -> subprocess.Popen[bytes]:
    """A Redis that puts every batch on disk before it answers. Raises LockstepError where the program is missing."""
    directory.mkdir(parents=True, exist_ok=True)
    safe = ["--appendonly", "yes", "--appendfsync", "always", "--save", "", "--bind", "127.0.0.1"]
    try:
        process = subprocess.Popen(
            ["redis-server", "--port", str(port), "--dir", str(directory), *safe], stdout=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise LockstepError("Redis is not installed: apt install redis-server, or leave its journal out") from None
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return process
        except OSError:
            time.sleep(0.02)
    process.kill()
    raise LockstepError(f"Redis did not listen on port {port}")
