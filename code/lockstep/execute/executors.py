"""In which order runs run, and how many at once: one after another, or several on this machine.

An executor takes the names of independent runs and a function for each, and yields what each recorded, or its error
as text, in the order in which they end.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from lockstep.errors import LockstepError
from lockstep.record.ledger import Line

Task = Callable[[], Line]
Executor = Callable[[Sequence[str], Sequence[Task]], Iterator[Line | str]]


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
        pool = ThreadPoolExecutor(workers)
        try:
            futures = {pool.submit(_outcome, task): name for name, task in zip(names, tasks, strict=True)}
            for number, future in enumerate(as_completed(futures), start=1):
                outcome, seconds = future.result()
                ended = "stopped" if isinstance(outcome, str) else _ended(outcome, seconds).strip()
                print(f"[{number}/{len(tasks)}] {futures[future]} {ended}", file=sys.stderr, flush=True)
                yield outcome
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    return run


def named(text: str) -> Executor:
    """`here`, or `local:N` for N processes. Raises LockstepError."""
    kind, _, count = text.partition(":")
    if kind == "here" and not count:
        return here
    if kind == "local" and count.isdigit() and int(count) > 0:
        return local(int(count))
    raise LockstepError(f'"{text}" is no place to run: write here, or local:N for N processes of this machine')


def _outcome(task: Task) -> tuple[Line | str, float]:
    started = time.monotonic()
    try:
        return task(), time.monotonic() - started
    except LockstepError as error:
        return str(error), time.monotonic() - started


def _ended(line: Line, seconds: float) -> str:
    return f"  {'failed: ' + line.reason if line.status == 'failed' else 'done'} after {seconds:.1f} s"
