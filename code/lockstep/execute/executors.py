"""In which order runs run, and how many at once: one after another, several on this machine, or on a cluster.

An executor takes the names of independent runs and a function for each, and yields what each recorded, or its error
as text, in the order in which they end.
"""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING

from lockstep.errors import LockstepError
from lockstep.experiment import Stage
from lockstep.record.address import masked
from lockstep.record.ledger import Line

if TYPE_CHECKING:
    from lockstep.execute.runner import Making
    from lockstep.execute.worker import Job, Outcome

NAMED = 10  # runs that a message names
Task = Callable[[], Line]
Executor = Callable[[Sequence[str], Sequence[Task]], Iterator[Line | str]]


class Elsewhere(ABC):
    """An executor whose runs are made on other machines: planned, waited for and recorded here."""

    @abstractmethod
    def __call__(self, names: Sequence[str], tasks: Sequence[Task]) -> Iterator[Line | str]: ...

    @abstractmethod
    def work(self, shared: Making, stage: Stage, job: Job, key: str) -> Outcome | None:
        """Make a run, or a leg of it, whose unfinished work has this key; what it made is put into its scratch folder.

        None where its process ended without a word. Raises LockstepError where no machine makes it.
        """


def here(names: Sequence[str], tasks: Sequence[Task]) -> Iterator[Line | str]:
    """One after another."""
    for number, (name, task) in enumerate(zip(names, tasks, strict=True), start=1):
        print(f"[{number}/{len(tasks)}] {name}", file=sys.stderr, flush=True)
        outcome, seconds = _outcome(task)
        yield outcome
        if isinstance(outcome, Line):
            print(_ended(outcome, seconds), file=sys.stderr, flush=True)


def local(workers: int) -> Executor:
    """Up to `workers` runs at once: each is a process of its own, for which a thread waits here."""

    def run(names: Sequence[str], tasks: Sequence[Task]) -> Iterator[Line | str]:
        if len(tasks) <= 1:
            yield from here(names, tasks)
            return
        pool, over = ThreadPoolExecutor(workers), set[str]()
        try:
            futures = {pool.submit(_outcome, task): name for name, task in zip(names, tasks, strict=True)}
            for number, future in enumerate(as_completed(futures), start=1):
                over.add(futures[future])
                outcome, seconds = future.result()
                ended = "stopped" if isinstance(outcome, str) else _ended(outcome, seconds).strip()
                print(f"[{number}/{len(tasks)}] {futures[future]} {ended}", file=sys.stderr, flush=True)
                yield outcome
        except KeyboardInterrupt:
            unfinished([name for name in names if name not in over])
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    return run


def named(text: str) -> Executor:
    """`here`, `local:N` for N processes, or the address of a Dask scheduler. Raises LockstepError."""
    kind, _, count = text.partition(":")
    if kind == "here" and not count:
        return here
    if kind == "local" and count.isdigit() and int(count) > 0:
        return local(int(count))
    if kind in ("tcp", "tls") and count.startswith("//"):
        from lockstep.execute.cluster import Cluster

        return Cluster(text)
    raise LockstepError(
        f'"{masked(text)}" is no place to run: write here, local:N for N processes of this machine, or the '
        "address of a Dask scheduler, as in tcp://scheduler:8786"
    )


def unfinished(names: Sequence[str]) -> None:
    """Say which runs did not end, and how to go on."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    told = f"not finished: {', '.join(names[:NAMED])}{more}"
    print(f"{told}: the same command makes them, from their last checkpoints", file=sys.stderr, flush=True)


def _outcome(task: Task) -> tuple[Line | str, float]:
    started = time.monotonic()
    try:
        return task(), time.monotonic() - started
    except LockstepError as error:
        return str(error), time.monotonic() - started


def _ended(line: Line, seconds: float) -> str:
    return f"  {'failed: ' + line.reason if line.status == 'failed' else 'done'} after {seconds:.1f} s"
