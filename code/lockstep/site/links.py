"""Links to other pages of the site from text that is rendered before anyone knows which page will show it.

A post's summary stands on the home page, on the pages of its tags and in feeds, each at another depth. Text that is
rendered while a post is read therefore writes SITE where the root of the site belongs, a code point that Unicode
keeps for a process's own use and no text contains. Every expression of a template that prints such text gets SITEURL
in its place, which is relative to the page being written where the settings say so; feeds get the absolute one.
"""

from __future__ import annotations

import re
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

SITE = "\ufdd0"


def evidence(slug: str, row: str) -> str:
    """Where the evidence of a post has a row."""
    return f"{SITE}/evidence/{slug}/#{row}"


def commits(source: str, told: str) -> Markup:
    """Commits, as `1bd90fe519, e733428dc6`, each linked where `source` is the address of a branch on a code host.

    Hosts have files under `/blob/BRANCH` or `/src/branch/BRANCH` and a commit beside that, under `/commit/HASH`.
    """
    host = re.match(r"(.+?)/(?:blob|src/branch|tree)/[^/]+$", source.rstrip("/"))
    if not host:
        return escape(told)
    return Markup(", ").join(
        Markup('<a href="{0}/commit/{1}">{1}</a>').format(host[1], name) for name in told.split(", ")
    )


def code(place: dict[str, Any]) -> str:
    """Where the site shows a line of a post's code: `code/posts/SLUG/FILE` from `first` on."""
    return f"{SITE}/{code_page(place['path'])}#L{place['first']}"


def code_page(path: str) -> str:
    """The address of a file's page, from the root of the site."""
    slug, _, file = path.removeprefix("code/posts/").partition("/")
    return f"{slug}/code/{file}/"


@pass_context
def finalize(context: Context, value: Any) -> Any:
    """What a template's expression prints, with SITE resolved for the page that it is printed on."""
    if isinstance(value, str) and SITE in value and (root := context.get("SITEURL")) is not None:
        return type(value)(resolved(value, root))
    return value


def resolved(html: str, root: str) -> str:
    """Text with the root of the site in its place."""
    return html.replace(SITE, root)


def use(pelican: Any) -> None:
    """Have the site's templates resolve SITE, and escape whatever does not say that it is HTML."""
    own = {**pelican.settings["JINJA_ENVIRONMENT"], "autoescape": True, "finalize": finalize}
    pelican.settings["JINJA_ENVIRONMENT"] = own
