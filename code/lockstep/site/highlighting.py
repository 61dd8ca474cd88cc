"""Code in colour: only what the theme's style sheet colours becomes an element; a page of code has half as many so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pygments import highlight
from pygments.filter import Filter
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import PythonLexer, get_lexer_by_name
from pygments.lexers.special import TextLexer
from pygments.token import STANDARD_TYPES, Text
from pygments.util import ClassNotFound

STYLED = frozenset(  # the classes of site.css
    "k kn kd ow kc s s1 s2 sd sa si se sb c c1 ch nf nc nd fm mi mf nb bp".split()
)


class _Plain(Filter):
    """Tokens that no style tells from the text around them are text."""

    def filter(self, lexer: Lexer | None, stream: Any) -> Iterator[Any]:
        for kind, value in stream:
            yield (kind if STANDARD_TYPES.get(kind, "") in STYLED else Text), value


def python(source: str, **options: Any) -> str:
    """Python as HTML without a frame; `options` are those of the lexer."""
    return highlight(source, _filtered(PythonLexer(**options)), HtmlFormatter(nowrap=True))


def framed(source: str, language: str) -> str:
    """A block of code of the prose, in a language that Pygments knows, or as text."""
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        lexer = TextLexer()
    return highlight(source, _filtered(lexer), HtmlFormatter(cssclass="highlight", wrapcode=True))


def _filtered(lexer: Lexer) -> Lexer:
    lexer.add_filter(_Plain())
    return lexer
