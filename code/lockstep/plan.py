"""Which runs to make, in which order, and what they will cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from lockstep.canonical import digest_value
from lockstep.experiment import Keys, Stage
from lockstep.freshness import Freshness, State
from lockstep.project import Post

Identity = tuple[str, str]


@dataclass(frozen=True)
class Selection:
    """Stages by name (None: all) with all that they read; only runs at these seeds; only these runs."""

    stages: frozenset[str] | None = None
    force: bool = False
    seeds: frozenset[int] | None = None
    only: frozenset[Identity] | None = None


ALL = Selection()


def identity(stage: Stage, keys: Keys) -> Identity:
    return stage.name, digest_value(keys)


def plan(freshness: Freshness, selection: Selection = ALL) -> list[State]:
    """The runs to make, upstream first. A failed run is final unless forced."""
    names = set(freshness.experiment.stages if selection.stages is None else selection.stages)
    needed = _needed(freshness, names, selection.seeds)
    return [
        state
        for state in freshness.all()
        if (key := identity(state.stage, state.keys)) in needed
        and (selection.only is None or key in selection.only)
        and (state.kind in ("stale", "missing") or (selection.force and state.stage.name in names))
    ]


def _needed(freshness: Freshness, names: set[str], seeds: frozenset[int] | None) -> set[Identity]:
    """The selected runs and everything that they read. Of a stage without seeds, a run that needs no run besides."""
    found: set[Identity] = set()

    def add(stage: Stage, keys: Keys) -> None:
        if identity(stage, keys) not in found:
            found.add(identity(stage, keys))
            for other, other_keys in stage.inputs_of(keys):
                add(other, other_keys)

    for stage in freshness.experiment.stages.values():
        for keys in stage.points() if stage.name in names else ():
            if seeds is None or keys.get("seed") in seeds:
                add(stage, keys)
            elif "seed" not in keys:
                inputs = stage.inputs_of(keys)
                if all(identity(*point) in found or freshness.state(*point).kind == "fresh" for point in inputs):
                    add(stage, keys)
    return found


def cost(post: Post, states: Iterable[State]) -> float | None:
    """Seconds that these runs took last time, or their like; None where nothing is known of one."""
    total = 0.0
    for state in states:
        lines = [state.line] if state.line else list(post.ledger.of(state.stage.name))
        seconds = [p.seconds for line in lines if line and (p := post.ledger.provenance(line))]
        if not seconds:
            return None
        total += sum(seconds) / len(seconds)
    return total


def within(budget: float, post: Post, selection: Selection = ALL) -> tuple[Selection, float]:
    """The runs that fit into `budget` seconds, cheapest first with what they read; and what is left of it.

    A run whose cost nothing recorded tells is left out.
    """
    freshness = Freshness.of(post)
    due = {identity(state.stage, state.keys): state for state in plan(freshness, selection)}
    chosen: dict[Identity, State] = {}
    while True:
        offers: list[tuple[float, int, dict[Identity, State]]] = []
        for number, state in enumerate(due.values()):
            needed = _with_inputs(state.stage, state.keys)
            missing = {key: due[key] for key in needed if key in due and key not in chosen}
            seconds = cost(post, missing.values())
            if missing and seconds is not None and seconds <= budget:
                offers.append((seconds, number, missing))
        if not offers:
            return replace(selection, only=frozenset(chosen)), budget
        seconds, _, runs = min(offers, key=lambda offer: offer[:2])
        chosen |= runs
        budget -= seconds


def _with_inputs(stage: Stage, keys: Keys) -> list[Identity]:
    found = [identity(stage, keys)]
    for other, other_keys in stage.inputs_of(keys):
        found += _with_inputs(other, other_keys)
    return found
