"""Side notes, folded questions, and boxes: what the page does with plain Markdown beyond bindings.

A note is a footnote of common Markdown: `[^name]` where it belongs, `[^name]: text` in a paragraph of its own. The page
sets it into the margin, or beneath where there is none. Below a heading that begins with "Questions", each `###`
heading is a question, and what follows it is its answer, folded.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as etree

from markdown import Markdown
from markdown.extensions import Extension
from markdown.extensions.toc import slugify
from markdown.inlinepatterns import InlineProcessor
from markdown.preprocessors import Preprocessor
from markdown.treeprocessors import Treeprocessor

from lockstep.errors import LockstepError, nearest

DEFINITION = re.compile(r"^ {0,3}\[\^([\w-]+)\]:[ \t]+(.+)$")
SIXTY = "in sixty seconds"
QUESTIONS = re.compile(r"questions\b", re.IGNORECASE)


class Notes(Extension):
    """Notes of one document. Raises LockstepError for a note without a text, or a text without its note."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self.used: list[str] = []

    def extendMarkdown(self, md: Markdown) -> None:
        md.registerExtension(self)
        md.preprocessors.register(Definitions(self, md), "note-definitions", 15)
        md.inlinePatterns.register(Reference(r"\[\^([\w-]+)\]", md, self), "notes", 183)
        md.treeprocessors.register(Sections(self, md), "sections", 8)

    def reset(self) -> None:
        self.texts, self.used = {}, []


class Definitions(Preprocessor):
    """Takes the texts of notes out of the document."""

    def __init__(self, notes: Notes, md: Markdown):
        super().__init__(md)
        self.notes = notes

    def run(self, lines: list[str]) -> list[str]:
        kept: list[str] = []
        open_note = ""
        for line in lines:
            if match := DEFINITION.match(line):
                open_note = match[1]
                if open_note in self.notes.texts:
                    raise LockstepError(f'the note "{open_note}" has two texts')
                self.notes.texts[open_note] = match[2]
            elif open_note and line.strip() and line.startswith(" "):
                self.notes.texts[open_note] += f" {line.strip()}"
            else:
                open_note = ""
                kept.append(line)
        return kept


class Reference(InlineProcessor):
    """`[^name]`: a number in the text, and the note right after it."""

    def __init__(self, pattern: str, md: Markdown, notes: Notes):
        super().__init__(pattern, md)
        self.notes = notes

    def handleMatch(self, m: re.Match[str], data: str) -> tuple[etree.Element, int, int]:  # type: ignore[override]
        name, texts = m[1], self.notes.texts
        if name not in texts:
            raise LockstepError(f'the note "{name}" has no text: write [^{name}]: …{nearest(name, texts)}')
        if name in self.notes.used:
            raise LockstepError(f'the note "{name}" stands twice: each has one place')
        self.notes.used.append(name)
        number = str(len(self.notes.used))
        both = etree.Element("span", {"class": "noted"})
        mark = etree.SubElement(etree.SubElement(both, "sup"), "a", {"href": f"#note-{name}"})
        mark.text = number
        note = etree.SubElement(both, "span", {"class": "note", "id": f"note-{name}", "role": "note"})
        note.text = f"{number} {texts[name]}"
        return both, m.start(0), m.end(0)


class Sections(Treeprocessor):
    """The box of sixty seconds and the folded answers; every text of a note must have found its place."""

    def __init__(self, notes: Notes, md: Markdown):
        super().__init__(md)
        self.notes = notes

    def run(self, root: etree.Element) -> None:
        if unused := [name for name in self.notes.texts if name not in self.notes.used]:
            raise LockstepError(f'nothing refers to the note "{unused[0]}": write [^{unused[0]}] where it belongs')
        for heading in list(root):
            if heading.tag == "h2" and "".join(heading.itertext()).strip().lower() == SIXTY:
                gather(root, list(root).index(heading), etree.Element("section", {"class": "sixty"}), ("h2",))
        inside = False
        for heading in list(root):
            if heading.tag == "h2":
                inside = bool(QUESTIONS.match("".join(heading.itertext()).strip()))
            elif heading.tag == "h3" and inside:
                self.fold(root, heading)

    def fold(self, root: etree.Element, heading: etree.Element) -> None:
        """A question and what follows it, as one element that opens."""
        answer = etree.Element("details", {"class": "answer", "id": slugify("".join(heading.itertext()), "-")})
        gather(root, list(root).index(heading), answer, ("h2", "h3"))
        heading.tag = "summary"


def gather(root: etree.Element, start: int, into: etree.Element, until: tuple[str, ...]) -> None:
    """Move an element and what follows it, up to the next of some tags, into another in its place."""
    children = list(root)
    end = next((i for i in range(start + 1, len(children)) if children[i].tag in until), len(children))
    for member in children[start:end]:
        root.remove(member)
        into.append(member)
    root.insert(start, into)
