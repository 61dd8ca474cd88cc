"""The record of runs: one file of JSON lines a stage, one line a run, each with its own checksum.

A line says what the run depended on (its fingerprint and the parts of it), what came out (rows, artefacts, outputs)
and how it ended. What explains a run without defining it (host, versions, duration) is its provenance, in a folder
beside, so that a change of results reads as one. The checksum guards against accident, not against a forger.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from lockstep.depend.canonical import canonical_json, digest_value
from lockstep.errors import FileError, LedgerError, Problem
from lockstep.record.files import not_read, write_whole
from lockstep.record.records import made, parsed

VERSION = 2
READ = (1, VERSION)  # the first had no `seen`, and fingerprints of an older scheme
Identity = tuple[str, str]  # of a run: its stage, and its keys as canonical JSON


def identity(stage: str, keys: Mapping[str, Any]) -> Identity:
    """What tells a run from every other of its post."""
    return stage, canonical_json(dict(keys))


@dataclass(frozen=True, kw_only=True)
class Line:
    """One run. `config`, `data` and `upstream` hold what it read; artefacts and outputs map names to sha256 digests.

    `seen`: what counts of the code although names alone do not lead there, because the run was seen to use it.
    """

    v: int
    post: str
    stage: str
    keys: dict[str, Any]
    fingerprint: str
    code: str
    config: dict[str, Any]
    data: dict[str, str]
    upstream: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    artefacts: dict[str, str]
    outputs: dict[str, str]
    status: str
    declared: dict[str, str]
    seen: list[str] = field(default_factory=list)
    reason: str = ""
    sum: str = ""

    @cached_property
    def identity(self) -> Identity:
        return identity(self.stage, self.keys)

    def summed(self) -> Line:
        """The line with its checksum."""
        return replace(self, sum=self._checksum())

    def _checksum(self) -> str:
        return digest_value({name: value for name, value in self._content().items() if name != "sum"})[:16]

    def _content(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self) if self.v > 1 or f.name != "seen"}

    def text(self) -> str:
        return canonical_json(self._content())


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What explains a run: when, where, on what, how long, from which commit. `command` runs it again."""

    command: str
    commit: str
    dirty: bool
    date: str
    seconds: float
    host: str
    hardware: str
    versions: dict[str, str]
    legs: list[dict[str, Any]] = field(default_factory=list)  # of a run in parts: date, seconds, commit, host of each
    moved: list[dict[str, str]] = field(default_factory=list)  # moves of its code that it was carried over


@dataclass
class Ledger:
    """The lines of one post by stage and keys, and what is wrong with the files they came from."""

    lines: dict[Identity, Line] = field(default_factory=dict)
    places: dict[Identity, tuple[Path, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    _explained: dict[Identity, Provenance | None] = field(default_factory=dict)

    def get(self, stage: str, keys: Mapping[str, Any]) -> Line | None:
        return self.lines.get(identity(stage, keys))

    def of(self, stage: str) -> Iterator[Line]:
        return (line for (name, _), line in self.lines.items() if name == stage)

    def provenance(self, line: Line) -> Provenance | None:
        """What explains the run, or None where nothing was kept."""
        run = line.identity
        if run not in self._explained:
            self._explained[run] = _provenance(provenance_path(self.places[run][0].parent, line))
        return self._explained[run]

    def home(self, line: Line) -> Path:
        """The folder of results that holds the line, and what belongs to it."""
        return self.places[line.identity][0].parent

    def over(self, base: Ledger) -> Ledger:
        """These lines, and those of another ledger that are not among them."""
        return Ledger({**base.lines, **self.lines}, {**base.places, **self.places}, [*base.problems, *self.problems])


def read(folder: Path) -> Ledger:
    """Read `*.jsonl` of a post's results. Damage is collected as problems, never raised, and the line left out."""
    ledger = Ledger()
    for path in sorted(folder.glob("*.jsonl")):
        try:
            content = path.read_bytes()
        except OSError as error:
            ledger.problems.append(Problem(str(path), 1, not_read(path, error)))
            continue
        for number, text in enumerate(content.splitlines(), start=1):
            if not text.strip():
                continue
            try:
                line = parse(text)
                if line.stage != path.stem:
                    raise LedgerError(f'a run of "{line.stage}" in the file of "{path.stem}"')
                if line.identity in ledger.lines:
                    first = ledger.places[line.identity][1]
                    raise LedgerError(
                        f"the run {describe(line.stage, line.keys)} is recorded twice (first in line {first}): keep one"
                    )
            except LedgerError as error:
                ledger.problems.append(Problem(str(path), number, str(error)))
            else:
                ledger.lines[line.identity] = line
                ledger.places[line.identity] = (path, number)
    return ledger


@lru_cache(maxsize=1 << 16)  # a line that was verified once is not verified again; damage is looked at each time
def parse(text: bytes) -> Line:
    """One line, verified. Raises LedgerError."""
    try:
        raw = parsed(text)
        if isinstance(raw, dict) and isinstance(v := raw.get("v"), int) and v not in READ:
            raise LedgerError(f"written in version {v} of the ledger, this engine reads version {VERSION}")
        line = made(Line, raw, "the line")
        name, found = describe(line.stage, line.keys), line.summed().sum
    except (ValueError, RecursionError) as error:
        raise LedgerError(
            f"not a whole ledger line ({error}): restore it from git, or delete it and run again"
        ) from None
    if line.sum != found:
        raise LedgerError(
            f"the line of {name} was edited after it was recorded (its checksum is "
            f"{found}, it says {line.sum or 'none'}): restore it from git, or delete it and run again"
        )
    return line


def record(folder: Path, line: Line, provenance: Provenance, symbols: bytes) -> None:
    """Write a finished run, in place of an earlier one with the same keys. On disk, whole, before this returns.

    `symbols` are those of the code that it ran, as JSON; empty where they were not kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        line = line.summed()
        text = json.dumps(asdict(provenance), indent=1, ensure_ascii=False) + "\n"
        write_whole(provenance_path(folder, line), text.encode())
        if symbols:
            write_whole(folder / "code" / f"{line.code}.json", symbols)
        path = folder / f"{line.stage}.jsonl"
        kept = [text for text in _texts(path) if _known(text)[0] != line.identity]
        write_whole(path, b"\n".join([*sorted([*kept, line.text().encode()], key=lambda text: _known(text)[1]), b""]))


def _texts(path: Path) -> list[bytes]:
    """The lines of a stage's file, damaged ones included, for their owner to see."""
    try:
        return [text for text in path.read_bytes().splitlines() if text.strip()] if path.exists() else []
    except OSError as error:
        raise FileError(not_read(path, error), file=path) from None


@lru_cache(maxsize=1 << 16)  # else recording a run would parse again every line recorded before it
def _known(text: bytes) -> tuple[Identity | None, tuple[Any, ...]]:
    """Which run a line is of, None where it is damaged, and its place among the others."""
    try:
        raw = parsed(text)
        run, keys = identity(raw["stage"], raw["keys"]), sorted(raw["keys"].items())
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, (1, [], text)
    return run, (0, [(name, isinstance(value, str), str(value).rjust(24)) for name, value in keys], text)


def symbols(folder: Path, code: str) -> dict[str, str] | None:
    """The symbols that the code of a run had, each with its digest; None where they were not kept, or are damaged."""
    try:
        found = parsed((folder / "code" / f"{code}.json").read_bytes())
    except (OSError, ValueError):
        return None
    whole = isinstance(found, dict) and all(isinstance(digest, str) for digest in found.values())
    return found if whole else None


def _provenance(path: Path) -> Provenance | None:
    try:
        return made(Provenance, parsed(path.read_bytes()))
    except (OSError, ValueError):
        return None


def provenance_path(folder: Path, line: Line) -> Path:
    name = "-".join([line.stage, *(f"{key}={value}" for key, value in sorted(line.keys.items()))])
    return folder / "provenance" / f"{name}.json"


def describe(stage: str, keys: Mapping[str, Any]) -> str:
    """`train (seed=3)`"""
    inside = ", ".join(f"{name}={value}" for name, value in keys.items())
    return f"{stage} ({inside})" if inside else stage


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One writer at a time; the lock goes with its process."""
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
