"""Reproduce: run again into a temporary ledger, and say of every metric and claim whether it came out again.

Each metric declares a tolerance; without one, its last printed digit must stay. Runs are paired by seed. *Reproduced*:
every difference lies within the tolerance, or the 90 % interval of their mean does. *Not reproduced*: the 95 % interval
of their mean lies wholly outside. *Inconclusive*: anything else.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from lockstep.depend.canonical import canonical_json
from lockstep.errors import LockstepError
from lockstep.execute.executors import Executor, here
from lockstep.execute.plan import ALL, Selection, plan
from lockstep.execute.profiles import Profile
from lockstep.execute.runner import run_stages
from lockstep.experiment import Experiment, Metric
from lockstep.judge.claims import Judgement, judge
from lockstep.judge.freshness import Freshness
from lockstep.judge.measured import keys_of
from lockstep.project.post import Post
from lockstep.record.ledger import Identity, Ledger, Line, describe
from lockstep.record.machine import hardware
from lockstep.statistics import compare, summarise

Verdict = Literal["reproduced", "not reproduced", "inconclusive"]
EXIT = {"reproduced": 0, "not reproduced": 1, "inconclusive": 3}


def verdict(differences: Sequence[float], tolerance: float) -> Verdict:
    """What the paired differences, again minus recorded, say under a tolerance in the metric's unit."""
    if all(abs(difference) <= tolerance for difference in differences):
        return "reproduced"
    found = compare(differences)
    if found.low is None or found.high is None:
        return "inconclusive"  # one run beyond the tolerance: bad luck or a fault, nobody can tell
    if found.low > tolerance or found.high < -tolerance:
        return "not reproduced"
    return "reproduced" if compare(differences, tolerance).verdict == "equivalent" else "inconclusive"


@dataclass(frozen=True)
class Compared:
    """One kind of rows of one metric, recorded and again, by seed."""

    stage: str
    metric: Metric
    where: dict[str, Any]
    recorded: list[float]
    again: list[float]

    @property
    def verdict(self) -> Verdict:
        differences = [b - a for a, b in zip(self.recorded, self.again, strict=True)]
        return verdict(differences, self.metric.tolerated)


@dataclass
class Report:
    """What came out again. `claims` holds each claim with what the data of both sides together say now; `unjudged`
    tells of claims for which the record lacks a run, here as there."""

    post: Post
    what: str
    compared: list[Compared]
    claims: list[Judgement] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    unjudged: list[str] = field(default_factory=list)
    same: int = 0
    files: int = 0

    @property
    def verdict(self) -> Verdict:
        found = {entry.verdict for entry in self.compared}
        if self.failed or "not reproduced" in found or any(not claim.holds for claim in self.claims):
            return "not reproduced"
        only_files = not self.compared and self.same < self.files  # nothing but bytes to compare, and they differ
        return "inconclusive" if only_files or "inconclusive" in found else "reproduced"

    def markdown(self) -> Iterator[str]:
        """The report, line by line."""
        yield f"# {self.post.slug}: {self.verdict}"
        yield f"\n{self.what}, on {hardware()}."
        if self.files:
            yield f"{self.same} of {self.files} files that the runs made are the same byte for byte."
        yield "\n| metric | rows | n | recorded | again | tolerance | verdict |"
        yield "| --- | --- | ---: | ---: | ---: | ---: | --- |"
        for entry in self.compared:
            rows = ", ".join([entry.stage, *(f"{name} {value}" for name, value in entry.where.items())])
            sides = " | ".join(_shown(entry.metric, values) for values in (entry.recorded, entry.again))
            tolerance = f"{entry.metric.tolerated:.6g}"
            name = entry.metric.name
            yield f"| {name} | {rows} | {len(entry.again)} | {sides} | {tolerance} | {entry.verdict} |"
        if self.claims:
            yield "\n| claim | declared | again | holds |\n| --- | --- | --- | --- |"
        for claim in self.claims:
            says = f"{claim.comparison.verdict}: {claim.predicate}"
            yield f"| {claim.claim.name} | {claim.claim.verdict} | {says} | {'yes' if claim.holds else 'no'} |"
        yield from (f"\nFailed: {reason}" for reason in self.failed)
        yield from (f"\nNot judged: {reason}" for reason in self.unjudged)


def _shown(metric: Metric, values: list[float]) -> str:
    summary = summarise(values)
    return metric.format(summary.mean, summary.half)


def reproduce(post: Post, selection: Selection = ALL, executor: Executor = here) -> Report:
    """Run recorded runs again, and compare. Raises LockstepError where the record is not of today's code."""
    chosen = plan(Freshness.of(post), replace(selection, force=True))
    for state in chosen:
        if state.kind in ("stale", "missing"):
            reasons = "; ".join(state.told[:3])
            raise LockstepError(
                f"{post.slug}.{state.name} is {state.kind} ({reasons}): there is no record of today's code to compare "
                "with; run lockstep build first"
            )
    recorded = [state.line for state in chosen if state.line]
    if not recorded:
        raise LockstepError(
            f"no run of {', '.join(selection.stages or [post.slug])} is selected: nothing to make again"
        )
    recorded += _not_at_hand(post, recorded)
    again = Selection(force=True, only=frozenset(line.identity for line in recorded))
    with tempfile.TemporaryDirectory(prefix="lockstep-reproduce-") as temporary:
        profile = Profile.elsewhere(post, Path(temporary))
        lines = run_stages(profile, again, executor)
        what = f"{len(lines)} runs of {', '.join(dict.fromkeys(line.stage for line in lines))}, made again"
        report = compared(post, post.ledger, lines, what)
        stages = {line.stage for line in lines}
        for name in post.experiment.claims:
            try:
                judgement = judge(profile.post, Freshness.of(profile.post), name)
            except LockstepError as error:
                (report.failed if _is_judged(post, name) else report.unjudged).append(str(error))
                continue
            if stages & {line.stage for line in judgement.lines}:
                report.claims.append(judgement)
    return report


def reproduce_smoke(post: Post) -> Report:
    """The smoke path twice, the second run compared with the first: nothing published is read or compared."""
    with tempfile.TemporaryDirectory(prefix="lockstep-reproduce-") as temporary:
        sides = [Profile.smoke(post, Path(temporary) / name) for name in ("first", "second")]
        made = [run_stages(side) for side in sides]
        what = f"The smoke profile twice, {len(made[1])} runs each: small data and settings, no published number"
        return compared(sides[0].post, sides[0].post.ledger, made[1], what)


def compared(post: Post, recorded: Ledger, lines: list[Line], what: str) -> Report:
    """Recorded runs beside the same runs made again, by metric and kind of row."""
    report = Report(post, what, [])
    kinds: dict[tuple[str, str, str], tuple[list[float], list[float]]] = {}
    for line in lines:
        before = recorded.get(line.stage, line.keys)
        if before is None:
            continue
        if line.status != before.status:
            report.failed.append(f"{describe(line.stage, line.keys)} is {line.status}, recorded {before.status}")
            continue
        made, kept = {**line.artefacts, **line.outputs}, {**before.artefacts, **before.outputs}
        report.files += len(kept)
        report.same += sum(made.get(name) == digest for name, digest in kept.items())
        then = {_key(post.experiment, row): row for row in before.rows}
        for row in line.rows:
            if (old := then.pop(key := _key(post.experiment, row), None)) is None:
                report.failed.append(f"{describe(line.stage, line.keys)} made a row that is not recorded: {key}")
                continue
            for metric in post.experiment.metrics:
                if metric.name in row and metric.name in old:
                    kind = canonical_json({n: v for n, v in keys_of(post.experiment, row).items() if n != "seed"})
                    values = kinds.setdefault((line.stage, metric.name, kind), ([], []))
                    values[0].append(float(old[metric.name]))
                    values[1].append(float(row[metric.name]))
        report.failed += [f"{describe(line.stage, line.keys)} made no row {key} this time" for key in then]
    for (stage, name, kind), (old_values, new_values) in kinds.items():
        metric = post.experiment.metric(name)
        assert metric is not None
        report.compared.append(Compared(stage, metric, json.loads(kind), old_values, new_values))
    return report


def _is_judged(post: Post, claim: str) -> bool:
    """Does the record hold all that a claim reads?"""
    with suppress(LockstepError):
        return bool(judge(post, Freshness.of(post), claim))
    return False


def _not_at_hand(post: Post, lines: list[Line]) -> list[Line]:
    """Runs that must be made again because an artefact of theirs that a run of `lines` read is not in the store."""
    needed, fetch = dict[Identity, Line](), Profile.published(post).fetch
    for entry in [entry for line in lines for entry in line.upstream]:
        source = post.ledger.get(entry["stage"], entry["keys"])
        digests = [source.artefacts.get(part) for part in entry["read"]] if source else []
        if source and source not in lines and any(digest and fetch(digest) is None for digest in digests):
            needed[source.identity] = source
    more = list(needed.values())
    return more + _not_at_hand(post, [*lines, *more]) if more else more


def _key(experiment: Experiment, row: dict[str, Any]) -> str:
    return canonical_json(keys_of(experiment, row))
