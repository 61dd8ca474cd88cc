"""The one parser of prose: CommonMark with tables, strikethrough, formulas, citations and notes, and places.

`check` and the site read the same tokens, so that what is checked is what is rendered, and both are what a code host
shows. Beyond what markdown-it-py does, each inline token knows where it begins in the text of its block, `meta["at"]`;
a link or an image also from where to where it is written, `meta["span"]`, and where its text ends, `meta["closes"]`.
`Origin` leads from there to the source.

| written | token | its fields |
| --- | --- | --- |
| `$…$`, `$$…$$` | `math` | `content`; `markup` "$" or "$$" |
| `$$` alone on its lines, as a block | `math_block` | `content` |
| `[@key; @other]` | `citation` | `meta["keys"]` |
| `[^name]` | `note` | `meta["name"]` |
| `[^name]: text`, up to a blank line | `note_open`, `inline`, `note_close` | `meta["name"]` |

A source: the CommonMark specification 0.31, https://spec.commonmark.org/, and its tables of GitHub.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from typing import Any, Literal

from markdown_it import MarkdownIt
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore, smartquotes, text_join
from markdown_it.rules_inline import StateInline, image, link
from markdown_it.token import Token

CITED = re.compile(r"\[(@[\w:-]+(?:;\s*@[\w:-]+)*)\]")  # `[@key]`, `[@one; @two]`
NOTE = re.compile(r"\[\^([^\s\[\]^]+)\]")
NOTE_TEXT = re.compile(r"\[\^([^\s\[\]^]+)\]:[ \t]+(?=\S)")
INLINE_MATH = re.compile(r"(?<![\\$\w])\$(?![\s$])([^$\n]+?)(?<![\s\\])\$(?![\d$])")
PUNCTUATION = ".,;:"  # may follow a formula that is a paragraph
_CLOSING = re.compile(r"\s#+\s*$")


class Located(StateInline):
    """Tells each token where it begins in the text of its block."""

    began: int | None = None

    def append_pending(self, text: str) -> None:
        if self.began is None:
            self.began = self.pos
        super().append_pending(text)

    def pushPending(self) -> Token:
        token = super().pushPending()
        token.meta["at"], self.began = self.pos if self.began is None else self.began, None
        return token

    def push(self, ttype: str, tag: str, nesting: Literal[-1, 0, 1]) -> Token:
        token = super().push(ttype, tag, nesting)
        token.meta["at"], self.began = self.pos, None
        return token


class Inline(ParserInline):
    """The parser of a block's text, with tokens that are located."""

    def parse(self, src: str, md: MarkdownIt, env: Any, tokens: list[Token]) -> list[Token]:
        state = Located(src, md, env, tokens)
        self.tokenize(state)
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state.tokens


class Parser(MarkdownIt):
    """Addresses are kept as they are written: what may stand in one is for `addresses.py` to say, with its line."""

    def __init__(self) -> None:
        super().__init__("commonmark")
        self.inline = Inline()
        self.configure("commonmark", {"typographer": True})
        self.enable(["table", "strikethrough"]).disable("text_join")  # see typeset
        block, inline = self.block.ruler, self.inline.ruler
        block.before("fence", "math_block", math_block)
        block.before("reference", "note_text", note_text, {"alt": ["paragraph", "reference", "blockquote"]})
        inline.before("escape", "math", math)
        inline.before("link", "note", note)
        inline.before("link", "citation", citation)
        inline.at("link", _spanning(link, "link_open"))
        inline.at("image", _spanning(image, "image"))

    def validateLink(self, url: str) -> bool:
        return True

    def normalizeLink(self, url: str) -> str:
        return url

    def normalizeLinkText(self, link: str) -> str:
        return link


def typeset(parser: Parser, tokens: list[Token]) -> list[Token]:
    """With curly quotation marks, and escaped characters as text like any other: the last step before a page."""
    state = StateCore("", parser, {}, tokens)
    smartquotes(state)
    text_join(state)
    return tokens


def _spanning(rule: Callable[[StateInline, bool], bool], kind: str) -> Callable[[StateInline, bool], bool]:
    """A rule whose token of this kind knows from where to where the whole is written."""

    def spanned(state: StateInline, silent: bool) -> bool:
        start, first = state.pos, len(state.tokens)
        if not rule(state, silent):
            return False
        if not silent:
            token = next(token for token in state.tokens[first:] if token.type == kind)
            token.meta |= {"span": (start, state.pos), "closes": state.tokens[-1].meta["at"]}
        return True

    return spanned


def math(state: StateInline, silent: bool) -> bool:
    """`$…$` on one line, `$$…$$` on several."""
    start = state.pos
    if state.src[start] != "$":
        return False
    if state.src.startswith("$$", start):
        end = state.src.find("$$", start + 3, state.posMax)
        if end < 0:
            return False
        content, markup, end = state.src[start + 2 : end], "$$", end + 2
    elif match := INLINE_MATH.match(state.src, start, state.posMax):
        content, markup, end = match[1], "$", match.end()
    else:
        return False
    if not silent:
        token = state.push("math", "", 0)
        token.content, token.markup = content, markup
    state.pos = end
    return True


def math_block(state: StateBlock, startLine: int, endLine: int, silent: bool) -> bool:
    """`$$…$$` that begins and ends with a line: no list, heading or code is looked for in it."""
    if silent or state.is_code_block(startLine) or not _line(state, startLine).startswith("$$"):
        return False
    lines: list[str] = []
    for number in range(startLine, endLine):
        if state.isEmpty(number) or (number > startLine and state.sCount[number] < state.blkIndent):
            return False
        line = _line(state, number)[0 if lines else 2 :]
        before, closing, after = line.partition("$$")
        lines.append(before)
        if closing:
            if after.strip().strip(PUNCTUATION) or not "".join(lines).strip():
                return False
            token = state.push("math_block", "p", 0)
            token.content, token.info, token.map = "\n".join(lines), after.strip(), [startLine, number + 1]
            state.line = number + 1
            return True
    return False


def citation(state: StateInline, silent: bool) -> bool:
    """`[@key]`"""
    if not state.src.startswith("[@", state.pos) or not (match := CITED.match(state.src, state.pos, state.posMax)):
        return False
    if not silent:
        token = state.push("citation", "", 0)
        token.meta["keys"] = [key.strip().removeprefix("@") for key in match[1].split(";")]
    state.pos = match.end()
    return True


def note(state: StateInline, silent: bool) -> bool:
    """`[^name]`"""
    if not state.src.startswith("[^", state.pos) or not (match := NOTE.match(state.src, state.pos, state.posMax)):
        return False
    if not silent:
        state.push("note", "", 0).meta["name"] = match[1]
    state.pos = match.end()
    return True


def note_text(state: StateBlock, startLine: int, endLine: int, silent: bool) -> bool:
    """`[^name]: text`, with the lines that follow up to a blank one or one that begins something else."""
    if state.is_code_block(startLine) or not (match := NOTE_TEXT.match(_line(state, startLine))):
        return False
    if silent:
        return True
    following = startLine + 1
    ends = state.md.block.ruler.getRules("paragraph")
    while following < endLine and not state.isEmpty(following):
        indented = state.sCount[following] - state.blkIndent > 3 or state.sCount[following] < 0
        if not indented and any(rule(state, following, endLine, True) for rule in ends):
            break
        following += 1
    state.line = following
    token = state.push("note_open", "", 1)
    token.meta["name"], token.map = match[1], [startLine, following]
    token = state.push("inline", "", 0)
    token.content = state.getLines(startLine, following, state.blkIndent, False).strip(" \t\n")[match.end() :]
    token.map, token.children = [startLine, following], []
    state.push("note_close", "", -1)
    return True


def _line(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]]


class Origin:
    """Where the text of a block stands in the source.

    Each line of the text ends where a line of the source does, but for white space and the closing marks of a heading;
    a cell of a table stands within its line, with `\\|` for `|`.
    """

    def __init__(self, content: str, first: int, lines: list[str], starts: list[int]):
        self.begins, self.shifts, at = [], [], 0
        texts = content.split("\n")
        for number, text in enumerate(texts):
            line, start = lines[first + number], starts[first + number]
            if not line.endswith(text):
                line = line.rstrip()
                line = line if line.endswith(text) else _CLOSING.sub("", line).rstrip()
            self._add(at, start + len(line) - (at + len(text)))
            at += len(text) + 1

    def _add(self, at: int, shift: int) -> None:
        self.begins.append(at)
        self.shifts.append(shift)

    @classmethod
    def of_cell(cls, content: str, start: int) -> Origin:
        """The origin of a cell whose text begins at `start`."""
        origin = cls.__new__(cls)
        origin.begins, origin.shifts = [0], [start]
        for escaped, match in enumerate(re.finditer(r"\|", content), start=1):
            origin._add(match.start(), start + escaped)
        return origin

    def __call__(self, at: int) -> int:
        return at + self.shifts[bisect_right(self.begins, at) - 1]
