"""What the code of a stage asks of its run, with a folder in place of the engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lockstep.errors import RunFailed


class FakeRun:
    """`arrays` is what the run's data set holds; `stop_after` interrupts the work when it reports so much progress."""

    def __init__(
        self, directory: Path, config: Any, arrays: Mapping[str, Any], seed: int = 0, stop_after: int | None = None
    ):
        self.config, self.seed, self.directory, self.stop_after = config, seed, directory, stop_after
        self.arrays = arrays
        self.inputs: list[Any] = []
        self.tables: dict[str, list[dict[str, Any]]] = {}

    def data(self, name: str) -> Mapping[str, Any]:
        return self.arrays

    def resume(self) -> Path | None:
        path = self.directory / "checkpoint"
        return path if path.exists() else None

    @contextmanager
    def checkpoint(self) -> Iterator[Path]:
        yield self.directory / "checkpoint"

    def artefact(self, name: str) -> Path:
        return self.directory / name

    def progress(self, done: int, total: int, **metrics: float) -> None:
        if done == self.stop_after:
            raise KeyboardInterrupt

    def write_csv(self, name: str, rows: list[dict[str, Any]]) -> None:
        self.tables[name] = rows

    def fail(self, reason: str) -> None:
        raise RunFailed(reason)
