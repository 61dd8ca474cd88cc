"""Runs in parts: each leg of a long training leaves a checkpoint in the store, from which the next goes on.

What a leg leaves is its checkpoint, what the run had read and was seen to do up to there, and its provenance, under the
key of the very run. A leg whose checkpoint is lost is made again from the one before.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lockstep.errors import LockstepError
from lockstep.record.files import write_whole
from lockstep.record.ledger import Provenance
from lockstep.record.store import Store


def left(store: Store, key: str, legs: int, scratch: Path, done: list[dict[str, Any]]) -> Iterator[int]:
    """The legs that are to be made, by number. Puts what the last finished one left into the scratch folder, and what
    is told of those that are finished into `done`."""
    if legs == 1:
        yield 0
        return
    kept = [_kept(store, key, leg) for leg in range(legs - 1)]
    at_hand = [entry is not None and store.get(entry["checkpoint"]) is not None for entry in kept]
    begun = _begun(scratch)
    first = max((leg + 1 for leg in range(legs - 1) if at_hand[leg]), default=0)
    if begun is not None and begun >= first and all(kept[:begun]):
        first = begun  # its own checkpoint, or the end of the leg before, lies in the scratch folder
    elif first:
        entry = kept[first - 1]
        assert entry is not None
        path = store.get(entry["checkpoint"])
        assert path is not None
        scratch.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, scratch / "checkpoint")
        write_whole(scratch / "attempt.json", json.dumps(entry["attempt"]).encode())
    done += [entry["told"] for entry in kept[:first] if entry]
    for leg in range(first, legs):
        if leg != begun:
            write_whole(scratch / "leg", json.dumps([leg, stamp(scratch)]).encode())
        yield leg


def keep(store: Store, key: str, leg: int, scratch: Path, told: dict[str, Any]) -> None:
    """A leg has ended: its checkpoint goes into the store, and the record of it beside.

    Raises LockstepError where it left none.
    """
    if stamp(scratch) in (None, json.loads((scratch / "leg").read_bytes())[1]):
        raise LockstepError(
            f"leg {leg + 1} ended without a checkpoint: write one with run.checkpoint() at run.until(total)"
        )
    attempt = json.loads((scratch / "attempt.json").read_text(encoding="utf-8"))
    entry = {"checkpoint": store.put(scratch / "checkpoint"), "attempt": attempt, "told": told}
    store.write(_name(key, leg), json.dumps(entry).encode())


def told_of(explained: Provenance, done: list[dict[str, Any]]) -> dict[str, Any]:
    """What a reader learns of a leg, whose seconds are those of the run less what earlier ones took."""
    names = ("commit", "dirty", "date", "seconds", "host", "hardware")
    told = {name: value for name, value in asdict(explained).items() if name in names}
    return told | {"seconds": round(explained.seconds - sum(leg["seconds"] for leg in done), 3)}


def _name(key: str, leg: int) -> str:
    return f"legs/{key}/{leg}.json"


def _kept(store: Store, key: str, leg: int) -> dict[str, Any] | None:
    """The record of a finished leg, or None where there is none that can be read."""
    try:
        entry = json.loads(store.read(_name(key, leg)) or b"")
        return entry if {"checkpoint", "attempt", "told"} <= set(entry) else None
    except (ValueError, TypeError):
        return _kept(store.fallback, key, leg) if store.fallback else None


def _begun(scratch: Path) -> int | None:
    """The leg that an earlier attempt was in."""
    try:
        return int(json.loads((scratch / "leg").read_bytes())[0]) if (scratch / "checkpoint").exists() else None
    except (OSError, ValueError, TypeError, IndexError):
        return None


def stamp(scratch: Path) -> int | None:
    """Changes with each checkpoint."""
    try:
        return (scratch / "checkpoint").stat().st_mtime_ns
    except OSError:
        return None
