"""The claims of the page: the verdict of each, and the two sides that it compares."""

from __future__ import annotations

from typing import Any

from lockstep.experiment import claim

GRAMMAR = {"stage": "test-scores"}
BASE = {"stage": "base-scores", "constrained": True}
AIM = 85.0  # percent right among the surest 60 %, set before the first run


@claim("greater")
def fine_tuning_helps(measured: Any) -> Any:
    """On test questions, the fine-tuned model has the logical form more often than the base model with four shots."""
    return measured("logical_form", **GRAMMAR), measured("logical_form", **BASE).summary.mean  # one run, no seed


@claim("greater")
def fine_tuning_beats_the_template(measured: Any) -> Any:
    """On test questions, the fine-tuned model has the logical form more often than the template."""
    return measured("logical_form", **GRAMMAR), measured("logical_form", stage="template-scores").summary.mean


@claim("less")
def the_aim_is_missed(measured: Any) -> Any:
    """Of the 60 % of test answers that the model is surest of, fewer are right than the aim."""
    return measured("right_at_60", stage="selective"), AIM
