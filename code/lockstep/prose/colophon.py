"""The colophon of a post: what ran, where and how long, on which data, under which margins, and what was accepted."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from lockstep.errors import LockstepError
from lockstep.prose.resolve import Resolver
from lockstep.record.ledger import Provenance
from lockstep.wording import duration


def colophon(resolver: Resolver) -> dict[str, Any]:
    """What ran, how often and how long, a row a stage; on what machines, with which versions."""
    stages: list[dict[str, Any]] = []
    hardware: dict[str, None] = {}
    versions: dict[str, str] = {}
    for stage in resolver.freshness.experiment.stages.values():
        lines = [s.line for keys in stage.points() if (s := resolver.freshness.state(stage, keys)).line]
        kept: list[Provenance] = [p for line in lines if line and (p := resolver.post.ledger.provenance(line))]
        if not kept:
            continue
        for provenance in kept:
            hardware[provenance.hardware] = None
            versions |= provenance.versions
        row = {"stage": stage.name, "runs": len(kept), "duration": duration(sum(p.seconds for p in kept))}
        command = f"lockstep reproduce {resolver.post.slug}.{stage.name}"
        stages.append(row | {"command": command, "date": max(p.date for p in kept)})
    if not stages:
        return {}
    shown = {"stages": stages, "hardware": list(hardware), "versions": versions}
    shown |= {"data": _data(resolver), "margins": _margins(resolver)}
    return shown | {"accepted": _accepted(resolver), "changed": _younger(resolver)}


def _data(resolver: Resolver) -> list[dict[str, str]]:
    """Datasets that state a licence: name, licence, and their official home or ""."""
    stated = [each for each in resolver.freshness.experiment.data.values() if getattr(each, "licence", "")]
    return [{"name": each.name, "licence": each.licence, "home": getattr(each, "home", "")} for each in stated]


def _margins(resolver: Resolver) -> list[dict[str, str]]:
    """Margins of paper.toml: name, value, and why this much counts as no difference."""
    margins = resolver.post.paper.margin
    return [{"name": name, "value": f"{each.value:g}", "reason": each.reason} for name, each in margins.items()]


def _accepted(resolver: Resolver) -> list[dict[str, Any]]:
    """Runs that were accepted without running again, by reason: one of a stage by its name, several by their number."""
    found: dict[str, dict[str, list[str]]] = {}
    for state in resolver.freshness.all():
        if state.accepted:
            found.setdefault(state.accepted.reason, {}).setdefault(state.stage.name, []).append(state.name)
    return [{"reason": reason, "runs": _counted(stages)} for reason, stages in found.items()]


def _counted(stages: dict[str, list[str]]) -> list[str]:
    return [names[0] if len(names) == 1 else f"{stage} ({len(names)} runs)" for stage, names in stages.items()]


def _younger(resolver: Resolver) -> list[dict[str, Any]]:
    """Claims and margins that were declared or changed after runs that they judge."""
    told: dict[str, dict[str, None]] = {}
    for claim in resolver.freshness.experiment.claims:
        with suppress(LockstepError):
            for name, how in resolver.younger(resolver.judgement(claim)):
                told.setdefault(how, {})[name] = None
    return [{"how": how, "names": list(names)} for how, names in told.items()]
