"""Prose as HTML: the tokens that `check` reads, each binding through the theme's partial of its kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from lockstep.errors import CheckFailed, LockstepError, Problem
from lockstep.project.post import Post
from lockstep.prose import walk
from lockstep.prose.commonmark import typeset
from lockstep.prose.evidence import Evidence, Place
from lockstep.prose.mathml import formula
from lockstep.prose.passages import BLOCK, Binding, Prose
from lockstep.prose.resolve import Resolver
from lockstep.site import highlighting, links, notes
from lockstep.site.citations import Bibliography

PUNCTUATION = re.compile(r"[,.;:!?)\]’”]+")  # with which no line begins
TOLD = frozenset("measured reported config given claim figure".split())  # kinds that a pop-over explains
ALIGNED = {"text-align:right": "numeric"}  # the theme's class for a column; the content policy forbids inline styles


@dataclass
class Page:
    """What one page reads from, and what was rendered on it. `part` is the one being rendered, "text" or "summary";
    a page that is not `listed` is not in the evidence."""

    slug: str
    post: Post | None
    bibliography: Bibliography
    rendered: list[tuple[str, str]] = field(default_factory=list)
    cited: list[str] = field(default_factory=list)
    part: str = "text"
    listed: bool = True
    evidence: Evidence = field(init=False)
    shown: dict[tuple[str, ...], str] = field(default_factory=dict)  # the pop-over of what was told already
    provenance: dict[str, list[str]] = field(default_factory=lambda: {"text": [], "summary": []})

    def __post_init__(self) -> None:
        self.evidence = Evidence(self.slug)

    @property
    def resolver(self) -> Resolver | None:
        return Resolver.of(self.post) if self.post else None

    def resolve(self, kind: str, target: str, text: str) -> dict[str, Any]:
        if self.resolver is None:
            raise LockstepError(f"{kind}:{target} stands on a page that belongs to no post")
        fields = self.resolver.resolve(kind, target, text)
        self.rendered.append((kind, target))
        if "source" in fields and kind == "reported":
            fields["source_html"] = self.bibliography.cite([fields["source"]], self.cited)
        return self.linked(fields | {"id": f"{self.slug}-{len(self.rendered)}", "target": target}, self.part)

    def linked(self, fields: dict[str, Any], where: str) -> dict[str, Any]:
        """With the address of its code, and of its row in the evidence."""
        more = {"code_url": links.code(fields["code"])} if fields.get("code") else {}
        if fields["kind"] in ("measured", "claim"):
            row = self.evidence.add(fields | more, Place(f"{fields['id']}-at", where))
            more["row"] = row
            more["evidence_url"] = links.evidence(self.slug, row) if self.listed else ""
        return fields | more

    def told(self, *what: str) -> tuple[str, bool]:
        """The identifier of the pop-over that tells something, and whether it is still to be written.

        What a page shows twice is told once: each of its buttons opens the same pop-over, beside itself.
        """
        key = (self.part, *what)
        new = key not in self.shown
        return self.shown.setdefault(key, f"{self.slug}-p{len(self.shown) + 1}"), new

    def references(self) -> list[dict[str, str]]:
        return [{"key": key, "html": self.bibliography.entry(key)} for key in sorted(set(self.cited))]


class Html(RendererHTML):
    """The HTML of one page. `partial` turns a binding's fields into HTML; `file` is what messages call the source."""

    def __init__(self, page: Page, partial: Callable[[dict[str, Any]], str], file: str):
        self.page, self.partial, self.file = page, partial, file
        self.notes: dict[str, list[Token]] = {}
        self.numbered: list[str] = []
        self.outline = notes.Outline()
        self.raw = True  # whether the HTML of the author's is HTML here, or text
        super().__init__()

    def body(self, prose: Prose) -> str:
        """The text of a page; `outline` then has its sections. Raises CheckFailed with the line of what fails."""
        tokens = typeset(walk.PARSER, prose.tokens)
        blocks = list(_blocks(tokens))
        for block in blocks:
            if block[0].type == "note_open":
                self.notes[block[0].meta["name"]] = block[1].children or []
        shown = [block for block in blocks if block[0].type != "note_open"]
        done: list[notes.Block] = []
        while shown:
            block, caption = shown.pop(0), None
            if (inserted := _inserted(block)) and inserted[0].type == "image" and shown:
                caption = _caption(shown[0])
            if inserted:
                done.append(notes.Block("", self.insert(inserted, caption or []) + "\n"))
            else:
                done.append(notes.Block(block[0].tag, self.block(block), block))
            if caption:
                shown.pop(0)
        return notes.sections(done, self.outline)

    def entry(self, tokens: Sequence[Token]) -> str:
        """An entry of the header, in which HTML is text."""
        self.raw = False
        wrapped = Token("inline", "", 0, children=list(tokens), content="".join(token.content for token in tokens))
        html = self.inline(typeset(walk.PARSER, [wrapped])[0].children or [])
        self.raw = True
        return html

    def block(self, tokens: Sequence[Token]) -> str:
        if tokens[0].type == "heading_open":
            text = "".join(child.content for child in tokens[1].children or [])
            tokens[0].attrs["id"] = self.outline.identifier(text)
        return self.render(tokens, walk.PARSER.options, {})

    def renderInline(self, tokens: Sequence[Token], options: Any, env: Any) -> str:
        return self.inline(tokens)

    def inline(self, tokens: Sequence[Token]) -> str:
        parts: list[str] = []
        at = 0
        while at < len(tokens):
            token, binding = tokens[at], tokens[at].meta.get("binding")
            if binding and token.type == "link_open":
                end = _closing(tokens, at)
                after = tokens[end + 1].content if end + 1 < len(tokens) and tokens[end + 1].type == "text" else ""
                mark = PUNCTUATION.match(after)
                html = self.binding(binding, tokens[at + 1 : end])
                parts.append(f'<span class="binding">{html}{escapeHtml(mark[0]) if mark else ""}</span>')
                if mark:
                    parts.append(escapeHtml(after[mark.end() :]))
                at = end + (2 if mark else 1)
                continue
            rule = self.rules.get(token.type)
            parts.append(
                rule(tokens, at, walk.PARSER.options, {})
                if rule
                else self.renderToken(tokens, at, walk.PARSER.options, {})
            )
            at += 1
        return "".join(parts)

    def binding(self, binding: Binding, inside: Sequence[Token], **more: str) -> str:
        """One binding. Raises CheckFailed with its line."""
        raw, self.raw = self.raw, False
        inner = self.inline(inside)
        self.raw = raw
        text = binding.text if binding.kind == "figure" else "".join(token.content for token in inside)
        try:
            fields = {**self.page.resolve(binding.kind, binding.target, text), "inner": inner, **more}
            if binding.kind in BLOCK:
                fields["caption_html"] = inner
            if binding.kind == "code":
                fields["html"] = highlighting.python(fields["source"])
                fields["url"] = links.code(fields)
            if binding.kind == "table":
                self.cells(fields)
        except LockstepError as error:
            raise self.failed(binding.line, error) from None
        return self.with_provenance(fields)

    def with_provenance(self, fields: dict[str, Any]) -> str:
        """A binding through its partial, and through that of its pop-over where the page has none for it yet."""
        kind = fields["kind"]
        if kind in TOLD and (kind != "figure" or fields.get("again")):
            what = str(fields.get("row") or fields.get("target", ""))
            fields["shown"] = self.told(kind, what, lambda shown: fields | {"shown": shown})
        return self.partial(fields)

    def told(self, kind: str, what: str, fields: Callable[[str], dict[str, Any]]) -> str:
        """The identifier of the pop-over that tells this; what a page shows twice is told once."""
        shown, new = self.page.told(kind, what)
        if new:
            html = self.partial(fields(shown) | {"kind": f"provenance/{kind}"})
            self.page.provenance[self.page.part].append(html)
        return shown

    def cells(self, fields: dict[str, Any]) -> None:
        """The measured values of a table, each with its own provenance."""
        rows: Any = fields["rows"]
        cells: list[dict[str, Any]] = [cell for row in rows for cell in row if "fields" in cell]
        for number, cell in enumerate(cells, start=1):
            own: dict[str, Any] = {"kind": "measured", "id": f"{fields['id']}-{number}"}
            cell["html"] = self.with_provenance(self.page.linked(cell["fields"] | own, "table"))

    def insert(self, tokens: Sequence[Token], caption: Sequence[Token]) -> str:
        """A figure with its caption, a table, an excerpt or a demo."""
        binding: Binding = tokens[0].meta["binding"]
        if binding.kind != "figure":
            return self.binding(binding, tokens[1:-1])
        alt = self.renderInlineAsText(tokens[0].children or [], walk.PARSER.options, {})
        raw, self.raw = self.raw, False
        html = self.inline(caption)
        self.raw = raw
        return self.binding(binding, [], alt=alt, caption_html=html)

    def failed(self, line: int, error: LockstepError) -> CheckFailed:
        return error if isinstance(error, CheckFailed) else CheckFailed([Problem(self.file, line, str(error))])

    def math(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return formula(tokens[idx].content, tokens[idx].markup == "$$")

    def math_block(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return f"<p>{formula(tokens[idx].content, True)}{escape(tokens[idx].info)}</p>\n"

    def citation(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        page, keys = self.page, tokens[idx].meta["keys"]

        def shown(key: str) -> str:
            return self.told("citation", key, lambda place: {"shown": place, "html": page.bibliography.entry(key)})

        try:
            return f'<span class="cited">({page.bibliography.cite(keys, page.cited, shown)})</span>'
        except LockstepError as error:
            raise self.failed(tokens[idx].meta["line"], error) from None

    def note(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """A number in the text, and the note right after it."""
        name = tokens[idx].meta["name"]
        self.numbered.append(name)
        return notes.note(name, len(self.numbered), self.inline(self.notes[name]))

    def html_inline(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return tokens[idx].content if self.raw else escapeHtml(tokens[idx].content)

    def fence(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return highlighting.framed(tokens[idx].content, (tokens[idx].info.split() or [""])[0])

    code_block = fence  # whose info is empty

    def td_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        style = tokens[idx].attrs.get("style", "")
        return f'<{tokens[idx].tag} class="{ALIGNED[style]}">' if style in ALIGNED else f"<{tokens[idx].tag}>"

    th_open = td_open


def _blocks(tokens: Sequence[Token]) -> list[list[Token]]:
    """The tokens of each block that stands in no other."""
    found: list[list[Token]] = []
    depth = 0
    for token in tokens:
        if depth == 0:
            found.append([])
        found[-1].append(token)
        depth += token.nesting
    return found


def _inserted(block: list[Token]) -> list[Token]:
    """What stands alone in a paragraph and is put in its place, as `alone` of its binding has it."""
    if block[0].type != "paragraph_open":
        return []
    shown = [child for child in block[1].children or [] if child.type != "text" or child.content.strip()]
    binding: Binding | None = shown[0].meta.get("binding") if shown else None
    if binding is None or not binding.alone:
        return []
    inserted = binding.kind in BLOCK or (binding.kind == "figure" and binding.target.startswith("figures/"))
    return shown if inserted else []


def _caption(block: list[Token]) -> list[Token] | None:
    """What a paragraph holds that is wholly in emphasis."""
    if block[0].type != "paragraph_open" or not (children := block[1].children):
        return None
    if children[0].type != "em_open" or children[-1].type != "em_close":
        return None
    depth = 0
    for number, child in enumerate(children):
        depth += child.nesting if child.type in ("em_open", "em_close") else 0
        if depth == 0:
            return children[1:-1] if number == len(children) - 1 else None
    return None


def _closing(tokens: Sequence[Token], start: int) -> int:
    return next(number for number in range(start, len(tokens)) if tokens[number].type == "link_close")
