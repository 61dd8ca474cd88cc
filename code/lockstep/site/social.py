"""The picture that a messenger shows beside a link: title, numbers, and what the post's card shows where it has that.

Drawn with the site's own font and colours, only for a site that knows its address. Kept in .lockstep/cache/cards under
a digest of all that it shows, which also stands in its name, so that nobody goes on showing an older one.
"""

from __future__ import annotations

import hashlib
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from lockstep.errors import LockstepError
from lockstep.record.files import write_whole
from lockstep.site import libraries
from lockstep.site.output import put

FONT = "static/fonts/source-serif-4.woff2"
DESIGN = 2  # of the layout in card.py: another number draws every picture anew
KINDS = {"paper": "Paper implementation", "capstone": "Capstone", "design": "System design"}
PICTURE = "figures/card.png"  # what a post may have drawn for it, of the same shape


def shown(article: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """What the picture of a post says."""
    kind = KINDS.get(str(article.category), str(article.category))
    numbers = article.lockstep["numbers"]
    says = {"site": settings["SITENAME"], "kind": kind, "title": article.title, "numbers": numbers, "text": ""}
    picture = Path(settings["PATH"]) / article.slug / PICTURE
    if picture.is_file():
        says |= {"picture": str(picture), "drawn": hashlib.sha256(picture.read_bytes()).hexdigest()}
    return says


def site_shown(settings: dict[str, Any]) -> dict[str, Any]:
    """What the picture of the site itself says."""
    name, text = settings["SITENAME"], settings["SITESUBTITLE"]
    return {"site": settings["AUTHOR"], "kind": "", "title": name, "numbers": [], "text": text}


def name(article: Any, settings: dict[str, Any]) -> str:
    """The file name of a post's picture, or nothing on a site without an address."""
    return _name(shown(article, settings), settings)


def site_name(settings: dict[str, Any]) -> str:
    return _name(site_shown(settings), settings)


def url(path: str, settings: dict[str, Any]) -> str:
    return f"{settings['SITEURL']}/{path}" if settings["SITEURL"] else ""


def _name(says: dict[str, Any], settings: dict[str, Any]) -> str:
    if not settings["SITEURL"]:
        return ""
    known = {name: said for name, said in says.items() if name != "picture"}  # wherever the work tree is
    digest = hashlib.sha256(json.dumps([DESIGN, known], sort_keys=True).encode())
    digest.update(_font_digest(_font_path(settings)))
    return f"card-{digest.hexdigest()[:12]}.png"


def _font_path(settings: dict[str, Any]) -> Path:
    return Path(settings["THEME"]) / FONT


@cache
def _font_digest(path: Path) -> bytes:
    if not path.is_file():
        raise LockstepError(f"{path.name}, in which the pictures of posts are set, is not in the theme's fonts")
    return hashlib.sha256(path.read_bytes()).digest()


def write(generator: Any, writer: Any) -> None:
    """Put the picture of every post, and the site's own, into the output. Called when the articles are written."""
    settings = generator.settings
    if not settings["SITEURL"]:
        return
    kept = Path(settings["PATH"]).parent / ".lockstep" / "cache" / "cards"
    wanted = {f"{post.lockstep['url']}{post.lockstep['card']}": shown(post, settings) for post in generator.articles}
    wanted[site_name(settings)] = site_shown(settings)
    drawn = libraries.of(["PIL"])[:12]
    cards = {place: kept / f"{Path(place).stem}-{drawn}.png" for place in wanted}
    for place, says in wanted.items():
        card = cards[place]
        if not card.is_file():
            write_whole(card, draw(says, _font_path(settings)))
        put(settings, place, card.read_bytes())
    for card in {*kept.glob("card-*.png")} - {*cards.values()}:
        os.unlink(card)


def draw(says: dict[str, Any], font: Path) -> bytes:
    """The picture as a PNG; the same bytes for the same words. Raises LockstepError for a font that cannot be read."""
    from lockstep.site.card import Card

    try:
        return Card(font).png(says)
    except OSError as error:
        raise LockstepError(f"{font.name} is no font that Pillow can read: {error}") from None
