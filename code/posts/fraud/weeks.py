"""The test weeks: what the limit allows, what models reach, by features and by length of history, and on other worlds.

Every model is trained before its test week on transactions whose labels were known. The order of the groups of
features is fixed: those of the book; with those that need no knowledge of the simulation; with those that came from
reading its rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from posts.fraud.batch import features
from posts.fraud.data import DAY, Transactions, simulate, transactions
from posts.fraud.features import SETS
from posts.fraud.limit import Evidence, rates
from posts.fraud.model import Settings, fit, predict, settings_of
from posts.fraud.protocol import average_precision, measure, split

if TYPE_CHECKING:
    from lockstep.run import Run

Array = np.ndarray[Any, Any]
SHORT, LONG, MEAN = "a week", "all weeks", "mean"
METRICS = ("auc", "average_precision", "card_precision")


def weigh(run: Run) -> list[dict[str, Any]]:
    """The limit in each test week, with and without the trace in the digits, and what it expects beside what came."""
    config = run.config
    world = transactions(run.data("transactions"))
    made = []
    for name, digits in (("limit", False), ("limit with digits", True)):
        evidence = Evidence(world, rates(), digits)
        for start in config.weeks:
            rows = split(world, start)
            score_M = evidence.posterior(np.flatnonzero(rows.test_N), config.delay * DAY)
            row = {"model": name, "week": start} | measure(world, rows.test_N, score_M, config.top_cards)
            expected = {"expected_frauds": float(score_M.sum()), "frauds": float(world.fraud_N[rows.test_N].sum())}
            made.append(row | (expected if not digits else {}))
        made.append(mean([row for row in made if row["model"] == name]))
    return made


def models(run: Run) -> list[dict[str, Any]]:
    """Every group of features, a week of history and all of it, in every test week; and their share of the limit."""
    config = run.config
    world = transactions(run.data("transactions"))
    limit = {row["week"]: row for row in run.inputs[0].rows if row["model"] == "limit"}
    x_NF, made = features(world, config.delay * DAY).astype(np.float32), []
    cases = [("handbook", SHORT), ("handbook", LONG), ("general", LONG), ("all", LONG)]
    for done, (group, history) in enumerate(cases, start=1):
        rows = score_weeks(world, x_NF[:, : SETS[group]], config, history, run.seed)
        rows = [{"features": group, "history": history} | row for row in [*rows, mean(rows)]]
        made += [row | {"of_limit": row["average_precision"] / limit[row["week"]]["average_precision"]} for row in rows]
        run.progress(done, len(cases))
    return made


def score_weeks(world: Transactions, x_NF: Array, config: Any, history: str, seed: int) -> list[dict[str, Any]]:
    """Train for each test week, and test on it."""
    made, settings = [], settings_of(config)
    for start in config.weeks:
        rows = split(world, start, since=None if history == SHORT else config.since)
        score_M = predict(fit(x_NF[rows.train_N], world.fraud_N[rows.train_N], settings, seed), x_NF[rows.test_N])
        made.append({"week": start} | measure(world, rows.test_N, score_M, config.top_cards))
    return made


def mean(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One row for all weeks."""
    kept = {"model": rows[0]["model"]} if "model" in rows[0] else {}
    return kept | {"week": MEAN} | {name: float(np.mean([row[name] for row in rows])) for name in METRICS}


def choose(run: Run) -> list[dict[str, Any]]:
    """Settings of the trees on validation weeks, all of which end before the first test week begins."""
    config = run.config
    world = transactions(run.data("transactions"))
    x_NF, made = features(world, config.delay * DAY).astype(np.float32), []
    for name, candidate in config.candidates:
        found = []
        for start in config.validation_weeks:
            rows = split(world, start, since=config.since)
            text = fit(x_NF[rows.train_N], world.fraud_N[rows.train_N], Settings(*candidate), 0)
            found.append(average_precision(world.fraud_N[rows.test_N], predict(text, x_NF[rows.test_N])))
        made.append({"candidate": name, "validation_precision": float(np.mean(found))})
        run.progress(len(made), len(config.candidates))
    return made


def worlds(run: Run) -> list[dict[str, Any]]:
    """The same on a world of our own: the seed makes the world, and everything in it is another."""
    config = run.config
    made = simulate(run.seed + 1, config.customers, config.terminals, config.days)
    world = transactions(made)
    evidence, found = Evidence(world, rates()), []
    for start in config.weeks:
        rows = split(world, start)
        score_M = evidence.posterior(np.flatnonzero(rows.test_N), config.delay * DAY)
        row = {"model": "limit", "week": start, "expected_frauds": float(score_M.sum())}
        row["frauds"] = float(world.fraud_N[rows.test_N].sum())
        found.append(row | measure(world, rows.test_N, score_M, config.top_cards))
    limit = mean(found)
    counted = {name: float(sum(row[name] for row in found)) for name in ("expected_frauds", "frauds")}
    del evidence
    x_NF = features(world, config.delay * DAY).astype(np.float32)
    rows = [limit | counted]
    for group, history in (("handbook", SHORT), ("general", LONG), ("all", LONG)):
        row = mean(score_weeks(world, x_NF[:, : SETS[group]], config, history, run.seed))
        row["of_limit"] = row["average_precision"] / limit["average_precision"]
        rows.append({"features": group, "history": history} | row)
    return rows
