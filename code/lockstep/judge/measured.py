"""Measured values: a selection of ledger rows that differ in nothing but their seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn

from lockstep.depend.canonical import canonical_json
from lockstep.errors import QueryError, nearest
from lockstep.experiment import Experiment, Metric
from lockstep.judge.freshness import Freshness, State
from lockstep.record.index import Index
from lockstep.record.ledger import Identity, describe, identity
from lockstep.statistics import Summary, summarise

NEAREST_KINDS = 6  # of the rows that a message lists


def _no_truth(self: Any, *_: Any) -> NoReturn:
    raise QueryError(
        "a measured value has no truth value and no order: return both sides and let the claim compare them"
    )


@dataclass(frozen=True, eq=False)
class Measured:
    """The values of a metric by seed (None where the stage has no seed), and the runs they come from.

    `keys` is what the rows say of themselves beside numbers and seed: what was asked for, and texts that a table shows.
    """

    metric: Metric
    where: Mapping[str, Any]
    values: Mapping[Any, float]
    states: tuple[State, ...] = ()
    keys: Mapping[str, Any] = field(default_factory=dict)

    @property
    def summary(self) -> Summary:
        return summarise(list(self.values.values()))

    @property
    def text(self) -> str:
        """As the prose writes it."""
        summary = self.summary
        return self.metric.format(summary.mean, summary.half)

    __bool__ = __lt__ = __le__ = __gt__ = __ge__ = __float__ = __eq__ = _no_truth  # type: ignore[assignment]
    __hash__ = object.__hash__


@dataclass(frozen=True)
class Row:
    """A row of a run in today's grid; `keys` are what it says of itself beside its metrics."""

    state: State
    cells: Mapping[str, Any]
    keys: Mapping[str, Any]

    @property
    def kind(self) -> tuple[tuple[str, Any], ...]:
        """What rows that differ in nothing but their seed share."""
        return tuple(pair for pair in sorted(self.keys.items()) if pair[0] != "seed")


class Rows:
    """The rows of one post's ledger, indexed by metric and keys once, for its bindings, claims and tables alike."""

    def __init__(self, freshness: Freshness):
        self.freshness = freshness
        self._incomplete: dict[Identity, str] = {}
        self._grids: dict[str, dict[str, list[dict[str, Any]]]] = {}

    @classmethod
    def of(cls, freshness: Freshness) -> Rows:
        """Those of a post, worked out once until its ledger changes."""
        kept = freshness.post.worked_out.get("rows")
        if kept is None or kept.freshness is not freshness:
            kept = freshness.post.worked_out["rows"] = cls(freshness)
        return kept

    @cached_property
    def metrics(self) -> dict[str, Index[Row]]:
        """The rows that have a value, by metric."""
        names = {metric.name for metric in self.freshness.experiment.metrics}
        found: dict[str, list[tuple[Row, Mapping[str, Any]]]] = {}
        for state in self.freshness.all():
            for cells in state.line.rows if state.line else ():
                keys = {name: value for name, value in cells.items() if name not in names}
                row, known = Row(state, cells, keys), {**cells, "stage": state.stage.name}
                for name in names & cells.keys():
                    found.setdefault(name, []).append((row, known))
        return {name: Index(entries) for name, entries in found.items()}

    @cached_property
    def keys(self) -> dict[str, set[str]]:
        """By metric, the names that its rows may be selected by."""
        named = {}
        for metric, index in self.metrics.items():
            named[metric] = {name for row, _ in index.entries for name in row.keys} | {"stage"}
        return named

    @cached_property
    def not_run(self) -> set[str]:
        """The stages of which nothing is recorded."""
        states = self.freshness.all()
        return {state.stage.name for state in states} - {state.stage.name for state in states if state.line}

    def incomplete(self, sample: State) -> str:
        """Which run of the same point at another seed is missing or failed, and how; empty where all are in.

        An average over what is left misleads.
        """
        point = identity(sample.stage.name, _without_seed(sample.keys))
        if point not in self._incomplete:
            told = ""
            for keys in self._points(sample.stage.name).get(point[1], ()):
                state = self.freshness.state(sample.stage, keys)
                if state.line is None or state.line.status == "failed":
                    what = f"failed ({state.line.reason})" if state.line else "is missing"
                    told = f"incomplete: the run {describe(sample.stage.name, keys)} {what}"
                    break
            self._incomplete[point] = told
        return self._incomplete[point]

    def _points(self, stage: str) -> Mapping[str, list[dict[str, Any]]]:
        """The points of a stage's grid by their keys without the seed."""
        if stage not in self._grids:
            grid = self._grids[stage] = {}
            for keys in self.freshness.experiment.stages[stage].points():
                grid.setdefault(canonical_json(_without_seed(keys)), []).append(keys)
        return self._grids[stage]


@dataclass
class Measurements:
    """Answers queries of one post's ledger from the runs of today's grid."""

    freshness: Freshness
    substitute: Callable[[str, Measured], Measured] | None = None
    asked: list[Measured] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    @property
    def experiment(self) -> Experiment:
        return self.freshness.experiment

    @property
    def rows(self) -> Rows:
        return Rows.of(self.freshness)

    def __call__(self, metric: str, **where: Any) -> Measured:
        """The selection's values by seed; `stage` selects like any key of the rows.

        Raises QueryError where it names nothing, or more than one kind of row.
        """
        found = self.select(metric, where)
        self.names.append(f"{metric} {sorted(where.items())}")
        if self.substitute:
            found = self.substitute(self.names[-1], found)
        self.asked.append(found)
        return found

    def select(self, metric: str, where: Mapping[str, Any]) -> Measured:
        """Raises QueryError as a call does."""
        declared = self.experiment.metric(metric)
        if declared is None:
            known = [other.name for other in self.experiment.metrics]
            raise QueryError(f'there is no metric "{metric}"{nearest(metric, known)}')
        rows = self.rows
        if metric not in rows.metrics:
            raise QueryError(f'no run has a value of "{metric}" yet: run lockstep build')
        for name in where:
            if name not in (keys := rows.keys[metric]):
                raise QueryError(f'no row of "{metric}" has a key "{name}"{nearest(name, keys)}')
        matching = rows.metrics[metric].matching(where)
        if not matching:
            raise QueryError(self._missing(metric, rows.metrics[metric], where))
        first, seeds = matching[0], {row.cells.get("seed") for row in matching}
        kind, stage = first.kind, first.state.stage
        alike = all(row.state.stage is stage and row.kind == kind for row in matching)
        if not alike or len(seeds) < len(matching):
            raise QueryError(
                f'"{metric}" is ambiguous, it matches different kinds of rows: {self._candidates(matching, where)}'
            )
        if told := rows.incomplete(first.state):
            raise QueryError(told)
        values = {row.cells.get("seed"): float(row.cells[metric]) for row in matching}
        return Measured(declared, dict(where), values, tuple(row.state for row in matching), keys=dict(kind))

    def kinds(self) -> dict[str, str]:
        """Every kind of row of every metric, as the query that selects it, with what prose would write."""
        found: dict[str, str] = {}
        for name, index in self.rows.metrics.items():
            for row, _ in index.entries:
                where = {"stage": row.state.stage.name, **row.keys}
                where.pop("seed", None)
                query = f"{name}?" + "&".join(f"{key}={value}" for key, value in where.items())
                if query not in found:
                    try:
                        found[query] = self.select(name, where).text
                    except QueryError as error:
                        found[query] = f"({error})"
        return found

    def _missing(self, metric: str, index: Index[Row], where: Mapping[str, Any]) -> str:
        """Why no row matches: the stage is still to run, one value is in no row, or no row has all of them together."""
        if (stage := where.get("stage")) in self.rows.not_run:
            return f"{stage} has not run yet: run lockstep build"
        for name, value in where.items():
            if str(value) not in (known := index.values(name)):
                return f'no row of "{metric}" has {name}={value}{nearest(str(value), known)}'
        candidates = self._candidates((row for row, _ in index.entries), where)
        return f'no row of "{metric}" matches; there are: {candidates}'

    def _candidates(self, rows: Iterable[Row], where: Mapping[str, Any]) -> str:
        """Kinds of rows, as queries, nearest to the selection first; the stage is named where there are several."""
        found = list(rows)
        several = len({row.state.stage.name for row in found}) > 1
        shared: dict[str, int] = {}
        for row in found:
            stage = row.state.stage.name
            pairs = [f"{name}={value}" for name, value in row.keys.items() if name != "seed"]
            query = "&".join([*([f"stage={stage}"] if several else []), *pairs]) or "(no keys)"
            if query not in shared:
                known = {**row.cells, "stage": stage}
                shared[query] = sum(str(known.get(name)) == str(value) for name, value in where.items())
        kinds = sorted(shared, key=lambda query: (-shared[query], query))
        more = [f"{len(kinds) - NEAREST_KINDS} more"] if len(kinds) > NEAREST_KINDS else []
        return "; ".join([*kinds[:NEAREST_KINDS], *more])


def keys_of(experiment: Experiment, row: Mapping[str, Any]) -> dict[str, Any]:
    """What a row says of itself beside its metrics."""
    return {name: value for name, value in row.items() if experiment.metric(name) is None}


def _without_seed(keys: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in keys.items() if name != "seed"}


def written(found: Measured) -> str:
    """A measured value as the prose writes it: a count that is the same for every seed goes without its spread."""
    values = list(found.values.values())
    exact = found.metric.digits == 0 and values[0].is_integer() and values.count(values[0]) == len(values)
    return found.metric.format(values[0]) if exact else found.text
