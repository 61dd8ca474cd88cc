"""What a run depends on, as one digest: its code, the settings it read, its data, and the runs it read from.

The scheme has a version. A change of the scheme, or of what the runner promises a stage (seeding, resume), makes
every run stale, so both are raised with a migration and never in passing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from lockstep.canonical import digest_value

SCHEME = 1
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
    """A config value as JSON holds it: tuples as lists, nested dataclasses as objects."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return value
