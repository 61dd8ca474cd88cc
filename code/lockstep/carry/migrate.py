"""Take runs that an older engine recorded into today's scheme of fingerprints, without making them again.

A run migrates where, from its own commit to now, everything that it depends on by today's rules is the same: the code,
by the walk and by what a smoke run of its stage was seen to do; the settings; the data, whose digests are computed
again; and what it read of other runs. Where code differs, the run gets the fingerprint of its own commit, so that it is
stale by name, to be made again or accepted with a reason. A commit proves nothing for a run from a tree with changes:
such a run is stale too, and says so.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from lockstep.carry.past import source_at
from lockstep.depend.canonical import canonical_json, digest_value
from lockstep.depend.fingerprint import fingerprint
from lockstep.depend.reach import reach
from lockstep.depend.source import Source
from lockstep.errors import LockstepError
from lockstep.execute.profiles import Profile
from lockstep.execute.runner import run_stages
from lockstep.experiment import Stage
from lockstep.judge.freshness import CHANGES, Freshness, upstream_entry
from lockstep.project.post import Post
from lockstep.record import accepted, ledger
from lockstep.record.ledger import Line, Provenance, describe


@dataclass
class Migrated:
    """What became of each run of an older scheme."""

    same: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def migrate(post: Post) -> Migrated:
    """Rewrite every line of an older scheme. Raises LockstepError where a smoke run of the post fails."""
    found = Migrated()
    old = [line for line in post.ledger.lines.values() if line.v < ledger.VERSION]
    if old:
        with tempfile.TemporaryDirectory(prefix="lockstep-migrate-") as temporary:
            _Migration(post, Path(temporary)).run(found)
    return found


class _Migration:
    def __init__(self, post: Post, folder: Path):
        self.post, self.folder = post, folder
        self.sources: dict[str, Source | None] = {}
        self.accepted = {entry.origin: entry for entry in post.accepted.values()}
        self.entries: list[accepted.Accepted] = []

    @cached_property
    def seen(self) -> dict[str, set[str]]:
        """By stage, what its smoke runs were seen to use beyond what names lead to."""
        found: dict[str, set[str]] = {}
        for line in run_stages(Profile.smoke(self.post, self.folder / "smoke")):
            found.setdefault(line.stage, set()).update(line.seen)
        return found

    def run(self, found: Migrated) -> None:
        before = {line.identity: line for line in self.post.ledger.lines.values()}
        for stage in self.post.experiment.stages.values():
            for keys in stage.points():
                line = self.post.ledger.get(stage.name, keys)
                if line is None or line.v == ledger.VERSION:
                    continue
                name, why = f"{self.post.slug}.{describe(stage.name, keys)}", self.unlike(stage, line, before)
                if why:
                    found.left.append(f"{name}: {why}")
                    continue
                same = self.rewrite(stage, line)
                (found.same if same else found.stale).append(name)
        if self.entries:
            accepted.append(self.post.accepted_path, self.entries)
        runs = {line.fingerprint for line in self.post.ledger.lines.values()}
        accepted.prune(self.post.accepted_path, runs)
        self.post.forget()

    def unlike(self, stage: Stage, line: Line, before: dict[Any, Line]) -> str:
        """Why the run cannot be taken over at all, apart from its code."""
        now = Freshness(self.post)
        provenance = self.post.ledger.provenance(line)
        if provenance is None or not provenance.commit or self.source_at(provenance.commit) is None:
            return "nothing tells the commit that it ran: make it again"
        changed = [name for name, value in now.config_now(line.keys, line.config).items() if value != line.config[name]]
        changed += [name for name, digest in now.data_now(line.data).items() if digest != line.data[name]]
        if changed:
            return f"it read another {', '.join(changed)}: make it again"
        then = {ledger.identity(entry["stage"], entry["keys"]): entry for entry in line.upstream}
        for other, keys in stage.inputs_of(line.keys):
            entry, here = then.pop(ledger.identity(other.name, keys), None), self.post.ledger.get(other.name, keys)
            name = describe(other.name, keys)
            if entry is None or here is None or here.v < ledger.VERSION:
                return f"it reads {name}, which has no record of this scheme: make both again"
            was = before[here.identity].fingerprint
            if was != entry["fingerprint"] or upstream_entry(here, entry["read"])["read"] != entry["read"]:
                return f"it read other results of {name}: make it again"
        return f"it read {next(iter(then))[0]} at a place that is no longer in the grid" if then else ""

    def source_at(self, commit: str) -> Source | None:
        """The code as a commit has it, its own engine included."""
        if commit not in self.sources:
            self.sources[commit] = source_at(self.post.project.root, commit, self.folder)
        return self.sources[commit]

    def rewrite(self, stage: Stage, line: Line) -> bool:
        """Give a line the fingerprint of the code that it ran; is that still the code?"""
        now = Freshness(self.post)
        explained = self.post.ledger.provenance(line)
        assert explained is not None
        source = self.source_at(explained.commit)
        assert source is not None
        seen = self.seen.get(stage.name, set())
        start = now.start(stage, line.keys, line.config, seen)
        try:
            symbols = dict(reach(source, start).symbols)
        except LockstepError as error:
            symbols = {"@unknown": digest_value(str(error))}
        today = reach(self.post.project.source, start)
        if explained.dirty:
            symbols[CHANGES] = digest_value(explained.commit)
        code = digest_value(symbols)
        upstream = [
            upstream_entry(here, entry["read"])
            for entry in line.upstream
            if (here := self.post.ledger.get(entry["stage"], entry["keys"])) is not None
        ]
        digest = fingerprint(stage.name, line.keys, code, line.config, line.data, upstream)
        made = replace(
            line, v=ledger.VERSION, code=code, fingerprint=digest, upstream=upstream, seen=sorted(seen)
        ).summed()
        ledger.record(self.post.results, made, explained, (canonical_json(symbols) + "\n").encode())
        self.post.forget()
        if code != today.digest and (entry := self.accepted.get(line.fingerprint)):
            self.carry(stage, made, entry, explained)
        return code == today.digest

    def carry(self, stage: Stage, line: Line, entry: accepted.Accepted, explained: Provenance) -> None:
        """What was accepted stays accepted, where nothing differs today but what its acceptance names."""
        freshness = Freshness(self.post)
        state = freshness.state(stage, line.keys)
        named = set(_symbols(entry.changes))
        if state.kind != "stale" or explained.dirty or not set(_symbols(state.told)) <= named:
            return
        today = freshness.fingerprint_of(stage, line.keys, line)
        self.entries.append(replace(entry, origin=line.fingerprint, today=today, changes=state.told))


def _symbols(reasons: tuple[str, ...]) -> Iterator[str]:
    """The symbols that reasons name; a reason of another kind stands for itself."""
    for reason in reasons:
        yield reason.split()[1] if reason.startswith("code: ") and len(reason.split()) > 1 else reason
