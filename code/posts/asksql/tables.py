"""The tables of the page, each made of what was measured or reported."""

from __future__ import annotations

from typing import Any

from lockstep.experiment import table

Rows = list[dict[str, Any]]
MODELS = {  # how the page calls them, and where their scores are
    "template": {"stage": "template-scores"},
    "base model, four shots": {"stage": "base-scores", "constrained": False},
    "base model, four shots, grammar": {"stage": "base-scores", "constrained": True},
    "fine-tuned": {"stage": "free-scores"},
    "fine-tuned, grammar": {"stage": "test-scores"},
}
CHANGES = {
    "typos": "letters swapped in some words",
    "words around": "words around it that ask for nothing",
    "columns cut short": "columns cut to four letters a word",
    "columns numbered": "columns called c1, c2, …",
}
KINDS = {
    "right": "right",
    "no query": "no query of this form",
    "aggregate": "wrong aggregate",
    "selected column": "wrong column selected",
    "condition missing": "too few conditions",
    "condition too many": "too many conditions",
    "condition column": "condition on the wrong column",
    "sign": "wrong sign of a condition",
    "value cut or widened": "value cut short or too long",
    "value wrong": "another value",
}


@table
def on_test_questions(measured: Any, reported: Any) -> Rows:
    """Every model on the same test questions."""
    rows = []
    for name, at in MODELS.items():
        row = {"model": name, "same logical form": measured("logical_form", **at)}
        row |= {"same rows": measured("equivalent", **at), "parses": measured("parses", **at)}
        rows.append(row | {"columns exist": measured("names_exist", **at)})
    return rows


@table
def changed_questions(measured: Any, reported: Any) -> Rows:
    """The fine-tuned model on changed questions, and on the same ones as they were asked."""
    rows = []
    for change, name in CHANGES.items():
        at = {"stage": "changed-scores", "change": change}
        row = {"question": name, "same logical form": measured("logical_form", **at)}
        row |= {
            "unchanged": measured("logical_form_before", **at),
            "right aggregate": measured("aggregate_right", **at),
        }
        row |= {"right column": measured("column_right", **at)}
        rows.append(row | {"right conditions": measured("conditions_right", **at)})
    return rows


@table
def published_elsewhere(measured: Any, reported: Any) -> Rows:
    """What others report for WikiSQL's test questions: other headers, all of the questions, other sizes of models."""
    named = {"sqlova": "SQLova (BERT large)", "hydranet": "HydraNet (BERT large)", "gpt3": "GPT-3 175B with LoRA"}
    return [{"model": name, "logical form": reported("logical_form", model=model)} for model, name in named.items()]


@table
def kinds_of_error(measured: Any, reported: Any) -> Rows:
    """Shares of the answers of the fine-tuned model, within the grammar and without."""
    rows = []
    for kind, name in KINDS.items():
        row = {"answer": name, "grammar": measured("kind_share", kind=kind, stage="test-scores")}
        rows.append(row | {"free": measured("kind_share", kind=kind, stage="free-scores")})
    return rows
