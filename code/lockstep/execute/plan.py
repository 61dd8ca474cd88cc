"""Which runs to make, in which order, and what they will cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from lockstep.experiment import Keys, Stage
from lockstep.judge.freshness import Freshness, State
from lockstep.project.post import Post
from lockstep.record.ledger import Identity, describe, identity


@dataclass(frozen=True)
class Selection:
    """Stages by name (None: all) with all that they read; only runs at these seeds, and where keys have these values as
    text; only these runs."""

    stages: frozenset[str] | None = None
    force: bool = False
    seeds: frozenset[int] | None = None
    only: frozenset[Identity] | None = None
    where: tuple[tuple[str, str], ...] = ()

    def holds(self, keys: Keys) -> bool:
        """Is a run of a selected stage among those where keys have the wanted values?"""
        return all(name in keys and str(keys[name]) == value for name, value in self.where)


ALL = Selection()


def plan(freshness: Freshness, selection: Selection = ALL) -> list[State]:
    """The runs to make, upstream first. A failed run is final unless forced."""
    names = set(freshness.experiment.stages if selection.stages is None else selection.stages)
    needed = _needed(freshness, names, selection)
    return [
        state
        for state in freshness.all()
        if (key := state.identity) in needed
        and (selection.only is None or key in selection.only)
        and (state.kind in ("stale", "missing") or _forced(state, names, selection))
    ]


def _forced(state: State, names: set[str], selection: Selection) -> bool:
    """Is this run made again although it is fresh? What a selected run reads at other seeds is not."""
    at = selection.seeds is None or state.keys.get("seed", None) in {None, *selection.seeds}
    return selection.force and at and state.stage.name in names and selection.holds(state.keys)


def left_out(freshness: Freshness, selection: Selection) -> list[str]:
    """Why runs of the selected stages are not made at the selected seeds, a line a run: they read runs at others."""
    if selection.seeds is None:
        return []
    names = set(freshness.experiment.stages if selection.stages is None else selection.stages)
    needed, lines = _needed(freshness, names, selection), []
    for state in freshness.all():
        here = _forced(state, names, replace(selection, force=True))
        if not here or state.kind not in ("stale", "missing") or state.identity in needed:
            continue
        for other in map(lambda point: freshness.state(*point), upstream(state.stage, state.keys)):
            if other.kind != "fresh" and other.identity not in needed:
                seed = f": add --seed {other.keys['seed']}" if "seed" in other.keys else ""
                lines.append(f"left out: {state.name}, since it reads {other.name}, which is {other.kind}{seed}")
                break
    return lines


def upstream(stage: Stage, keys: Keys) -> Iterator[tuple[Stage, Keys]]:
    """Everything that a run reads, nearest last."""
    for other, other_keys in stage.inputs_of(keys):
        yield from upstream(other, other_keys)
        yield other, other_keys


def _needed(freshness: Freshness, names: set[str], selection: Selection) -> set[Identity]:
    """The selected runs and everything that they read.

    Where seeds are selected, a run that reads runs at other seeds waits until those are fresh; of a stage without
    seeds, a run that needs no run besides.
    """
    found: set[Identity] = set()
    seeds = selection.seeds

    def add(stage: Stage, keys: Keys) -> None:
        if identity(stage.name, keys) not in found:
            found.add(identity(stage.name, keys))
            for other, other_keys in stage.inputs_of(keys):
                add(other, other_keys)

    def waits(stage: Stage, keys: Keys, seeds: frozenset[int]) -> bool:
        others = (point for point in upstream(stage, keys) if point[1].get("seed", None) not in {None, *seeds})
        return any(freshness.state(*point).kind != "fresh" for point in others)

    for stage in freshness.experiment.stages.values():
        for keys in filter(selection.holds, stage.points() if stage.name in names else ()):
            if seeds is None or (keys.get("seed") in seeds and not waits(stage, keys, seeds)):
                add(stage, keys)
            elif "seed" not in keys:
                inputs = [freshness.state(*point) for point in stage.inputs_of(keys)]
                if all(state.identity in found or state.kind == "fresh" for state in inputs):
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


def absent(post: Post, states: Iterable[State], has: Callable[[str], bool]) -> list[str]:
    """What these runs will miss: artefacts that they read last time, of runs that stay as they are, and that are gone.

    `has` tells of an artefact by its digest. A line for each run that made one, with the command that makes it again.
    """
    states = list(states)
    due, gone = {state.identity for state in states}, dict[Identity, str]()
    for state in states:
        recorded = state.line.upstream if state.line else []
        then = {identity(entry["stage"], entry["keys"]): entry["read"] for entry in recorded}
        for stage, keys in state.stage.inputs_of(state.keys):
            key, line = identity(stage.name, keys), post.ledger.get(stage.name, keys)
            if line is None or key in due or key in gone:
                continue
            missed = [n for n in then.get(key, {}) if n in line.artefacts and not has(line.artefacts[n])]
            if missed:
                at = "".join(f" --seed {v}" if name == "seed" else f" --where {name}={v}" for name, v in keys.items())
                again = f"lockstep run {post.slug}.{stage.name}{at} --force"
                what = f'"{missed[0]}" of {describe(stage.name, keys)}'
                gone[key] = f"{state.name} reads {what}, which is not at hand: {again}"
    return list(gone.values())


def within(budget: float, post: Post, selection: Selection = ALL) -> tuple[Selection, float]:
    """The runs that fit into `budget` seconds, cheapest first with what they read; and what is left of it.

    A run whose cost nothing recorded tells is left out.
    """
    freshness = Freshness.of(post)
    due = {state.identity: state for state in plan(freshness, selection)}
    chosen: dict[Identity, State] = {}
    while True:
        offers: list[tuple[float, int, dict[Identity, State]]] = []
        for number, state in enumerate(due.values()):
            read = [identity(stage.name, keys) for stage, keys in upstream(state.stage, state.keys)]
            needed = [*read, state.identity]
            missing = {key: due[key] for key in needed if key in due and key not in chosen}
            seconds = cost(post, missing.values())
            if missing and seconds is not None and seconds <= budget:
                offers.append((seconds, number, missing))
        if not offers:
            return replace(selection, only=frozenset(chosen)), budget
        seconds, _, runs = min(offers, key=lambda offer: offer[:2])
        chosen |= runs
        budget -= seconds
