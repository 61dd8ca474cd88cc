"""How to cite a post: a BibTeX entry that LaTeX sets as it is written here."""

from __future__ import annotations

import re
from typing import Any

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()  # BibTeX's own names, in any locale
_SPECIAL = {
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def bibtex(post: Any, siteurl: str) -> str:
    """An entry of the kind that every style knows; without an address where the site has none."""
    authors = [str(author) for author in post.authors]
    fields = {
        "author": " and ".join(_name(author) for author in authors),
        "title": f"{{{_tex(post.title)}}}",
        "year": f"{post.date:%Y}",
        "month": MONTHS[post.date.month - 1],
        "howpublished": _tex(post.settings["SITENAME"]),
        **({"url": f"{siteurl}/{post.lockstep['url']}"} if siteurl else {}),
    }
    lines = [f"  {name} = {value if name == 'month' else f'{{{value}}}'}," for name, value in fields.items()]
    return "\n".join([f"@misc{{{_key(authors, post)},", *lines, "}"])


def _key(authors: list[str], post: Any) -> str:
    surname = re.sub(r"[^a-z]", "", authors[0].split()[-1].lower()) if authors else ""
    return f"{surname}{post.date:%Y}{post.slug}"


def _name(author: str) -> str:
    """A name that BibTeX takes for one, also where it holds a comma or the word that joins names."""
    whole = "," in author or re.search(r"\band\b", author)
    return f"{{{_tex(author)}}}" if whole else _tex(author)


def _tex(text: str) -> str:
    return "".join(_SPECIAL.get(character, character) for character in " ".join(text.split()))
