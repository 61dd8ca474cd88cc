"""Bindings in prose: find them in Markdown as it is rendered, and refresh their snapshots in place."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from markdown_it.token import Token

from lockstep.prose import walk
from lockstep.prose.commonmark import CITED
from lockstep.prose.passages import BLOCK, HEADER, INLINE, KINDS, VALUES, Binding, Field, Prose
from lockstep.record.files import read_text

__all__ = ["BLOCK", "CITED", "HEADER", "INLINE", "KINDS", "VALUES", "Binding", "Prose"]
_ENTRY = re.compile(r"([A-Za-z][\w-]*):[ \t]*(.*)")
_LINK = re.compile(r"!?\[((?:[^\[\]\\]|\\.|\[(?:[^\[\]\\]|\\.)*\])*)\]\([^)]*\)")


@lru_cache(maxsize=64)
def parse(source: str) -> Prose:
    """Find everything that a post's source binds, and what else it says. The header is read as Pelican's is."""
    starts = [0, *(at + 1 for at, character in enumerate(source) if character == "\n")]
    fields, body = _header(source, starts)
    prose = Prose(source, fields, body, starts=starts)
    walk.read(prose)
    return prose


def read(path: Path, name: str) -> Prose:
    """Parse a file of Markdown that messages call `name`. Raises LockstepError where it is no text."""
    return parse(read_text(path, name))


def _header(source: str, starts: list[int]) -> tuple[list[Field], int]:
    """The lines `Name: value` before the first line that is neither one nor, indented by four, goes on; and its end."""
    found: list[tuple[str, list[tuple[int, int, str]]]] = []
    for number, start in enumerate(starts, start=1):
        line = source[start : starts[number] - 1] if number < len(starts) else source[start:]
        if match := _ENTRY.fullmatch(line):
            found.append((match[1].lower(), [(number, start + match.start(2), match[2].strip())]))
        elif found and line.startswith("    ") and line.strip():
            found[-1][1].append((number, start + len(line) - len(line.lstrip()), line.strip()))
        else:
            return [Field(name, tuple(lines)) for name, lines in found], start
    return [Field(name, tuple(lines)) for name, lines in found], len(source)


@lru_cache(maxsize=1024)
def fits(text: str) -> bool:
    """Can this stand as the text of a binding, and be read again as what it is?"""
    tokens = walk.inline(f"[{text}](config:x)")
    kinds = [token.type for token in tokens]
    return kinds == ["link_open", *["text"] * (len(kinds) - 2), "link_close"] and _told(tokens) == text


def _told(tokens: list[Token]) -> str:
    return "".join(token.content for token in tokens)


def items(prose: Prose, name: str) -> list[tuple[int, str]]:
    """The lines of a header entry, each with its number."""
    field = next((one for one in prose.fields if one.name == name), None)
    return [(number, text) for number, _, text in field.lines if text] if field else []


def sentence(prose: Prose, binding: Binding) -> str:
    """The sentence that holds a binding, on one line, with links as their text."""
    source = prose.source
    marks = ("\n\n", "\n- ")
    first = max(at + len(mark) if (at := source.rfind(mark, 0, binding.start)) >= 0 else 0 for mark in marks)
    if binding.place.startswith("metadata:"):
        lines = [line for field in prose.fields for line in field.lines]
        first = lines[bisect_right([at for _, at, _ in lines], binding.start) - 1][1]
        marks = ("\n",)
    ends = [at for mark in marks if (at := source.find(mark, binding.end)) >= 0]
    text, at = source[first : min(ends, default=len(source))], binding.start - first
    starts = [m.end() for m in re.finditer(r"[.!?][)*]*\s+(?=[A-Z\[*])", text[:at])]
    end = re.search(r"[.!?][)*]*(?=\s|$)", text[at + binding.end - binding.start :])
    stop = at + binding.end - binding.start + end.end() if end else len(text)
    return " ".join(_LINK.sub(r"\1", text[starts[-1] if starts else 0 : stop]).split())


def refresh(source: str, text_of: Callable[[Binding], str]) -> str:
    """Put today's text into every value binding. Nothing else of the source changes."""
    for binding in reversed(parse(source).bindings):
        if binding.kind in VALUES and binding.plain and not binding.nested and binding.place in ("body", *HEADER):
            source = source[: binding.start] + text_of(binding) + source[binding.end :]
    return source
