"""Start a server as a child process on this machine, and stop it: for drills, load and tests. Nothing else starts
one."""

from __future__ import annotations

import json
import os
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

PATIENCE = 300.0  # seconds until a server must answer; long, for a start on a machine that is busy otherwise
ROOT = Path(lockstep.__path__[0]).parent


class Process:
    """A running server: `with Process(directory, model="tiny") as server:`. At the end it is stopped.

    `listening` is a socket that it is handed; without one it listens on a port of its own.
    """

    def __init__(self, directory: Path, listening: socket.socket | None = None, **settings: Any):
        self.directory, self.listening, self.settings = directory, listening, settings
        self.port = listening.getsockname()[1] if listening else free_port()

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SERVING_")}
        where = {"fd": self.listening.fileno()} if self.listening else {"port": self.port}
        own = {f"SERVING_{name.upper()}": str(value) for name, value in (where | self.settings).items()}
        return kept | own | {"PYTHONPATH": str(ROOT)}

    def start(self) -> None:
        """Without waiting until it answers."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log = (self.directory / "log.txt").open("ab")
        handed = (self.listening.fileno(),) if self.listening else ()
        command = [sys.executable, "-m", "posts.serving", "serve"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=self.environment(), stdout=self.log, stderr=self.log, pass_fds=handed
        )

    def wait(self) -> None:
        """Until it is ready. Raises LockstepError with its last words where it ends instead."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self.process.poll() is None:
            try:
                self.ask("GET", "/ready")
                return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.05)
        self.stop()
        told = (self.directory / "log.txt").read_text(encoding="utf-8").strip().splitlines()
        raise LockstepError(f"the server did not start: {told[-1] if told else 'no message'}")

    def __enter__(self) -> Self:
        self.start()
        self.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def terminate(self) -> None:
        """Ask it to drain, and do not wait."""
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """Ask it to drain, wait for its end, and tell its exit status."""
        if self.process.poll() is None:
            self.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()
        self.log.close()
        return self.process.returncode

    def kill(self) -> None:
        """As if the machine went dark."""
        self.process.kill()
        self.process.wait()

    def memory(self) -> float:
        """Resident memory in MB."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def cpu(self) -> float:
        """CPU seconds used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def ask(self, method: str, path: str, content: Any = None, headers: dict[str, str] | None = None) -> Any:
        """One request; the decoded answer. Raises HTTPError for a refusal."""
        body = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, headers or {}, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            told = response.read()
        return json.loads(told) if response.headers["content-type"].startswith("application/json") else told.decode()


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def listener() -> socket.socket:
    """A socket that listens on a free port, to be handed to one process after another."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", 0))
    made.listen(512)
    made.set_inheritable(True)
    return made
