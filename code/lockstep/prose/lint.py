"""Numbers in prose that nothing binds: the lint that keeps a post from drifting by hand.

It reads what a reader reads: paragraphs, cells, headings, captions, alternative texts, titles of links, raw HTML, and
of the header the title, the summary and the headlines. What counts as a number is for `numbers.py` to say.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser

from lockstep.errors import Problem
from lockstep.prose.numbers import Quantity, quantities
from lockstep.prose.passages import HEADER, Part, Passage, Prose

_HIDDEN = "\ufffc"  # stands for a binding, code, a formula or a picture within a passage
_SAID = ("alt", "title", "aria-label", "summary", "abbr")  # attributes that are read to somebody
WAYS_OUT = {
    "heading": "a heading binds nothing: move it into the text",
    "metadata:title": "a title binds nothing: leave it to the text",
    "alt": "an alternative text binds nothing: say it in the caption, bound",
    "title": "the title of a link binds nothing: say it in the text, bound",
    "caption": "the caption of an insertion binds nothing: say it in the text, bound",
    "claim": "the phrase of a claim holds no number: bind it beside the phrase",
    "html": "raw HTML binds nothing: write Markdown",
}


def unbound(prose: Prose, shown: Iterable[str], file: str) -> Iterator[Problem]:
    """A problem for every unbound number. `shown` are the texts that the page's bindings show."""
    integers = frozenset(value for value in map(_integer_in, shown) if len(value) > 1)
    for passage in [*prose.passages, *_of_html(prose)]:
        if passage.place.startswith("metadata:") and passage.place not in (*HEADER, "metadata:title"):
            continue
        text, begins = _read(passage)
        for one in quantities(text, integers):
            if passage.place == "claim" and re.search(r"\d", text):
                break  # which the check says of the whole phrase
            at = passage.parts[bisect_right(begins, one.start) - 1].at
            yield Problem(file, prose.line_of(at), _message(one, " ".join(text[one.start : one.end].split()), passage))


def _message(found: Quantity, text: str, passage: Passage) -> str:
    way_out = WAYS_OUT.get(passage.place) or f'bind it, or give its reason: [{text}](given: "…")'
    return f'"{text}" is {found.what} that nothing binds: {way_out}'


def _read(passage: Passage) -> tuple[str, list[int]]:
    """The text of a passage, and where in it each part begins."""
    texts = [part.text if part.kind == "text" else "\n" if part.kind == "break" else _HIDDEN for part in passage.parts]
    begins, at = [], 0
    for text in texts:
        begins.append(at)
        at += len(text)
    return "".join(texts), begins


def _integer_in(text: str) -> str:
    match = re.match(r"[\d,]+(?![\d.,])", text)
    return match[0].replace(",", "") if match else ""


def _of_html(prose: Prose) -> Iterator[Passage]:
    for raw in prose.raw:
        parser = _Said(prose.starts, prose.line_of(raw.at))
        parser.feed(raw.html)
        parser.close()
        yield from parser.passages


class _Said(HTMLParser):
    """What raw HTML says: its text, and those attributes that are read."""

    def __init__(self, starts: list[int], line: int):
        super().__init__()
        self.passages: list[Passage] = []
        self.starts, self.line = starts, line

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name in _SAID:
                self.handle_data(value)

    def handle_data(self, data: str) -> None:
        line = min(self.line + self.getpos()[0] - 1, len(self.starts))
        self.passages.append(Passage("html", [Part("text", data, self.starts[line - 1])]))
