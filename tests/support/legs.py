"""A run of several legs, in a folder in place of the engine: what the code of a long training asks of its run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lockstep.errors import RunFailed


class LegsRun:
    """Leg `leg` of `legs`. `data` maps names to arrays; `stop_after` ends the work by force at that report."""

    def __init__(
        self,
        directory: Path,
        config: Any,
        data: Mapping[str, Any],
        *,
        seed: int = 0,
        leg: int = 0,
        legs: int = 1,
        stop_after: int | None = None,
    ):
        self.directory, self.config, self.arrays, self.seed = directory, config, data, seed
        self.leg, self.legs, self.stop_after = leg, legs, stop_after
        self.keys: dict[str, Any] = {}
        self.inputs: list[Any] = []
        self.tables: dict[str, list[dict[str, Any]]] = {}
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def last(self) -> bool:
        return self.leg == self.legs - 1

    def until(self, total: int) -> int:
        return total * (self.leg + 1) // self.legs

    def data(self, name: str) -> Mapping[str, Any]:
        return self.arrays[name]

    def resume(self) -> Path | None:
        path = self.directory / "checkpoint"
        return path if path.exists() else None

    @contextmanager
    def checkpoint(self) -> Iterator[Path]:
        part = self.directory / "checkpoint.part"
        yield part
        part.replace(self.directory / "checkpoint")

    def artefact(self, name: str) -> Path:
        return self.directory / name

    figure = demo = artefact

    def progress(self, done: int, total: int, **metrics: float) -> None:
        if done == self.stop_after:
            raise KeyboardInterrupt

    def write_csv(self, name: str, rows: list[dict[str, Any]]) -> None:
        self.tables[name] = rows

    def fail(self, reason: str) -> None:
        raise RunFailed(reason)
