"""The shape of what a run can reach: its code with every name replaced by what the name stands for.

Two trees whose shapes are equal do the same, wherever their definitions lie and however they are imported. A use that
cannot be told by name is a doubt, and a doubt ends the comparison.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Mapping
from dataclasses import dataclass

from lockstep.depend.canonical import Form, digest_syntax, digest_value
from lockstep.depend.declared import is_declaration, unread
from lockstep.depend.order import computes, targets
from lockstep.depend.reach import FOLDER, TEXT, Start, reach
from lockstep.depend.source import Alias, Module, Source, Statement, import_aliases
from lockstep.errors import FingerprintError

OF_A_MODULE = {"__name__", "__file__", "__spec__", "__package__", "__path__", "__doc__"}  # of its own place
OF_ANYTHING = (OF_A_MODULE | {"__module__", "__qualname__"}) - {"__name__", "__doc__"}  # where something lies
Meaning = tuple[str, str]  # what a name stands for: its kind (symbol, module or foreign), and its text


class Doubt(FingerprintError):
    """Nothing proves that code is the same. Says what, and where."""


@dataclass(frozen=True)
class Shape:
    """Symbols by their names after the move, each with a digest; what importing does, in order; docstrings of modules,
    where something may read them."""

    symbols: Mapping[str, str]
    effects: tuple[str, ...]
    docstrings: Mapping[str, str]

    def is_as(self, other: Shape) -> bool:
        """Do both do the same? A module that only one of them has is nobody's to ask for its docstring."""
        both = self.docstrings.keys() & other.docstrings.keys()
        told = all(self.docstrings[name] == other.docstrings[name] for name in both)
        return told and (self.symbols, self.effects) == (other.symbols, other.effects)


def shape(source: Source, start: Start, names: Mapping[str, str]) -> Shape:
    """What a run reaches. `names`: of symbols (`module:name`) and modules, those that they will have after the move.

    Raises Doubt.
    """
    reached = reach(source, start)
    for symbol in reached.symbols:
        if symbol.endswith((TEXT, FOLDER)):
            raise Doubt(f"{symbol} counts as a file, so a move is a change of it")
    form = Form(reached.docstrings, any(each == "@annotations" for each in start.seen))
    found, docstrings = dict[str, str](), dict[str, str]()
    for symbol, digest in reached.symbols.items():
        name, _, bound = symbol.partition(":")
        if not bound:
            if symbol.endswith("#doc"):
                docstrings[_renamed(symbol, names)] = digest
            elif "#effects" not in symbol:  # the order of names, of modules that count whole
                found[_renamed(symbol, names)] = digest
            continue
        module = source.module(name)
        assert module is not None
        statements = [s for s in module.bound[bound] if not isinstance(s.node, (ast.Import, ast.ImportFrom))]
        if statements:
            config = (name, bound) == start.config
            found[names.get(symbol, symbol)] = _digest(source, module, statements, names, form, config)
    effects = _Trace(source, start, reached.symbols, names, form).of(start)
    return Shape(found, tuple(effects), docstrings)


def _renamed(symbol: str, names: Mapping[str, str]) -> str:
    module, hash_, kind = symbol.partition("#")
    return names.get(module, module) + hash_ + kind


def _digest(
    source: Source, module: Module, statements: list[Statement], names: Mapping[str, str], form: Form, config: bool
) -> str:
    nodes = [_Meant(source, module, statement, names).visit(copy.deepcopy(statement.node)) for statement in statements]
    return digest_value([digest_syntax([unread(node) if config else node for node in nodes], form)])


class _Trace:
    """What importing the modules of a run does, in the order in which it happens."""

    def __init__(self, source: Source, start: Start, reached: Mapping[str, str], names: Mapping[str, str], form: Form):
        self.source, self.reached, self.names, self.form = source, reached, names, form
        self.done: set[str] = set()
        self.parts: list[tuple[bool, str]] = []  # is it an effect, and its digest

    def of(self, start: Start) -> list[str]:
        self.run(start.module)
        for module, _ in [*([start.config] if start.config else []), *sorted(start.types)]:
            self.run(module)
        acting = any(effect for effect, _ in self.parts)
        return [text for effect, text in self.parts if effect or acting]

    def run(self, name: str) -> None:
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            part = ".".join(parts[:end])
            if part not in self.done and (module := self.source.module(part)) is not None:
                self.done.add(part)
                self.import_module(module)

    def import_module(self, module: Module) -> None:
        if module.stars:
            raise Doubt(f"{module.name} takes all names of {module.stars[0]}, so nobody can tell what they mean")
        for statement in module.statements:
            if isinstance(statement.node, (ast.Import, ast.ImportFrom)):
                if not is_declaration(module.name):
                    for target in targets(self.source, module, statement.node):
                        self.run(target)
            elif statement.effect and not (is_declaration(module.name) and not self.reaches(module, statement)):
                self.note(True, module, statement)
            elif computes(statement.node) and self.reaches(module, statement):
                self.note(False, module, statement)

    def reaches(self, module: Module, statement: Statement) -> bool:
        return any(f"{module.name}:{name}" in self.reached for name in statement.binds)

    def note(self, effect: bool, module: Module, statement: Statement) -> None:
        self.parts.append((effect, _digest(self.source, module, [statement], self.names, self.form, False)))


class _Meant(ast.NodeTransformer):
    """Replaces, in one top-level statement, names by what they stand for in the module."""

    def __init__(self, source: Source, module: Module, statement: Statement, names: Mapping[str, str]):
        self.source, self.module, self.names, self.top = source, module, names, True
        local = {chain[0] for chain, local in statement.mentioned if local and chain[0]}
        self.outer = {chain[0] for chain, local in statement.mentioned if not local} | set(statement.binds)
        for name in self.outer & local:
            if self.meaning(name) is not None:
                raise Doubt(f"{self.place(statement.node)}: {name} is at once a local name and one of its module")
        own = [f"{module.name}:{name}" for name in statement.binds]
        moves = any(names.get(each, each).partition(":")[0] != module.name for each in own)
        renamed = any(old.partition(":")[2] != new.partition(":")[2] for old, new in names.items())
        for chain, _ in statement.mentioned:
            first, rest = chain[0], set(chain[1:])
            meaning = self.meaning(first) if first and len(chain) == 2 else None
            if meaning and meaning[0] == "module" and names.get(meaning[1], meaning[1]) == meaning[1]:
                continue  # a module that stays tells the same of itself
            if (moves and first in OF_A_MODULE) or rest & OF_ANYTHING or ("__name__" in rest and (renamed or meaning)):
                raise Doubt(f"{self.place(statement.node)}: {'.'.join(chain).lstrip('.')} tells code where it lies")

    def place(self, node: ast.AST) -> str:
        return f"{self.module.path.name}:{getattr(node, 'lineno', 1)}"

    def meaning(self, name: str) -> Meaning | None:
        """What a name of this module stands for; None for what Python itself has."""
        return resolved(self.source, self.module, name)

    def text(self, meaning: Meaning) -> str:
        return f"‹{self.names.get(meaning[1], meaning[1])}›"

    def of(self, node: ast.expr) -> Meaning | None:
        if isinstance(node, ast.Name):
            return self.meaning(node.id) if node.id in self.outer else None
        if isinstance(node, ast.Attribute) and (base := self.of(node.value)) and base[0] == "module":
            return attribute(self.source, base[1], node.attr)
        return None

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        meant = self.of(node)
        return ast.Name(self.text(meant), node.ctx) if meant else self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        meant = self.of(node)
        return ast.Name(self.text(meant), node.ctx) if meant else node

    def visit_Global(self, node: ast.Global) -> ast.AST:
        return ast.Global([self.text(self.meaning(name) or ("foreign", name)) for name in node.names])

    def _import(self, node: ast.Import | ast.ImportFrom) -> ast.AST:
        """An import inside a function binds names for it: which, and to what."""
        bound = []
        for name, alias in import_aliases(node, self.module):
            if name:
                meant = of_alias(self.source, alias)
                bound.append(ast.Assign([ast.Name(name, ast.Store())], ast.Name(self.text(meant), ast.Load())))
        return ast.If(ast.Constant(True), bound or [ast.Pass()], [])

    visit_Import = visit_ImportFrom = _import

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if self.top and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            node.name = self.text(self.meaning(node.name) or ("foreign", node.name))
        self.top = False
        return super().generic_visit(node)


def resolved(source: Source, module: Module, name: str) -> Meaning | None:
    """What a name of a module stands for. Raises Doubt where imports give it several meanings."""
    if name not in module.bound:
        return None
    aliases = set(module.aliases.get(name, []))
    if not aliases:
        return "symbol", f"{module.name}:{name}"
    if len(aliases) > 1:
        raise Doubt(f"{module.path.name}: {name} is imported from several places")
    return of_alias(source, aliases.pop())


def of_alias(source: Source, alias: Alias) -> Meaning:
    """What an import leads to, re-exports followed."""
    if alias.name is None:
        return ("module" if _is_own(source, alias.module) else "foreign"), alias.module
    if not _is_own(source, alias.module):
        return "foreign", str(alias)
    return attribute(source, alias.module, alias.name) or ("foreign", str(alias))


def attribute(source: Source, module: str, name: str) -> Meaning | None:
    """What an attribute of a module of the project stands for; None for one that it does not have."""
    found = source.module(module)
    if found and name in found.bound:
        return resolved(source, found, name)
    return ("module", f"{module}.{name}") if _is_own(source, f"{module}.{name}") else None


def _is_own(source: Source, module: str) -> bool:
    return source.module(module) is not None or source.is_package(module)
