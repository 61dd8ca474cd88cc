"""Measured values: a selection of ledger rows that differ in nothing but their seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from lockstep.errors import QueryError, nearest
from lockstep.experiment import Experiment, Metric
from lockstep.freshness import Freshness, State
from lockstep.ledger import describe
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


@dataclass
class Measurements:
    """Answers queries of one post's ledger from the runs of today's grid."""

    freshness: Freshness
    substitute: Callable[[str, Measured], Measured] | None = None
    asked: list[Measured] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    _index: dict[str, list[tuple[State, dict[str, Any]]]] | None = None

    @property
    def experiment(self) -> Experiment:
        return self.freshness.experiment

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
        declared = self.experiment.metric(metric)
        if declared is None:
            known = [other.name for other in self.experiment.metrics]
            raise QueryError(f'there is no metric "{metric}"{nearest(metric, known)}')
        rows = self._rows().get(metric, [])
        if not rows:
            raise QueryError(f'no run has a value of "{metric}" yet: run lockstep build')
        keys = {name for _, row in rows for name in self._keys_of(row)} | {"stage"}
        for name in where:
            if name not in keys:
                raise QueryError(f'no row of "{metric}" has a key "{name}"{nearest(name, keys)}')
        matching = [(s, row) for s, row in rows if _matches({**row, "stage": s.stage.name}, where)]
        if not matching:
            raise QueryError(self._missing(metric, rows, where))
        kinds = {tuple(pair for pair in sorted(self._keys_of(row).items()) if pair[0] != "seed") for _, row in matching}
        stages = {state.stage.name for state, _ in matching}
        seeds = [row.get("seed") for _, row in matching]
        if len(kinds) > 1 or len(stages) > 1 or len(set(seeds)) < len(seeds):
            raise QueryError(
                f'"{metric}" is ambiguous, it matches different kinds of rows: {self._candidates(matching, where)}'
            )
        values = {row.get("seed"): float(row[metric]) for _, row in matching}
        self._whole(matching[0][0])
        return Measured(declared, dict(where), values, tuple(state for state, _ in matching), keys=dict(*kinds))

    def kinds(self) -> dict[str, str]:
        """Every kind of row of every metric, as the query that selects it, with what prose would write."""
        found: dict[str, str] = {}
        for name, rows in self._rows().items():
            for state, row in rows:
                where = {"stage": state.stage.name} | self._keys_of(row)
                where.pop("seed", None)
                query = f"{name}?" + "&".join(f"{key}={value}" for key, value in where.items())
                if query not in found:
                    try:
                        found[query] = self.select(name, where).text
                    except QueryError as error:
                        found[query] = f"({error})"
        return found

    def _whole(self, sample: State) -> None:
        """Every seed of the same point must be in, and none may have failed: an average over what is left misleads."""
        for keys in sample.stage.points():
            if all(keys[name] == value for name, value in sample.keys.items() if name != "seed"):
                state = self.freshness.state(sample.stage, keys)
                if state.line is None or state.line.status == "failed":
                    what = f"failed ({state.line.reason})" if state.line else "is missing"
                    raise QueryError(f"incomplete: the run {describe(sample.stage.name, keys)} {what}")

    def _rows(self) -> dict[str, list[tuple[State, dict[str, Any]]]]:
        """Rows of the runs in today's grids, by the metrics they hold."""
        if self._index is None:
            self._index = {}
            names = {metric.name for metric in self.experiment.metrics}
            for state in self.freshness.all():
                for row in state.line.rows if state.line else []:
                    for name in names & set(row):
                        self._index.setdefault(name, []).append((state, row))
        return self._index

    def _keys_of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return keys_of(self.experiment, row)

    def _missing(self, metric: str, rows: list[tuple[State, dict[str, Any]]], where: Mapping[str, Any]) -> str:
        """Why no row matches: the stage is still to run, one value is in no row, or no row has all of them together."""
        states = [state for state in self.freshness.all() if state.stage.name == where.get("stage")]
        if states and not any(state.line for state in states):
            return f"{states[0].stage.name} has not run yet: run lockstep build"
        for name, value in where.items():
            known = {str({**row, "stage": state.stage.name}.get(name, "")) for state, row in rows} - {""}
            if str(value) not in known:
                return f'no row of "{metric}" has {name}={value}{nearest(str(value), known)}'
        return f'no row of "{metric}" matches; there are: {self._candidates(rows, where)}'

    def _candidates(self, rows: list[tuple[State, dict[str, Any]]], where: Mapping[str, Any]) -> str:
        """Kinds of rows, as queries, nearest to the selection first; the stage is named where there are several."""
        several = len({state.stage.name for state, _ in rows}) > 1
        shared: dict[str, int] = {}
        for state, row in rows:
            pairs = [f"{name}={row[name]}" for name in self._keys_of(row) if name != "seed"]
            query = "&".join([*([f"stage={state.stage.name}"] if several else []), *pairs]) or "(no keys)"
            known = {**row, "stage": state.stage.name}
            shared[query] = sum(str(known.get(name)) == str(value) for name, value in where.items())
        kinds = sorted(shared, key=lambda query: (-shared[query], query))
        more = [f"{len(kinds) - NEAREST_KINDS} more"] if len(kinds) > NEAREST_KINDS else []
        return "; ".join([*kinds[:NEAREST_KINDS], *more])


def keys_of(experiment: Experiment, row: Mapping[str, Any]) -> dict[str, Any]:
    """What a row says of itself beside its metrics."""
    return {name: value for name, value in row.items() if experiment.metric(name) is None}


def _matches(row: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    return all(name in row and str(row[name]) == str(value) for name, value in where.items())
