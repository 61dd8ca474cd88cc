"""The names that a piece of code takes from outside itself.

What a function binds for itself (arguments, variables, loop targets) hides a name of its module, so a local variable
that happens to be called like a function of the module does not reach it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lockstep.depend.effects import FUNCTIONAL, FUNCTIONS, annotated, dotted

Hidden = frozenset[str]
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def mentions(node: ast.AST) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Every maximal `name.attribute.attribute` in a statement of a module as a tuple, and whether its first name is
    local. Attributes of anything but a name come as `("", attribute)`, and so do texts like "__doc__"."""
    stack: list[tuple[ast.AST, Hidden]] = [(node, frozenset())]
    while stack:
        inner, hidden = stack.pop()
        if isinstance(inner, FUNCTIONAL):
            outside, body = _function(inner)
            stack += [(part, hidden) for part in outside]
            stack += [(part, hidden | local_names(inner)) for part in body]
            continue
        if isinstance(inner, COMPREHENSIONS):
            first = inner.generators[0].iter
            targets = {n.id for g in inner.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
            stack.append((first, hidden))
            stack += [(part, hidden | targets) for part in _parts_of(inner, first)]
            continue
        if isinstance(inner, ast.Attribute):
            if chain := dotted(inner):
                names = tuple(chain.split("."))
                yield names, names[0] in hidden
                continue
            yield ("", inner.attr), True
        elif isinstance(inner, ast.Name):
            yield (inner.id,), inner.id in hidden
        elif isinstance(inner, ast.Constant) and isinstance(inner.value, str) and inner.value[:2] == "__":
            yield ("", inner.value), True
        elif isinstance(inner, ast.Constant) and isinstance(inner.value, str) and "lineno" in inner.value:
            yield ("", "lineno"), True  # of a format for messages
        stack += [(child, hidden) for child in ast.iter_child_nodes(inner)]


def _function(node: ast.AST) -> tuple[list[ast.AST], list[ast.AST]]:
    """What of a function is evaluated outside it, and its body."""
    assert isinstance(node, FUNCTIONAL)
    outside: list[ast.AST] = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
    if isinstance(node, ast.Lambda):
        return outside, [node.body]
    return [*outside, *node.decorator_list, *annotated(node)], list(node.body)


def _parts_of(node: ast.AST, without: ast.AST) -> Iterator[ast.AST]:
    """The parts of a comprehension, those of its loops taken singly, but for one."""
    for child in ast.iter_child_nodes(node):
        parts = ast.iter_child_nodes(child) if isinstance(child, ast.comprehension) else [child]
        yield from (part for part in parts if part is not without)


def local_names(node: ast.AST) -> set[str]:
    """The names that a function binds for itself."""
    assert isinstance(node, FUNCTIONAL)
    arguments = node.args
    each = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    found = {argument.arg for argument in each if argument}
    outside = set[str]()
    stack: list[ast.AST] = [] if isinstance(node, ast.Lambda) else list(node.body)
    while stack:
        inner = stack.pop()
        if isinstance(inner, (*FUNCTIONS, ast.ClassDef)):
            found.add(inner.name)
            continue
        if isinstance(inner, ast.Lambda):
            continue
        if isinstance(inner, ast.Global):
            outside |= set(inner.names)
        elif isinstance(inner, ast.Name) and isinstance(inner.ctx, (ast.Store, ast.Del)):
            found.add(inner.id)
        elif isinstance(inner, (ast.Import, ast.ImportFrom)):
            found |= {item.asname or item.name.partition(".")[0] for item in inner.names}
        elif isinstance(inner, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and inner.name:
            found.add(inner.name)
        elif isinstance(inner, ast.MatchMapping) and inner.rest:
            found.add(inner.rest)
        if isinstance(inner, COMPREHENSIONS):  # its targets are its own; only := binds further out
            stack += [n.target for n in ast.walk(inner) if isinstance(n, ast.NamedExpr)]
        else:
            stack += ast.iter_child_nodes(inner)
    return found - outside
