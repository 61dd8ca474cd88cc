"""The claims of the page: the verdict of each, and the two sides that it compares."""

from __future__ import annotations

from typing import Any

from lockstep.experiment import claim

ALL = {"history": "all weeks", "week": "mean"}
AIM = 0.97  # of the limit's average precision, set before the first run


@claim("greater")
def close_to_the_limit(measured: Any) -> Any:
    """On the published world, the model with all features reaches more than the aimed share of the limit."""
    return measured("of_limit", stage="weeks", features="all", **ALL), AIM


@claim("greater")
def close_on_other_worlds(measured: Any) -> Any:
    """On worlds of our own, the model with all features reaches more than the aimed share of the limit."""
    return measured("of_limit", stage="worlds", features="all", **ALL), AIM


@claim("greater")
def rules_read_help(measured: Any) -> Any:
    """Features that came from reading the rules of the simulation raise the average precision on other worlds."""
    at = {"stage": "worlds", **ALL}
    return measured("average_precision", features="all", **at), measured("average_precision", features="general", **at)


@claim("greater")
def history_helps(measured: Any) -> Any:
    """On the features of the book, all weeks of history give a higher average precision than one."""
    at = {"stage": "weeks", "features": "handbook", "week": "mean"}
    long, short = (measured("average_precision", history=name, **at) for name in ("all weeks", "a week"))
    return long, short


@claim("undecided")
def limit_is_calibrated(measured: Any) -> Any:
    """On worlds of our own, the number of frauds that the limit expects is not told from the number that came."""
    at = {"stage": "worlds", "model": "limit"}
    return measured("expected_frauds", **at), measured("frauds", **at)


@claim("equivalent", margin="average_precision")
def forest_is_reproduced(measured: Any, reported: Any) -> Any:
    """The random forest's average precision is the reported one, within the margin."""
    at = {"model": "random_forest"}
    return measured("average_precision", stage="reproduce", **at), reported("average_precision", **at)


@claim("equivalent", margin="average_precision")
def boosting_is_reproduced(measured: Any, reported: Any) -> Any:
    """With the defaults of its day, XGBoost's average precision is the reported one, within the margin."""
    ours = measured("average_precision", stage="reproduce", model="xgboost_2021")
    return ours, reported("average_precision", model="xgboost_2021")


@claim("less")
def defaults_moved_the_score(measured: Any) -> Any:
    """With today's defaults, XGBoost's average precision is lower than with those of its day."""
    at = {"stage": "reproduce"}
    return measured("average_precision", model="xgboost_today", **at), measured(
        "average_precision", model="xgboost_2021", **at
    )
