"""A digest of Python syntax that says the same on every supported interpreter, and of plain values.

Left out, because no result can depend on them: positions, comments, layout, parentheses, quotes, string prefixes,
expression statements that are constants (docstrings among them), `pass`, annotations of arguments, results and
variables that nothing reads (those of a class are its fields), and fields that are absent. Kept: everything else, names
included. The digest is our own rather than `ast.dump`, whose text differs between Python versions.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lockstep.depend.effects import FUNCTIONAL, FUNCTIONS, PURE_DECORATORS, dotted

Parts = Iterator[Any]  # tokens, and parts in turn
LEFT_OUT = {"type_comment", "type_ignores", "kind", "ctx"}


def digest_value(value: Any) -> str:
    """sha256 of the canonical JSON of plain data. Tuples count as lists; NaN and infinities are refused."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def canonical_json(value: Any) -> str:
    """One line: sorted keys, no spaces, real characters, and floats in the shortest form that reads back the same."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True)
class Form:
    """What of the syntax counts beside what always does: docstrings, and annotations that something may read."""

    docstrings: bool = False
    annotations: bool = False


PLAIN = Form()


def digest_syntax(nodes: Sequence[ast.stmt], form: Form = PLAIN) -> str:
    """sha256 of a sequence of statements in the canonical form."""
    digest = hashlib.sha256()
    open_parts = [iter([_statement(node, form, False) for node in nodes])]
    while open_parts:  # parts within parts, however deep, without a call within a call
        token = next(open_parts[-1], None)
        if token is None:
            open_parts.pop()
        elif isinstance(token, str):
            digest.update(token.encode("utf-8", "surrogatepass") + b"\0")
        else:
            open_parts.append(token)
    return digest.hexdigest()


def _statement(node: ast.stmt, form: Form, in_class: bool) -> Parts:
    if isinstance(node, ast.Pass):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and not form.docstrings:
        return
    if isinstance(node, ast.AnnAssign) and not (form.annotations or in_class or _calls(node.annotation)):
        if node.value:  # what a type checker alone reads of it is gone: the same as a plain assignment
            plain = ast.Assign([node.target], node.value)
            yield _node(plain, form, in_class)
        else:
            yield f"(AnnAssign {dotted(node.target)})"
        return
    yield _node(node, form, in_class)


def _node(node: ast.AST, form: Form, in_class: bool) -> Parts:
    yield f"({type(node).__name__}"
    if isinstance(node, ast.Constant):
        yield f"{type(node.value).__name__} {_constant(node.value)}"
    elif isinstance(node, ast.JoinedStr):
        yield _joined(node, form)
    else:
        idle = _idle(node, form)
        within = isinstance(node, ast.ClassDef) or (in_class and not isinstance(node, FUNCTIONAL))
        for name, value in sorted(ast.iter_fields(node)):
            if name in LEFT_OUT or value is None or value == [] or name == idle or _empty_format(name, value):
                continue
            yield f".{name}"
            if name == "args" and isinstance(node, FUNCTIONS) and not _idle(node, form):
                yield _value(value, replace(form, annotations=True), within)  # a decorator may read them
            else:
                yield _value(value, form, within)
    yield ")"


def _idle(node: ast.AST, form: Form) -> str:
    """The field of a node that holds an annotation which nothing reads, or nothing."""
    if form.annotations:
        return ""
    if isinstance(node, FUNCTIONS):
        pure = all(dotted(d.func if isinstance(d, ast.Call) else d) in PURE_DECORATORS for d in node.decorator_list)
        return "returns" if pure and not (node.returns and _calls(node.returns)) else ""
    return "annotation" if isinstance(node, ast.arg) and node.annotation and not _calls(node.annotation) else ""


def _calls(node: ast.expr) -> bool:
    return any(isinstance(inner, (ast.Call, ast.NamedExpr, ast.Await)) for inner in ast.walk(node))


def _constant(value: Any) -> str:
    """An integer may have more digits than Python will write in tens."""
    return hex(value) if type(value) is int and value.bit_length() > 4096 else repr(value)


def _value(value: Any, form: Form, in_class: bool) -> Parts:
    if isinstance(value, list):
        yield "["
        for item in value:
            if isinstance(item, ast.stmt):
                yield _statement(item, form, in_class)
            else:
                yield _value(item, form, in_class)
        yield "]"
    elif isinstance(value, ast.AST):
        yield _node(value, form, in_class)
    else:
        yield f"{type(value).__name__} {value!r}"


def _joined(node: ast.JoinedStr, form: Form) -> Parts:
    """An f-string; versions differ in how they cut its constant parts, so neighbours are put together."""
    text = ""
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += str(part.value)
            continue
        if text:
            yield f"str {text!r}"
        text = ""
        yield _node(part, form, False)
    if text:
        yield f"str {text!r}"


def _empty_format(name: str, value: Any) -> bool:
    return name == "format_spec" and isinstance(value, ast.JoinedStr) and not value.values
