"""Alerts as code, each with where its threshold comes from and what to do (deploy/runbook.md has a
section for each)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from posts.serving.service.settings import Settings

SLO_FIRST, SLO_SHARE = 2.5, 0.95  # seconds to the first token, for that share of requests; a bucket of metrics.FIRST
BURN = 6.0  # times the errors that the objective allows: used up in a sixth of its period


@dataclass(frozen=True)
class Alert:
    name: str
    expression: str
    lasting: str
    summary: str
    derived: str


def alerts(settings: Settings) -> tuple[Alert, ...]:
    """The alerts for these settings."""
    first = "vllm:time_to_first_token_seconds"
    within = f'sum(rate({first}_bucket{{le="{SLO_FIRST}"}}[5m])) / sum(rate({first}_count[5m]))'
    wrong = 'sum(rate(vllm:request_success_total{finished_reason=~"error|deadline"}[5m]))'
    return (
        Alert(
            "FirstTokenLate",
            f"1 - {within} > {BURN * (1 - SLO_SHARE):g}",
            "5m",
            "First tokens come late: more work arrives than is computed.",
            f"the objective is {SLO_FIRST:g} s for {SLO_SHARE:.0%} of requests; {BURN:g} times its misses",
        ),
        Alert(
            "QueueFull",
            "sum(rate(serving:requests_refused_total[5m])) > 0",
            "10m",
            "Requests are turned away for ten minutes: another replica is needed.",
            "a burst is met by turning away; it lasts as long as a queue takes to be computed, not ten minutes",
        ),
        Alert(
            "RequestsFail",
            f"{wrong} / sum(rate(vllm:request_success_total[5m])) > 0.01",
            "5m",
            "Requests end in errors, or run out of time.",
            "none should; a hundredth leaves out single clients with deadlines that cannot be met",
        ),
        Alert(
            "Preempting",
            "rate(vllm:num_preemptions_total[5m]) > 0.1",
            "10m",
            "Pages run out: requests are computed twice.",
            f"with {settings.pages} pages for {settings.sequences} requests, one a minute is chance and six are not",
        ),
        Alert(
            "StepStuck",
            "rate(vllm:iteration_tokens_count[2m]) == 0 and serving:queued_tokens > 0",
            "2m",
            "Tokens wait and no step ends: the engine hangs.",
            f"a step of {settings.budget} tokens takes less than a second",
        ),
    )


def prometheus_rules() -> dict[str, Any]:
    """The content of a rules file; as JSON, which is YAML as well."""
    rules = [
        {"alert": each.name, "expr": each.expression, "for": each.lasting}
        | {
            "annotations": {
                "summary": each.summary,
                "derivation": each.derived,
                "runbook": f"runbook.md#{each.name.lower()}",
            }
        }
        for each in alerts(Settings())
    ]
    return {"groups": [{"name": "serving", "rules": rules}]}
