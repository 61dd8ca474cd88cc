"""What each binding of a post shows: its text today, and everything that its pop-over tells."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from lockstep.errors import LockstepError, QueryError, nearest
from lockstep.judge.claims import Judgement, changed_since, judge
from lockstep.judge.freshness import Freshness
from lockstep.judge.measured import Measured, Measurements, written
from lockstep.project.paper import Published, Reported
from lockstep.project.post import Post
from lockstep.prose import demos, excerpts
from lockstep.prose.answers import (
    Cell,
    ClaimAnswer,
    CodeAnswer,
    ConfigAnswer,
    DemoAnswer,
    Drawn,
    FigureAnswer,
    GivenAnswer,
    MeasuredAnswer,
    Place,
    Ran,
    ReportedAnswer,
    TableAnswer,
)
from lockstep.prose.bindings import BLOCK, INLINE
from lockstep.record.ledger import Line
from lockstep.statistics import Comparison
from lockstep.wording import config_text, duration

KINDS = (*INLINE, *BLOCK, "figure")
OF_A_POST = ("measured", "reported", "config", "claim")


@dataclass
class Resolver:
    """Answers every binding of one post. Raises QueryError with the nearest valid name."""

    post: Post
    freshness: Freshness = field(init=False)
    measurements: Measurements = field(init=False)
    _judgements: dict[str, Judgement] = field(default_factory=dict)
    _answers: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, post: Post) -> Resolver:
        """The post's own, until its ledger changes."""
        if "resolver" not in post.worked_out:
            post.worked_out["resolver"] = cls(post)
        return post.worked_out["resolver"]

    def __post_init__(self) -> None:
        self.freshness = Freshness.of(self.post)
        self.measurements = Measurements(self.freshness)

    def resolve(self, kind: str, target: str, text: str) -> dict[str, Any]:
        """Fields for the theme's partial of this kind; `text` among them is what the prose must say today."""
        if kind not in KINDS:
            raise QueryError(f'bindings of the kind "{kind}" are not known here')
        if kind in BLOCK and not self.post.slug:
            raise QueryError(f"{kind}:{target} stands in a file that is no post: only values and claims may")
        if kind in OF_A_POST:
            owner, target = self._owner(kind, target)
            return {"kind": kind, "text": text} | owner._answered(kind, target)
        if kind == "table":
            answer = self._answered(kind, target)
            rows = [[dict(cell) for cell in row] for row in answer["rows"]]  # rendering adds to them
            return {"kind": kind, "text": text} | answer | {"rows": rows}
        return {"kind": kind, "text": text} | self._beside_text[kind](target, text)

    def _answered(self, kind: str, target: str) -> dict[str, Any]:
        """What does not depend on the text around it is worked out once for refresh, check and rendering."""
        if (kind, target) not in self._answers:
            with self.post.project.cache.watching(self.post.slug):
                self._answers[kind, target] = self._by_target[kind](target)
        return self._answers[kind, target]

    @cached_property
    def _by_target(self) -> dict[str, Callable[[str], Any]]:
        """The kinds whose answer does not depend on the text around them."""
        return {
            "measured": self._measured,
            "reported": self._reported,
            "config": self._config,
            "claim": self._claim,
            "table": self._table,
        }

    @cached_property
    def _beside_text(self) -> dict[str, Callable[[str, str], Any]]:
        """The other kinds."""
        return {"given": self._given, "figure": self._figure, "code": self._code, "demo": self._demo}

    def _owner(self, kind: str, target: str) -> tuple[Resolver, str]:
        """Whose ledger a target reads: `slug/name` another post's, `name` the own one."""
        slug, slash, rest = target.partition("?")[0].rpartition("/")
        if slash:
            owner = self if slug == self.post.slug else Resolver.of(self.post.project.post(slug))
            return owner, rest + target[len(slug) + 1 + len(rest) :]
        if not self.post.slug:
            raise QueryError(f"outside a post a binding names its post: {kind}:SLUG/{target}")
        return self, target

    def _measured(self, target: str) -> MeasuredAnswer:
        name, where = query(target)
        return self.shown(self.measurements.select(name, where))

    def shown(self, found: Measured) -> MeasuredAnswer:
        """Everything that the pop-over of a measured value tells."""
        summary, line = found.summary, found.states[0].line
        assert line is not None
        half = summary.half or 0.0
        low, high = (found.metric.format(end) for end in (summary.mean - half, summary.mean + half))
        return {
            **self._explained(state.line for state in found.states),
            "text": written(found),
            "written": written(found),
            "owner": self.post.slug,
            "metric": found.metric.name,
            "value": summary.mean,
            "n": summary.n,
            "span": f"{low.removesuffix(f' {found.metric.unit}')} to {high}" if summary.half else "",
            "title": found.metric.title or found.metric.name.replace("_", " "),
            "where": dict(found.where),
            "values": [{"label": "" if s is None else f"seed {s}", "value": v} for s, v in found.values.items()],
            "stage": line.stage,
            "again": f"lockstep reproduce {self.post.slug}.{line.stage}",
            "code": excerpts.function_of(self.post, found.states[0].stage),
            "accepted": sorted({state.accepted.reason for state in found.states if state.accepted}),
        }

    def _explained(self, lines: Iterable[Line | None]) -> Ran:
        """Where and when these runs were made, and how long they took in all."""
        kept = [p for line in lines if line and (p := self.post.ledger.provenance(line)) is not None]
        return {
            "commit": ", ".join(dict.fromkeys(p.commit[:10] for p in kept if p.commit)),
            "dirty": any(p.dirty for p in kept),
            "hardware": "; ".join(dict.fromkeys(p.hardware for p in kept)),
            "date": max((p.date for p in kept), default=""),
            "duration": duration(sum(p.seconds for p in kept)) if kept else "",
        }

    def _reported(self, target: str) -> ReportedAnswer:
        name, where = query(target)
        entry = self.post.paper.find(name, where)
        return {
            "text": self.reported_text(entry),
            "value": entry.value,
            "where": entry.where,
            "source": entry.source,
            "note": " ".join(filter(None, [entry.means, entry.note])),
        }

    def reported_text(self, entry: Reported) -> str:
        """With the digits that the source gives, and the metric's unit."""
        metric = self.freshness.experiment.metric(entry.metric)
        number = f"{entry.value:,.10g}" + ("" if entry.plus_minus is None else f" ± {entry.plus_minus:.10g}")
        return number.replace("-", "−") + (f" {metric.unit}" if metric and metric.unit else "")

    def _config(self, target: str) -> ConfigAnswer:
        experiment, (field, where) = self.freshness.experiment, query(target)
        if field not in experiment.fields:
            raise QueryError(f'the config has no field "{field}"{nearest(field, experiment.fields)}')
        for key, name in where.items():
            if key not in experiment.variants:
                raise QueryError(f'there are no variants "{key}"{nearest(key, experiment.variants)}')
            if name not in experiment.variants[key]:
                raise QueryError(f'{key} has no variant "{name}"{nearest(name, experiment.variants[key])}')
        value, usual = getattr(experiment.config_at(where), field), getattr(experiment.base, field)
        setting, deviation = self.post.paper.config.get(field), self.post.paper.deviation_of(field)
        if value != usual:
            note = f"{', '.join(f'{key} {name}' for key, name in where.items())}; elsewhere {config_text(usual)}."
        elif deviation:
            note = f"Deviation: {deviation.where} has {deviation.value}. {deviation.reason}"
        else:
            note = f"As in {setting.where}." + (f" {setting.note}" if setting.note else "") if setting else ""
        code = self._declared(f"{self.freshness.experiment.config.__name__}.{field}")
        return {"text": config_text(value), "field": field, "value": value, "note": note, "code": code}

    def _declared(self, symbol: str, module: str = "") -> Place | None:
        """Where the declaration, or the module that it took it from, holds a symbol; nothing where none does."""
        elsewhere = self.post.project.source.path_of(module)
        try:
            return excerpts.place_of(self.post, elsewhere[0] if elsewhere else self.post.declaration, symbol)
        except QueryError:
            return None

    def _given(self, target: str, text: str) -> GivenAnswer:
        if not target.strip():
            raise QueryError('a given number needs its reason: [10](given: "why it may stand")')
        return {"reason": target.strip()}

    def _claim(self, target: str) -> ClaimAnswer:
        found = self.judgement(target)
        if found.vacuous:
            raise QueryError(f'the claim "{target}" is vacuous: {found.vacuous}')
        if not found.holds:
            raise QueryError(
                f'the claim "{target}" says {found.claim.verdict}, the data say '
                f"{found.comparison.verdict}: {found.predicate}"
            )
        return {
            **self._explained(found.lines),
            "name": target,
            "owner": self.post.slug,
            "statement": found.claim.statement,
            "verdict": found.claim.verdict,
            "predicate": found.predicate,
            "held_by": found.held_by,
            "changed": [f"the {name} was {how} a run that it judges" for name, how in self.younger(found)],
            "again": [
                f"lockstep reproduce {self.post.slug}.{name}" for name in {line.stage: 0 for line in found.lines}
            ],
            "code": self._declared(found.claim.name, found.claim.compare.__module__),
        }

    def younger(self, found: Judgement) -> list[tuple[str, str]]:
        """Which declarations of a claim are younger than its runs."""
        names = [f"claim:{found.claim.name}", *([f"margin:{found.claim.margin}"] if found.claim.margin else [])]
        return changed_since(self.post, names, found.lines)

    def judgement(self, name: str) -> Judgement:
        if name not in self._judgements:
            with self.post.project.cache.watching(self.post.slug):
                self._judgements[name] = judge(self.post, self.freshness, name)
        return self._judgements[name]

    def _table(self, target: str) -> TableAnswer:
        tables = self.freshness.experiment.tables
        if target not in tables:
            raise QueryError(f'there is no table "{target}"{nearest(target, tables)}')
        rows = self._rows(target, Measurements(self.freshness))
        columns = list(dict.fromkeys(column for row in rows for column in row))
        cells = [[self._cell(row.get(column, "")) for column in columns] for row in rows]
        titles = [_with_unit(column, [row[number] for row in cells]) for number, column in enumerate(columns)]
        return {"columns": titles, "rows": cells}

    def _rows(self, table: str, measured: Measurements) -> list[dict[str, Any]]:
        try:
            rows = self.freshness.experiment.tables[table].rows(measured, Published(self.post.paper))
        except LockstepError:
            raise
        except Exception as error:
            raise QueryError(f'the table "{table}" raised {type(error).__name__}: {error}') from None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise QueryError(f'the table "{table}" returns {rows!r:.60}: expected a list of rows, each a dict of cells')
        return rows

    def stages_of_table(self, name: str) -> set[str]:
        """The stages whose runs a table reads."""
        measured = Measurements(self.freshness)
        self._rows(name, measured)
        return {state.stage.name for asked in measured.asked for state in asked.states}

    def _cell(self, cell: Any) -> Cell:
        if isinstance(cell, Measured):
            return {
                "text": written(cell),
                "numeric": True,
                "measured": True,
                "unit": cell.metric.unit,
                "fields": self.shown(cell),
            }
        if isinstance(cell, Reported):
            metric = self.freshness.experiment.metric(cell.metric)
            text, unit = self.reported_text(cell), metric.unit if metric else ""
            return {"text": text, "numeric": True, "measured": False, "unit": unit, "note": cell.where}
        if isinstance(cell, Comparison):
            return {"text": cell.verdict, "numeric": False, "measured": False, "note": f"n = {cell.n}"}
        numeric = bool(re.fullmatch(r"[−\d][\d,.\s]*", str(cell)))
        return {"text": str(cell), "numeric": numeric, "measured": False, "note": ""}

    def _figure(self, target: str, text: str) -> dict[str, Any]:
        path = self.post.folder / target
        if not text.strip():
            raise QueryError(f"the figure {target} has no alt text: say in words what it shows")
        made = self._made
        if not path.is_file():
            there = [p.relative_to(self.post.folder).as_posix() for p in (self.post.folder / "figures").glob("*")]
            raise QueryError(f"there is no figure {target}{nearest(target, there)}")
        if target.startswith("figures/") and target not in made:
            raise QueryError(f"no recorded run made {target}{nearest(target, made)}")
        width, height = demos.svg_size(path)
        data = target.removesuffix(path.suffix) + ".csv"
        shown: FigureAnswer = {
            "src": target,
            "alt": text,
            "name": path.stem,
            "width": width,
            "height": height,
            "data": data if data in made else "",
            "again": "",
        }
        return {**shown, **self._drawn(made[target])} if target in made else {**shown}

    @cached_property
    def _made(self) -> dict[str, Line]:
        """The run that made each output, by its place."""
        return {place: line for line in self.post.ledger.lines.values() for place in line.outputs}

    def _drawn(self, line: Line) -> Drawn:
        """How a figure came about: which stage drew it, from the runs of which others, and when."""
        stage = self.freshness.experiment.stages.get(line.stage)
        return {
            **self._explained([line]),
            "drawn_from": sorted({entry["stage"] for entry in line.upstream}),
            "again": f"lockstep reproduce {self.post.slug}.{line.stage}",
            "code": excerpts.function_of(self.post, stage) if stage else None,
        }

    def _code(self, target: str, text: str) -> CodeAnswer:
        return excerpts.excerpt(self.post, self.freshness, target)

    def _demo(self, target: str, text: str) -> DemoAnswer:
        return demos.demo(self.post, target, self._made)


def _with_unit(column: str, cells: list[Cell]) -> str:
    """The title of a column: where its values share one unit, the title has it, and the cells no longer do."""
    units = {cell["unit"] for cell in cells if "unit" in cell}
    if len(units) != 1 or not (unit := units.pop()):
        return column
    for cell in cells:
        cell["text"] = cell["text"].removesuffix(f" {unit}")
        if "fields" in cell:
            cell["fields"]["text"] = cell["fields"]["text"].removesuffix(f" {unit}")
    return f"{column}, {unit}"


def query(target: str) -> tuple[str, dict[str, str]]:
    """`name?key=value&key=value`, percent-decoded. Raises QueryError where it is not of that form."""
    name, _, rest = target.partition("?")
    where: dict[str, str] = {}
    for pair in filter(None, rest.split("&")):
        key, equals, value = pair.partition("=")
        if not equals:
            raise QueryError(f'"{pair}" is no selection: write key=value')
        where[unquote(key)] = unquote(value)
    return unquote(name), where
