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


@claim("greater")
def captions_are_forgotten(measured: Any) -> Any:
    """Captions of pictures have a higher perplexity for the fine-tuned model than for the base model."""
    return measured("perplexity", stage="forgetting-learned"), measured("perplexity", stage="forgetting").summary.mean


@claim("greater")
def typos_cost(measured: Any) -> Any:
    """The fine-tuned model is right more often on questions as they are than with letters swapped in some words."""
    return _as_asked_and_changed(measured, "typos")


@claim("greater")
def words_around_cost(measured: Any) -> Any:
    """The fine-tuned model is right more often on questions as they are than within words that ask for nothing."""
    return _as_asked_and_changed(measured, "words around")


@claim("greater")
def short_columns_cost(measured: Any) -> Any:
    """The fine-tuned model is right more often over columns as they are than over columns cut short."""
    return _as_asked_and_changed(measured, "columns cut short")


@claim("greater")
def numbered_columns_cost(measured: Any) -> Any:
    """The fine-tuned model is right more often over columns as they are than over columns that are only numbered."""
    return _as_asked_and_changed(measured, "columns numbered")


def _as_asked_and_changed(measured: Any, change: str) -> Any:
    at = {"stage": "changed-scores", "change": change}
    return measured("logical_form_before", **at), measured("logical_form", **at)


@claim("less")
def the_aim_is_missed(measured: Any) -> Any:
    """Of the 60 % of test answers that the model is surest of, fewer are right than the aim."""
    return measured("right_at_60", stage="selective"), AIM
