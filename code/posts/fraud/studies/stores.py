"""Where the journal may live, timed and broken: a file, SQLite, Redis, and brokers that speak Kafka's protocol.

The brokers are the mock cluster of librdkafka in this process: the protocol and the client are real, replication and
disks are not, so its time is a lower bound and says so in its row.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posts.fraud.service import stores
from posts.fraud.service.journal import Journal, JournalFailed
from posts.fraud.service.start import free_port, redis_server

if TYPE_CHECKING:
    from lockstep.run import Run

RECORD = bytes(120)  # as long as a transaction with its answer


@contextmanager
def file(directory: Path) -> Iterator[tuple[str, Callable[[], None], Callable[[], None]]]:
    yield "file", lambda: None, lambda: None


@contextmanager
def sqlite(directory: Path) -> Iterator[tuple[str, Callable[[], None], Callable[[], None]]]:
    yield "sqlite", lambda: None, lambda: None


@contextmanager
def redis(directory: Path) -> Iterator[tuple[str, Callable[[], None], Callable[[], None]]]:
    """A server with a file that is synchronised at each batch; it can be killed and started again."""
    port = free_port()
    running = [redis_server(directory / "redis", port)]

    def kill() -> None:
        running[-1].kill()
        running[-1].wait()

    try:
        yield f"redis://127.0.0.1:{port}/fraud", kill, lambda: running.append(redis_server(directory / "redis", port))
    finally:
        kill()


@contextmanager
def kafka(directory: Path) -> Iterator[tuple[str, Callable[[], None], Callable[[], None]]]:
    """Three mock brokers in this process; they can be killed, and do not come back."""
    from confluent_kafka import Producer

    cluster = [Producer({"test.mock.num.brokers": 3, "log_level": 0})]
    brokers = cluster[0].list_topics(timeout=stores.PATIENCE).brokers.values()
    yield f"kafka://{','.join(f'{b.host}:{b.port}' for b in brokers)}/fraud", cluster.clear, lambda: None


STORES = {"file": file, "sqlite": sqlite, "redis": redis, "kafka": kafka}


def seconds(journal: Journal, batch: int, rounds: int) -> list[float]:
    """Of each commit of a batch of records."""
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        journal.commit([RECORD] * batch)
        taken.append(time.perf_counter() - began)
    return taken


def measure(run: Run) -> list[dict[str, Any]]:
    """Median and tail of a commit, of one record and of ten, and whether all came back in order."""
    config, rows = run.config, []
    for name in config.stores:
        directory = run.scratch / f"store-{name}"
        with STORES[name](directory) as (where, _, _):
            journal = stores.open_journal(where, directory)
            for batch in (1, 10):
                taken = np.array(seconds(journal, batch, config.commits)) * 1e6
                row = {"store": name, "batch": batch, "commit_time": float(np.median(taken))}
                rows.append(row | {"commit_tail": float(np.quantile(taken, 0.99))})
            complete = [number for number, _ in journal.read()] == list(range(1, 11 * config.commits + 1))
            journal.close()
        if not complete:
            run.fail(f"{name} did not give back what it took, in order")
        run.progress(len(rows), 2 * len(config.stores))
    return rows


def killed(name: str, directory: Path) -> dict[str, float]:
    """The server dies between two batches: the next one fails and says so; back again, nothing is lost or doubled."""
    with STORES[name](directory) as (where, kill, start):
        journal = stores.open_journal(where, directory)
        journal.commit([b"1", b"2"])
        kill()
        try:
            journal.commit([b"3"])
            noticed = False
        except JournalFailed:
            noticed = journal.sequence == 2
        if name == "kafka":  # the mock cluster is gone for good, with what it held
            return {"kept": float(noticed), "sent": 3.0}
        start()
        journal.commit([b"3", b"4"])
        back = [payload for _, payload in stores.open_journal(where, directory).read()]
        journal.close()
    return {"kept": float(noticed and back == [b"1", b"2", b"3", b"4"]), "sent": 4.0, "lost": float(4 - len(set(back)))}
