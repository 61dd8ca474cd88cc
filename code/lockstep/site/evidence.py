"""The evidence: a page for each post and one that leads to them; and what a reader can take away, as files.

A post's part is worked out while its prose is read, and kept with it; the pages string the parts together.
Nothing of it depends on when it is built: the age of a run counts back from the newest run of the site.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Set
from datetime import date
from pathlib import Path
from typing import Any

from jinja2 import Environment

from lockstep.project.post import Post
from lockstep.project.project import Project
from lockstep.prose.evidence import Evidence, Place, ledger_csv, provenance_json
from lockstep.site.links import SITE
from lockstep.site.output import put

AGE = "\ufdd1"  # before the date of a run whose age is known when all posts are read
_AGE = re.compile(rf"{AGE}(\d{{4}}-\d\d-\d\d)")
UNKNOWN = "\ufdd2"  # where it is said that a commit is not in the history, which is known when the page is written
_COMMIT = re.compile(r'<a href="[^"]+/commit/([0-9a-f]+)">\1</a>')
SQUASHED = (
    '<p class="accepted">A commit without a link is no longer in this repository’s history, which was squashed or '
    "written anew since. What its runs ran is known all the same: their fingerprints cover code, settings and data, "
    "and are compared with those here at every build.</p>"
)
DOWNLOADS = {"ledger.csv": ledger_csv, "provenance.json": provenance_json}
NAMES = {"ledger.csv": "Ledger (CSV)", "provenance.json": "Provenance (JSON)"}


def entry(environment: Environment, evidence: Evidence, title: str, shown: dict[str, Any]) -> dict[str, Any]:
    """A post's part of the page, as HTML, with its counts; `shown` is what its templates get beside the text."""
    colophon = shown["colophon"]
    dates = [evidence.newest, *(row["date"] for row in colophon.get("stages", []))]
    fields = {
        "slug": evidence.slug,
        "title": title,
        "claims": evidence.claims,
        "groups": evidence.runs,
        "has_runs": bool(colophon),
        "accepted": colophon.get("accepted", []),
        "dirty": any(row["dirty"] for row in evidence.rows.values()),
        "downloads": shown["downloads"],
        "SITE": SITE,
        "AGE": AGE,
        "UNKNOWN": UNKNOWN,
    }
    for row in evidence.rows.values():
        row["shown_at"] = _links(evidence.slug, row["places"])
    verdicts = sorted({row["verdict"] for row in evidence.claims})
    told = {"values": len(evidence.values), "claims": len(evidence.claims), "newest": max(dates), "verdicts": verdicts}
    parts = {"html": "parts/evidence.html", "brief": "parts/verdicts.html"}
    return told | {part: environment.get_template(name).render(fields) for part, name in parts.items()}


def _links(slug: str, places: list[Place]) -> list[dict[str, str]]:
    """Where something stands, with words to tell the places apart."""
    many, seen, found = Counter(place.where for place in places), Counter[str](), []
    for place in places:
        seen[place.where] += 1
        words = place.where + (f"\u00a0{seen[place.where]}" if many[place.where] > 1 else "")
        page = f"{SITE}/" if place.where == "summary" else f"{SITE}/{slug}/"
        found.append({"words": words, "url": f"{page}#{place.anchor}"})
    return found


def downloads(post: Post | None) -> list[dict[str, str]]:
    """What a post offers as files: name, and address from the root of the site."""
    if post is None or not post.ledger.lines:
        return []
    return [{"name": NAMES[file], "url": f"{post.slug}/{file}"} for file in DOWNLOADS]


def write(generator: Any, writer: Any, project: Project) -> None:
    """The page of all listed posts, that of each, and the files of every post with a ledger."""
    parts = [{**post.lockstep["evidence"], "post": post} for post in generator.context["posts"]]
    newest, known = max((part["newest"] for part in parts), default=""), history(project.root)
    more = {"relative_urls": generator.settings["RELATIVE_URLS"], "newest": newest}
    writer.write_file(
        "evidence/index.html",
        generator.get_template("evidence"),
        generator.context,
        parts=parts,
        verdicts=sorted({verdict for part in parts for verdict in part["verdicts"]}),
        values=sum(part["values"] for part in parts),
        claims=sum(part["claims"] for part in parts),
        **more,
    )
    for part in parts:
        post = part["post"]
        about = (f"Evidence: {post.title}", f"Every claim and number of “{post.title}”, with the runs it rests on.")
        shown = {"part": linked(aged(part["html"], newest), known), "about": about, "post": post}
        told = {name: part[name] for name in ("values", "claims", "verdicts")}
        template = generator.get_template("proof")
        place = f"evidence/{post.slug}/index.html"
        writer.write_file(place, template, generator.context, **more, **shown, **told)
    for slug in project.slugs:
        for name, text in _files(project, slug).items():
            put(generator.settings, f"{slug}/{name}", text.encode())


def aged(html: str, newest: str) -> str:
    """With the ages of runs in words."""
    return _AGE.sub(lambda match: age(match[1], newest), html)


def history(root: Path) -> Set[str] | None:
    """Every commit that leads to the one checked out; None where that cannot be told: no git, or a shallow clone."""
    found: list[str] = []
    for command in (["git", "rev-parse", "--is-shallow-repository"], ["git", "rev-list", "HEAD"]):
        try:
            done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=20, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        found.append(done.stdout)
    return None if found[0].strip() == "true" else frozenset(found[1].split())


def linked(html: str, known: Set[str] | None) -> str:
    """With links to commits of the history alone; of others it is said that they are not there any more."""
    lost = []
    if known is not None:
        short = {commit[:10] for commit in known}
        lost = [name for name in dict.fromkeys(_COMMIT.findall(html)) if name[:10] not in short]
        html = _COMMIT.sub(lambda match: match[1] if match[1] in lost else match[0], html)
    return html.replace(UNKNOWN, SQUASHED if lost else "")


def age(day: str, newest: str) -> str:
    """`12 days before the newest run`"""
    days = (date.fromisoformat(newest) - date.fromisoformat(day)).days
    return "the day of the newest run" if days == 0 else f"{days} day{'s' if days > 1 else ''} before the newest run"


def _files(project: Project, slug: str) -> dict[str, str]:
    """What each file of a post holds; none where nothing has run."""
    key = project.cache.key(slug)
    kept = project.cache.get("files", slug, key)
    if kept is None:
        post = project.post(slug)
        kept = {name: make(post) for name, make in DOWNLOADS.items()} if post.ledger.lines else {}
        project.cache.put("files", slug, key, kept)
    return kept
