"""What a stage function receives: its settings, its data, the runs it reads, and places for what it makes.

A run keeps its unfinished work in one scratch folder, so that a killed run goes on where its last checkpoint
left it. Every write there is whole or absent.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

from lockstep.depend.canonical import digest_value
from lockstep.depend.guard import declare, paused
from lockstep.depend.seen import Finder, Seen
from lockstep.errors import LockstepError, RunFailed, nearest
from lockstep.record.files import replace_whole, write_whole

if TYPE_CHECKING:
    from lockstep.execute.worker import Outcome

UNQUOTED = "".join(chr(code) for code in range(32, 127) if chr(code) not in "%&")  # of a selection, as recorded


class RecordingConfig:
    """A frozen dataclass of settings that remembers which of its fields were read.

    Whatever takes it as a whole (`dataclasses.asdict` on `whole()`) counts as reading all.
    """

    def __init__(self, config: Any):
        self._config = config
        self._names = tuple(field.name for field in dataclasses.fields(config))
        self._read: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        if name not in self._names:
            raise LockstepError(f'the config has no field "{name}"{nearest(name, self._names)}')
        self._read.add(name)
        return getattr(self._config, name)

    def whole(self) -> Any:
        """The dataclass itself: all its fields count as read."""
        self._read.update(self._names)
        return self._config

    def whole_unread(self) -> Any:
        """The dataclass itself, looked at without reading."""
        return self._config

    def recall(self, names: Iterable[str]) -> None:
        """An earlier attempt of the same run has read these fields."""
        self._read.update(names)

    def read(self) -> dict[str, Any]:
        """The fields read so far and their values, in the order of their names."""
        return {name: getattr(self._config, name) for name in sorted(self._read)}


class Input:
    """A finished run that this one reads. What is opened of it is recorded with its digest."""

    def __init__(
        self,
        stage: str,
        keys: Mapping[str, Any],
        rows: Sequence[Mapping[str, Any]],
        artefacts: Mapping[str, str],
        outputs: Mapping[str, str],
        fetch: Callable[[str], Path | None],
        results: Path,
    ):
        self.stage = stage
        self.keys = dict(keys)
        self.read: dict[str, str] = {}
        self._rows, self._artefacts, self._outputs = rows, artefacts, outputs
        self._fetch, self._results = fetch, results

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Its rows: keys and metrics."""
        self.read["rows"] = digest_value(list(self._rows))
        return [dict(row) for row in self._rows]

    def open(self, name: str) -> Path:
        """An artefact, verified against the digest in the ledger. Raises LockstepError where it is not at hand."""
        where = ", ".join([self.stage, *(f"{key}={value}" for key, value in self.keys.items())])
        if name not in self._artefacts:
            raise LockstepError(f'{where} made no artefact "{name}"{nearest(name, self._artefacts)}')
        with paused():
            path = self._fetch(self._artefacts[name])
        if path is None:
            raise LockstepError(
                f'the artefact "{name}" of {where} is not at hand: run that stage again here with --force'
            )
        self.read[name] = self._artefacts[name]
        declare(path)
        return path

    def csv(self, name: str, *, text: bool = False) -> list[dict[str, Any]]:
        """The rows of a CSV that the run wrote; what reads as a number is a float, unless all is `text`."""
        found = [path for path in self._outputs if path.rpartition("/")[2] == name]
        if not found:
            raise LockstepError(f'{self.stage} wrote no "{name}"{nearest(name, [Path(p).name for p in self._outputs])}')
        self.read[name] = self._outputs[found[0]]
        with paused(), (self._results.parent / found[0]).open(newline="", encoding="utf-8") as file:
            return [
                row if text else {key: _number(value) for key, value in row.items()} for row in csv.DictReader(file)
            ]


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


class Run:
    """One execution of a stage at one point of its grid.

    A training of many hours has legs: the function is called once for each, in a process of its own. `leg` counts them
    from 0, `until(total)` is where this one ends, and `last` says whether it returns the rows; every other leaves a
    checkpoint at its end and returns nothing.
    """

    leg, legs = 0, 1

    def __init__(
        self,
        config: Any,
        keys: Mapping[str, Any],
        data: Mapping[str, Callable[[], Any]],
        scratch: Path,
        inputs: Sequence[Input] = (),
        reported: Callable[[str, Mapping[str, Any]], Any] | None = None,
        finder: Finder | None = None,
    ):
        self.config: Any = RecordingConfig(config)
        self.keys = dict(keys)
        self.scratch = scratch
        self.inputs = list(inputs)
        self.data_read: set[str] = set()
        self.reported_read: dict[str, Any] = {}
        self._reported = reported
        self._finder = finder
        self._data = data
        self._loaded: dict[str, Any] = {}
        self._started = time.monotonic()
        self._earlier = self._recall()
        for folder in ("artefacts", "outputs", "figures", "demo"):
            (scratch / folder).mkdir(parents=True, exist_ok=True)

    @property
    def seed(self) -> int:
        """The seed of this point of the grid."""
        if "seed" not in self.keys:
            raise LockstepError(f"the stage has no seed in its grid, only: {', '.join(self.keys) or 'nothing'}")
        return self.keys["seed"]

    @property
    def last(self) -> bool:
        """Does this leg end the run? Of a run without legs, always."""
        return self.leg == self.legs - 1

    def until(self, total: int) -> int:
        """The step at which this leg ends, of `total` steps in all."""
        return total * (self.leg + 1) // self.legs

    @property
    def seconds(self) -> float:
        """Working time so far, interrupted attempts included up to their last checkpoint."""
        return self._earlier + time.monotonic() - self._started

    @property
    def _attempt(self) -> Path:
        return self.scratch / "attempt.json"

    def _recall(self) -> float:
        """What earlier attempts read and were seen to do counts for the run that goes on; returns their seconds."""
        if not self._attempt.exists() or self.resume() is None:
            return 0.0
        try:
            attempt = json.loads(self._attempt.read_text(encoding="utf-8"))
            names = {field.name for field in dataclasses.fields(self.config.whole_unread())}
            if not names >= set(attempt["config"]) or len(self.inputs) != len(attempt["inputs"]):
                raise ValueError("it is of another run")
            self.config.recall(attempt["config"])
            self.data_read.update(attempt["data"])
            self.reported_read.update(attempt["reported"])
            for made, read in zip(self.inputs, attempt["inputs"], strict=True):
                made.read.update(read)
            if self._finder:
                self._finder.seen.add(attempt["seen"])
            return float(attempt["seconds"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LockstepError(
                f"{self._attempt} is damaged ({error}), so what the interrupted run had read is not known: delete the "
                f"folder {self.scratch} to begin again"
            ) from None

    def _remember(self) -> None:
        """Beside a checkpoint: the time that it took, and everything that was read and done on the way to it."""
        attempt = {
            "seconds": self.seconds,
            "config": sorted(self.config.read()),
            "data": sorted(self.data_read),
            "reported": self.reported_read,
            "inputs": [made.read for made in self.inputs],
            "seen": self._finder.gather().plain() if self._finder else Seen().plain(),
        }
        write_whole(self._attempt, json.dumps(attempt).encode())

    def tell(self, outcome: Outcome) -> None:
        """What the planner records of it."""
        outcome.config = sorted(self.config.read())
        outcome.data = sorted(self.data_read)
        outcome.reported = self.reported_read
        outcome.inputs = [made.read for made in self.inputs]
        outcome.seconds = self.seconds

    def data(self, name: str) -> Any:
        """The decoded arrays of a declared dataset, by name."""
        if name not in self._data:
            raise LockstepError(f'no dataset "{name}" is declared{nearest(name, self._data)}')
        self.data_read.add(name)
        if name not in self._loaded:
            with paused():
                self._loaded[name] = self._data[name]()
        return self._loaded[name]

    def reported(self, metric: str, **where: Any) -> Any:
        """A published value from paper.toml, with `.value` and `.plus_minus`. The run then depends on it."""
        if self._reported is None:
            raise LockstepError("this run knows no reported values")
        with paused():
            entry = self._reported(metric, where)
        query = "&".join(f"{key}={quote(str(value), safe=UNQUOTED)}" for key, value in sorted(where.items()))
        self.reported_read[f"reported:{metric}?{query}"] = [entry.value, entry.plus_minus]
        return entry

    def artefact(self, name: str) -> Path:
        """Where to write an artefact, which the store keeps and later stages open."""
        return self.scratch / "artefacts" / name

    def figure(self, name: str) -> Path:
        """Where to write a figure, which is committed as `figures/name` beside the prose."""
        return self.scratch / "figures" / name

    def demo(self, name: str) -> Path:
        """Where to write what a demo in the page loads, which is committed as `demo/name` beside the prose."""
        return self.scratch / "demo" / name

    def write_csv(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write a small table, such as a curve, that is committed beside the ledger.

        Raises LockstepError without rows.
        """
        if not rows:
            raise LockstepError(f"write_csv({name!r}) was given no rows: a table has a column for each key of its rows")
        line, lines = io.StringIO(), list[str]()
        writer = csv.DictWriter(line, fieldnames=list(rows[0]))  # ends lines by CR LF, and so quotes either in a text
        for row in ({name: name for name in rows[0]}, *rows):
            writer.writerow(row)
            lines.append(line.getvalue().removesuffix("\r\n") + "\n")
            line.seek(line.truncate(0))
        (self.scratch / "outputs" / name).write_text("".join(lines), encoding="utf-8", newline="")

    def resume(self) -> Path | None:
        """The last whole checkpoint, or None at the first start."""
        path = self.scratch / "checkpoint"
        return path if path.exists() else None

    @contextmanager
    def checkpoint(self) -> Iterator[Path]:
        """A path to write a checkpoint to; it replaces the last one only when the block ends well."""
        part = self.scratch / "checkpoint.part"
        yield part
        self._remember()  # first: a kill in between counts a read too many, never one too few
        replace_whole(part, self.scratch / "checkpoint")

    def progress(self, done: int, total: int, **metrics: float) -> None:
        """Say how far the run is, with an estimate of what is left."""
        left = self.seconds / done * (total - done) if done else float("nan")
        shown = "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        print(f"  {done}/{total}  {left:.0f} s left  {shown}", file=sys.stderr, flush=True)

    def fail(self, reason: str) -> NoReturn:
        """End the run as failed."""
        raise RunFailed(reason)
