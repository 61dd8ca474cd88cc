"""What a paper published, from a post's `paper.toml`: reported values, margins, and each setting's source.

[[reported]]
metric = "log_likelihood"
keys = {source = "gan"}
value = 225
plus_minus = 2
where = "Table 1"
source = "goodfellow2014"

[margin.log_likelihood]          # fixed before the run, final after it
value = 5
reason = "…"

[config.learning_rate]           # one for each field of the Config: the source's value and its place
value = 0.1
where = "mnist.yaml of the authors' release"

[[deviation]]                    # a field that differs from the source
field = "epochs"
value = "no stopping rule"
where = "mnist.yaml"
reason = "…"
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from lockstep.depend.fingerprint import plain
from lockstep.errors import PlacedError, Problem, QueryError, nearest
from lockstep.record.files import parse_toml, read_text
from lockstep.record.index import Index
from lockstep.record.records import WrongRecord, is_number, made


@dataclasses.dataclass(frozen=True)
class NoConfig:
    """The settings of a post that has none."""


@dataclasses.dataclass(frozen=True)
class Reported:
    """A value that somebody published. `plus_minus` is theirs, and `means` says what it is."""

    metric: str
    value: float
    where: str
    source: str
    keys: dict[str, Any] = dataclasses.field(default_factory=dict)
    plus_minus: float | None = None
    means: str = ""
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Margin:
    """A difference that counts as none, declared before the run."""

    value: float
    reason: str


@dataclasses.dataclass(frozen=True)
class Setting:
    """What the source says about a config field."""

    value: Any
    where: str
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Deviation:
    """A config field that differs from the source, or that the source leaves open, and why."""

    field: str
    value: Any
    where: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Paper:
    """All of `paper.toml`."""

    reported: list[Reported] = dataclasses.field(default_factory=list)
    margin: dict[str, Margin] = dataclasses.field(default_factory=dict)
    config: dict[str, Setting] = dataclasses.field(default_factory=dict)
    deviation: list[Deviation] = dataclasses.field(default_factory=list)

    def find(self, metric: str, where: Mapping[str, Any]) -> Reported:
        """The one reported value of a metric under these keys (compared as text). Raises QueryError."""
        if metric not in self._by_metric:
            raise QueryError(f'paper.toml reports no "{metric}"{nearest(metric, self._by_metric)}')
        found = self._by_metric[metric].matching(where)
        if len(found) != 1:
            listed = "; ".join(_query(entry.keys) for entry, _ in self._by_metric[metric].entries)
            raise QueryError(f'{len(found)} reported values match "{metric}?{_query(where)}"; there are: {listed}')
        return found[0]

    @cached_property
    def _by_metric(self) -> dict[str, Index[Reported]]:
        entries: dict[str, list[tuple[Reported, Mapping[str, Any]]]] = {}
        for entry in self.reported:
            entries.setdefault(entry.metric, []).append((entry, entry.keys))
        return {metric: Index(found) for metric, found in entries.items()}

    def deviation_of(self, field: str) -> Deviation | None:
        return next((deviation for deviation in self.deviation if deviation.field == field), None)


def read(path: Path) -> Paper:
    """Read and validate. Raises LockstepError with the line; a post without the file has an empty one."""
    if not path.exists() and not path.is_symlink():
        return Paper()
    text = read_text(path, str(path))
    try:
        return _paper(parse_toml(text, str(path)))
    except _Wrong as error:
        raise PaperError(str(error), file=path, line=_line_of(text, error.header, number=error.number)) from None


class _Wrong(ValueError):
    """What is wrong with the entry under a header, which is that header's `number`-th, from 0."""

    def __init__(self, header: str, number: int, message: str):
        super().__init__(message)
        self.header, self.number = header, number


def _paper(raw: dict[str, Any]) -> Paper:
    """Raises _Wrong for a name that is unknown or missing, and for a value of another type."""
    known = {field.name for field in dataclasses.fields(Paper)}
    for name in set(raw) - known:
        mark = "[[" if isinstance(raw[name], list) else "[" if isinstance(raw[name], dict) else ""
        raise _Wrong(f"{mark}{name}", 0, f'there is no "{name}"{nearest(name, known)}')
    for name in set(raw) & {"margin", "config"}:
        if not isinstance(raw[name], dict):
            raise _Wrong(
                name, 0, f"{name} is a table of tables: write [{name}.NAME], and below it its names and values"
            )
    for name in set(raw) & {"reported", "deviation"}:
        if not isinstance(raw[name], list):
            raise _Wrong(f"[{name}", 0, f"there may be several of {name}: write [[{name}]]")
    return Paper(
        reported=[_made(Reported, entry, "[[reported]]", i) for i, entry in enumerate(raw.get("reported", []))],
        margin={name: _made(Margin, entry, f"[margin.{name}]") for name, entry in raw.get("margin", {}).items()},
        config={name: _made(Setting, entry, f"[config.{name}]") for name, entry in raw.get("config", {}).items()},
        deviation=[_made(Deviation, entry, "[[deviation]]", i) for i, entry in enumerate(raw.get("deviation", []))],
    )


T = TypeVar("T")


def _made(kind: type[T], entry: Any, header: str, number: int = 0) -> T:
    if not isinstance(entry, dict):
        raise _Wrong(header[:-1], number, f"{header} is a table: write its names and values below it")
    try:
        return made(kind, {name: _float(kind, name, value) for name, value in entry.items()}, header)
    except WrongRecord as error:
        raise _Wrong(header, number, str(error)) from None


def _float(kind: type, name: str, value: Any) -> Any:
    """A number as the field declares it: TOML tells 225 from 225.0."""
    declared = next((str(field.type) for field in dataclasses.fields(kind) if field.name == name), "")
    return float(value) if declared.startswith("float") and is_number(value) else value


@dataclasses.dataclass(frozen=True)
class Published:
    """What claims and tables are given: `reported("metric", key=value)`, and the margins declared beforehand."""

    paper: Paper

    def __call__(self, metric: str, **where: Any) -> Reported:
        return self.paper.find(metric, where)

    def margin(self, name: str) -> float:
        """A margin of paper.toml. Raises QueryError."""
        if name not in self.paper.margin:
            raise QueryError(f"paper.toml declares no [margin.{name}]{nearest(name, self.paper.margin)}")
        return self.paper.margin[name].value


class PaperError(PlacedError):
    """`paper.toml` does not parse."""


def undeclared(paper: Paper, experiment_fields: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    """Config fields that differ from the paper without saying so, and entries that name no field.

    `experiment_fields` maps each field of the Config to its default.
    """
    text = read_text(path, str(path)) if path.exists() else ""
    for field, value in experiment_fields.items():
        setting, deviation = paper.config.get(field), paper.deviation_of(field)
        line = _line_of(text, f"[config.{field}]")
        if setting is None and deviation is None:
            yield Problem(
                str(path),
                1,
                f'the config field "{field}" ({value!r}) has neither [config.{field}] with value and where (and note), '
                f'nor a [[deviation]] with field = "{field}", value, where and reason: write one of them',
            )
        elif setting is not None and deviation is None and plain(setting.value) != plain(value):
            yield Problem(
                str(path),
                line,
                f"the config has {field} = {value!r}, {setting.where} says {setting.value!r}: "
                f'declare it as a [[deviation]] with field = "{field}" and a reason',
            )
    for field in [*paper.config, *(deviation.field for deviation in paper.deviation)]:
        if field not in experiment_fields:
            yield Problem(
                str(path),
                _line_of(text, f"[config.{field}]", f'field = "{field}"'),
                f'"{field}" is no field of the config{nearest(field, experiment_fields)}',
            )


def unreferenced(paper: Paper, references: Collection[str], path: Path) -> Iterator[Problem]:
    """Reported values from a source that the list of references does not have."""
    for number, entry in enumerate(paper.reported):
        if entry.source not in references:
            told = f'[[reported]] cites "{entry.source}": references.bib has none{nearest(entry.source, references)}'
            yield Problem(str(path), _line_of(read_text(path, str(path)), "[[reported]]", number=number), told)


def _query(keys: Mapping[str, Any]) -> str:
    return "&".join(f"{key}={value}" for key, value in keys.items()) or "(no keys)"


def _line_of(text: str, *begins: str, number: int = 0) -> int:
    """The `number`-th line, from 0, that begins with one of these, or the first of the file."""
    found = [n for n, line in enumerate(text.split("\n"), start=1) if line.lstrip().startswith(begins)]
    return found[number] if number < len(found) else 1
