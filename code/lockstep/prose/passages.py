"""What is found in a file of prose: its header, its bindings, its links, and the text as a reader reads it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from markdown_it.token import Token

INLINE = ("measured", "reported", "config", "given", "claim")
BLOCK = ("table", "code", "demo")
KINDS = (*INLINE, *BLOCK)
VALUES = ("measured", "reported", "config")
HEADER = ("metadata:summary", "metadata:headline")  # where bindings may stand outside the body


@dataclass(frozen=True)
class Binding:
    """One binding; `start` and `end` are where its text stands in the source. Figures have the kind "figure"."""

    kind: str
    target: str
    text: str
    start: int
    end: int
    line: int
    place: str  # "body", "heading", "alt", "raw" or "metadata:NAME"
    alone: bool
    nested: bool = False
    plain: bool = True  # written as [text](kind:target), and not by way of a reference, brackets or entities


@dataclass(frozen=True)
class Field:
    """One entry of the header: its lines, each with its number and where its text begins."""

    name: str
    lines: tuple[tuple[int, int, str], ...]

    @property
    def line(self) -> int:
        return self.lines[0][0]

    @property
    def value(self) -> str:
        return " ".join(text for _, _, text in self.lines if text)


@dataclass(frozen=True)
class Part:
    """A piece of a passage: "text", or what else a reader sees there: "bound", "code", "math", "break"."""

    kind: str
    text: str
    at: int  # where in the source


@dataclass
class Passage:
    """Text that is read in one go: a paragraph, a cell, a caption, an alternative text.

    `place` is "body", "heading", "metadata:NAME", "caption", "claim", "alt", "title" or "html".
    """

    place: str
    parts: list[Part] = field(default_factory=list)


@dataclass(frozen=True)
class Address:
    """Where a link leads or a picture comes from, as a browser would read it."""

    href: str
    at: int
    picture: bool = False


@dataclass(frozen=True)
class Raw:
    """HTML as an author wrote it, with spaces for its comments; `closed` unless a comment goes on to its end."""

    html: str
    at: int
    closed: bool = True


@dataclass(frozen=True)
class Formula:
    """LaTeX between dollars."""

    content: str
    display: bool
    at: int


@dataclass(frozen=True)
class Named:
    """A citation's key, or the name of a note, with its place."""

    name: str
    at: int
    place: str = "body"


@dataclass
class Prose:
    """A source, and everything that its one parse found."""

    source: str
    fields: list[Field] = field(default_factory=list)
    body: int = 0  # where the header ends
    tokens: list[Token] = field(default_factory=list)  # of the body
    header: dict[str, list[tuple[int, list[Token]]]] = field(default_factory=dict)  # inline tokens of its entries
    bindings: list[Binding] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)
    addresses: list[Address] = field(default_factory=list)
    raw: list[Raw] = field(default_factory=list)
    formulas: list[Formula] = field(default_factory=list)
    citations: list[Named] = field(default_factory=list)
    notes: list[Named] = field(default_factory=list)
    texts_of_notes: list[Named] = field(default_factory=list)
    misread: list[tuple[int, str]] = field(default_factory=list)  # where something is no link, and why
    starts: list[int] = field(default_factory=list)  # of lines

    def line_of(self, offset: int) -> int:
        return bisect_right(self.starts, offset)

    @property
    def metadata(self) -> dict[str, tuple[str, int]]:
        """Value and line of each entry of the header, by its lower-cased name; the first counts."""
        return {one.name: (one.value, one.line) for one in reversed(self.fields)}
