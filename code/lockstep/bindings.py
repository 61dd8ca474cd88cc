"""Bindings in prose: find them in Markdown as it is rendered, and refresh their snapshots in place.

Code, math, raw HTML and escaped text are masked before anything is looked for, at the same length, so that every
position found is a position in the source.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lockstep.errors import nearest
from lockstep.files import read_text

INLINE = ("measured", "reported", "config", "given", "claim")
BLOCK = ("table", "code", "demo")
VALUES = ("measured", "reported", "config")
HEADER = ("metadata:summary", "metadata:headline")  # where bindings may stand outside the body
_MASK = "\x01"

_SCHEMES = "|".join((*INLINE, *BLOCK))
_TEXT = r"(?:[^\[\]\\]|\\.|\[(?:[^\[\]\\]|\\.)*\])*"
LINK = re.compile(rf'(?<![!\\])\[({_TEXT})\]\(\s*({_SCHEMES}):[ \t]*([^)"\s]*)(?:\s*"([^"]*)")?\s*\)')
IMAGE = re.compile(r'(?<!\\)!\[((?:[^\[\]\\]|\\.)*)\]\(\s*([^)"\s]*)(?:\s+"[^"]*")?\s*\)')
_ANY = re.compile(rf"(?<![!\\])\[{_TEXT}\]\(\s*([A-Za-z][\w+.-]*):")
_NOTE = re.compile(r"\[\^([^\]\s]+)\](?!:)")
_NOTE_TEXT = re.compile(r"^\[\^([^\]\s]+)\]:", re.MULTILINE)
CITED = re.compile(r"\[(@[\w:-]+(?:;\s*@[\w:-]+)*)\]")  # `[@key]`, `[@one; @two]`
CITATIONS = re.compile(r"\[@[^\]]*\]")
TARGETS_OF_LINKS = re.compile(r"\]\([^)]*\)")
ELSEWHERE = ("http", "https", "mailto", "tel")  # what a link may begin with besides
_FENCE = re.compile(r"^ {0,3}(```+|~~~+)")
_LIST = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s")
_LINES = re.compile(r"[^\n]*\n|[^\n]+")  # no other character ends a line of Markdown
_METADATA = re.compile(r"^([A-Za-z][\w-]*):[ \t]*(.*)$")
_ENDED = re.compile(r"[ \t]*(?:\n[ \t]*(?:\n|\Z)|\Z)")  # the rest of a paragraph that is over
_RAW_BLOCK = re.compile(r"^ {0,3}<(/?[A-Za-z][\w-]*|!--)")
_INLINE_TAGS = set(
    "a abbr b bdi bdo br button cite code data del dfn em i img input ins kbd label mark q s samp small span strong"
    " sub sup time u var wbr".split()
)
_INLINE_OPAQUE = re.compile(
    r"(?<!\\)(`+)(?!`).+?(?<!`)\1(?!`)"  # code
    r"|(?<!\\)\$\$.+?\$\$"  # display math
    r"|(?<![\\$\w])\$(?![\s$])[^$\n]+?(?<![\s\\])\$(?![\d$])"  # inline math
    r"|<!--.*?-->|</?[A-Za-z][^<>\n]*>",  # tags
    re.DOTALL,
)


@dataclass(frozen=True)
class Binding:
    """One binding; `start` and `end` are where its text stands in the source. Figures have the kind "figure"."""

    kind: str
    target: str
    text: str
    start: int
    end: int
    line: int
    place: str  # "body", "heading", "raw" or "metadata:NAME"
    alone: bool
    nested: bool = False


@dataclass(frozen=True)
class Prose:
    """A source with its bindings, its metadata by lower-cased name (value, line), and its masked text."""

    source: str
    masked: str
    metadata: dict[str, tuple[str, int]]
    bindings: list[Binding]
    body: int

    def line_of(self, offset: int) -> int:
        return self.source.count("\n", 0, offset) + 1


def parse(source: str) -> Prose:
    """Find everything that a post's source binds."""
    masked, raw = mask(source)
    metadata, body = _metadata(source)
    headings = _headings(masked, body)
    found: list[Binding] = []
    for pattern, figure in ((LINK, False), (IMAGE, True)):
        for text, opaque in ((masked, False), (raw, True)):
            for match in pattern.finditer(text):
                if figure and ":" in match[2].partition("/")[0]:
                    continue
                found.append(_binding(source, text, match, metadata, body, headings, figure, opaque))
                if not figure and (inner := LINK.search(match[1])):
                    at = match.start(1)
                    found.append(_nested(source, inner, at))
    return Prose(source, masked, metadata, sorted(found, key=lambda b: (b.start, b.end)), body)


def read(path: Path, name: str) -> Prose:
    """Parse a file of Markdown that messages call `name`. Raises LockstepError where it is no text."""
    return parse(read_text(path, name))


def fits(text: str) -> bool:
    """Can this stand as the text of a binding, and be read again?"""
    return LINK.fullmatch(f"[{text}](config:x)") is not None


def misread(prose: Prose) -> Iterator[tuple[int, str]]:
    """Lines, and what is wrong, of links that look like bindings and are none, and of notes and their texts."""
    known = (*INLINE, *BLOCK)
    for match in _ANY.finditer(prose.masked):
        scheme, message = match[1], ""
        if scheme not in known and scheme.lower() not in ELSEWHERE:
            message = f'a link begins with "{scheme}:", which binds nothing{nearest(scheme, known)}'
        elif scheme in known and not LINK.match(prose.masked, match.start()):
            message = f'what follows "{scheme}:" is one word without spaces' + (
                ', or a reason in quotation marks: [5](given: "…")' if scheme == "given" else "; a space in it is %20"
            )
        if message:
            yield prose.line_of(match.start()), message
    told = {match[1] for match in _NOTE_TEXT.finditer(prose.masked)}
    for match in _NOTE.finditer(prose.masked):
        if match[1] not in told:
            yield prose.line_of(match.start()), f"the note [^{match[1]}] has no text: write a line [^{match[1]}]: …"


def items(prose: Prose, name: str) -> list[tuple[int, str]]:
    """The lines of a header entry, each with its number."""
    value, first = prose.metadata.get(name, ("", 0))
    if not value:
        return []
    lines = prose.source.split("\n")
    found = [(first, lines[first - 1].partition(":")[2].strip())]
    for number, line in enumerate(lines[first:], start=first + 1):
        if not line.startswith("    ") or not line.strip():
            break
        found.append((number, line.strip()))
    return [(number, text) for number, text in found if text]


def sentence(prose: Prose, binding: Binding) -> str:
    """The sentence that holds a binding, on one line, with links as their text."""
    source = prose.source
    marks = ("\n\n", "\n- ")
    first = max(at + len(mark) if (at := source.rfind(mark, 0, binding.start)) >= 0 else 0 for mark in marks)
    if binding.place.startswith("metadata:"):
        first = source.rfind("\n", 0, binding.start) + 1
        first += match.start(2) if (match := _METADATA.match(source[first : binding.end])) else 0
        marks = ("\n",)
    ends = [at for mark in marks if (at := source.find(mark, binding.end)) >= 0]
    text, at = source[first : min(ends, default=len(source))], binding.start - first
    starts = [m.end() for m in re.finditer(r"[.!?][)*]*\s+(?=[A-Z\[*])", text[:at])]
    end = re.search(r"[.!?][)*]*(?=\s|$)", text[at + binding.end - binding.start :])
    stop = at + binding.end - binding.start + end.end() if end else len(text)
    return " ".join(re.sub(rf"!?\[({_TEXT})\]\([^)]*\)", r"\1", text[starts[-1] if starts else 0 : stop]).split())


def _binding(
    source: str,
    text: str,
    match: re.Match[str],
    metadata: dict[str, tuple[str, int]],
    body: int,
    headings: list[tuple[int, int]],
    figure: bool,
    opaque: bool,
) -> Binding:
    line = source.count("\n", 0, match.start()) + 1
    place = "raw" if opaque else "body"
    if match.start() < body:
        names = [name for name, (_, at) in metadata.items() if at <= line]
        place = f"metadata:{names[-1] if names else ''}"
    elif any(start <= match.start() < end for start, end in headings):
        place = "heading"
    kind = "figure" if figure else match[2]
    target = match[2] if figure else source[match.start(3) : match.end(3)]
    if not figure and match[4] is not None:
        target = (target + " " + source[match.start(4) : match.end(4)]).strip()
    alone = place == "body" and _alone(text, match)
    return Binding(kind, target, source[match.start(1) : match.end(1)], *match.span(1), line, place, alone)


def _nested(source: str, inner: re.Match[str], offset: int) -> Binding:
    start, end = offset + inner.start(1), offset + inner.end(1)
    line = source.count("\n", 0, start) + 1
    return Binding(inner[2], inner[3], inner[1], start, end, line, "body", False, nested=True)


def _alone(text: str, match: re.Match[str]) -> bool:
    """Is the link a paragraph of its own?"""
    *_, above, own = ["\n", *text[: match.start()].rsplit("\n", 2)]
    if len(own) > 3 or own.strip(" ") or above.strip(" \t\n"):
        return False
    return bool(_ENDED.match(text, match.end()))


def _metadata(source: str) -> tuple[dict[str, tuple[str, int]], int]:
    """The header lines `Name: value`, as Pelican reads them, and where the body begins."""
    found: dict[str, tuple[str, int]] = {}
    offset, last = 0, ""
    for number, line in enumerate(_LINES.findall(source), start=1):
        if match := _METADATA.match(line.rstrip("\n")):
            last = match[1].lower()
            found[last] = (match[2].strip(), number)
        elif last and line.startswith("    ") and line.strip():
            found[last] = (f"{found[last][0]} {line.strip()}", found[last][1])
        else:
            break
        offset += len(line)
    return found, offset


def _headings(masked: str, body: int) -> list[tuple[int, int]]:
    spans = [m.span() for m in re.finditer(r"^ {0,3}#{1,6}.*$", masked, re.MULTILINE)]
    spans += [m.span() for m in re.finditer(r"^[^\n]*\S[^\n]*\n {0,3}(?:=+|-+)[ \t]*$", masked, re.MULTILINE)]
    return [span for span in spans if span[0] >= body]


def mask(source: str) -> tuple[str, str]:
    """The source with everything opaque blanked, and the raw HTML alone: both as long as the source."""
    chars, raw = list(source), [c if c == "\n" else " " for c in source]

    def blank(start: int, end: int, html: bool = False) -> None:
        for i in range(start, end):
            if chars[i] != "\n":
                raw[i] = chars[i] if html else " "
                chars[i] = _MASK

    for start, end, html in _opaque_blocks(source):
        blank(start, end, html)
    for match in list(_INLINE_OPAQUE.finditer("".join(chars))):
        blank(*match.span(), html=match[0].startswith("<") and not match[0].startswith("<!--"))
    return "".join(chars), "".join(raw)


def _opaque_blocks(source: str) -> Iterator[tuple[int, int, bool]]:
    """Fenced and indented code, and blocks of raw HTML: (start, end, is HTML)."""
    offset, fence, html_until, in_list, blank_before = _metadata(source)[1], "", "", False, True
    for line in _LINES.findall(source, offset):
        end = offset + len(line)
        if fence:
            yield offset, end, False
            if line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif html_until:
            yield offset, end, not html_until.startswith("-->")
            if html_until in line:
                html_until = ""
        elif match := _FENCE.match(line):
            fence = match[1]
            yield offset, end, False
        elif blank_before and (match := _RAW_BLOCK.match(line)) and match[1].strip("/").lower() not in _INLINE_TAGS:
            comment = match[1] == "!--"
            closing = "-->" if comment else f"</{match[1].strip('/')}>"
            yield offset, end, not comment
            if closing not in line and not match[1].startswith("/") and not line.rstrip().endswith("/>"):
                html_until = closing
        elif line.startswith(("    ", "\t")) and blank_before and not in_list:
            yield offset, end, False
            line = "\n"  # the next indented line belongs to the same block
        elif line.strip():
            in_list = bool(_LIST.match(line)) or (in_list and (line[0] in " \t" or not blank_before))
        blank_before = not line.strip()
        offset = end


def refresh(source: str, text_of: Callable[[Binding], str]) -> str:
    """Put today's text into every value binding. Nothing else of the source changes."""
    for binding in reversed(parse(source).bindings):
        if binding.kind in VALUES and not binding.nested and _may_stand(binding):
            source = source[: binding.start] + text_of(binding) + source[binding.end :]
    return source


def _may_stand(binding: Binding) -> bool:
    return binding.place in ("body", *HEADER)
