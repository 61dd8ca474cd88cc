"""`site.toml`: who writes the site and what it is called."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from lockstep.errors import LockstepError, nearest
from lockstep.files import parse_toml, read_text


class Link(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Somewhere else to find the author, or the code."""

    name: str
    url: str


class Site(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The settings, as the file has them."""

    name: str
    author: str
    description: str
    role: str = ""
    intro: list[str] = []
    source: str = ""
    links: list[Link] = []


def read(path: Path) -> Site:
    """Raises LockstepError with file, line and what was expected."""
    text = read_text(path, path.name) if path.exists() or path.is_symlink() else ""
    try:
        site = msgspec.convert(parse_toml(text, path.name), Site)
    except msgspec.ValidationError as error:
        raise LockstepError(_explained(path.name, text, str(error))) from None
    for link in site.links:
        if urlsplit(link.url).scheme not in ("http", "https", "mailto"):
            raise LockstepError(f'{path.name}:{_line(text, link.url)}: "{link.url}" is no address: write https://…')
    return site


def _explained(file: str, text: str, message: str) -> str:
    """What msgspec says, with the line of the setting it speaks of, and the nearest that exists."""
    names = [*Site.__struct_fields__, *Link.__struct_fields__]
    named = re.search(r"field `(\w+)`|at `\$\.(\w+)", message)
    name = (named[1] or named[2]) if named else ""
    near = nearest(name, names) if "unknown field" in message else ""
    return f"{file}:{_line(text, name)}: {message[:1].lower()}{message[1:]}{near}"


def _line(text: str, word: str) -> int:
    return next((n for n, line in enumerate(text.splitlines(), start=1) if word and word in line), 1)
