"""What a run depends on, as one digest: its code, the settings it read, its data, and the runs it read from.

The scheme has a version. A change of the scheme, or of what the runner promises a stage (seeding, resume), makes
every run stale, so both are raised with a migration and never in passing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import PurePath
from typing import Any

from lockstep.depend.canonical import digest_value
from lockstep.errors import ProjectError

SCHEME = 2
RUNNER = 1


def fingerprint(
    stage: str,
    keys: Mapping[str, Any],
    code: str,
    config: Mapping[str, Any],
    data: Mapping[str, str],
    upstream: Sequence[Mapping[str, Any]],
) -> str:
    """The digest of everything that a run's result depends on.

    `config` holds only the fields that the run read; `upstream` one {stage, keys, fingerprint, read} for each run it
    could read from, where `read` maps the artefacts and outputs it opened to their digests.
    """
    return digest_value(
        {
            "scheme": SCHEME,
            "runner": RUNNER,
            "stage": stage,
            "keys": dict(keys),
            "code": code,
            "config": dict(config),
            "data": dict(data),
            "upstream": list(upstream),
        }
    )


def plain(value: Any) -> Any:
    """A config value as JSON holds it: tuples as lists, nested dataclasses as objects, members of an Enum by name.

    Raises ProjectError for a value that no record holds.
    """
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(map(plain, value), key=repr)
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    if value is None:
        return None
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, type) or callable(value):
        return f"{value.__module__}.{value.__qualname__}" if hasattr(value, "__qualname__") else type(value).__name__
    state = getattr(value, "__dict__", None)
    if state is not None:
        return {"": type(value).__name__, **{name: plain(item) for name, item in state.items()}}
    raise ProjectError(f"a setting holds {value!r:.60}, which no record can hold: take numbers, texts, tuples of them")
