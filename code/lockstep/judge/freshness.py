"""Is what the ledger says still what the code would say? And if not, why not?"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal
from urllib.parse import unquote

from lockstep.depend.canonical import digest_value
from lockstep.depend.fingerprint import fingerprint, plain
from lockstep.depend.reach import Reach, Start, reach
from lockstep.depend.source import ENGINE, Source
from lockstep.errors import LockstepError
from lockstep.experiment import Experiment, Keys, Stage
from lockstep.project.post import Post
from lockstep.record import ledger
from lockstep.record.accepted import Accepted
from lockstep.record.ledger import Identity, Line, describe, identity

CHANGES = "@changes"  # among the symbols of a run that was made from a tree with changes, and migrated
VARIABLE = "environment:"  # before the name of a variable of the environment that a run read, among its settings
Kind = Literal["fresh", "stale", "missing", "failed"]


@dataclass(frozen=True)
class Reason:
    """Why a run is not fresh: what about it differs, of which symbol, setting, dataset or run, and how."""

    about: Literal["record", "code", "config", "data", "upstream"]
    how: str
    name: str = ""
    keys: str = ""  # of an upstream run

    def __str__(self) -> str:
        named = f'the digest of "{self.name}"' if self.about == "data" else self.name
        said = " ".join(part for part in (named, self.keys, self.how) if part)
        return said if self.about == "record" else f"{self.about}: {said}"


@dataclass(frozen=True)
class State:
    """One point of a grid: what the ledger has for it, and every reason why that is not fresh.

    A run that was accepted is fresh, and says so.
    """

    stage: Stage
    keys: Keys
    kind: Kind
    line: Line | None = None
    reasons: tuple[Reason, ...] = ()
    accepted: Accepted | None = None

    @property
    def name(self) -> str:
        return describe(self.stage.name, self.keys)

    @property
    def identity(self) -> Identity:
        return identity(self.stage.name, self.keys)

    @property
    def told(self) -> tuple[str, ...]:
        """The reasons in words, as an acceptance keeps them."""
        return tuple(map(str, self.reasons))

    @property
    def cause(self) -> tuple[str, ...]:
        """What runs that are stale for the same reason share: what they read differs in nothing but its keys."""
        return (self.kind, *dict.fromkeys(str(replace(reason, keys="")) for reason in self.reasons))


@dataclass
class Freshness:
    """The states of a post's runs, computed once from one snapshot of code, config and ledger."""

    post: Post
    pending: list[Accepted] = field(default_factory=list)
    _states: dict[Identity, State] = field(default_factory=dict)

    @classmethod
    def of(cls, post: Post) -> Freshness:
        """The post's own, worked out once until its ledger changes."""
        if "freshness" not in post.worked_out:
            post.worked_out["freshness"] = cls(post)
        return post.worked_out["freshness"]

    @property
    def experiment(self) -> Experiment:
        return self.post.experiment

    def start(self, stage: Stage, keys: Keys, read: Collection[str] | None = None, seen: Collection[str] = ()) -> Start:
        """Where the code of a run begins, given the settings that it reads (None: any) and what it was seen to use."""
        config, source = self.experiment.config_at(keys), self.post.project.source
        fields = None if read is None else frozenset(read) & frozenset(self.experiment.fields)
        values = [getattr(config, name) for name in self.experiment.fields if fields is None or name in fields]
        kind, base = type(config), f"posts.{self.post.slug}"
        own = source.owns(kind.__module__) and not kind.__module__.startswith(ENGINE)
        return Start(
            f"{base}.{stage.module}",
            stage.function,
            (kind.__module__, kind.__qualname__) if own else None,
            fields,
            frozenset([*seen, *(f"{base}.{name}" for name in stage.covers)]),
            frozenset(types_of(source, values)),
        )

    def reach(self, stage: Stage, keys: Keys, line: Line | None = None) -> Reach:
        """The code that a run depends on; given its line, by what that one read and was seen to use."""
        start = self.start(stage, keys, line.config, line.seen) if line else self.start(stage, keys)
        return reach(self.post.project.source, start)

    def all(self) -> list[State]:
        """Every point of every stage's grid, upstream stages first."""
        return [self.state(stage, keys) for stage in self.experiment.stages.values() for keys in stage.points()]

    def state(self, stage: Stage, keys: Keys) -> State:
        run = identity(stage.name, keys)
        if run not in self._states:
            self._states[run] = self._state(stage, keys)
        return self._states[run]

    def retired(self) -> list[Line]:
        """Lines outside today's grids."""
        stages = self.experiment.stages.values()
        wanted = {identity(stage.name, keys) for stage in stages for keys in stage.points()}
        return [line for line in self.post.ledger.lines.values() if line.identity not in wanted]

    def _state(self, stage: Stage, keys: Keys) -> State:
        line = self.post.ledger.get(stage.name, keys)
        if line is None:
            return State(stage, keys, "missing", None, (Reason("record", "it has never run"),))
        reasons = list(self._reasons(stage, keys, line))
        today = self.fingerprint_of(stage, keys, line)
        if not reasons and today != line.fingerprint:
            reasons = [Reason("record", "its fingerprint is of another scheme or runner")]
        accepted = self.accepted.get((line.fingerprint, today)) if reasons else None
        if reasons and (accepted is None or any(reason.about == "upstream" for reason in reasons)):
            return State(stage, keys, "stale", line, tuple(reasons))
        return State(stage, keys, "failed" if line.status == "failed" else "fresh", line, (), accepted)

    @cached_property
    def accepted(self) -> dict[tuple[str, str], Accepted]:
        """What the author lets stand, by (fingerprint of the run, fingerprint of the code)."""
        return self.post.accepted | {(entry.origin, entry.today): entry for entry in self.pending}

    def fingerprint_of(self, stage: Stage, keys: Keys, line: Line) -> str:
        """The fingerprint that the recorded run has today."""
        config, data = self.config_now(keys, line.config), self.data_now(line.data)
        return fingerprint(
            stage.name, keys, self.reach(stage, keys, line).digest, config, data, self.upstream_now(stage, keys, line)
        )

    def config_now(self, keys: Keys, read: Mapping[str, Any]) -> dict[str, Any]:
        """Today's values of the settings that a run read; one that is gone is None."""
        config = self.experiment.config_at(keys)
        return {name: self._setting(config, name) for name in read}

    def _setting(self, config: Any, name: str) -> Any:
        if name.startswith(VARIABLE):
            return os.environ.get(name.removeprefix(VARIABLE))
        if not name.startswith("reported:"):
            return plain(getattr(config, name, None))
        metric, _, query = name.removeprefix("reported:").partition("?")
        try:
            pairs = (pair.partition("=") for pair in query.split("&") if pair)
            entry = self.post.paper.find(metric, {key: unquote(value) for key, _, value in pairs})
        except LockstepError:
            return None
        return [entry.value, entry.plus_minus]

    def data_now(self, read: Mapping[str, str]) -> dict[str, str]:
        return {name: self.post.data_digest(name) for name in read}

    def upstream_now(self, stage: Stage, keys: Keys, line: Line) -> list[dict[str, Any]]:
        """What the run would record of its upstream runs today, reading of each what it read then."""
        then = {identity(entry["stage"], entry["keys"]): entry["read"] for entry in line.upstream}
        return [
            upstream_entry(found, then.get(identity(other.name, other_keys), {}))
            for other, other_keys in stage.inputs_of(keys)
            if (found := self.post.ledger.get(other.name, other_keys)) is not None
        ]

    def _reasons(self, stage: Stage, keys: Keys, line: Line) -> list[Reason]:
        reasons: list[Reason] = []
        if line.v < ledger.VERSION:
            return [Reason("record", "it was recorded by an older engine: lockstep migrate")]
        if line.code != self.reach(stage, keys, line).digest:
            reasons += self._code_reasons(stage, keys, line)
        for name, value in self.config_now(keys, line.config).items():
            if value != line.config[name]:
                reasons.append(Reason("config", f"was {line.config[name]!r}, is {value!r}", name))
        for name, digest in self.data_now(line.data).items():
            if digest != line.data[name]:
                was = f"was {line.data[name][:12]}, is {digest[:12]}" if digest else "is declared no more"
                reasons.append(Reason("data", was, name))
        return reasons + self._upstream_reasons(stage, keys, line)

    def _upstream_reasons(self, stage: Stage, keys: Keys, line: Line) -> list[Reason]:
        then = {identity(entry["stage"], entry["keys"]): entry for entry in line.upstream}
        reasons: list[Reason] = []

        def differs(how: str, stage: str, keys: Mapping[str, Any]) -> None:
            reasons.append(Reason("upstream", how, stage, describe("", keys).strip()))

        for other, other_keys in stage.inputs_of(keys):
            entry = then.pop(identity(other.name, other_keys), None)
            state = self.state(other, other_keys)
            if entry is None:
                differs("was not there", other.name, other_keys)
            elif state.kind in ("stale", "missing"):
                differs(f"is {state.kind}", other.name, other_keys)
            elif state.line and state.line.fingerprint != entry["fingerprint"]:
                differs("ran again with other code, settings or data", other.name, other_keys)
            elif state.line and upstream_entry(state.line, entry["read"]) != entry:
                changed = [n for n, digest in entry["read"].items() if part_digest(state.line, n) != digest]
                differs(f"ran again and made another {', '.join(changed)}", other.name, other_keys)
        for entry in then.values():
            differs("is no longer in the grid", entry["stage"], entry["keys"])
        return reasons

    def _code_reasons(self, stage: Stage, keys: Keys, line: Line) -> list[Reason]:
        now = self.reach(stage, keys, line)
        then = ledger.symbols(self.post.ledger.home(line), line.code)
        if then is None:
            return [Reason("code", "changed (the symbols of the recorded run were not kept)")]
        reasons: list[Reason] = []
        if CHANGES in then:
            told = "made from a tree with changes beside its commit, which nobody knows any more"
            reasons.append(Reason("code", told))
        for symbol in sorted({*then, *now.symbols} - {CHANGES}):
            if then.get(symbol) != now.symbols.get(symbol):
                word = "is new" if symbol not in then else "is gone" if symbol not in now.symbols else "changed"
                chain = [step for step in now.chain(symbol) if step] if symbol in now.symbols else [symbol]
                shown = " → ".join(_short(step, self.post.slug) for step in chain)
                how = f"{word} ({shown})" if len(chain) > 1 else word
                reasons.append(Reason("code", how, _short(symbol, self.post.slug)))
        return reasons


def types_of(source: Source, values: Collection[Any]) -> Iterator[tuple[str, str]]:
    """The classes of the project, as module and name, whose instances these values are or hold."""
    for value in values:
        kind = value if isinstance(value, type) else type(value)
        if source.owns(kind.__module__) and not kind.__module__.startswith(ENGINE):
            yield kind.__module__, kind.__qualname__.partition(".")[0]
        if isinstance(value, Mapping):
            yield from types_of(source, [*value.keys(), *value.values()])
        elif isinstance(value, (tuple, list, set, frozenset)):
            yield from types_of(source, value)
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            yield from types_of(source, [getattr(value, field.name) for field in dataclasses.fields(value)])


def upstream_entry(line: Line, read: Mapping[str, str]) -> dict[str, Any]:
    """What a run records of one it reads: its identity, its fingerprint and the digests of the parts that were read."""
    parts = {name: part_digest(line, name) for name in sorted(read)}
    return {"stage": line.stage, "keys": line.keys, "fingerprint": line.fingerprint, "read": parts}


def part_digest(line: Line, name: str) -> str:
    """The digest of one part of a finished run: its rows, an artefact, or an output."""
    if name == "rows":
        return digest_value(list(line.rows))
    outputs = {path.rpartition("/")[2]: digest for path, digest in line.outputs.items()}
    return line.artefacts.get(name) or outputs.get(name, "")


def _short(symbol: str, slug: str) -> str:
    return symbol.removeprefix(f"posts.{slug}.")


def config_defaults(experiment: Experiment) -> dict[str, Any]:
    """Each field of the Config and its default."""
    return {f.name: getattr(experiment.base, f.name) for f in dataclasses.fields(experiment.base)}
