"""Why is something stale, and what hangs on it? And: how does everything stand?"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from rich import box
from rich.table import Table
from rich.text import Text

from lockstep.errors import LockstepError
from lockstep.execute.plan import absent, cost
from lockstep.execute.profiles import Profile
from lockstep.judge.freshness import Freshness, State
from lockstep.project.post import Post
from lockstep.project.project import Project
from lockstep.prose import bindings
from lockstep.prose.resolve import Resolver, query
from lockstep.record.ledger import describe
from lockstep.wording import duration


def explain(post: Post, stage: str | None = None) -> Iterator[str]:
    """For each stale run its reasons; then every sentence that rests on one, and what re-running costs."""
    freshness = Freshness.of(post)
    if stage is not None:
        post.stage(stage)
    stale = [s for s in freshness.all() if s.kind in ("stale", "missing") and stage in (None, s.stage.name)]
    if not stale:
        yield f"{post.slug}: everything is fresh"
        return
    for reasons, group in groupby(stale, key=lambda state: (state.stage.name, *state.cause)):
        states = list(group)
        more = f" and {len(states) - 1} more" if len(states) > 1 else ""
        yield f"{post.slug}.{states[0].name}{more}: {reasons[1]}"
        yield from (f"    {reason}" for reason in reasons[2:])
    for line, sentence, target in downstream(post, {state.stage.name for state in stale}):
        yield f"{post.project.relative(post.prose)}:{line}: {target}\n    {sentence}"
    seconds = cost(post, stale)
    yield f"to run again: {len(stale)} runs" + ("" if seconds is None else f", about {duration(seconds)}")


def downstream(post: Post, stages: set[str]) -> Iterator[tuple[int, str, str]]:
    """The places in prose that read from these stages: (line, sentence, target)."""
    if not post.prose.exists():
        return
    prose = bindings.read(post.prose, post.project.relative(post.prose))
    resolver = Resolver.of(post)
    for binding in prose.bindings:
        try:
            reads = _stages_of(binding.kind, binding.target, resolver)
        except LockstepError:
            continue
        if reads & stages:
            yield binding.line, bindings.sentence(prose, binding), f"{binding.kind}:{binding.target}"


def _stages_of(kind: str, target: str, resolver: Resolver) -> set[str]:
    if kind == "measured":
        name, where = query(target)
        return {state.stage.name for state in resolver.measurements.select(name, where).states}
    if kind == "claim":
        return {line.stage for line in resolver.judgement(target).lines}
    if kind == "table":
        return resolver.stages_of_table(target)
    if kind == "figure":
        return {line.stage for line in resolver.post.ledger.lines.values() if target in line.outputs}
    return set()


def status_table(project: Project) -> tuple[Table, list[str]]:
    """A row a stage: how many runs are in which state, what they cost last time, and what is to be paid now.

    With it, a message for each post that does not load, and for each artefact that runs to be made will miss.
    """
    told: list[str] = []
    table = Table("post", "stage", "runs", "recorded", "to run", box=box.SIMPLE_HEAD)
    for column in table.columns[3:]:
        column.justify = "right"
    for slug in project.slugs:
        post = project.post(slug)
        try:
            freshness = Freshness.of(post)
            states = freshness.all()
        except LockstepError as error:
            table.add_row(slug, "", Text("does not load", "red"), "", "")
            told.append(f"{slug}: {error}")
            continue
        for number, (stage, group) in enumerate(groupby(states, key=lambda state: state.stage.name)):
            runs = list(group)
            table.add_row("" if number else slug, stage, _counts(runs), *_costs(post, stage, runs))
        if retired := freshness.retired():
            names = ", ".join(describe(line.stage, line.keys) for line in retired)
            table.add_row("", "retired", Text(f"{len(retired)}: {names}", "dim"), "", "")
        table.add_section()
        due = [state for state in states if state.kind in ("stale", "missing")]
        told += [f"{slug}: {line}" for line in absent(post, due, Profile.published(post).has)]
    return table, told


COLOURS = {"fresh": "green", "accepted": "cyan", "stale": "yellow", "missing": "yellow", "failed": "red"}


def _counts(states: list[State]) -> Text:
    kinds = ["accepted" if state.accepted else state.kind for state in states]
    parts = [(f"{kinds.count(kind)} {kind}", colour) for kind, colour in COLOURS.items() if kind in kinds]
    return Text("  ").join(Text(*part) for part in parts)


def _costs(post: Post, stage: str, states: list[State]) -> tuple[str, str]:
    seconds = [p.seconds for line in post.ledger.of(stage) if (p := post.ledger.provenance(line))]
    due = [state for state in states if state.kind in ("stale", "missing")]
    estimate = cost(post, due)
    return duration(sum(seconds)) if seconds else "", "" if not due else duration(estimate) if estimate else "unknown"
