"""Where runs run: in this process one after another, or in several processes of this machine.

An executor takes the names of independent runs and a function for each, and yields what each recorded, or its error
as text, in the order in which they end.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed

from lockstep.errors import LockstepError
from lockstep.ledger import Line

Task = Callable[[], Line]
Executor = Callable[[Sequence[str], Sequence[Task]], Iterator[Line | str]]


def here(names: Sequence[str], tasks: Sequence[Task]) -> Iterator[Line | str]:
    """One after another in this process. The first error ends it: the next run would most likely meet the same."""
    for number, (name, task) in enumerate(zip(names, tasks, strict=True), start=1):
        print(f"[{number}/{len(tasks)}] {name}", file=sys.stderr, flush=True)
        outcome, seconds = _outcome(task)
        yield outcome
        if isinstance(outcome, str):
            return
        print(_ended(outcome, seconds), file=sys.stderr, flush=True)


def local(workers: int) -> Executor:
    """Up to `workers` runs at once, each in a process of its own that inherits this one's snapshot of the code."""

    def run(names: Sequence[str], tasks: Sequence[Task]) -> Iterator[Line | str]:
        if len(tasks) <= 1:
            yield from here(names, tasks)
            return
        _inherited[:] = tasks  # a forked process finds them here: functions of a post cannot be sent
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("fork")) as pool:
            futures = {pool.submit(_numbered, number): name for number, name in enumerate(names)}
            for number, future in enumerate(as_completed(futures), start=1):
                try:
                    outcome, seconds = future.result()
                except BrokenExecutor:
                    yield f"{futures[future]}: its process was ended from outside, perhaps for want of memory"
                    continue
                ended = "stopped" if isinstance(outcome, str) else _ended(outcome, seconds).strip()
                print(f"[{number}/{len(tasks)}] {futures[future]} {ended}", file=sys.stderr, flush=True)
                yield outcome

    return run


_inherited: list[Task] = []


def _numbered(number: int) -> tuple[Line | str, float]:
    return _outcome(_inherited[number])


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
