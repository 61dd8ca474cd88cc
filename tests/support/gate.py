"""A place on loopback where stages wait until a test lets them on: what happens in the middle of a run is no race."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from mini import create, edit

EXPERIMENT, TRAIN = "code/posts/mini/experiment.py", "code/posts/mini/train.py"
PATIENCE = 600  # seconds after which what was waited for will not come, however slow the machine
STEPS = """
    import json, os, socket
    state = json.loads(run.resume().read_text()) if run.resume() else {"step": 0, "begun": []}
    state["begun"].append(state["step"])
    for step in range(state["step"], run.until(4)):
        state["step"] = step + 1
        with run.checkpoint() as path:
            path.write_text(json.dumps(state))
        if step == 1:
            with socket.create_connection(("127.0.0.1", PORT)) as there:
                there.sendall(f"{run.seed} {os.getppid()} {state['begun']}".encode())
                if there.recv(1) == b"e":
                    raise SystemExit
    if not run.last:
        return None
    run.artefact("weights.txt").write_text(str(run.seed))
    run.write_csv("begun.csv", [{"at": step} for step in state["begun"]])
    return {"total": float(run.seed)}
"""


T = TypeVar("T")


class Meanwhile(threading.Thread, Generic[T]):
    """What a thread does beside the test. It is waited for, for a time that is bounded, where its result is asked for;
    a test that failed before does not wait for it."""

    def __init__(self, act: Callable[[], T]):
        super().__init__(daemon=True)
        self.act, self.made, self.error = act, list[T](), list[BaseException]()
        self.start()

    def run(self) -> None:
        try:
            self.made.append(self.act())
        except BaseException as error:  # the test's, where it asks
            self.error.append(error)

    def result(self) -> T:
        """What it made. Raises what it raised."""
        self.join(PATIENCE)
        assert not self.is_alive(), "what was begun beside the test does not end"
        if self.error:
            raise self.error[0]
        return self.made[0]


class Gate:
    """Stages that come by, in the order in which they come."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE)
        self.port = self.listener.getsockname()[1]
        self.taken: list[socket.socket] = []

    def next(self) -> Waiting:
        """The next stage that waits. Raises TimeoutError."""
        connection, _ = self.listener.accept()
        connection.settimeout(PATIENCE)
        self.taken.append(connection)
        return Waiting(connection)

    def idle(self) -> bool:
        """Does no stage wait?"""
        self.listener.setblocking(False)
        try:
            self.listener.accept()
        except BlockingIOError:
            return True
        finally:
            self.listener.settimeout(PATIENCE)
        return False

    def close(self) -> None:
        for opened in (self.listener, *self.taken):
            opened.close()


class Waiting:
    """One stage that waits: its seed, and the process that it was forked from."""

    def __init__(self, connection: socket.socket):
        self.connection = connection
        seed, parent, begun = connection.recv(1000).decode().split(" ", 2)
        self.seed, self.parent, self.begun = int(seed), int(parent), begun

    def go(self) -> None:
        """Let it on."""
        self.connection.sendall(b"g")
        self.connection.close()

    def ended(self) -> bool:
        """Wait until its process has ended."""
        with self.connection:
            try:
                return self.connection.recv(1) == b""
            except ConnectionResetError:
                return True


def gated(root: Path, gate: Gate, seeds: str = "[0, 1]", legs: int = 1) -> Path:
    """A project whose stage waits at the gate in the middle, after a checkpoint."""
    create(root)
    edit(root, EXPERIMENT, '"train:fit", seed=range(3)', f'"train:fit", seed={seeds}, legs={legs}')
    edit(root, TRAIN, '    """The stage."""\n', STEPS.replace("PORT", str(gate.port)))
    return root


def until(true: Callable[[], object], what: str) -> None:
    """Wait, for a time that is bounded, until something that another process does is so."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.05)
