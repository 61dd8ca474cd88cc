"""A Markdown extension for bindings, citations and math."""

from __future__ import annotations

import re
import xml.etree.ElementTree as etree
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from markdown import Markdown
from markdown.extensions import Extension
from markdown.inlinepatterns import HTML_RE, HtmlInlineProcessor, InlineProcessor
from markdown.treeprocessors import Treeprocessor
from markdown.util import HTML_PLACEHOLDER_RE
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from lockstep.bindings import BLOCK, CITED, INLINE
from lockstep.errors import LockstepError
from lockstep.evidence import Evidence, Place
from lockstep.project import Post
from lockstep.resolve import Resolver
from lockstep.site import links
from lockstep.site.citations import Bibliography
from lockstep.site.mathml import Math

PUNCTUATION = re.compile(r"[,.;:!?)\]’”]+")
SCHEME = re.compile(rf"({'|'.join((*INLINE, *BLOCK))}):(.*)", re.DOTALL)


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
        return self.linked(fields | {"id": f"{self.slug}-{len(self.rendered)}"}, self.part)

    def linked(self, fields: dict[str, Any], where: str) -> dict[str, Any]:
        """With the address of its code, and of its row in the evidence."""
        more = {"code_url": links.code(fields["code"])} if fields.get("code") else {}
        if fields["kind"] in ("measured", "claim"):
            row = self.evidence.add(fields | more, Place(f"{fields['id']}-at", where))
            more["evidence_url"] = links.evidence(row) if self.listed else ""
        return fields | more

    def references(self) -> list[dict[str, str]]:
        return [{"key": key, "html": self.bibliography.entry(key)} for key in sorted(set(self.cited))]


class Bindings(Extension):
    """`render` turns a binding's fields into HTML; `page` is set for each document."""

    def __init__(self, render: Callable[[dict[str, Any]], str]):
        super().__init__()
        self.render = render
        self.page: Page | None = None

    def extendMarkdown(self, md: Markdown) -> None:
        md.inlinePatterns.register(Math(r"(?<![\\])\$\$(.+?)\$\$", md, True), "display-math", 186)
        md.inlinePatterns.register(
            Math(r"(?<![\\$\w])\$(?![\s$])([^$\n]+?)(?<![\s\\])\$(?![\d$])", md, False), "math", 185
        )
        md.inlinePatterns.register(Citation(CITED.pattern, md, self), "citation", 184)
        md.inlinePatterns.register(RawHtml(HTML_RE, md), "html", 90)
        md.treeprocessors.register(Binder(self, md), "bindings", 10)


class Raw(str):
    """HTML as an author wrote it into a paragraph, apart from what this extension makes."""


class RawHtml(HtmlInlineProcessor):
    def handleMatch(self, m: re.Match[str], data: str) -> Any:
        found = super().handleMatch(m, data)
        self.md.htmlStash.rawHtmlBlocks[-1] = Raw(self.md.htmlStash.rawHtmlBlocks[-1])
        return found


class Citation(InlineProcessor):
    """`[@key]`, `[@one; @two]`."""

    def __init__(self, pattern: str, md: Markdown, extension: Bindings):
        super().__init__(pattern, md)
        self.extension = extension

    def handleMatch(self, m: re.Match[str], data: str) -> tuple[str, int, int]:  # type: ignore[override]
        page = self.extension.page
        assert page is not None
        keys = [key.strip().removeprefix("@") for key in m[1].split(";")]
        html = f'<span class="cited">({page.bibliography.cite(keys, page.cited, page.slug)})</span>'
        return self.md.htmlStash.store(html), m.start(0), m.end(0)


class Binder(Treeprocessor):
    """Replaces links with a binding's scheme, and figures, by their partial."""

    def __init__(self, extension: Bindings, md: Markdown):
        super().__init__(md)
        self.extension = extension

    def run(self, root: etree.Element) -> None:
        parents = {child: parent for parent in root.iter() for child in parent}
        for paragraph in list(root.iter("p")):
            self.block(paragraph, parents)
        self.links(root, parents)

    def links(self, root: etree.Element, parents: dict[etree.Element, etree.Element]) -> None:
        """Every inline binding below an element."""
        for link in [a for a in root.iter("a") if SCHEME.match(a.get("href", ""))]:
            if self._heading(link, parents):
                raise LockstepError(f"{link.get('href')} stands in a heading")
            kind, target = self._target(link)
            if kind in BLOCK:
                raise LockstepError(f"{kind}:{target} must stand alone in its paragraph")
            self.put(link, parents, self.render(kind, target, "".join(link.itertext()), inner=self.inner(link)))

    def block(self, paragraph: etree.Element, parents: dict[etree.Element, etree.Element]) -> None:
        """A paragraph that holds nothing but a figure, a table or an excerpt."""
        if len(paragraph) != 1 or (paragraph.text or "").strip() or (paragraph[0].tail or "").strip():
            return
        child = paragraph[0]
        if child.tag == "img" and child.get("src", "").startswith("figures/"):
            html = self.render(
                "figure", child.get("src", ""), child.get("alt", ""), caption_html=self.caption(paragraph, parents)
            )
        elif child.tag == "a" and (match := SCHEME.match(child.get("href", ""))) and match[1] in BLOCK:
            kind, target = self._target(child)
            html = self.render(kind, target, "".join(child.itertext()), caption_html=self.inner(child))
        else:
            return
        paragraph.remove(child)
        paragraph.text = self.md.htmlStash.store(html)

    def caption(self, paragraph: etree.Element, parents: dict[etree.Element, etree.Element]) -> str:
        """The paragraph right after a figure, if it is wholly in emphasis; it moves into the figure."""
        siblings = list(parents[paragraph])
        following = siblings[siblings.index(paragraph) + 1 : siblings.index(paragraph) + 2]
        if not following or following[0].tag != "p" or len(following[0]) != 1 or following[0][0].tag != "em":
            return ""
        caption, emphasis = following[0], following[0][0]
        if (caption.text or "").strip() or (emphasis.tail or "").strip():
            return ""
        self.links(emphasis, {child: parent for parent in emphasis.iter() for child in parent})
        parents[paragraph].remove(caption)
        return self.inner(emphasis)

    def render(self, kind: str, target: str, text: str, **more: str) -> str:
        page = self.extension.page
        assert page is not None
        fields: dict[str, Any] = {**page.resolve(kind, target, text), **more}
        if kind == "code":
            fields["html"] = highlight(fields["source"], PythonLexer(), HtmlFormatter(nowrap=True))
            fields["url"] = links.code(fields)
        if kind == "table":
            rows: Any = fields["rows"]
            cells: list[dict[str, Any]] = [cell for row in rows for cell in row if "fields" in cell]
            for number, cell in enumerate(cells, start=1):
                own: dict[str, Any] = {"kind": "measured", "id": f"{fields['id']}-{number}"}
                cell["html"] = self.extension.render(page.linked(cell["fields"] | own, "table"))
        return self.extension.render(fields)

    def inner(self, element: etree.Element) -> str:
        """The HTML inside an element; raw HTML in it comes out as text."""
        return HTML_PLACEHOLDER_RE.sub(self._told, self._inside(element))

    def _told(self, match: re.Match[str]) -> str:
        block = self.md.htmlStash.rawHtmlBlocks[int(match[1])]
        return _escape(block) if isinstance(block, Raw) else match[0]

    def _inside(self, element: etree.Element) -> str:
        parts = [_escape(element.text or "")]
        for child in element:
            parts.append(self.md.serializer(child))  # its tail included
        return "".join(parts)

    def put(self, link: etree.Element, parents: dict[etree.Element, etree.Element], html: str) -> None:
        """A stashed piece of HTML in the place of an element, with the punctuation that follows: a line never begins
        with a comma."""
        parent, tail = parents[link], link.tail or ""
        mark = PUNCTUATION.match(tail)
        after = mark[0] if mark else ""
        span = etree.Element("span", {"class": "binding"})
        span.text, span.tail = self.md.htmlStash.store(html) + after, tail[len(after) :]
        parent.insert(list(parent).index(link), span)
        parent.remove(link)
        parents[span] = parent

    def _heading(self, element: etree.Element, parents: dict[etree.Element, etree.Element]) -> bool:
        return any(ancestor.tag in ("h1", "h2", "h3", "h4", "h5", "h6") for ancestor in _ancestors(element, parents))

    def _target(self, link: etree.Element) -> tuple[str, str]:
        match = SCHEME.match(link.get("href", ""))
        assert match
        return match[1], f"{match[2]} {link.get('title', '')}".strip().replace("&amp;", "&")


def _ancestors(element: etree.Element, parents: dict[etree.Element, etree.Element]) -> Iterator[etree.Element]:
    while element in parents:
        element = parents[element]
        yield element


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
