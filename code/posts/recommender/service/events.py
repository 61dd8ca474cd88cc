"""The event log, and the state that follows from it: who took what, and what was removed.

One event a line, JSON, appended and handed to the system before the answer leaves. State is a fold over the log, so a
restart reads the log, and a replay can ask at every served list whether today's code makes the same one.

Events: {"type": "taken", "user", "item"} · {"type": "removed", "item"} · {"type": "bundle", "digest"} ·
{"type": "served", "request", "user", "items", "propensities", "source", "bundle", "at"}. Items are a bundle's rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lockstep.errors import LockstepError

LONGEST = 200  # events of a person that are kept in memory: older ones weigh nothing


class LogDamaged(LockstepError):
    """A line of the log, other than a last one that was cut off, is no event."""


class NotLogged(LockstepError):
    """An event that must not enter the log."""


@dataclass
class State:
    """What the service knows: fold of all events so far."""

    histories: dict[str, list[int]] = field(default_factory=dict)
    removed: set[int] = field(default_factory=set)
    served: int = 0

    def apply(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if kind == "taken":
            history = self.histories.setdefault(event["user"], [])
            history.append(event["item"])
            del history[:-LONGEST]
        elif kind == "removed":
            self.removed.add(event["item"])
        elif kind == "served":
            self.served += 1


def checked(event: dict[str, Any]) -> dict[str, Any]:
    """The event, if it may enter the log. Raises NotLogged for a propensity that nothing shown can have."""
    if event["type"] == "served":
        wrong = [p for p in event["propensities"] if not 0 < p <= 1]
        if wrong or len(event["propensities"]) != len(event["items"]):
            raise NotLogged(
                f"request {event['request']}: {len(event['items'])} items with propensities {event['propensities']}: "
                "each shown item needs the probability with which it was chosen, above 0 and at most 1"
            )
    return event


class EventLog:
    """Appends events to a file, one writer at a time. The file is opened for each, so that it may be moved aside."""

    def __init__(self, path: Path):
        _cut_torn_line(path)
        self.path = path

    def append(self, event: dict[str, Any]) -> None:
        line = json.dumps(checked(event), sort_keys=True) + "\n"
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line)


def _cut_torn_line(path: Path) -> None:
    """A line that a crash cut off was never answered: it is taken out before the next one is written."""
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)


def read(path: Path) -> Iterator[dict[str, Any]]:
    """All whole events. A last line without its end is left out; raises LogDamaged for any other that is no event."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                event = json.loads(line)
                event["type"]
            except (ValueError, TypeError, KeyError):
                raise LogDamaged(f"{path}:{number}: not an event; restore the log from its copy") from None
            yield event


def state_of(path: Path) -> State:
    """The fold over a log; empty where there is none yet."""
    state = State()
    for event in read(path):
        state.apply(event)
    return state
