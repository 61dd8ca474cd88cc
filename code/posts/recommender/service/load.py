"""Latency as a caller sees it: requests leave on a schedule, whatever the service is doing, and wait counts.

A load generator that sends the next request when the last is answered slows down with the service, and hides the
queue. Here every request has a time at which it is due, and its latency runs from then.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from lockstep.errors import LockstepError

from posts.recommender.service.bundle import FILES, in_folder, load
from posts.recommender.service.events import EventLog, State
from posts.recommender.service.pipeline import recommend
from posts.recommender.service.serve import running

if TYPE_CHECKING:
    from lockstep.run import Run

CONNECTIONS, USERS, TAKEN = 32, 200, 30
TOKEN = "load"


async def post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, body: dict[str, Any]) -> int:
    """One request on a connection that stays open; returns the status."""
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(content)}\r\n\r\n"
    writer.write(head.encode() + content)
    status = int((await reader.readline()).split()[1])
    length = 0
    while (line := await reader.readline()) != b"\r\n":
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    await reader.readexactly(length)
    return status


async def drive(port: int, asks: list[dict[str, Any]], rate: float) -> list[float]:
    """Milliseconds from when each of `asks` was due, `rate` a second.

    Raises LockstepError for an answer that is no list.
    """
    free: asyncio.Queue[Any] = asyncio.Queue()
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS)]
    for connection in opened:
        free.put_nowait(connection)
    taken: list[float] = []
    begun = time.perf_counter() + 0.05

    async def send(number: int, ask: dict[str, Any]) -> None:
        due = begun + number / rate
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        reader, writer = await free.get()
        status = await post(reader, writer, "/recommend", ask)
        free.put_nowait((reader, writer))
        if status != 200:
            raise LockstepError(f"the service answered a request for a list with status {status}")
        taken.append(1000 * (time.perf_counter() - due))

    await asyncio.gather(*(send(number, ask) for number, ask in enumerate(asks)))
    for _, writer in opened:
        writer.close()
    return taken


def histories(items: int, rng: np.random.Generator) -> dict[str, list[int]]:
    """Users of the test and the rows that each took."""
    table = rng.integers(items, size=(USERS, min(TAKEN, items // 4)))
    return {f"u{user}": row.tolist() for user, row in enumerate(table)}


def write_log(path: Path, taken: dict[str, list[int]]) -> None:
    """The log that the service finds when it starts."""
    log = EventLog(path)
    for user, history in taken.items():
        for item in history:
            log.append({"type": "taken", "user": user, "item": item})


def measure(run: Run) -> list[dict[str, Any]]:
    """Median and 99th percentile in milliseconds: of the two stages alone in this process, and over HTTP from the
    scheduled send at each rate in turn."""
    config, (made,) = run.config, run.inputs
    folder = Path(tempfile.mkdtemp(prefix="load-"))
    for name in (*FILES, "manifest.json"):
        shutil.copy(made.open(name), folder / name)
    bundle, rng = load(in_folder(folder)), np.random.default_rng(run.seed)
    taken = histories(len(bundle.popularity), rng)
    asks = [{"user": f"u{n % USERS}", "request": f"load-{n}"} for n in range(config.load_requests)]
    state = State({user: list(history) for user, history in taken.items()})
    times = []
    for ask in asks:
        started = time.perf_counter()
        recommend(bundle, state, ask["user"], ask["request"], 10)
        times.append(1000 * (time.perf_counter() - started))
    rows = [{"path": "two stages, in the process"} | quantiles(times)]
    for rate in config.load_rates:
        log = folder / f"log-{rate}"
        write_log(log, taken)
        with running(folder, log, TOKEN) as port:
            spent = asyncio.run(drive(port, asks, rate))
        rows.append({"path": f"over HTTP, {rate} a second"} | quantiles(spent))
    shutil.rmtree(folder)
    return rows


def quantiles(milliseconds: list[float]) -> dict[str, float]:
    return {
        "milliseconds": float(np.median(milliseconds)),
        "milliseconds_p99": float(np.quantile(milliseconds, 0.99)),
    }
