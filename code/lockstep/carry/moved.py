"""Carry runs over a move of their code: proved from both trees, the one of a commit and today's, or refused.

A run is carried where it was fresh at the commit and what it reaches has the same shape in both trees (`shape.py`),
once the definitions that moved have their new names. Where a definition went is told, or follows from its own name.
"""

from __future__ import annotations

import ast
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lockstep.carry.past import source_at
from lockstep.carry.shape import Doubt, Shape, shape
from lockstep.depend.canonical import canonical_json
from lockstep.depend.fingerprint import fingerprint
from lockstep.depend.reach import Start, reach
from lockstep.depend.source import Source
from lockstep.errors import FingerprintError, LockstepError, nearest
from lockstep.execute.deliver import tidy
from lockstep.experiment import Keys, Stage
from lockstep.judge.freshness import Freshness
from lockstep.project.post import Post
from lockstep.project.project import Project
from lockstep.record import accepted, ledger
from lockstep.record.ledger import Identity, Line, describe, identity


@dataclass
class Moved:
    """The runs that were carried over, by name, and of each that was not, why."""

    carried: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def moved(project: Project, slug: str, given: Mapping[str, str], since: str = "HEAD") -> Moved:
    """Carry over every run of a post that is stale through a move alone, since a commit.

    `given`: where symbols (`posts.slug.module:name`) or whole modules went, beside what their names tell. Raises
    LockstepError for a commit that git does not know, and for a name that is not there.
    """
    with tempfile.TemporaryDirectory(prefix="lockstep-moved-") as folder:
        then = source_at(project.root, since, Path(folder))
        if then is None:
            raise LockstepError(f'git knows no commit "{since}" of this project')
        return _Move(project.post(slug), then, dict(_symbols(then, project.source, given)), since).run()


def _symbols(then: Source, now: Source, given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What was given, by symbols. Raises LockstepError with the nearest name."""
    for old, new in given.items():
        pairs = []
        for source, name, when in ((then, old, "at that commit"), (now, new, "today")):
            module_name, _, bound = name.partition(":")
            module = source.module(module_name)
            known = source.modules_under(".".join(module_name.split(".")[:2]))
            if module is None:
                raise LockstepError(f"there is no module {module_name} {when}{nearest(module_name, known)}")
            if bound and bound not in module.bound:
                raise LockstepError(f"{module_name} has no {bound} {when}{nearest(bound, module.bound)}")
            pairs.append((module, bound))
        (module, bound), (other, other_bound) = pairs
        if bool(bound) != bool(other_bound):
            raise LockstepError(f"{old} → {new}: name a module and a module, or a symbol and a symbol")
        yield old, new
        if not bound:
            yield from ((f"{old}:{name}", f"{new}:{name}") for name in module.bound if name in other.bound)


class _Move:
    def __init__(self, post: Post, then: Source, names: dict[str, str], since: str):
        self.post, self.then, self.names, self.since = post, then, names, since
        self.found, self.entries, self.instead = Moved(), list[accepted.Accepted](), list[tuple[str, str]]()
        self.before = {line.identity: line for line in post.ledger.lines.values()}
        self.commit = _commit(post.project.root, since)

    def run(self) -> Moved:
        points = [(stage, keys) for stage in self.post.experiment.stages.values() for keys in stage.points()]
        known = [(stage, keys, line) for stage, keys in points if (line := self.post.ledger.get(stage.name, keys))]
        todays = {line.identity: self.fingerprint_then(stage, keys, line) for stage, keys, line in known}
        for stage, keys, line in known:
            name = f"{self.post.slug}.{describe(stage.name, keys)}"
            try:
                if self.carry(stage, keys, line, todays[line.identity]):
                    self.found.carried.append(name)
            except FingerprintError as doubt:
                self.found.refused.append(f"{name}: {doubt}")
        if self.entries:
            accepted.append(self.post.accepted_path, self.entries, self.instead)
        if self.found.carried:
            self.post.forget()
            tidy(self.post, None)
        return self.found

    def start_then(self, start: Start) -> Start:
        """Where the same walk began at the commit."""
        symbol = f"{start.module}:{start.function}"
        back = {new: old for old, new in self.names.items() if ":" in old}
        module = self.then.module(start.module)
        if symbol in back:
            symbol = back[symbol]
        elif module is None or start.function not in module.bound:
            post = ".".join(start.module.split(".")[:2])
            homes = [
                name
                for name in self.then.modules_under(post)
                if (found := self.then.module(name)) and start.function in found.bound.keys() - found.aliases.keys()
            ]
            leaf = start.module.rpartition(".")[2]
            homes = [name for name in homes if name.rpartition(".")[2] == leaf] or homes  # only its folder changed
            if len(homes) != 1:
                raise Doubt(f"{symbol} is new, and {_several(homes)} of that name was there: say OLD and NEW")
            symbol = f"{homes[0]}:{start.function}"
        old, _, function = symbol.partition(":")
        modules = {new: old for old, new in self.names.items() if ":" not in old}
        return replace(
            start, module=old, function=function, seen=frozenset(modules.get(each, each) for each in start.seen)
        )

    def fingerprint_then(self, stage: Stage, keys: Keys, line: Line) -> str:
        """What the fingerprint of the run was at the commit, by the record as it is; empty where nobody can tell."""
        now = Freshness.of(self.post)
        try:
            code = reach(self.then, self.start_then(now.start(stage, keys, line.config, line.seen))).digest
        except FingerprintError:
            return ""
        config, data = now.config_now(keys, line.config), now.data_now(line.data)
        recorded = {identity(entry["stage"], entry["keys"]): entry["fingerprint"] for entry in line.upstream}
        upstream = []
        for entry in now.upstream_now(stage, keys, line):
            run = identity(entry["stage"], entry["keys"])
            carried = recorded.get(run) in self.earlier(run)
            upstream.append({**entry, "fingerprint": recorded[run]} if carried else entry)
        return fingerprint(stage.name, keys, code, config, data, upstream)

    def earlier(self, run: Identity) -> set[str]:
        """The fingerprints that a run had before it was carried over moves."""
        line = self.before.get(run)
        explained = self.post.ledger.provenance(line) if line else None
        return {move["fingerprint"] for move in explained.moved} if explained else set()

    def carry(self, stage: Stage, keys: Keys, line: Line, today: str) -> bool:
        """Give a run today's fingerprint. Raises Doubt; returns whether it had another."""
        now = Freshness(self.post, pending=self.entries)
        if now.state(stage, keys).kind in ("fresh", "failed"):
            return False
        if line.v < ledger.VERSION:
            raise Doubt("it was recorded by an older engine: lockstep migrate")
        start = now.start(stage, keys, line.config, line.seen)
        old = self.start_then(start)
        entry = self.post.accepted.get((line.fingerprint, today))
        if line.fingerprint != today and entry is None:
            raise Doubt(f"it was stale before the move, at {self.since}: run it, or accept it first")
        self.prove(old, start)
        for other, other_keys in stage.inputs_of(keys):
            if now.state(other, other_keys).kind in ("stale", "missing"):
                raise Doubt(f"it reads {describe(other.name, other_keys)}, which is stale")
        upstream = [self.upstream(each) for each in line.upstream]
        reached = reach(self.post.project.source, start)
        code = line.code if entry else reached.digest
        digest = fingerprint(stage.name, line.keys, code, line.config, line.data, upstream)
        made = replace(line, code=code, fingerprint=digest, upstream=upstream, seen=sorted(start.seen)).summed()
        explained = self.post.ledger.provenance(line)
        if explained is None:
            raise Doubt("nothing tells where it ran: make it again")
        told = [*explained.moved, {"commit": self.commit, "fingerprint": line.fingerprint}]
        symbols = b"" if entry else (canonical_json(reached.symbols) + "\n").encode()
        ledger.record(self.post.results, made, replace(explained, moved=told), symbols)
        self.post.forget()
        if entry:
            fresh = Freshness(self.post).fingerprint_of(stage, keys, made)
            self.entries.append(replace(entry, origin=made.fingerprint, today=fresh))
            self.instead.append((entry.origin, entry.today))
        return True

    def upstream(self, entry: dict[str, Any]) -> dict[str, Any]:
        """What a run recorded of one that it read, which may have been carried over in this very move."""
        run: Identity = identity(entry["stage"], entry["keys"])
        was, here = self.before.get(run), self.post.ledger.lines.get(run)
        if was is None or here is None or entry["fingerprint"] not in {was.fingerprint, *self.earlier(run)}:
            raise Doubt(f"it read another run of {describe(entry['stage'], entry['keys'])}")
        return {**entry, "fingerprint": here.fingerprint}

    def prove(self, old: Start, new: Start) -> None:
        """Raises Doubt where the two trees do not have the same shape."""
        now = self.post.project.source
        before, after = reach(self.then, old), reach(now, new)
        if before.symbols == after.symbols:
            return
        self.infer(_defined(self.then, before.symbols), _defined(now, after.symbols))
        was, is_ = shape(self.then, old, self.names), shape(now, new, {})
        if not was.is_as(is_):
            raise Doubt(_difference(was, is_))

    def infer(self, before: set[str], after: set[str]) -> None:
        """Where definitions went, of those that are gone: to the one new definition of the same name."""
        for symbol in sorted(before - after - self.names.keys()):
            name = symbol.partition(":")[2]
            found = [new for new in sorted(after - before) if new.partition(":")[2] == name]
            if len(found) != 1:
                raise Doubt(f"{symbol} is gone, and {_several(found)} of its name is new: say OLD and NEW")
            self.names[symbol] = found[0]
        for module in {symbol.partition(":")[0] for symbol in before}:
            went = {self.names.get(s, s).partition(":")[0] for s in before if s.partition(":")[0] == module}
            if len(went) == 1 and self.post.project.source.module(module) is None:
                self.names.setdefault(module, went.pop())


def _several(found: list[str]) -> str:
    return "nothing" if not found else f"more than one ({', '.join(found)})"


def _defined(source: Source, symbols: Mapping[str, str]) -> set[str]:
    """The symbols that are more than imports."""
    found = set()
    for symbol in symbols:
        name, _, bound = symbol.partition(":")
        module = source.module(name)
        if bound and module and any(not isinstance(s.node, (ast.Import, ast.ImportFrom)) for s in module.bound[bound]):
            found.add(symbol)
    return found


def _difference(was: Shape, now: Shape) -> str:
    """The first things that are not the same, in words."""
    for symbol in sorted({*was.symbols, *now.symbols}):
        if was.symbols.get(symbol) != now.symbols.get(symbol):
            if symbol not in now.symbols:
                return f"it no longer reaches {symbol}"
            return f"{symbol} is not what it was" if symbol in was.symbols else f"it reaches {symbol}, and did not"
    return "modules are imported in an order that gives their effects another order"


def _commit(root: Path, since: str) -> str:
    done = subprocess.run(["git", "rev-parse", since], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip()
