"""How a post declares its work: a Config, metrics, datasets, stages with grids, claims and tables.

    gan = Experiment(Config, data={"images": mnist}, metrics=[Metric("loss")], smoke={"config": {"epochs": 1}})
    train = gan.stage("train:fit", seed=range(5))           # function `fit` in train.py, once a seed
    score = gan.stage("evaluate:parzen", each=train)        # once for each run of train
    draw = gan.stage("figures:draw", over=[train, score])   # once over all of them

A declaration is read by the engine and never hashed as code.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from types import ModuleType
from typing import Any

from lockstep.errors import ProjectError, nearest

NAME = re.compile(r"[a-z][a-z0-9-]*")
NEEDS = ("", "bf16")
VERDICTS = ("greater", "less", "equivalent", "undecided")
Keys = dict[str, Any]


@dataclass(frozen=True)
class Metric:
    """A column of results: how it is written, and which direction is better ("higher", "lower" or None).

    `tolerance`, in the metric's unit: by how much a run made again may differ and still count as reproduced. Without
    one, the last printed digit must stay.
    """

    name: str
    unit: str = ""
    digits: int = 2
    better: str | None = None
    title: str = ""
    tolerance: float | None = None

    @property
    def tolerated(self) -> float:
        return 0.5 * 10**-self.digits if self.tolerance is None else self.tolerance

    def format(self, value: float, interval: float | None = None) -> str:
        """`8.61 ± 0.12 %`: rounded to the metric's digits, a true minus sign, thousands apart.

        An interval that they would show as 0 has one digit more, and is `± 0` below that.
        """
        text = self._round(value, self.digits)
        if interval is not None:
            halves = (self._round(interval, digits) for digits in (self.digits, self.digits + 1))
            text += f" ± {next((half for half in halves if any(c in '123456789' for c in half)), 0)}"
        return text + (f" {self.unit}" if self.unit else "")

    def _round(self, value: float, digits: int) -> str:
        return f"{value:z,.{digits}f}".replace("-", "−")  # z: no sign for what rounds to 0


@dataclass(frozen=True, eq=False)
class Stage:
    """A function of the post with its grid. It runs once for each run of `each`, and reads every run of `over`.

    `legs`: into how many resumable parts a long run is cut. `programs` and `variables`: what it may start, and read of
    the environment; `covers`: modules of the post that such programs run. `needs`: what the machine must be good at.
    """

    name: str
    module: str
    function: str
    grid: Mapping[str, tuple[Any, ...]]
    each: Stage | None = None
    over: tuple[Stage, ...] = ()
    legs: int = 1
    programs: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    covers: tuple[str, ...] = ()
    needs: str = ""

    @property
    def upstream(self) -> tuple[Stage, ...]:
        return (*((self.each,) if self.each else ()), *self.over)

    @property
    def key_names(self) -> tuple[str, ...]:
        return (*(self.each.key_names if self.each else ()), *self.grid)

    def points(self) -> Iterator[Keys]:
        """Every point of the grid, in declared order."""
        for inherited in self.each.points() if self.each else [{}]:
            for values in product(*self.grid.values()):
                yield inherited | dict(zip(self.grid, values, strict=True))

    def inputs_of(self, keys: Keys) -> list[tuple[Stage, Keys]]:
        """The upstream runs that the run at `keys` reads."""
        own = [(self.each, {name: keys[name] for name in self.each.key_names})] if self.each else []
        return own + [(stage, point) for stage in self.over for point in stage.points()]


@dataclass(frozen=True)
class Claim:
    """A named statement about the ledger and the verdict its author expects."""

    name: str
    verdict: str
    margin: str | None
    statement: str
    compare: Callable[..., Any]


@dataclass(frozen=True)
class Table:
    """A table that code computes from the ledger: a list of rows, each a dict from column to cell."""

    name: str
    rows: Callable[..., list[dict[str, Any]]]


def claim(verdict: str, *, margin: str | None = None) -> Callable[[Callable[..., Any]], Claim]:
    """Make a claim: the decorated function returns the two sides to compare, its docstring is the statement.

    `verdict` is what the author expects: greater, less, equivalent or undecided; `margin` names one of paper.toml.
    """
    if verdict not in VERDICTS:
        raise ProjectError(f'a claim is one of {", ".join(VERDICTS)}, not "{verdict}"')
    if verdict == "equivalent" and margin is None:
        raise ProjectError('an "equivalent" claim needs margin="name", declared in paper.toml')

    def make(compare: Callable[..., Any]) -> Claim:
        return Claim(compare.__name__, verdict, margin, " ".join((compare.__doc__ or "").split()), compare)

    return make


def table(rows: Callable[..., list[dict[str, Any]]]) -> Table:
    """Make a table, named like the decorated function."""
    return Table(rows.__name__, rows)


def smaller(declared: Sequence[Any], asked: Sequence[Any]) -> tuple[Any, ...]:
    """What a smoke grid leaves of a stage's values: those asked for that are its own, or else all asked for."""
    return tuple(value for value in declared if value in asked) or tuple(asked)


@dataclass(eq=False)
class Experiment:
    """All that one post declares. `config` is its frozen dataclass; `smoke` says what the smoke profile replaces:
    {"config": {field: value}, "data": {name: dataset}, "grid": {key: values}, "variants": as below}. A stage whose own
    values of a key are among those of the smoke grid keeps to its own.

    `variants` names settings that change together: {"row": {"base": {}, "one-head": {"heads": 1, "d_k": 128}}} makes
    `row` a grid key whose values are those names, for ablations that change one thing at a time.
    """

    config: type
    data: Mapping[str, Any] = field(default_factory=dict)
    metrics: Sequence[Metric] = ()
    smoke: Mapping[str, Any] = field(default_factory=dict)
    variants: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    stages: dict[str, Stage] = field(default_factory=dict, init=False)
    claims: dict[str, Claim] = field(default_factory=dict, init=False)
    tables: dict[str, Table] = field(default_factory=dict, init=False)
    base: Any = field(default=None, init=False)

    def __post_init__(self) -> None:
        if not (dataclasses.is_dataclass(self.config) and self.config.__dataclass_params__.frozen):  # type: ignore[attr-defined]
            raise ProjectError(f"{self.config!r} is not a frozen dataclass: write @dataclass(frozen=True)")
        self.base = self.config()
        for name in self.fields:
            if isinstance(value := getattr(self.base, name), float) and not math.isfinite(value):
                raise ProjectError(
                    f"the config has {name} = {value}, which no record holds: take None, or a finite number"
                )
        if unknown := set(self.smoke) - {"config", "data", "grid", "variants"}:
            raise ProjectError(f"the smoke profile has no part {sorted(unknown)}; known: config, data, grid, variants")
        for name in self.smoke.get("config", {}):
            if name not in self.fields:
                raise ProjectError(
                    f'the smoke profile sets "{name}", no field of the config{nearest(name, self.fields)}'
                )
        for key, values in self.smoke.get("grid", {}).items():
            if isinstance(values, str) or not isinstance(values, Iterable):
                raise ProjectError(f"the smoke profile's grid has {key} = {values!r}: write a list of values")
        for key, values in self.variants.items():
            if key == "seed" or key in self.fields:
                raise ProjectError(f'the variants are called "{key}", which is taken: give them a name of their own')
            for value, changed in values.items():
                for name in set(changed) - set(self.fields):
                    raise ProjectError(
                        f'{key} "{value}" sets "{name}", no field of the config{nearest(name, self.fields)}'
                    )

    def smoked(self) -> Experiment:
        """The same experiment under the smoke profile: smaller settings, data and grids, the same code."""
        small = dataclasses.replace(
            self,
            data={**self.data, **self.smoke.get("data", {})},
            variants={**self.variants, **self.smoke.get("variants", {})},
        )
        small.base = dataclasses.replace(self.base, **self.smoke.get("config", {}))
        small.claims, small.tables = self.claims, self.tables
        grids = {"seed": [0], **self.smoke.get("grid", {})}
        for stage in self.stages.values():
            grid = {key: smaller(values, grids.get(key, values)) for key, values in stage.grid.items()}
            each = small.stages[stage.each.name] if stage.each else None
            over = tuple(small.stages[other.name] for other in stage.over)
            small.stages[stage.name] = dataclasses.replace(
                stage, grid=grid, each=each, over=over, legs=min(stage.legs, 2)
            )
        return small

    def config_at(self, keys: Keys) -> Any:
        """The settings of the run at `keys`: those of its variants, and above them the fields that are keys."""
        changed: dict[str, Any] = {}
        for key, values in self.variants.items():
            changed |= values[keys[key]] if key in keys else {}
        changed |= {key: value for key, value in keys.items() if key in self.fields}
        for each in dataclasses.fields(self.config):  # `rate: float = 2` is 2.0, however it is written
            value = changed.get(each.name, getattr(self.base, each.name))
            if each.type in (float, "float") and type(value) is int and each.init:
                changed[each.name] = float(value)
        return dataclasses.replace(self.base, **changed)

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(f.name for f in dataclasses.fields(self.config))

    def metric(self, name: str) -> Metric | None:
        return next((metric for metric in self.metrics if metric.name == name), None)

    def stage(
        self,
        function: str,
        *,
        name: str | None = None,
        each: Stage | None = None,
        over: Iterable[Stage] = (),
        legs: int = 1,
        programs: Iterable[str] = (),
        variables: Iterable[str] = (),
        covers: Iterable[str] = (),
        needs: str = "",
        **grid: Iterable[Any],
    ) -> Stage:
        """Declare `"module:function"` of this post as a stage, named like its module unless `name` says otherwise.

        Grid keys are fields of the config, `seed`, or the name of declared variants. `legs` cuts a long run into parts
        that each resume the one before. A stage that starts programs names them in `programs`, and the post's modules
        that they run in `covers`; environment variables that it reads, in `variables`. `needs="bf16"`: it is refused on
        machines where products in bfloat16 are slower than in float32. Raises ProjectError for a key that is none of
        the config, for a variant that is not declared, and for a name taken.
        """
        module, _, called = function.partition(":")
        name = name or module
        if not called:
            raise ProjectError(f'stage "{function}": write "module:function"')
        if not NAME.fullmatch(name):
            raise ProjectError(f'stage "{name}": a name is lower-case letters, digits and dashes, as a task is called')
        if name in self.stages:
            raise ProjectError(f'two stages are named "{name}": give one another name=…')
        if each is not None and not isinstance(each, Stage):
            raise ProjectError(f'stage "{name}": each takes a declared stage, as in each=train, not {each!r}')
        read = () if isinstance(over, (str, Stage)) else tuple(over)
        if (over and not read) or not all(isinstance(other, Stage) for other in read):
            raise ProjectError(
                f'stage "{name}": over takes a list of declared stages, as in over=[train], not {over!r}'
            )
        for key, values in grid.items():
            if isinstance(values, (str, Stage)) or not isinstance(values, Iterable):
                raise ProjectError(f'stage "{name}": {key} takes a list of values, as in {key}=[…], not {values!r}')
        points = {key: tuple(values) for key, values in grid.items()}
        for key, values in points.items():
            known = [*self.fields, "seed", *self.variants]
            if key not in known:
                raise ProjectError(f'stage "{name}": grid key "{key}" is no field of the config{nearest(key, known)}')
            if each and key in each.key_names:
                raise ProjectError(f'stage "{name}": it runs once for each {key} of "{each.name}": leave {key} out')
            for value in values:
                if not isinstance(value, (str, int)) and not (isinstance(value, float) and math.isfinite(value)):
                    told = f"{key} has the value {value!r}: a key is a text or a finite number"
                    raise ProjectError(f'stage "{name}": {told}; name settings that change together as variants')
            for value in values if key in self.variants else ():
                if value not in self.variants[key]:
                    raise ProjectError(
                        f'stage "{name}": no {key} "{value}" is declared{nearest(value, self.variants[key])}'
                    )
        if not isinstance(legs, int) or legs < 1:
            raise ProjectError(f'stage "{name}": legs is how many parts a run has, 1 or more, not {legs!r}')
        if needs not in NEEDS:
            raise ProjectError(
                f'stage "{name}": needs="{needs}" is nothing that can be measured{nearest(needs, NEEDS)}'
            )
        lists = {"programs": programs, "variables": variables, "covers": covers}
        for key, value in lists.items():
            if isinstance(value, str):
                raise ProjectError(f'stage "{name}": {key} takes a list of names, as in {key}=["{value}"]')
        stage = Stage(
            name, module, called, points, each, read, legs, tuple(programs), tuple(variables), tuple(covers), needs
        )
        self.stages[name] = stage
        return stage

    def claim(self, verdict: str, *, margin: str | None = None) -> Callable[[Callable[..., Any]], Claim]:
        """Declare a claim, as `claim` makes it."""

        def declare(compare: Callable[..., Any]) -> Claim:
            self.claims[compare.__name__] = claim(verdict, margin=margin)(compare)
            return self.claims[compare.__name__]

        return declare

    def table(self, rows: Callable[..., list[dict[str, Any]]]) -> Table:
        """Declare a table, named like the decorated function."""
        self.tables[rows.__name__] = table(rows)
        return self.tables[rows.__name__]

    def take(self, *modules: ModuleType) -> None:
        """Declare every claim and table that these modules hold, such as claims.py and tables.py of the post."""
        for value in [value for module in modules for value in vars(module).values()]:
            if isinstance(value, Claim):
                self.claims[value.name] = value
            elif isinstance(value, Table):
                self.tables[value.name] = value
