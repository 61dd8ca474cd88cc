"""Where a link of prose may lead, where a picture may come from, and which HTML may stand between.

A browser drops white space and control characters from an address, and reads entities and percent signs: so does this.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import unquote

from lockstep.errors import nearest
from lockstep.prose.passages import KINDS

ELSEWHERE = ("http", "https", "mailto", "tel")  # what a link may begin with
PICTURES = ("http", "https")
_DROPPED = re.compile(r"[\x00-\x20\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
_SCHEME = re.compile(r"([^/?#:{]+):")
ELEMENTS = frozenset(
    "a abbr b bdi bdo blockquote br caption cite code col colgroup dd del details dfn div dl dt em figcaption"
    " figure h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p picture pre q rp rt ruby s samp small source span"
    " strong sub summary sup table tbody td tfoot th thead time tr u ul var wbr".split()
)
ATTRIBUTES = frozenset(
    "abbr alt cite class colspan datetime dir height href id lang media open reversed role rowspan scope span src"
    " start title type value width".split()
)


def wrong_link(href: str) -> str:
    """Why a link may not lead there, or nothing."""
    scheme = scheme_of(href)
    if not scheme or scheme in ELSEWHERE:
        return ""
    return f'a link begins with "{scheme}:", which binds nothing{nearest(scheme, KINDS)}'


def wrong_picture(source: str) -> str:
    """Why a picture may not come from there, or nothing: what is shown lies beside the prose, or on the web."""
    scheme = scheme_of(source)
    if scheme in PICTURES:
        return ""
    path = posixpath.normpath(unquote(_DROPPED.sub("", source)).replace("\\", "/"))
    if scheme or path.startswith(("/", "..")):
        return f'the picture "{source}" lies elsewhere: name a file of this folder, such as figures/curves.svg'
    return ""


def scheme_of(address: str) -> str:
    """What an address begins with as a browser reads it, in lower case; nothing where it is relative."""
    match = _SCHEME.match(_DROPPED.sub("", address))
    return match[1].lower() if match else ""


def wrong_html(html: str) -> Iterator[tuple[int, str]]:
    """What may not stand in HTML of the author's: the line in it, from 0 on, and why."""
    parser = _Html()
    parser.feed(html)
    parser.close()
    yield from parser.wrong


class _Html(HTMLParser):
    """Collects what could run, load or restyle."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[tuple[int, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        line = self.getpos()[0] - 1
        if tag not in ELEMENTS:
            self.wrong.append((line, f"<{tag}> does not stand in prose: write Markdown"))
        for name, value in attrs:
            if name not in ATTRIBUTES and not name.startswith("aria-"):
                self.wrong.append((line, f"<{tag} {name}> does not stand in prose: write Markdown"))
            elif name in ("href", "cite") and (told := wrong_link(value or "")):
                self.wrong.append((line, told))
            elif name == "src" and (told := wrong_picture(value or "")):
                self.wrong.append((line, told))

    def handle_decl(self, decl: str) -> None:
        self.declared()

    def handle_pi(self, data: str) -> None:
        self.declared()

    def declared(self) -> None:
        self.wrong.append((self.getpos()[0] - 1, "a declaration does not stand in prose: write Markdown"))
