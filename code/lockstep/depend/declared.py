"""What a run sees of experiment.py: the Config and whatever else it reaches there, and none of the declarations.

Stages, claims, tables and metrics are declared with the Experiment of the post. A statement that touches it, or what
was made of it, is a declaration; a run never executes one, so that no edit of a claim can change a result.
"""

from __future__ import annotations

import ast
from collections.abc import Collection
from copy import copy

from lockstep.depend.effects import dotted
from lockstep.depend.source import Module, Statement
from lockstep.errors import FingerprintError


def is_declaration(module: str) -> bool:
    """experiment.py declares; what a run reaches of it counts, the rest is not code that a result depends on."""
    return module.startswith("posts.") and module.endswith(".experiment")


def makes_experiment(node: ast.AST) -> bool:
    """Is it a statement such as `post = Experiment(…)`?"""
    value = getattr(node, "value", None)
    return isinstance(value, ast.Call) and dotted(value.func).rpartition(".")[2] == "Experiment"


def declaring(module: Module) -> set[str]:
    """The names of a declaration module that hold the Experiment, or something that was made of it."""
    if "declaring" not in module.worked_out:
        found = set[str]()
        for statement in module.statements:
            if makes_experiment(statement.node) or statement.outside & found:
                found |= set(statement.binds)
        module.worked_out["declaring"] = found
    return module.worked_out["declaring"]


def declares(statement: Statement, names: Collection[str]) -> bool:
    """Does a statement make, use or extend what holds these names?"""
    return bool((set(statement.binds) | statement.outside) & set(names))


def refuse_declared(module: Module, statement: Statement, chain: list[str]) -> None:
    """Raises FingerprintError where a stage reaches the Experiment itself."""
    if makes_experiment(statement.node):
        raise FingerprintError(
            f"a stage reads the declaration itself ({' ← '.join(chain)}); it gets its settings from run.config",
            file=module.path,
            line=statement.node.lineno,
        )


def _field(node: ast.stmt) -> str:
    """The name of the setting that a statement in the body of a Config declares, or nothing."""
    if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
        return ""
    whole_class = "ClassVar" in {dotted(inner).rpartition(".")[2] for inner in ast.walk(node.annotation)}
    return "" if whole_class else node.target.id


def unread(node: ast.stmt) -> ast.stmt:
    """The class of the settings without the settings: they count by the values that a run reads."""
    if not isinstance(node, ast.ClassDef):
        return node
    return _with_body(node, [inner for inner in node.body if not _field(inner)])


def fields_of(node: ast.ClassDef, read: Collection[str] | None) -> ast.ClassDef:
    """The class of the settings with those settings alone that are read; None: with all."""
    return _with_body(node, [inner for inner in node.body if read is None or _field(inner) in {"", *read}])


def _with_body(node: ast.ClassDef, body: list[ast.stmt]) -> ast.ClassDef:
    made = copy(node)
    made.body = body
    return made
