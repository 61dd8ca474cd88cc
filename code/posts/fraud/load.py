"""Load: transactions offered at a rate that does not wait for answers, each timed from when it was due.

Arrivals are Poisson and open-loop: the generator sends when a transaction is due, whatever became of those before it.
A latency counts from the due time, so that a stall of the service, or of the generator, is not left out of it
("coordinated omission", Tene 2015). Durability is on. The transactions are the published ones, in order.

At the priority "real-time" the system's scheduler lets generator and service go first (SCHED_FIFO), as if the machine
did nothing else: beside "normal", that tells waiting for a processor from work.
"""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from lockstep.errors import LockstepError

from posts.fraud.data import Transactions, transactions
from posts.fraud.service.registry import ModelCard, Registry
from posts.fraud.service.start import Service

if TYPE_CHECKING:
    from lockstep.run import Run

Array = np.ndarray[Any, Any]
EPOCH = datetime(2018, 4, 1, tzinfo=UTC)
SETTLE = 0.1  # share of the run at its start that is not counted
LATE = 0.01  # seconds: the objective
FIRST = "real-time"


def payment(world: Transactions, row: int, number: int | None = None) -> dict[str, Any]:
    """A row as a client sends it."""
    return {
        "id": row if number is None else number,
        "time": (EPOCH + timedelta(seconds=int(world.time_N[row]))).isoformat(),
        "card": int(world.customer_N[row]),
        "terminal": int(world.terminal_N[row]),
        "cents": int(world.cents_N[row]),
    }


NO_CARD = ModelCard(rows=1, frauds=0, first_day=0, last_day=0, settings={}, bins={})


def install(directory: Path, model: str, card: ModelCard = NO_CARD) -> str:
    """Put a model into the registry of a service that has not started; its digest."""
    return Registry(directory).add(model, card)


def go_first() -> None:
    """Real-time priority for this thread and what it starts. Raises LockstepError where it is not allowed."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except (AttributeError, PermissionError):
        needs = "Linux, and root or CAP_SYS_NICE"
        raise LockstepError(f"real-time priority needs {needs}; or use --where priority=normal") from None


def offer(run: Run) -> list[dict[str, Any]]:
    """One service, one rate, one priority, one seed of arrivals."""
    config = run.config
    if config.priority == FIRST:
        go_first()
    world = transactions(run.data("transactions"))
    directory = run.scratch / "service"
    fitted = run.inputs[0]
    card = msgspec.json.decode(fitted.open("card.json").read_bytes(), type=ModelCard)
    digest = install(directory, fitted.open("model.txt").read_text(encoding="utf-8"), card)
    number = int(config.rate * config.load_seconds)
    due_N = np.cumsum(np.random.default_rng(run.seed).exponential(1 / config.rate, number))
    bodies = [msgspec.json.encode(payment(world, row)) for row in range(number)]
    with Service(directory, "--gather", str(config.gather)) as service:
        service.ask("POST", "/models", {"action": "all", "digest": digest})
        latency_N, failed = asyncio.run(send(service.port, bodies, due_N, config.connections))
    counted_N = np.sort(latency_N[int(SETTLE * number) :])
    quantiles = {f"p{name}": 1000 * float(np.quantile(counted_N, q)) for name, q in QUANTILES.items()}
    within = 100 * float((counted_N <= LATE).mean())
    return [{"within": within, "failed": float(failed), "requests": float(len(counted_N))} | quantiles]


QUANTILES = {"50": 0.5, "99": 0.99, "999": 0.999}


async def send(port: int, bodies: list[bytes], due_N: Array, connections: int) -> tuple[Array, int]:
    """Latencies (N,) in seconds from the due time, endless where no good answer came, and how many of these."""
    pool: asyncio.Queue[Any] = asyncio.Queue()
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(connections)]
    for connection in opened:
        pool.put_nowait(connection)
    latency_N, tasks, began = np.full(len(bodies), np.inf), set(), time.perf_counter() + 0.05
    for number, body in enumerate(bodies):
        if (left := began + due_N[number] - time.perf_counter()) > 0:
            await asyncio.sleep(left)
        task = asyncio.create_task(request(pool, body, began + due_N[number]))
        task.add_done_callback(lambda done, number=number: latency_N.__setitem__(number, done.result()))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    for _, writer in opened:
        writer.close()
        await writer.wait_closed()
    return latency_N, int(np.isinf(latency_N).sum())


async def request(pool: asyncio.Queue[Any], body: bytes, due: float) -> float:
    """Seconds from due to answered; infinity where the answer is not a decision."""
    reader, writer = await pool.get()
    try:
        head = b"POST /score HTTP/1.1\r\nHost: load\r\nContent-Length: %d\r\n\r\n" % len(body)
        writer.write(head + body)
        answered = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(answered.partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        return time.perf_counter() - due if answered.startswith(b"http/1.1 200") else float("inf")
    except (OSError, asyncio.IncompleteReadError, ValueError):
        return float("inf")
    finally:
        pool.put_nowait((reader, writer))
