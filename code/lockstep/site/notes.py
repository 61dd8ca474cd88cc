"""Side notes, folded questions, boxes and contents: what the page does with plain Markdown beyond bindings.

A note is a footnote of common Markdown: `[^name]` where it belongs, `[^name]: text` in a paragraph of its own. The page
sets it into the margin, or beneath where there is none. Below a heading that begins with "Questions", each `###`
heading is a question, and what follows it is its answer, folded.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from markdown_it.token import Token

SIXTY = "in sixty seconds"
QUESTIONS = re.compile(r"questions\b", re.IGNORECASE)
LISTED = ("h2", "h3")  # headings that the table of contents has
_HEADING = re.compile(r"<(h[1-6])\b([^>]*)>(.*?)</\1>\n?", re.DOTALL)


@dataclass
class Block:
    """One block of a page: its tag where it has one, its HTML, and the tokens that it comes from."""

    tag: str
    html: str
    tokens: Sequence[Token] = ()

    @property
    def text(self) -> str:
        """What a heading says."""
        return "".join(child.content for child in self.tokens[1].children or []) if self.tag in HEADINGS else ""


HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")


@dataclass
class Outline:
    """Sections by their identifiers, each of which is given once, and the table of contents."""

    used: set[str] = field(default_factory=set)
    entries: list[tuple[str, str, str]] = field(default_factory=list)  # tag, identifier, HTML

    def identifier(self, text: str) -> str:
        base = name = slug(text)
        number = 0
        while name in self.used or not name:
            number += 1
            name = f"{base}_{number}"
        self.used.add(name)
        return name

    def html(self) -> str:
        """The contents as nested lists."""
        if not self.entries:
            return '<div class="toc">\n<ul></ul>\n</div>\n'
        parts: list[str] = []
        for number, (tag, identifier, inner) in enumerate(self.entries):
            before = self.entries[number - 1][0] if number else ""
            if before:
                parts.append("<ul>\n" if tag > before else "</li>\n</ul>\n</li>\n" if tag < before else "</li>\n")
            parts.append(f'<li><a href="#{escape(identifier)}">{inner}</a>')
        deeper = self.entries[-1][0] > self.entries[0][0]
        return f'<div class="toc">\n<ul>\n{"".join(parts)}{"</li></ul>" if deeper else ""}</li>\n</ul>\n</div>\n'


def slug(text: str) -> str:
    """A heading as an identifier: `What's new?` is `whats-new`."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())


def note(name: str, number: int, html: str) -> str:
    """A number in the text, and the note right after it."""
    place = escape(f"note-{name}")
    mark = f'<sup><a href="#{place}">{number}</a></sup>'
    text = html.replace("\n", " ")
    return f'<span class="noted">{mark}<span class="note" id="{place}" role="note">{number} {text}</span></span>'


def sections(blocks: Sequence[Block], outline: Outline) -> str:
    """The page, with its box of sixty seconds and its answers folded; fills in the contents."""
    parts: list[str] = []
    box = answer = ""  # what closes the box, or the answer, that is open
    questions = False
    for block in blocks:
        if block.tag in LISTED:
            parts.append(answer)
            answer = ""
        if block.tag == "h2":
            parts.append(box)
            questions = bool(QUESTIONS.match(block.text.strip()))
            box = "</section>\n" if block.text.strip().lower() == SIXTY else ""
            parts.append('<section class="sixty">\n' if box else "")
        if block.tag == "h3" and questions:
            parts.append(_folded(block))
            answer = "</details>\n"
            continue
        if block.tag in LISTED and (heading := _HEADING.match(block.html)):
            outline.entries.append((block.tag, str(block.tokens[0].attrs["id"]), _plain(heading[3])))
        parts.append(block.html)
    return "".join([*parts, answer, box])


def _folded(block: Block) -> str:
    """The head of an answer: its question, which opens it."""
    identifier = escape(str(block.tokens[0].attrs["id"]))
    heading = _HEADING.match(block.html)
    assert heading
    return f'<details class="answer" id="{identifier}"><summary>{heading[3]}</summary>\n'


def _plain(html: str) -> str:
    """What a heading says in the table of contents: without links and marks of its own."""
    return re.sub(r"<[^>]+>", "", html)
