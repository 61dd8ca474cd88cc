"""The record of what was accepted, `accepted.jsonl` beside the prose: from which fingerprint to which, and why.

The run keeps the fingerprint that it ran with, and the page shows the mark. A further change makes the run stale again.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lockstep.depend.canonical import canonical_json
from lockstep.errors import LedgerError
from lockstep.record.files import read_text, write_whole
from lockstep.record.records import made, parsed


@dataclass(frozen=True)
class Accepted:
    """One run that stands although its fingerprint, `origin`, is no longer the code's, `today`."""

    stage: str
    keys: Mapping[str, Any]
    origin: str
    today: str
    reason: str
    date: str
    changes: tuple[str, ...] = ()

    def text(self) -> str:
        content = {**vars(self), "changes": list(self.changes), "from": self.origin, "to": self.today}
        return canonical_json({name: value for name, value in content.items() if name not in ("origin", "today")})


def read(path: Path) -> dict[tuple[str, str], Accepted]:
    """Every acceptance by (from, to). Raises LedgerError with file and line where one does not read."""
    found: dict[tuple[str, str], Accepted] = {}
    for number, text in enumerate(_lines(path), start=1):
        if not text.strip():
            continue
        try:
            raw = parsed(text)
            if not isinstance(raw, dict) or not {"from", "to"} <= raw.keys():
                raise ValueError("it has no from and to")
            entry = made(Accepted, raw | {"origin": raw.pop("from"), "today": raw.pop("to")}, "an acceptance")
        except ValueError as error:
            message = f"not a whole acceptance ({error}): restore it from git, or delete the line"
            raise LedgerError(message, file=path, line=number) from None
        found[entry.origin, entry.today] = replace(entry, changes=tuple(entry.changes))
    return found


def _lines(path: Path) -> list[str]:
    return read_text(path, str(path)).split("\n") if path.exists() or path.is_symlink() else []


def append(path: Path, entries: list[Accepted], instead: Collection[tuple[str, str]] = ()) -> None:
    """Add acceptances to the record, some `instead` of others, by (from, to). On disk, whole, before this returns."""
    gone = {read(path)[run].text() for run in instead}
    kept = "".join(f"{line}\n" for line in _lines(path) if line.strip() and line not in gone)
    write_whole(path, (kept + "".join(f"{entry.text()}\n" for entry in entries)).encode())


def prune(path: Path, runs: Container[str]) -> None:
    """Drop acceptances of runs, by fingerprint, that are no longer in the ledger: git has them."""
    entries = read(path)
    kept = [entry for entry in entries.values() if entry.origin in runs]
    if not kept:
        path.unlink(missing_ok=True)
    elif len(kept) < len(entries):
        write_whole(path, "".join(f"{entry.text()}\n" for entry in kept).encode())
