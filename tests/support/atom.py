"""What RFC 4287 demands of an Atom feed, as far as a site like this one uses it; section numbers are the RFC's."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from webpages import Elements

ATOM = "{http://www.w3.org/2005/Atom}"
PERSON = {"name": (1, 1), "uri": (0, 1), "email": (0, 1)}  # 3.2
EITHER = {"author": (0, None), "category": (0, None), "contributor": (0, None), "link": (0, None)}
FEED = EITHER | {  # 4.1.1
    "id": (1, 1),
    "title": (1, 1),
    "updated": (1, 1),
    "entry": (0, None),
    "generator": (0, 1),
    "icon": (0, 1),
    "logo": (0, 1),
    "rights": (0, 1),
    "subtitle": (0, 1),
}
ENTRY = EITHER | {  # 4.1.2
    "id": (1, 1),
    "title": (1, 1),
    "updated": (1, 1),
    "content": (0, 1),
    "published": (0, 1),
    "rights": (0, 1),
    "source": (0, 1),
    "summary": (0, 1),
}
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")  # 3.3
ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*:\S+")


def violations(text: str) -> list[str]:
    """Where the feed is not what the RFC, or a reader far from the site, needs. Raises ParseError without XML."""
    feed = ElementTree.fromstring(text)
    if feed.tag != ATOM + "feed":
        return [f"the root is {feed.tag}"]
    entries = feed.findall(ATOM + "entry")
    said = _children(feed, FEED) + _common(feed)
    for entry in entries:
        said += _children(entry, ENTRY) + _common(entry) + _entry(entry)
        if feed.find(ATOM + "author") is None and entry.find(ATOM + "author") is None:
            said.append("an entry without author in a feed without author (4.1.1)")
    ids = [(entry.findtext(ATOM + "id"), entry.findtext(ATOM + "updated")) for entry in entries]
    said += ["two entries of one id and date (4.1.1)"] if len(set(ids)) < len(ids) else []
    said += ["no link to the feed itself (4.1.1)"] if not _links(feed, "self") else []
    newest = max((_date(entry.findtext(ATOM + "updated")) for entry in entries), default="")
    said += ["an entry is younger than the feed"] if newest > _date(feed.findtext(ATOM + "updated")) else []
    return said


def _date(text: str | None) -> str:
    """A date that can be compared as text; empty where it is none."""
    if not text or not DATE.fullmatch(text.strip()):
        return ""
    try:
        return datetime.fromisoformat(text.strip()).astimezone(UTC).isoformat()
    except ValueError:  # the form is right, the day does not exist
        return ""


def _children(parent: Element, allowed: dict[str, tuple[int, int | None]]) -> list[str]:
    counts: dict[str, int] = {}
    for child in parent:
        if child.tag.startswith(ATOM):
            counts[child.tag.removeprefix(ATOM)] = counts.get(child.tag.removeprefix(ATOM), 0) + 1
    name = parent.tag.removeprefix(ATOM)
    said = [f"{one} does not belong in {name}" for one in counts if one not in allowed]
    for one, (least, most) in allowed.items():
        if not least <= (n := counts.get(one, 0)) <= (n if most is None else most):
            said.append(f"{n} of {one} in {name}")
    return said


def _links(parent: Element, relation: str) -> list[Element]:
    return [one for one in parent.findall(ATOM + "link") if one.get("rel", "alternate") == relation]


def _common(parent: Element) -> list[str]:
    """Of feeds and entries alike: persons, dates, links, ids and texts."""
    said = []
    for one in parent:
        name, text = one.tag.removeprefix(ATOM), (one.text or "").strip()
        if name in ("author", "contributor"):
            said += _children(one, PERSON)
            said += [] if (one.findtext(ATOM + "name") or "").strip() else [f"{name} without a name"]
        elif name in ("updated", "published"):
            said += [] if _date(text) else [f"{name} is {text!r} (3.3)"]
        elif name in ("id", "icon", "logo"):
            said += [] if ABSOLUTE.fullmatch(text) else [f"{name} is {text!r} (4.2.6)"]
        elif name == "link":
            said += [] if ABSOLUTE.fullmatch(one.get("href", "")) else [f"link to {one.get('href')!r}"]
        elif name == "category":
            said += [] if one.get("term") else ["category without term (4.2.2)"]
        elif name in ("title", "subtitle", "summary", "rights"):
            said += _text(name, one)
    kinds = [(one.get("type"), one.get("hreflang")) for one in _links(parent, "alternate")]
    return said + (["two alternates of one kind (4.1.1)"] if len(set(kinds)) < len(kinds) else [])


def _text(name: str, one: Element) -> list[str]:
    kind = one.get("type", "text")
    if kind not in ("text", "html", "xhtml"):
        return [f"{name} of type {kind} (3.1.1)"]
    return [f"{name} of type {kind} holds elements (3.1.1)"] if kind != "xhtml" and len(one) else []


def _entry(entry: Element) -> list[str]:
    content = entry.find(ATOM + "content")
    if content is None:
        return [] if _links(entry, "alternate") else ["neither content nor a link to it (4.1.2)"]
    published, updated = (_date(entry.findtext(ATOM + name)) for name in ("published", "updated"))
    said = ["updated before it was published"] if published > updated else []
    page = Elements(content.text or "")
    links = [link for name in ("href", "src") for link in page.values(name)]
    return (
        said + _text("content", content) + [f"content links to {link!r}" for link in links if not ABSOLUTE.match(link)]
    )
