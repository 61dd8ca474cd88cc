"""Merge: take in runs that were made on another machine with `run --out DIR`.

A run is taken only where it is what a run here would be: on today's grid, with today's fingerprint, having read exactly
the artefacts that the ledger here holds. Everything else is refused with its reason, and nothing here is lost.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lockstep.errors import LockstepError, nearest
from lockstep.execute.deliver import tidy
from lockstep.judge.freshness import Freshness
from lockstep.project.post import Post
from lockstep.project.project import Project
from lockstep.record import ledger
from lockstep.record.files import digest_file, write_whole
from lockstep.record.ledger import Ledger, Line, describe
from lockstep.record.store import Store


@dataclass
class Merged:
    """What became of each run that was brought."""

    taken: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def merge(project: Project, source: Path) -> Merged:
    """Take in a folder, or an archive of one, that `run --out` filled. Raises LockstepError where it is none."""
    merged = Merged()
    with _opened(source) as folder:
        found = sorted(path.parent.name for path in folder.glob("*/results") if path.is_dir())
        if not found:
            raise LockstepError(f"{source} holds no runs: expected SLUG/results/*.jsonl, as run --out DIR writes them")
        for slug in found:
            if slug not in project.slugs:
                merged.refused.append(f'{slug}: there is no post "{slug}"{nearest(slug, project.slugs)}')
                continue
            try:
                _merge_post(project.post(slug), folder, merged)
            except LockstepError as error:
                merged.refused.append(f"{slug}: {error}")
    return merged


def _merge_post(post: Post, folder: Path, merged: Merged) -> None:
    brought, store = ledger.read(folder / post.slug / "results"), Store(folder / "store")
    merged.refused += [str(problem).removeprefix(f"{folder}/") for problem in brought.problems]
    order = list(post.experiment.stages)
    lines = sorted(brought.lines.values(), key=lambda line: order.index(line.stage) if line.stage in order else -1)
    for line in lines:
        name = f"{post.slug}.{describe(line.stage, line.keys)}"
        here = post.ledger.get(line.stage, line.keys)
        if here and here.sum == line.sum:
            merged.known.append(name)
        elif reason := _refusal(post, brought, line, here):
            merged.refused.append(f"{name}: {reason}")
        else:
            _take(post, brought, line, store)
            merged.taken.append(name)


def _refusal(post: Post, brought: Ledger, line: Line, here: Line | None) -> str:
    """Why a run cannot be taken, or nothing."""
    if line.post != post.slug:
        return f'it is a run of the post "{line.post}"'
    stage = post.experiment.stages.get(line.stage)
    if stage is None:
        return f"the post has no such stage{nearest(line.stage, post.experiment.stages)}"
    if line.keys not in list(stage.points()):
        return "it is at no point of today's grid"
    if here and Freshness.of(post).state(stage, line.keys).kind == "fresh":
        if here.fingerprint == line.fingerprint and here.rows == line.rows and here.artefacts == line.artefacts:
            return "the same run is recorded here, with other circumstances: nothing to take"
        return "a fresh run with other results is recorded here: remove that line first, if this one is to stand"
    for other, keys in stage.inputs_of(line.keys):
        if post.ledger.get(other.name, keys) is None:
            return f"it reads {describe(other.name, keys)}, which is recorded neither here nor there"
    view = post.placed(post.folder)
    only = Ledger({line.identity: line}, {line.identity: brought.places[line.identity]})
    view.show(only.over(post.ledger))
    state = Freshness(view).state(stage, line.keys)
    if state.kind not in ("fresh", "failed"):
        return f"it does not fit this code: {'; '.join(state.told)}"
    if brought.provenance(line) is None:
        return "its provenance was not brought"
    for place, digest in line.outputs.items():
        path = brought.home(line).parent / place
        if not path.is_file() or digest_file(path) != digest:
            return f"{place}, which it made, was not brought whole"
    return ""


def _take(post: Post, brought: Ledger, line: Line, store: Store) -> None:
    """Artefacts first, the ledger's line last: a kill in between leaves nothing that the ledger does not explain."""
    home, earlier = brought.home(line), post.ledger.get(line.stage, line.keys)
    for digest in line.artefacts.values():
        if (path := store.get(digest)) is not None:
            post.project.store.put(path)
    for place in line.outputs:
        write_whole(post.folder / place, (home.parent / place).read_bytes())
    explained, symbols = brought.provenance(line), home / "code" / f"{line.code}.json"
    assert explained is not None
    ledger.record(post.results, line, explained, symbols.read_bytes() if symbols.is_file() else b"")
    post.forget()
    tidy(post, earlier)


@contextmanager
def _opened(source: Path) -> Iterator[Path]:
    """The folder itself, or a temporary one with what an archive holds."""
    if source.is_dir():
        yield source
        return
    if not source.is_file():
        raise LockstepError(f"there is no folder or archive {source}")
    with tempfile.TemporaryDirectory(prefix="lockstep-merge-") as temporary:
        try:
            if source.suffix == ".zip":
                shutil.unpack_archive(source, temporary)
            else:
                shutil.unpack_archive(source, temporary, filter="data")
        except (shutil.ReadError, ValueError, OSError) as error:
            raise LockstepError(f"{source} is no archive that can be read: {error}") from None
        inside = list(Path(temporary).iterdir())
        single = len(inside) == 1 and inside[0].is_dir() and not (inside[0] / "results").is_dir()
        yield inside[0] if single else Path(temporary)
