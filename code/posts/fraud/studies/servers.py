"""HTTP servers side by side: CPU time that the serving process needs for a request, at one rate, from one generator.

The handler behind all of them only decodes a payment and encodes an answer, so what differs is the server. Requests
come as in the load stage: Poisson, open-loop, over connections that stay open. All servers take their turn in one run.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from posts.fraud.data import transactions
from posts.fraud.load import payment, send
from posts.fraud.service.engine import Answer
from posts.fraud.service.start import Service
from posts.fraud.studies.served import SERVERS

if TYPE_CHECKING:
    from lockstep.run import Run

FIRST = "uvicorn"  # what the service runs on
SHORTER = 5  # this much shorter than the load stage, for each server


class Served(Service):
    """One of the servers as a process."""

    def command(self) -> list[str]:
        return [sys.executable, "-m", "posts.fraud.studies.served", *self.options, "--port", str(self.port)]


def measure(run: Run) -> list[dict[str, Any]]:
    """CPU microseconds a request, and the ratio to the server in use, for each server."""
    config, rng = run.config, np.random.default_rng(run.seed)
    world = transactions(run.data("transactions"))
    number = max(1, config.rate * config.load_seconds // SHORTER)
    payments = [payment(world, row) for row in range(number)]
    bodies = [msgspec.json.encode(one) for one in payments]
    found: dict[str, float] = {}
    for done, server in enumerate(SERVERS, start=1):
        due_N = np.cumsum(rng.exponential(1 / config.rate, number))
        with Served(run.scratch / f"server-{done}", server) as served:
            if served.ask("POST", "/score", payments[0]) != msgspec.to_builtins(Answer(0, False, 0.0, "none")):
                run.fail(f"{server} gave another answer")
            before = served.ask("GET", "/health")["cpu"]
            _, failed = asyncio.run(send(served.port, bodies, due_N, config.connections))
            found[server] = (served.ask("GET", "/health")["cpu"] - before) / number * 1e6
        if failed:
            run.fail(f"{server} left {failed} requests without an answer")
        run.progress(done, len(SERVERS))
    return [{"server": name, "cpu_time": cpu, "ratio": cpu / found[FIRST]} for name, cpu in found.items()]
