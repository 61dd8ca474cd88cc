"""Accept: a change that the author knows to leave results as they are need not cost a night of training.

What was accepted is a record of its own, `accepted.jsonl` beside the prose: from which fingerprint to which, why, and
what had changed. The run keeps the fingerprint that it ran with, and the page shows the mark. A further change makes
the run stale again.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lockstep.canonical import canonical_json
from lockstep.errors import LedgerError, LockstepError
from lockstep.files import read_text, write_whole
from lockstep.records import made, parsed


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
            raise LedgerError(f"{path}:{number}: {message}") from None
        found[entry.origin, entry.today] = replace(entry, changes=tuple(entry.changes))
    return found


def _lines(path: Path) -> list[str]:
    return read_text(path, str(path)).split("\n") if path.exists() or path.is_symlink() else []


def append(path: Path, entries: list[Accepted]) -> None:
    """Add acceptances to the record. On disk, whole, before this returns."""
    kept = "".join(f"{line}\n" for line in _lines(path) if line.strip())
    write_whole(path, (kept + "".join(f"{entry.text()}\n" for entry in entries)).encode())


def prune(path: Path, runs: Container[str]) -> None:
    """Drop acceptances of runs, by fingerprint, that are no longer in the ledger: git has them."""
    entries = read(path)
    kept = [entry for entry in entries.values() if entry.origin in runs]
    if not kept:
        path.unlink(missing_ok=True)
    elif len(kept) < len(entries):
        write_whole(path, "".join(f"{entry.text()}\n" for entry in kept).encode())


def accept(post: Any, stages: list[str], reason: str) -> list[Accepted]:
    """Let the stale runs of these stages stand, upstream first; returns what was accepted.

    Raises LockstepError, and records nothing, where the reason is empty, a run has never been made, or a run is stale
    only because one that it reads is.
    """
    from lockstep.freshness import Freshness

    if not reason.strip():
        raise LockstepError('accepting needs a reason that a reader will understand: --reason "…"')
    made: list[Accepted] = []
    for stage in [stage for name, stage in post.experiment.stages.items() if name in stages]:
        freshness = Freshness(post, pending=made)
        entries = []
        for keys in stage.points():
            state = freshness.state(stage, keys)
            if state.kind == "missing":
                raise LockstepError(f"{post.slug}.{state.name} has never run: there is nothing to accept, run it")
            if state.kind != "stale" or state.line is None:
                continue
            if upstream := [reason for reason in state.reasons if reason.startswith("upstream: ")]:
                raise LockstepError(
                    f"{post.slug}.{state.name} is stale through what it reads ({'; '.join(upstream)}): "
                    "accept or run that first; what read other results cannot be accepted"
                )
            today = freshness.fingerprint_of(stage, keys, state.line)
            date = datetime.now(UTC).strftime("%Y-%m-%d")
            entries.append(
                Accepted(stage.name, keys, state.line.fingerprint, today, reason.strip(), date, state.reasons)
            )
        made += entries
    if not made:
        raise LockstepError(f"{post.slug}: nothing of {', '.join(stages)} is stale, so there is nothing to accept")
    append(post.accepted_path, made)
    post.forget()
    return made
