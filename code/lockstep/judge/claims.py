"""Claims: does the data say what a sentence says?

A claim's function returns its two sides. The engine compares them, paired over shared seeds, and the verdict must
be the declared one. A claim that no data could refute is vacuous.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

from lockstep.depend.canonical import digest_syntax, digest_value
from lockstep.depend.declared import makes_experiment
from lockstep.errors import LockstepError, QueryError, nearest
from lockstep.experiment import Claim
from lockstep.judge.freshness import Freshness
from lockstep.judge.measured import Measured, Measurements
from lockstep.project.paper import Published, Reported
from lockstep.project.post import Post
from lockstep.record.ledger import Line
from lockstep.statistics import Comparison, compare

Change = Callable[[Measured], dict[Any, float]]


@dataclass(frozen=True)
class Judgement:
    """A claim with what the data say of it."""

    claim: Claim
    comparison: Comparison
    sides: tuple[Any, Any]
    unit: str
    digits: int
    vacuous: str = ""

    @property
    def holds(self) -> bool:
        return self.comparison.verdict == self.claim.verdict

    @property
    def lines(self) -> list[Line]:
        """The recorded runs that it rests on."""
        states = [state for side in self.sides if isinstance(side, Measured) for state in side.states]
        return [state.line for state in states if state.line]

    @property
    def slack(self) -> float | None:
        """How far the interval is from the bar that would turn the verdict, in the metric's unit; None for one pair."""
        c = self.comparison
        if c.low is None or c.high is None:
            return None
        if c.margin is not None:  # equivalent: both ends are inside; undecided: the farther one is outside
            return abs(c.margin - max(abs(c.low), abs(c.high)))
        return {"greater": c.low, "less": -c.high}.get(c.verdict, min(-c.low, c.high))

    @property
    def held_by(self) -> str:
        """The slack in words: which end of the interval, how far on which side of which bar."""
        c = self.comparison
        if self.slack is None:
            return ""
        where = {
            "greater": "the lower end of the interval is {} above 0",
            "less": "the upper end of the interval is {} below 0",
            "equivalent": "the end of the interval nearest to the margin is {} inside it",
            "undecided": "the end of the interval nearest to 0 is {} beyond it",
        }[c.verdict]
        if c.verdict == "undecided" and c.margin is not None:
            where = "the end of the interval farthest from 0 is {} outside the margin"
        return where.format(self._say(self.slack) + self._unit)

    @property
    def predicate(self) -> str:
        """What was compared and found, in words."""
        c = self.comparison
        if c.low is None or c.high is None:
            return f"one pair only, with a difference of {self._say(c.mean)}{self._unit}: no verdict is possible"
        level, bar = ("95 %", "0") if c.margin is None else ("90 %", f"± {c.margin:g}{self._unit}")
        found = {
            "greater": "lies wholly above 0",
            "less": "lies wholly below 0",
            "equivalent": f"lies wholly within {bar}",
            "undecided": "holds 0" if c.margin is None else f"is not wholly within {bar}",
        }[c.verdict]
        span = f"from {self._say(c.low)} to {self._say(c.high)}{self._unit}"
        return f"{self._compared} is {self._say(c.mean)}{self._unit}; its {level} interval, {span}, {found}"

    @property
    def _compared(self) -> str:
        a, b = self.sides
        seeds = f"{self.comparison.n} seeds"
        if isinstance(a, Measured) and isinstance(b, Measured):
            return f"the mean difference over {self.comparison.n} shared seeds"
        if isinstance(a, Measured):
            return f"the mean over {seeds}" + (f" minus {self._constant(b)}" if _value(b) else "")
        return f"{self._constant(a)} minus the mean over {seeds}"

    def _constant(self, side: Any) -> str:
        return f"{_value(side):,.6g}{f' {self.unit}' if self.unit else ''}".replace("-", "−")

    @property
    def _unit(self) -> str:
        """A difference of percentages is in percentage points."""
        points = self.unit == "%" and all(isinstance(side, Measured) or _value(side) for side in self.sides)
        return " percentage points" if points else f" {self.unit}" if self.unit else ""

    def _say(self, value: float) -> str:
        """With at least so many decimals that the slack shows two digits: an end of 0.04 is not written as 0."""
        decimals = self.digits
        if self.slack:
            decimals = max(decimals, min(1 - math.floor(math.log10(self.slack)), self.digits + 6))
        return f"{value:z,.{decimals}f}".replace("-", "−")


def judge(post: Post, freshness: Freshness, name: str) -> Judgement:
    """Evaluate one claim. Raises QueryError for an unknown claim, or one whose values cannot be had."""
    claims = freshness.experiment.claims
    if name not in claims:
        raise QueryError(f'there is no claim "{name}"{nearest(name, claims)}')
    claim = claims[name]
    measured = Measurements(freshness)
    comparison, sides = _evaluate(post, claim, measured)
    metric = next((side.metric for side in sides if isinstance(side, Measured)), None)
    found = Judgement(claim, comparison, sides, metric.unit if metric else "", metric.digits if metric else 2)
    return replace(found, vacuous=_vacuous(post, claim, freshness, measured, found))


def _evaluate(post: Post, claim: Claim, measured: Measurements) -> tuple[Comparison, tuple[Any, Any]]:
    margin = None
    if claim.margin is not None:
        margin = Published(post.paper).margin(claim.margin)
    try:
        arguments = (measured, Published(post.paper)) if claim.compare.__code__.co_argcount == 2 else (measured,)
        a, b = claim.compare(*arguments)
    except LockstepError as error:
        raise QueryError(f'the claim "{claim.name}": {error}') from None
    except Exception as error:
        raise QueryError(f'the claim "{claim.name}" raised {type(error).__name__}: {error}') from None
    return compare(_differences(claim, a, b), margin), (a, b)


def _differences(claim: Claim, a: Any, b: Any) -> list[float]:
    if isinstance(a, Measured) and isinstance(b, Measured):
        shared = [seed for seed in a.values if seed in b.values]
        if not shared:
            raise QueryError(f'the sides of the claim "{claim.name}" share no seed')
        return [a.values[seed] - b.values[seed] for seed in shared]
    if isinstance(a, Measured):
        return [value - _constant(claim, b) for value in a.values.values()]
    if isinstance(b, Measured):
        return [_constant(claim, a) - value for value in b.values.values()]
    return [_constant(claim, a) - _constant(claim, b)] * 2


def _constant(claim: Claim, side: Any) -> float:
    if isinstance(side, Reported) or (isinstance(side, (int, float)) and not isinstance(side, bool)):
        return _value(side)
    raise QueryError(f'the claim "{claim.name}" returns {side!r}: expected measured or reported values')


def _value(side: Any) -> float:
    return side.value if isinstance(side, Reported) else float(side)


def _vacuous(post: Post, claim: Claim, freshness: Freshness, measured: Measurements, found: Judgement) -> str:
    """Why no data could change the verdict, or nothing: tried by putting other values in place of each selection."""
    if not measured.asked:
        return "it reads no measured value"
    comparison = found.comparison
    largest = max(abs(value) for asked in measured.asked for value in asked.values.values())
    scale = 10 * (1 + largest + (comparison.margin or 0) + abs(comparison.mean))
    for target in dict.fromkeys(measured.names):
        for change in [*_changes(scale), *(_as(side) for side in found.sides)]:

            def substitute(name: str, m: Measured, target: str = target, change: Change = change) -> Measured:
                return replace(m, values=change(m)) if name == target else m

            if _evaluate(post, claim, Measurements(freshness, substitute))[0].verdict != comparison.verdict:
                return ""
    return "no replacement of the values it reads changes its verdict"


def _changes(scale: float) -> list[Change]:
    return [
        lambda m: {seed: value + scale for seed, value in m.values.items()},
        lambda m: {seed: value - scale for seed, value in m.values.items()},
        lambda m: {seed: value + scale * (-1) ** i for i, (seed, value) in enumerate(m.values.items())},
    ]


def _as(side: Any) -> Change:
    """The values of a side of the comparison: put in place of the other, nothing is left between them."""
    if isinstance(side, Measured):
        return lambda m: {seed: side.values.get(seed, value) for seed, value in m.values.items()}
    return lambda m: dict.fromkeys(m.values, _value(side))


def declared_digests(post: Post) -> dict[str, str]:
    """What a run records of claims, margins and tolerances as they stood: a later change of them shows."""
    if "declared" not in post.worked_out:
        post.worked_out["declared"] = _declared_digests(post)
    return dict(post.worked_out["declared"])


def _declared_digests(post: Post) -> dict[str, str]:
    digests = {f"margin:{name}": digest_value(margin.value)[:16] for name, margin in post.paper.margin.items()}
    for metric in post.experiment.metrics:
        if metric.tolerance is not None:
            digests[f"tolerance:{metric.name}"] = digest_value(metric.tolerance)[:16]
    for name, claim in post.experiment.claims.items():
        home = post.project.source.module(claim.compare.__module__)
        for statement in home.bound.get(claim.compare.__name__, []) if home else []:
            if isinstance(statement.node, ast.FunctionDef):
                digests[f"claim:{name}"] = digest_syntax([_declared(statement.node, claim, post)])[:16]
    return digests


def _declared(node: ast.FunctionDef, claim: Claim, post: Post) -> ast.FunctionDef:
    """A claim as it would stand in the declaration itself, so that it may move to a module of its own and back."""
    declaration = post.project.source.module(f"posts.{post.slug}.experiment")
    statements = declaration.statements if declaration else ()
    name = next((each.binds[0] for each in statements if makes_experiment(each.node)), "")
    margin = [ast.keyword("margin", ast.Constant(claim.margin))] if claim.margin else []
    made = ast.Call(ast.Attribute(ast.Name(name), "claim"), [ast.Constant(claim.verdict)], margin)
    whole = copy(node)
    whole.decorator_list = [made]
    return whole


def changed_since(post: Post, names: Iterable[str], lines: Iterable[Line]) -> list[tuple[str, str]]:
    """Which of these declarations (`claim:name`, `margin:name`) are younger than the runs they judge: (name, how).

    A run that recorded no claim at all, of another engine or of a post that had none, cannot tell which it was.
    """
    today, told, lines = declared_digests(post), [], list(lines)
    for name in names:
        then = {line.declared.get(name) for line in lines}
        kind, called = name.partition(":")[0], name.replace(":", " ").replace("_", " ")
        if None in then:
            without = [line.declared for line in lines if name not in line.declared]
            telling = all(any(each.startswith(f"{kind}:") for each in declared) for declared in without)
            told.append((called, "declared after" if telling else "not recorded by"))
        elif then != {today.get(name)}:
            told.append((called, "changed after"))
    return told
