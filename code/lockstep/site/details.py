"""What a page knows of itself beside its text: headline numbers, thumbnail, reading time, description, skills.

Worked out when the page is read and kept with it in the cache. Whatever here is wrong has its line in the header.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from html import escape, unescape
from typing import Any

from lockstep.errors import CheckFailed, LockstepError, Problem, nearest
from lockstep.project.post import Post
from lockstep.prose import bindings, header
from lockstep.prose.demos import svg_size
from lockstep.prose.resolve import Resolver
from lockstep.site.feeds import plain_text
from lockstep.site.markdown import Html, Page

LONGEST = 200  # characters of a description, about what search engines and messengers show
_HEADING = re.compile(r'<h([2-6])\b[^>]*\bid="([^"]+)"[^>]*>(.*?)</h\1>', re.DOTALL)
_CAPTION = re.compile(  # of a table or an excerpt
    r'<figure class="(?:table|excerpt)" id="([^"]+)"><figcaption[^>]*>(.*?)(?:</figcaption>|<span class="symbol">)',
    re.DOTALL,
)
_ID = re.compile(r'\sid="([^"]+)"')


def details(page: Page, prose: bindings.Prose, content: str, summary: str, html: Html) -> dict[str, Any]:
    """Everything above for a page of a post, nothing for another. Raises CheckFailed with file and line."""
    post, resolver = page.post, page.resolver
    if post is None or resolver is None:
        return {}
    if lost := list(_lost_links(post, prose, content)):
        raise CheckFailed(lost)
    return {
        "headlines": [html.entry(tokens) for _, tokens in prose.header.get("headline", [])],
        "numbers": [asdict(number) for number in header.headlines(prose)],
        "thumbnail": _thumbnail(post, prose),
        "demo": next((f"#{page.slug}-{n}" for n, (kind, _) in enumerate(page.rendered, start=1) if kind == "demo"), ""),
        "minutes": header.minutes(prose),
        "description": shortened(plain_text(summary)),
        "skills": _skills(page, resolver, prose, content),
        "lines": {name: line for name, (_, line) in prose.metadata.items()},
    }


def _lost_links(post: Post, prose: bindings.Prose, content: str) -> Iterator[Problem]:
    """Links of the text to places that the page does not have."""
    sections, there = [match[2] for match in _HEADING.finditer(content)], set(_ID.findall(content))
    for address in prose.addresses:
        if address.href.startswith("#") and address.at >= prose.body and unescape(address.href[1:]) not in there:
            told = f'the page has no place "{address.href}"{nearest(address.href[1:], sections)}'
            yield Problem(post.project.relative(post.prose), prose.line_of(address.at), told)


def elsewhere(html: str, page: str, siteurl: str) -> str:
    """A piece of a page as another page shows it: links to places of its own page lead there."""
    return html.replace(' href="#', f' href="{siteurl}/{escape(page)}#')


def shortened(text: str, longest: int = LONGEST) -> str:
    """Whole words, and an ellipsis where some are left out."""
    if len(text) <= longest:
        return text
    return text[:longest].rpartition(" ")[0].rstrip(" ,;:.–") + " …"


def _thumbnail(post: Post, prose: bindings.Prose) -> dict[str, Any] | None:
    """Place and size of the figure that stands for the post; the size keeps its room free while it loads."""
    place = header.thumbnail(prose)
    path = post.folder / place
    if not place or not path.is_file():
        return None
    width, height = svg_size(path)
    return {"src": place} | ({"width": width, "height": height} if width else {})


def _skills(page: Page, resolver: Resolver, prose: bindings.Prose, content: str) -> list[dict[str, Any]]:
    """Each skill with its targets: what each is called, and where it is from the page's address on."""
    post = resolver.post
    places = _Places(page, content)
    told: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for skill in header.skills(prose):
        targets: list[dict[str, str]] = []
        for target in skill.targets:
            try:
                told_of = header.evidence(resolver, target)
                targets.append(places.of(target, told_of | _docstring(resolver, target)))
            except LockstepError as error:
                problems.append(Problem(post.project.relative(post.prose), skill.line, str(error)))
        told.append({"name": skill.name, "line": skill.line, "targets": targets})
    if problems:
        raise CheckFailed(problems)
    return told


def _docstring(resolver: Resolver, target: str) -> dict[str, str]:
    """What a symbol is, in the first sentence of its docstring, as its title; nothing where it has none."""
    kind, _, name = target.partition(":")
    if kind != "code":
        return {}
    tree = ast.parse(textwrap.dedent(resolver.resolve(kind, name, target)["source"]))
    symbol = next(iter(tree.body), None)
    documented = isinstance(symbol, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and ast.get_docstring(symbol)
    return {"text": _sentence(documented)} if documented else {}


def _sentence(text: str) -> str:
    """The first sentence, without its full stop."""
    return re.split(r"(?<=[^.\d])[.:](?:\s|$)", " ".join(text.split()), maxsplit=1)[0].rstrip(".")


class _Places:
    """Where things stand on a rendered page."""

    def __init__(self, page: Page, content: str):
        self.sections = {match[2]: plain_text(match[3]) for match in _HEADING.finditer(content)}
        there = set(_ID.findall(content))  # a binding of the summary stands on other pages alone
        captions = ((match[1], _sentence(plain_text(match[2]))) for match in _CAPTION.finditer(content))
        self.captions = {place: text for place, text in captions if text}
        self.ids: dict[tuple[str, str], str] = {}
        for number, bound in enumerate(page.rendered, start=1):
            place = f"{page.slug}-{number}"
            if identifier := next((one for one in (place, f"{place}-at") if one in there), ""):  # its button's, inline
                self.ids.setdefault(bound, identifier)

    def of(self, target: str, told: dict[str, str]) -> dict[str, str]:
        """A target with its address. Raises LockstepError for one that the page does not show."""
        if target.startswith("#"):
            if target[1:] not in self.sections:
                raise LockstepError(f'there is no section "{target}"{nearest(target[1:], self.sections)}')
            return told | {"text": self.sections[target[1:]], "url": target}
        kind, _, name = target.partition(":")
        shown = self.ids.get((kind, name))
        if caption := self.captions.get(shown or ""):
            told = told | {"text": caption}
        if kind == "code" and not shown:
            return told | {"url": f"code/{name.partition('#')[0]}/#L{told['first']}"}
        if not shown:
            raise LockstepError(f"{target} is no evidence before the page shows it: bind it in the text")
        return told | {"url": f"#{shown}"}
