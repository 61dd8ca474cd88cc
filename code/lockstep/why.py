"""Why is something stale, and what hangs on it? And: how does everything stand?"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from lockstep import bindings, runner
from lockstep.errors import LockstepError
from lockstep.freshness import Freshness, State
from lockstep.measured import Measured
from lockstep.project import Post, Project
from lockstep.resolve import Resolver, duration, query


def explain(post: Post, stage: str | None = None) -> Iterator[str]:
    """For each stale run its reasons; then every sentence that rests on one, and what re-running costs."""
    freshness = Freshness.of(post)
    if stage is not None:
        post.stage(stage)
    stale = [s for s in freshness.all() if s.kind in ("stale", "missing") and stage in (None, s.stage.name)]
    if not stale:
        yield f"{post.slug}: everything is fresh"
        return
    for reasons, group in groupby(stale, key=lambda state: (state.stage.name, state.kind, *state.reasons)):
        states = list(group)
        more = f" and {len(states) - 1} more" if len(states) > 1 else ""
        yield f"{post.slug}.{states[0].name}{more}: {reasons[1]}"
        yield from (f"    {reason}" for reason in reasons[2:])
    for line, sentence, target in downstream(post, {state.stage.name for state in stale}):
        yield f"{post.project.relative(post.prose)}:{line}: {target}\n    {sentence}"
    seconds = runner.cost(post, stale)
    yield f"to run again: {len(stale)} runs" + ("" if seconds is None else f", about {duration(seconds)}")


def downstream(post: Post, stages: set[str]) -> Iterator[tuple[int, str, str]]:
    """The places in prose that read from these stages: (line, sentence, target)."""
    if not post.prose.exists():
        return
    source = post.prose.read_text(encoding="utf-8")
    resolver = Resolver.of(post)
    for binding in bindings.parse(source).bindings:
        try:
            reads = _stages_of(binding.kind, binding.target, resolver)
        except LockstepError:
            continue
        if reads & stages:
            yield binding.line, source.splitlines()[binding.line - 1].strip(), f"{binding.kind}:{binding.target}"


def _stages_of(kind: str, target: str, resolver: Resolver) -> set[str]:
    if kind == "measured":
        name, where = query(target)
        return {state.stage.name for state in resolver.measurements.select(name, where).states}
    if kind == "claim":
        sides = [side for side in resolver.judgement(target).sides if isinstance(side, Measured)]
        return {state.stage.name for side in sides for state in side.states}
    if kind == "figure":
        return {line.stage for line in resolver.post.ledger.lines.values() if target in line.outputs}
    return set()


def status_lines(project: Project) -> Iterator[str]:
    """A line a stage: how many runs are in which state, and what they cost."""
    for slug in project.slugs:
        post = project.post(slug)
        try:
            freshness = Freshness.of(post)
            states = freshness.all()
        except LockstepError as error:
            yield f"{slug}: {error}"
            continue
        yield f"{slug}: {len(states)} runs"
        for stage, group in groupby(states, key=lambda state: state.stage.name):
            yield f"  {stage:16}{_counts(list(group)):40}{_cost(post, stage)}"
        for line in freshness.retired():
            yield f"  retired: {line.stage} {line.keys}"


def _counts(states: list[State]) -> str:
    kinds = ("fresh", "stale", "missing", "failed")
    counts = {kind: sum(state.kind == kind for state in states) for kind in kinds}
    return "  ".join(f"{count} {kind}" for kind, count in counts.items() if count)


def _cost(post: Post, stage: str) -> str:
    seconds = [p.seconds for line in post.ledger.of(stage) if (p := post.ledger.provenance(line))]
    return f"{duration(sum(seconds))} recorded" if seconds else ""
