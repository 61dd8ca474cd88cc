"""Feeds: the full text as plain HTML, every bound value as the text it is, every address absolute.

A feed reader has neither the site's style sheet nor its scripts, and shows many entries in one page: pop-overs, marks,
demos' controls, scripts, identifiers and classes are left out.
"""

from __future__ import annotations

import re
from html import escape, unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

from lockstep.site.links import resolved

UNWRAPPED = frozenset({"button", "data", "label", "span"})  # without its class, a span says nothing
DROPPED = frozenset({"script", "style", "noscript", "template", "input", "select", "dialog"})
VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())
ADDRESSES = frozenset({"href", "src", "poster"})
LOST = frozenset({"id", "class", "style", "role", "tabindex", "popover", "loading", "decoding"})
BLOCK = re.compile(r"</?(?:p|div|li|[uo]l|h[1-6]|br|t[dhr]|figure|figcaption|section|aside)\b[^>]*>")
TAG = re.compile(r"<[^>]+>")


class Plain(HTMLParser):
    """HTML in, HTML out. `base` is the address of the page that links are relative to."""

    def __init__(self, base: str = "") -> None:
        super().__init__(convert_charrefs=False)
        self.base = base
        self.parts: list[str] = []
        self._skipped = ""  # the element whose content is being left out, and how deep it is nested in its like
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._skipped:
            self._depth += tag == self._skipped
        elif _dropped(tag, dict(attrs)):
            if tag not in VOID:
                self._skipped, self._depth = tag, 1
        elif tag not in UNWRAPPED:
            self.parts.append(f"<{tag}{self._attributes(attrs)}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self._skipped and tag not in UNWRAPPED and not _dropped(tag, dict(attrs)):
            self.parts.append(f"<{tag}{self._attributes(attrs)}/>")

    def handle_endtag(self, tag: str) -> None:
        if self._skipped:
            self._depth -= tag == self._skipped
            if not self._depth:
                self._skipped = ""
        elif tag not in UNWRAPPED and tag not in VOID:
            self.parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self._text(data)

    def handle_entityref(self, name: str) -> None:
        self._text(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._text(f"&#{name};")

    def _text(self, text: str) -> None:
        if not self._skipped:
            self.parts.append(text)

    def _attributes(self, attrs: list[tuple[str, str | None]]) -> str:
        kept = [(n, v) for n, v in attrs if n not in LOST and not n.startswith(("aria-", "data-", "on"))]
        return "".join(
            f" {n}" if v is None else f' {n}="{escape(urljoin(self.base, v) if n in ADDRESSES else v)}"'
            for n, v in kept
        )


def _dropped(tag: str, attrs: dict[str, str | None]) -> bool:
    """Pop-overs; buttons that hold no value, such as marks and controls; what only a page can use."""
    if tag == "button":
        return "popovertarget" not in attrs or "mark" in (attrs.get("class") or "").split()
    return tag in DROPPED or "popover" in attrs or "hidden" in attrs


def plain_html(html: str, base: str = "") -> str:
    """Without anything that only the page can show; visible text stays, addresses become absolute."""
    parser = Plain(base)
    parser.feed(html)
    parser.close()
    return "".join(parser.parts)


def plain_text(html: str) -> str:
    """The visible text alone, on one line."""
    return " ".join(unescape(TAG.sub("", BLOCK.sub(" ", plain_html(html)))).split())


def plain(context: Any, feed: Any) -> None:
    """Called with a feed before it is written."""
    for item in feed.items:
        for part in ("content", "description"):
            if item.get(part):
                item[part] = plain_html(resolved(item[part], context["SITEURL"]), item["link"])
