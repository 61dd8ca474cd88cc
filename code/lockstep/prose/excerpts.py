"""Excerpts: code shown by symbol, as it stands, and only where a fresh run executed it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from lockstep.errors import QueryError, nearest
from lockstep.experiment import Stage
from lockstep.judge.freshness import Freshness
from lockstep.project.post import Post
from lockstep.prose.answers import CodeAnswer, Place
from lockstep.record.files import read_text


def function_of(post: Post, stage: Stage) -> Place:
    """Where the function of a stage stands: the first code to read behind a number."""
    path = post.declaration.parent / (stage.module.replace(".", "/") + ".py")
    return place_of(post, path, stage.function)


def place_of(post: Post, path: Path, symbol: str) -> Place:
    """File, symbol, first and last line. Raises QueryError naming the nearest symbol."""
    name = post.project.relative(path)
    first, last = symbol_lines(read_text(path, name), symbol, path.name)
    return {"path": name, "symbol": symbol, "first": first, "last": last}


def excerpt(post: Post, freshness: Freshness, target: str) -> CodeAnswer:
    """The excerpt `file.py#Symbol.name`. Raises QueryError for an unknown symbol, or one that no fresh run covers."""
    illustrative = target.endswith("?illustrative")
    place, _, symbol = target.removesuffix("?illustrative").partition("#")
    path = post.declaration.parent / place
    inside = path.resolve().is_relative_to(post.declaration.parent.resolve())
    if path.suffix != ".py" or not inside or not path.is_file():
        raise QueryError(
            f"there is no code file {place}{nearest(place, [p.name for p in post.declaration.parent.glob('*.py')])}"
        )
    shown = place_of(post, path, symbol)
    if not illustrative:
        _covered(post, freshness, path, symbol)
    lines = read_text(path, shown["path"]).split("\n")[shown["first"] - 1 : shown["last"]]
    return {**shown, "source": "\n".join(lines), "illustrative": illustrative}


def _covered(post: Post, freshness: Freshness, path: Path, symbol: str) -> None:
    inside = path.relative_to(post.declaration.parent).with_suffix("").parts
    module = ".".join(["posts", post.slug, *inside])
    wanted = f"{module}:{symbol.partition('.')[0]}"
    for state in freshness.all():  # a stale run is a problem of its own
        if state.kind in ("fresh", "stale") and wanted in freshness.reach(state.stage, state.keys, state.line).symbols:
            return
    raise QueryError(f"no fresh run of the post covers {path.name}#{symbol}: mark the excerpt ?illustrative, or run it")


def symbol_lines(source: str, symbol: str, place: str) -> tuple[int, int]:
    """First and last line of `Class.method`, decorators included. Raises QueryError naming the nearest symbol."""
    try:
        body = _parsed(source)
    except SyntaxError as error:
        raise QueryError(f"{place} does not parse: line {error.lineno}, {error.msg}") from None
    node: ast.stmt | None = None
    known: list[str] = []
    prefix = ""
    for part in symbol.split("."):
        named: Mapping[str, ast.stmt] = {name: inner for inner in body for name in _names(inner)}
        known += [prefix + name for name in named]
        if part not in named:
            raise QueryError(f'{place} has no symbol "{symbol}"{nearest(symbol, known)}')
        node = named[part]
        prefix += part + "."
        body = node.body if isinstance(node, ast.ClassDef) else []
    assert node is not None
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    return first, node.end_lineno or first


@lru_cache(maxsize=8)
def _parsed(source: str) -> list[ast.stmt]:
    return ast.parse(source).body


def _names(node: ast.stmt) -> list[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]
