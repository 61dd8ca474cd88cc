"""What a run was seen to do, held against what names lead to: a module that they do not account for counts whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from lockstep.depend.declared import is_declaration
from lockstep.depend.order import effects_of
from lockstep.depend.reach import FOLDER, TEXT, WHOLE_ANNOTATIONS, Reach, Start, reach
from lockstep.depend.source import Source
from lockstep.errors import LockstepError


def accounted(source: Source, start: Start, seen: dict[str, Any]) -> tuple[Start, Reach]:
    """The start of a walk that covers all that was seen, and the walk. Raises LockstepError for code out of sight."""
    for name in seen["modules"]:
        if source.module(name) is None:
            raise LockstepError(f"the run imported {name}, which is no module under code/ that its plan knew of")
    start = replace(start, seen=start.seen | {name + TEXT for name in seen["texts"] if source.module(name)})
    start = replace(start, seen=start.seen | {name + FOLDER for name in seen["folders"]})
    if seen["annotations"]:
        start = replace(start, seen=start.seen | {WHOLE_ANNOTATIONS})
    while True:
        found = reach(source, start)
        more = frozenset(uncovered(source, found, seen)) - start.seen
        if not more:
            return start, found
        start = replace(start, seen=start.seen | more)


def uncovered(source: Source, found: Reach, seen: dict[str, Any]) -> Iterator[str]:
    """Modules of which something was seen that the symbols do not cover."""
    for name in seen["modules"]:
        if name not in found.executed and not is_declaration(name):
            yield name
    for name, line in seen["executed"]:
        module = source.module(name)
        statement = module.at_line(line) if module else None
        if statement is None or (statement.effect and f"{name}#effects" in found.symbols):
            continue
        if not any(f"{name}:{bound}" in found.symbols for bound in statement.binds):
            yield name
    for name, attribute in seen["looked_up"]:
        module = source.module(name)
        if module is None or f"{name}:{attribute}" in found.symbols:
            continue
        if attribute == "__dict__" or attribute in module.bound or "__getattr__" in module.bound or module.stars:
            if not source.module(f"{name}.{attribute}"):
                yield name


def slice_of(source: Source, name: str, found: Reach) -> tuple[int, ...]:
    """The first lines of those statements of a declaration that a run executes: what it reaches there, and its future
    imports."""
    module = source.module(name)
    assert module is not None
    own = {symbol.removeprefix(f"{name}:") for symbol in found.symbols if symbol.startswith(f"{name}:")}
    pairs = {(name, bound) for bound in own}
    acting = {id(each) for each in effects_of(source, module, pairs)}
    return tuple(
        statement.node.lineno
        for statement in module.statements
        if own & set(statement.binds)
        or id(statement) in acting
        or (getattr(statement.node, "module", "") == "__future__")
    )
