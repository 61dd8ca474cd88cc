"""The effects of importing a module, in their order, beside what they may meet or leave behind.

An effect can change what a later statement computes, and be changed by what an earlier one bound: so between effects
stand the names of reached statements that compute something of other names, and the imports of modules with effects
of their own. Definitions of functions and constants may stand anywhere.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator

from lockstep.depend.declared import declares, declaring, is_declaration
from lockstep.depend.effects import FUNCTIONS, executed_nodes
from lockstep.depend.source import Module, Source, Statement, import_aliases


def effects_of(source: Source, module: Module, reached: Collection[tuple[str, str]]) -> list[Statement | str]:
    """Effects as statements, between them what their order with is of importance as text. Empty without an effect.

    Of a declaration, those effects alone that declare nothing, and of what is bound what is reached.
    """
    if is_declaration(module.name):
        names = declaring(module)
        own = {name for where, name in reached if where == module.name}
        chosen = [s for s in _own_effects(module, own) if not declares(s, names)]
        return _in_order(source, module, chosen, reached) if chosen else []
    acting = any(_acts(source, name) for name in _imported(source, module))
    if not module.effects and not acting and not module.stars:
        return []
    return _in_order(source, module, module.effects, reached)


def _own_effects(module: Module, reached: Collection[str]) -> Iterator[Statement]:
    """Of a declaration: what acts and binds nothing, or something reached; and imports whose name nothing uses."""
    if "used" not in module.worked_out:
        module.worked_out["used"] = {c[0] for s in module.statements for c, local in s.mentioned if not local}
    used = module.worked_out["used"]
    for statement in module.statements:
        node = statement.node
        if isinstance(node, ast.Import):
            if not used & set(statement.binds) and all("." in item.name and not item.asname for item in node.names):
                yield statement
        elif statement.effect:
            binds = isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.Assign, ast.AnnAssign))
            plain = binds and statement.binds and not _stores_into(node)
            if not plain or _touches(statement, reached):
                yield statement


def _stores_into(node: ast.stmt) -> bool:
    """Does an assignment put something into another object, as an attribute or an item?"""
    targets = getattr(node, "targets", [])
    return any(isinstance(inner, (ast.Attribute, ast.Subscript)) for target in targets for inner in ast.walk(target))


def _touches(statement: Statement, names: Collection[str]) -> bool:
    return bool((set(statement.binds) | statement.outside) & set(names))


def _in_order(
    source: Source,
    module: Module,
    effects: list[Statement],
    reached: Collection[tuple[str, str]],
) -> list[Statement | str]:
    parts: list[Statement | str] = []
    chosen = set(map(id, effects))
    for statement in module.statements:
        node = statement.node
        if id(statement) in chosen:
            parts.append(statement)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            star = any(item.name == "*" for item in node.names)
            names = [name for name in targets(source, module, node) if star or _acts(source, name)]
            parts += [f"import {name}{' *' * star}" for name in names]
        elif (module.stars or computes(node)) and any((module.name, name) in reached for name in statement.binds):
            parts.append(" ".join(statement.binds))
    return parts


def computes(node: ast.stmt) -> bool:
    """Does a statement bind something that it works out of other names?"""
    return not isinstance(node, (*FUNCTIONS, ast.ClassDef)) and any(
        isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load) for inner in executed_nodes([node])
    )


def targets(source: Source, module: Module, node: ast.AST) -> list[str]:
    """The modules of the project that an import statement executes."""
    found: dict[str, None] = {}
    for _, alias in import_aliases(node, module):
        for name in (alias.module, str(alias)):
            if source.module(name):
                found[name] = None
    return list(found)


def _imported(source: Source, module: Module) -> list[str]:
    """The modules of the project that importing a module imports, in order."""
    if "imported" not in module.worked_out:
        nodes = [s.node for s in module.statements if isinstance(s.node, (ast.Import, ast.ImportFrom))]
        found = dict.fromkeys(name for node in nodes for name in targets(source, module, node))
        module.worked_out["imported"] = list(found)
    return module.worked_out["imported"]


def _acts(source: Source, name: str) -> bool:
    """Does importing a module do something, by itself or through what it imports?"""
    key = "acts", name
    if key not in source.worked_out:
        source.worked_out[key] = False  # while it is worked out: modules may import each other
        module = None if is_declaration(name) else source.module(name)
        acts = module and (module.effects or any(_acts(source, each) for each in _imported(source, module)))
        source.worked_out[key] = bool(acts)
    return source.worked_out[key]
