"""`robots.txt`, and `sitemap.xml` for a site that knows its own address.

Not the plugin of that name: it dates index pages with the clock, so that no two builds are alike, does not escape
addresses, and writes relative ones, which the format forbids, where SITEURL is empty.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from lockstep.site.head import address
from lockstep.site.output import put

NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
_written: dict[str, str] = {}  # address of each page of this build, and the date of its text where it has one


def start(pelican: Any) -> None:
    _written.clear()


def note(path: str, context: dict[str, Any]) -> None:
    """Called for each page that was written."""
    content = context.get("article") or context.get("page") or context.get("post")
    if content is not None and content.status != "published":
        return
    date = getattr(content, "modified", None) or getattr(content, "date", None)
    _written[address(context["output_file"])] = f"{date:%Y-%m-%d}" if date else ""


def write(pelican: Any) -> None:
    """Called when everything is written."""
    site = pelican.settings["SITEURL"]
    robots = ["User-agent: *", "Disallow:"]
    if site:
        pages = "\n".join(_entry(f"{site}/{quote(place)}", date) for place, date in sorted(_written.items()))
        text = f'<?xml version="1.0" encoding="utf-8"?>\n<urlset xmlns="{NAMESPACE}">\n{pages}\n</urlset>\n'
        put(pelican.settings, "sitemap.xml", text.encode())
        robots.append(f"Sitemap: {site}/sitemap.xml")
    put(pelican.settings, "robots.txt", ("\n".join(robots) + "\n").encode())


def _entry(url: str, date: str) -> str:
    return f"<url><loc>{escape(url)}</loc>{f'<lastmod>{date}</lastmod>' if date else ''}</url>"
