"""From the tokens of a source to what they say: bindings with their places, links, and the text that is read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from markdown_it.token import Token

from lockstep.prose.commonmark import Origin, Parser
from lockstep.prose.passages import (
    BLOCK,
    HEADER,
    INLINE,
    KINDS,
    Address,
    Binding,
    Formula,
    Named,
    Part,
    Passage,
    Prose,
    Raw,
)

SCHEME = re.compile(rf"({'|'.join(KINDS)}):(.*)", re.DOTALL)
WRITTEN = re.compile(rf"\]\(\s*({'|'.join(KINDS)}):")  # what follows the text of a binding
BOUND_IN_TEXT = re.compile(rf"\[([^\[\]]*)\]\(\s*({'|'.join(KINDS)}):([^)\s]*)[^)]*\)")
_NOT_LINE = re.compile(r"[^\n]")
_BRACKETS = re.compile(r"[\[\]]")
_LEFT = re.compile(r"\]\(\s*<?\s*([A-Za-z][\w+.-]*):")  # the end of what looks like a link and is none
_KIND_OF_PART = {"softbreak": "break", "hardbreak": "break", "code_inline": "code", "math": "math"}
PARSER = Parser()


def read(prose: Prose) -> None:
    """Parse header and body, and fill in everything that they hold."""
    source = prose.source.replace("\r", " ").replace("\0", "\ufffd")  # as long as it was
    lines = source.split("\n")
    skipped = source.count("\n", 0, prose.body)
    walker = _Walker(prose, lines)
    for one in prose.fields:
        walker.header(one.name, list(one.lines))
    prose.tokens = PARSER.parse("\n" * skipped + source[prose.body :], {})
    walker.body()
    prose.bindings.sort(key=lambda binding: (binding.start, binding.end))


def inline(text: str) -> list[Token]:
    """The tokens of a text that is no block: an entry of the header."""
    return PARSER.parseInline(text, {})[0].children or []


@dataclass
class _Open:
    """Links and brackets of one block that are not closed yet."""

    parts: list[Part]
    passage: Passage | None = None  # that a binding's own text makes
    brackets: list[int] = field(default_factory=list)  # how many bindings there were at each
    autolink: bool = False
    binding: bool = False


class _Walker:
    def __init__(self, prose: Prose, lines: list[str]):
        self.prose, self.lines = prose, lines
        self.cell_line, self.cell_at = -1, 0

    def header(self, name: str, lines: list[tuple[int, int, str]]) -> None:
        """An entry: the summary is one text, of headlines each line is, others are no Markdown."""
        place = f"metadata:{name}"
        if place not in HEADER:
            for number, at, text in lines:
                self.prose.passages.append(Passage(place, [Part("text", text, at)]))
                self.bound_in(text, at, number, place)
            return
        for group in [lines] if name == "summary" else [[line] for line in lines]:
            if (content := "\n".join(text for _, _, text in group)).strip():
                tokens = inline(content)
                self.prose.header.setdefault(name, []).append((group[0][0], tokens))
                self.text(tokens, Origin(content, group[0][0] - 1, self.lines, self.prose.starts), place, False)

    def body(self) -> None:
        place, before = "body", Token("", "", 0)
        for token in self.prose.tokens:
            if token.type in ("heading_open", "paragraph_open", "td_open", "th_open", "note_open"):
                place = {"heading_open": "heading", "note_open": "note"}.get(token.type, "body")
                if token.type == "note_open" and token.map:
                    self.prose.texts_of_notes.append(Named(token.meta["name"], self.prose.starts[token.map[0]]))
            elif token.type == "html_block" and token.map:
                self.html(token.content, self.prose.starts[token.map[0]])
            elif token.type == "math_block" and token.map:
                self.prose.formulas.append(Formula(token.content, True, self.prose.starts[token.map[0]]))
            elif token.type == "fence" and token.map and token.map[1] - token.map[0] - 1 == token.content.count("\n"):
                told = f"the code that begins here has no end: close it with {token.markup}"
                self.prose.misread.append((self.prose.starts[token.map[0]], told))
            elif token.type == "inline" and token.map and token.content:
                alone = before.type == "paragraph_open" and before.level == 0
                self.text(token.children or [], self.origin(token, before), place, alone)
            before = token

    def origin(self, token: Token, before: Token) -> Origin:
        assert token.map
        if before.type not in ("td_open", "th_open"):
            return Origin(token.content, token.map[0], self.lines, self.prose.starts)
        if token.map[0] != self.cell_line:
            self.cell_line, self.cell_at = token.map[0], 0
        written = token.content.replace("|", "\\|")
        at = max(self.cell_at, self.lines[self.cell_line].find(written, self.cell_at))
        self.cell_at = at + len(written)
        return Origin.of_cell(token.content, self.prose.starts[self.cell_line] + at)

    def text(self, tokens: list[Token], origin: Origin, place: str, may_be_alone: bool) -> None:
        """The text of one block: everything in it, and the passage that it is."""
        passage = Passage(place)
        self.prose.passages.append(passage)
        state = _Open(passage.parts)
        shown = [token for token in tokens if token.type != "text" or token.content.strip()]
        alone = may_be_alone and (len(shown) == 1 or _end(shown) == len(shown) - 1)
        for token in tokens:
            self.one(token, origin, place, alone and token is shown[0], state, passage)

    def one(self, token: Token, origin: Origin, place: str, alone: bool, state: _Open, passage: Passage) -> None:
        at = origin(token.meta.get("at", 0))
        if token.type in ("text", "text_special"):
            state.parts.append(Part("code" if state.autolink else "text", token.content, at))
            if token.type == "text":  # an escaped bracket is none
                self.brackets(token.content, at, state)
        elif kind := _KIND_OF_PART.get(token.type):
            state.parts.append(Part(kind, token.content or "\n", at))
            if kind == "math":
                self.prose.formulas.append(Formula(token.content, token.markup == "$$", at))
        elif token.type == "link_open":
            self.link(token, origin, place, alone, state)
        elif token.type == "link_close":
            state.parts, state.autolink, state.binding = passage.parts, False, False
        elif token.type == "image":
            self.image(token, origin, place, alone)
            state.parts.append(Part("image", "", at))
        elif token.type == "html_inline" and (state.binding or place == "alt" or place.startswith("metadata:")):
            state.parts.append(Part("text", token.content, at))  # which comes out as text
        elif token.type == "html_inline":
            self.html(token.content, at)
        elif token.type == "citation":
            self.prose.citations += [Named(key, at, place) for key in token.meta["keys"]]
            token.meta["line"] = self.prose.line_of(at)
            state.parts.append(Part("cited", "", at))
        elif token.type == "note":
            self.prose.notes.append(Named(token.meta["name"], at, place))
            state.parts.append(Part("cited", "", at))

    def link(self, token: Token, origin: Origin, place: str, alone: bool, state: _Open) -> None:
        href, title = str(token.attrs["href"]), str(token.attrs.get("title", ""))
        at = origin(token.meta["span"][0] if "span" in token.meta else token.meta["at"])
        state.autolink = token.markup == "autolink"
        if not (match := SCHEME.match(href)):
            self.prose.addresses.append(Address(href, at))
            self.aside("title", title, at)
            return
        kind, target = match[1], f"{match[2]} {title}".strip()
        start = origin(token.meta["at"])
        end = self.closing(token, origin, start)
        written = WRITTEN.match(self.prose.source, end)
        binding = Binding(
            *(kind, target, self.prose.source[start:end], start, end, self.prose.line_of(at)),
            place="body" if place == "note" else place,
            alone=alone,
            plain=written is not None and written[1] == kind,
        )
        token.meta["binding"] = binding
        self.prose.bindings.append(binding)
        state.binding = True
        state.parts.append(Part("bound", binding.text if kind in INLINE and kind != "claim" else "", start))
        own = Passage("claim" if kind == "claim" else "caption" if kind in BLOCK else "bound")
        if own.place != "bound":
            self.prose.passages.append(own)
        state.parts = own.parts

    def closing(self, token: Token, origin: Origin, start: int) -> int:
        """Where the text of a link ends in the source."""
        return origin(token.meta["closes"]) if "closes" in token.meta else start

    def image(self, token: Token, origin: Origin, place: str, alone: bool) -> None:
        source, (first, _) = str(token.attrs["src"]), token.meta["span"]
        at = origin(first)
        start, end = origin(first + 2), origin(first + 2 + len(token.content))
        self.prose.addresses.append(Address(source, at, picture=True))
        if ":" not in source.partition("/")[0]:
            line = self.prose.line_of(at)
            plain = self.prose.source.startswith("](", end)
            binding = Binding(
                "figure", source, self.prose.source[start:end], start, end, line, place, alone, plain=plain
            )
            token.meta["binding"] = binding
            self.prose.bindings.append(binding)
        self.aside("title", str(token.attrs.get("title", "")), at)
        inside = [replace(child, meta=dict(child.meta)) for child in token.children or []]
        for child in inside:
            child.meta["at"] = child.meta.get("at", 0) + first + 2
            if "span" in child.meta:
                child.meta["span"] = tuple(each + first + 2 for each in child.meta["span"])
            if "closes" in child.meta:
                child.meta["closes"] += first + 2
        self.text(inside, origin, "alt", False)

    def aside(self, place: str, text: str, at: int) -> None:
        if text:
            self.prose.passages.append(Passage(place, [Part("text", text, at)]))

    def html(self, html: str, at: int) -> None:
        """HTML of the author's, and what stands in it that only Markdown can bind."""
        shown, closed = without_comments(html)
        self.prose.raw.append(Raw(shown, at, closed))
        self.bound_in(shown, at, self.prose.line_of(at), "raw")

    def bound_in(self, text: str, at: int, first: int, place: str) -> None:
        """What stands in a text that is no Markdown, and only Markdown can bind."""
        for match in BOUND_IN_TEXT.finditer(text):
            line = first + text.count("\n", 0, match.start())
            self.prose.bindings.append(Binding(match[2], match[3], match[1], at, at, line, place, False))

    def brackets(self, text: str, at: int, state: _Open) -> None:
        """What is left of brackets once links are taken out: a link that is none, around another or with spaces."""
        for match in _BRACKETS.finditer(text):
            if match[0] == "[":
                state.brackets.append(len(self.prose.bindings))
                continue
            first = state.brackets.pop() if state.brackets else None
            if first is None or not (left := _LEFT.match(text, match.start())):
                continue
            scheme = left[1]
            if inner := self.prose.bindings[first:]:
                self.prose.bindings[first:] = [replace(binding, nested=True) for binding in inner]
            elif scheme in KINDS:
                self.prose.misread.append((at, _no_link(scheme)))
            elif close := get_close_matches(scheme, KINDS, n=1):
                told = f'"{scheme}:" begins no link, and binds nothing; did you mean "{close[0]}"?'
                self.prose.misread.append((at, told))


def without_comments(html: str) -> tuple[str, bool]:
    """HTML with spaces for its comments, and whether the last of them is closed."""
    parts, at = [], 0
    while (start := html.find("<!--", at)) >= 0:
        end = html.find("-->", start + 2)  # also <!--> and <!---> are whole
        end = len(html) if end < 0 else end + 3
        parts += [html[at:start], _NOT_LINE.sub(" ", html[start:end])]
        at = end
        if not html.endswith("-->", start + 2, end):
            return "".join(parts), False
    return "".join([*parts, html[at:]]), True


def _no_link(scheme: str) -> str:
    reason = ', or a reason in quotation marks: [5](given: "…")' if scheme == "given" else "; a space in it is %20"
    return f'what follows "{scheme}:" is one word without spaces{reason}'


def _end(tokens: list[Token]) -> int:
    """The position of the token that closes the link which the first of them opens; -2 where that is none."""
    if not tokens or tokens[0].type != "link_open":
        return -2
    return next(i for i, token in enumerate(tokens) if token.type == "link_close")
