"""The contract between engine and theme: what each kind of binding answers, field by field.

A partial, `site/bindings/<kind>.html` or the theme's own `theme/templates/bindings/<kind>.html` in its place, is
rendered with the fields of its kind, with `kind` and `text` (what the prose says today), and with what rendering adds
(ADDED).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

ADDED = {  # by rendering: places in the page and in the site, and Markdown as HTML
    *(
        "id",
        "target",
        "row",
        "shown",
        "inner",
        "html",
        "url",
        "code_url",
        "source_url",
        "evidence_url",
        "source_html",
        "caption_html",
    ),
}


class Place(TypedDict):
    """Where code stands: a path from the project's root, a symbol, first and last line."""

    path: str
    symbol: str
    first: int
    last: int


class Ran(TypedDict):
    """The runs behind something: the commits that they ran, whether one had changes beside, where, when, how long."""

    commit: str
    dirty: bool
    hardware: str
    date: str
    duration: str


class MeasuredAnswer(Ran):
    """A mean over runs. `span`: its 95 % interval, empty for one run; `values`: of each seed, with a label."""

    text: str
    written: str
    owner: str
    metric: str
    value: float
    n: int
    span: str
    title: str
    where: dict[str, Any]
    values: list[dict[str, Any]]
    stage: str
    again: str
    code: Place | None
    accepted: list[str]


class ReportedAnswer(TypedDict):
    """A published value: where in which source, by its key in the bibliography."""

    text: str
    value: float
    where: str
    source: str
    note: str


class ConfigAnswer(TypedDict):
    """A setting, and where it comes from."""

    text: str
    field: str
    value: Any
    note: str
    code: Place | None


class GivenAnswer(TypedDict):
    """A number that nothing measures, and why it may stand."""

    reason: str


class ClaimAnswer(Ran):
    """A claim that holds. `predicate`: what was compared; `held_by`: by which margin; `changed`: what is younger."""

    name: str
    owner: str
    statement: str
    verdict: str
    predicate: str
    held_by: str
    changed: list[str]
    again: list[str]
    code: Place | None


class Cell(TypedDict):
    """One cell of a table. `fields`: of a measured one, those of its own binding."""

    text: str
    numeric: bool
    measured: bool
    unit: NotRequired[str]
    note: NotRequired[str]
    fields: NotRequired[MeasuredAnswer]


class TableAnswer(TypedDict):
    """Titles of columns, units among them, and rows of as many cells."""

    columns: list[str]
    rows: list[list[Cell]]


class Drawn(Ran):
    """How a figure came about: from the runs of which stages, by what, and how to draw it again."""

    drawn_from: list[str]
    again: str
    code: Place | None


class FigureAnswer(TypedDict):
    """A picture, its size in CSS pixels (zeros: unknown), its data; where a run drew it, also the fields of `Drawn`."""

    src: str
    alt: str
    name: str
    width: int
    height: int
    data: str
    again: str


class CodeAnswer(TypedDict):
    """An excerpt. `illustrative`: no run has to cover it."""

    path: str
    symbol: str
    first: int
    last: int
    source: str
    illustrative: bool


class DemoAnswer(TypedDict):
    """A demo: its script and poster, what it loads in all, and the digests of what runs made for it."""

    name: str
    script: str
    poster: str
    width: int
    height: int
    digests: dict[str, str]
    weight: str


ANSWERS: Mapping[str, type] = {  # of a figure that a run drew, those of Drawn as well
    "measured": MeasuredAnswer,
    "reported": ReportedAnswer,
    "config": ConfigAnswer,
    "given": GivenAnswer,
    "claim": ClaimAnswer,
    "table": TableAnswer,
    "figure": FigureAnswer,
    "code": CodeAnswer,
    "demo": DemoAnswer,
}
