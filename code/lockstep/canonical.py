"""A digest of Python syntax that says the same on every supported interpreter, and of plain values.

Left out, because no result can depend on them: positions, comments, layout, parentheses, quotes, string prefixes,
expression statements that are constants (docstrings among them), `pass`, and fields that are absent. Kept: everything
else, names included. The digest is our own rather than `ast.dump`, whose text differs between Python versions.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator
from typing import Any

LEFT_OUT = {"type_comment", "type_ignores", "kind", "ctx"}


def digest_value(value: Any) -> str:
    """sha256 of the canonical JSON of plain data. Tuples count as lists; NaN and infinities are refused."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def canonical_json(value: Any) -> str:
    """One line: sorted keys, no spaces, real characters, and floats in the shortest form that reads back the same."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_syntax(nodes: list[ast.stmt], docstrings: bool = False) -> str:
    """sha256 of a sequence of statements; with `docstrings`, constant expressions count as well."""
    digest = hashlib.sha256()
    for node in nodes:
        for token in _statement(node, docstrings):
            digest.update(token.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()


def _statement(node: ast.stmt, docstrings: bool) -> Iterator[str]:
    if isinstance(node, ast.Pass):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and not docstrings:
        return
    yield from _node(node, docstrings)


def _node(node: ast.AST, docstrings: bool) -> Iterator[str]:
    yield f"({type(node).__name__}"
    if isinstance(node, ast.Constant):
        yield f"{type(node.value).__name__} {node.value!r}"
    elif isinstance(node, ast.JoinedStr):
        yield from _joined(node, docstrings)
    else:
        for name, value in sorted(ast.iter_fields(node)):
            if name in LEFT_OUT or value is None or value == [] or _empty_format(name, value):
                continue
            yield f".{name}"
            yield from _value(value, docstrings)
    yield ")"


def _value(value: Any, docstrings: bool) -> Iterator[str]:
    if isinstance(value, list):
        yield "["
        for item in value:
            yield from _statement(item, docstrings) if isinstance(item, ast.stmt) else _value(item, docstrings)
        yield "]"
    elif isinstance(value, ast.AST):
        yield from _node(value, docstrings)
    else:
        yield f"{type(value).__name__} {value!r}"


def _joined(node: ast.JoinedStr, docstrings: bool) -> Iterator[str]:
    """An f-string; versions differ in how they cut its constant parts, so neighbours are put together."""
    text = ""
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += str(part.value)
            continue
        if text:
            yield f"str {text!r}"
        text = ""
        yield from _node(part, docstrings)
    if text:
        yield f"str {text!r}"


def _empty_format(name: str, value: Any) -> bool:
    return name == "format_spec" and isinstance(value, ast.JoinedStr) and not value.values
