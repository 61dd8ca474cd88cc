"""`site.toml`: who writes the site, what it is called, what stands first.

What is left out has a neutral default, so that the site can be looked at before anyone has filled it in. Such defaults
are placeholders: `publish` names each that still stands, and stops.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from PIL import Image

from lockstep.errors import LockstepError, PlacedError, nearest
from lockstep.record.files import parse_toml, read_text

ADDRESSES = ("http", "https", "mailto")


class Link(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Somewhere else to find the author, or the code."""

    name: str
    url: str


class Entry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A line of the CV: `2021 – today`, `Senior engineer`, `Some company`, and what came of it."""

    when: str
    what: str
    where: str = ""
    text: str = ""
    url: str = ""


class Skill(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A skill that the posts show, with a sentence about it. Their order is that of the file."""

    name: str
    text: str


class Site(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The settings, as the file has them."""

    name: str
    description: str
    author: str = "The author"
    role: str = "Machine-learning engineer"
    pitch: str = "I rebuild machine learning from its formulas, measure it honestly, and run what I build."
    portrait: str = ""
    contact: str = ""
    source: str = ""
    looking_for: str = ""
    links: list[Link] = []
    work: list[Entry] = []
    education: list[Entry] = []
    talks: list[Entry] = []
    posts: list[str] = []
    skills: list[Skill] = []

    @property
    def cv(self) -> list[tuple[str, list[Entry]]]:
        """The sections of the CV that hold something, with their titles."""
        sections = [("Work", self.work), ("Education", self.education), ("Talks and writing", self.talks)]
        return [(title, entries) for title, entries in sections if entries]


PERSONAL = ("author", "role", "pitch", "contact", "source", "looking_for")  # what only the author can say


def read(path: Path) -> Site:
    """Raises LockstepError with file, line and what was expected."""
    text = read_text(path, path.name) if path.exists() or path.is_symlink() else ""
    try:
        site = msgspec.convert(parse_toml(text, path.name), Site)
    except msgspec.ValidationError as error:
        raise _explained(path.name, text, str(error)) from None
    entries = [*site.work, *site.education, *site.talks]
    for url in [*(link.url for link in site.links), site.contact, *(entry.url for entry in entries)]:
        if url and urlsplit(url).scheme not in ADDRESSES:
            told = f'"{url}" is no address: write https://… or mailto:…'
            raise PlacedError(told, file=path.name, line=_line(text, url))
    if site.portrait and not (path.parent / "content" / site.portrait).is_file():
        told = f"there is no picture content/{site.portrait}: lay the portrait there, or leave it out"
        raise PlacedError(told, file=path.name, line=_line(text, site.portrait))
    return site


def placeholders(site: Site) -> list[str]:
    """What only the author can say and has not said, each as `role ("Machine-learning engineer")`."""
    defaults = dict(
        zip(Site.__struct_fields__[-len(Site.__struct_defaults__) :], Site.__struct_defaults__, strict=True)
    )
    values = {name: getattr(site, name) for name in PERSONAL}
    return [
        f'{name} ("{value}")' if value else f"{name} (empty)"
        for name, value in values.items()
        if not value.strip() or value == defaults[name]
    ]


def refuse_placeholders(path: Path) -> None:
    """Raises LockstepError where something stands in `site.toml` that only the author can say."""
    if standing := placeholders(read(path)):
        told = f"{path.name} still has placeholders: {', '.join(standing)}"
        raise LockstepError(f"{told}. Fill them in, or publish them as they are with --placeholders")


def line_of(path: Path, setting: str) -> int:
    """The line of a setting, for messages about what it says; 1 where there is none."""
    return _line(read_text(path, path.name) if path.exists() else "", setting)


def portrait(content: Path, place: str) -> dict[str, object]:
    """Address and size of the author's picture, nothing where there is none. Raises LockstepError for no picture."""
    if not place:
        return {}
    try:
        with Image.open(content / place) as image:
            return {"src": place, "width": image.width, "height": image.height}
    except OSError as error:
        raise LockstepError(f"content/{place} is no picture that Pillow can read: {error}") from None


def _explained(file: str, text: str, message: str) -> LockstepError:
    """What msgspec says, with the line of the setting it speaks of, and the nearest that exists."""
    kinds = (Site, Link, Entry, Skill)
    names = [name for kind in kinds for name in kind.__struct_fields__]
    named = re.search(r"field `(\w+)`|at `\$\.(\w+)", message)
    name = (named[1] or named[2]) if named else ""
    near = nearest(name, names) if "unknown field" in message else ""
    return PlacedError(f"{message[:1].lower()}{message[1:]}{near}", file=file, line=_line(text, name))


def _line(text: str, word: str) -> int:
    return next((n for n, line in enumerate(text.splitlines(), start=1) if word and word in line), 1)
