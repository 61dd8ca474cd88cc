"""What a finished run leaves: rows that the ledger can hold, artefacts, and files that the prose shows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from lockstep.errors import LockstepError, ProjectError
from lockstep.experiment import Experiment, Keys, Stage
from lockstep.project.post import Post
from lockstep.record import accepted, ledger
from lockstep.record.files import digest_file, write_whole

PUBLISHED_LIMIT = 10_000_000  # bytes


def check_rows(experiment: Experiment, stage: Stage, keys: Keys, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as the ledger holds them: keys first, plain finite numbers, every float a declared metric."""
    checked = []
    for row in rows:
        whole: dict[str, Any] = dict(keys)
        for name, value in row.items():
            if name == "stage":
                raise ProjectError(f'stage "{stage.name}" returns a key "stage": queries select stages by that name')
            value = value.item() if hasattr(value, "item") else value
            if isinstance(value, float):
                if experiment.metric(name) is None:
                    raise ProjectError(f'stage "{stage.name}" returns "{name}", which is no declared Metric')
                if not math.isfinite(value):
                    raise LockstepError(
                        f'stage "{stage.name}" returns {name} = {value}: end the run with run.fail instead'
                    )
            elif not isinstance(value, (str, int)):
                raise LockstepError(f'stage "{stage.name}" returns {name} = {value!r}: expected a number or a text')
            whole[name] = value
        checked.append(whole)
    return checked


def made(stage: Stage, scratch: Path, kind: str) -> list[Path]:
    """The files of one kind that a run left. Raises LockstepError for a folder among them."""
    found = sorted((scratch / kind).iterdir())
    if folders := [path.name for path in found if not path.is_file()]:
        raise LockstepError(f"{stage.name} made {kind}/{folders[0]}, which is no file: pack a folder into one")
    return found


def deliver(post: Post, stage: Stage, keys: Keys, scratch: Path) -> dict[str, str]:
    """Put figures, tables and what demos load where the prose finds them; returns their digests by path.

    Raises LockstepError where another run has made a file of that name, or demos would weigh too much for a commit.
    """
    point = "-".join(f"{key}={value}" for key, value in keys.items())
    folder = "/".join(filter(None, ["results", stage.name, point]))
    shown = [path for kind in ("figures", "demo") for path in made(stage, scratch, kind)]
    places = [(path, f"{path.parent.name}/{path.name}") for path in shown]
    places += [(path, f"{folder}/{path.name}") for path in made(stage, scratch, "outputs")]
    others = {place: line for line in post.ledger.lines.values() for place in line.outputs}
    for _, place in places:
        if (other := others.get(place)) and (other.stage, other.keys) != (stage.name, keys):
            both = f"{ledger.describe(other.stage, other.keys)} and {ledger.describe(stage.name, keys)}"
            raise LockstepError(f"{both} both make {place}: give each file its own name")
    size = sum(path.stat().st_size for path, place in places if place.startswith("demo/"))
    if size > PUBLISHED_LIMIT:
        raise LockstepError(f"{stage.name} publishes {size / 1e6:.1f} MB for demos: a post may commit 10 MB in all")
    for path, place in places:
        write_whole(post.folder / place, path.read_bytes())
    return {place: digest_file(path) for path, place in places}


def tidy(post: Post, earlier: ledger.Line | None) -> None:
    """Remove what only the replaced line referred to: outputs, symbols of code that no line ran, acceptances."""
    outputs = {place for line in post.ledger.lines.values() for place in line.outputs}
    for place in earlier.outputs if earlier else {}:
        if place not in outputs:
            (post.folder / place).unlink(missing_ok=True)
    with ledger.locked(post.results):  # another process may have recorded a run since
        used = {line.code for line in ledger.read(post.results).lines.values()}
        for path in (post.results / "code").glob("*.json"):
            if path.stem not in used:
                path.unlink(missing_ok=True)
    if post.base is None:  # else the record is another's
        accepted.prune(post.accepted_path, {line.fingerprint for line in post.ledger.lines.values()})
