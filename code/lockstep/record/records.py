"""Records that are read from files: plain data put into a dataclass, each value of the type that its field declares.

Not left to a library of validation, because what makes runs needs only Python and NumPy.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

from lockstep.errors import nearest

T = TypeVar("T")
Fits = Callable[[Any], bool]


class WrongRecord(ValueError):
    """What is read is no record of its kind. Says which name, what was expected and what was found."""


def parsed(text: bytes | str) -> Any:
    """JSON. Raises ValueError also where it is nested deeper than Python can follow, or in another encoding."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def made(kind: type[T], raw: Any, what: str = "a record") -> T:
    """Raises WrongRecord for what is no table, for a name that is unknown or missing, for a value of another type."""
    if not isinstance(raw, dict):
        raise WrongRecord(f"{what} is a table, not {shown(raw)}")
    known = _fields(kind)
    if raw.keys() - known.keys():
        name = min(raw.keys() - known.keys())
        raise WrongRecord(f'{what} has no "{name}"{nearest(name, known)}')
    for name, (fits, expected, needed) in known.items():
        if name in raw:
            if not fits(raw[name]):
                raise WrongRecord(f"{name} of {what} is {expected}, not {shown(raw[name])}")
        elif needed:
            raise WrongRecord(f"{what} needs {' and '.join(n for n, f in known.items() if f[2] and n not in raw)}")
    return kind(**raw)


def shown(value: Any) -> str:
    """A value as a message can hold it."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, a list within a list within a list …
        return f"a very large {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}…"


@cache
def _fields(kind: type) -> Mapping[str, tuple[Fits, str, bool]]:
    """Of each field: what fits it, that in words, and whether it is needed."""
    hints = typing.get_type_hints(kind)
    found = {}
    for field in dataclasses.fields(kind):
        needed = field.default is field.default_factory is dataclasses.MISSING
        found[field.name] = (*_expected(hints[field.name]), needed)
    return found


def _expected(hint: Any) -> tuple[Fits, str]:
    """What fits a type, and its name in words."""
    origin, inside = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        kinds = [_expected(one) for one in inside if one is not type(None)]
        return lambda value: value is None or any(fits(value) for fits, _ in kinds), kinds[0][1]
    if origin is float:
        return is_number, "a number"
    if origin is int:
        return lambda value: isinstance(value, int) and not isinstance(value, bool), "a whole number"
    if origin in (dict, Mapping):
        fits, what = _expected(inside[1])
        words = "a table" if inside[1] is Any else f"a table whose values are each {what}"
        if inside[1] is Any:
            return lambda value: isinstance(value, dict), words
        return lambda value: isinstance(value, dict) and all(fits(item) for item in value.values()), words
    if origin in (list, tuple):
        fits, what = _expected(inside[0])
        return (
            lambda value: isinstance(value, (list, tuple)) and all(fits(item) for item in value),
            f"a list, each {what}",
        )
    simple = {str: "text", bool: "true or false"}
    return (lambda value: isinstance(value, origin), simple[origin]) if origin in simple else (lambda value: True, "")


def is_number(value: Any) -> bool:
    """Is this a finite number that a float can hold?"""
    try:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer beyond every float
        return False
