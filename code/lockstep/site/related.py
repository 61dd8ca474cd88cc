"""What only the whole site knows: the kinds of posts, the posts before, after and near each, tags, and skills."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from heapq import nlargest
from typing import Any

from pelican.utils import slugify

from lockstep.errors import CheckFailed, Problem
from lockstep.site import cite, social

KINDS = {"paper": "Paper implementations", "capstone": "Capstones", "design": "System designs"}
RELATED = 3


def connect(generator: Any) -> None:
    """Called when every post is read. Raises CheckFailed where two names want one address."""
    posts = sorted(generator.articles, key=lambda post: (post.date, post.slug))
    settings = generator.settings
    for post in [*posts, *generator.hidden_articles, *generator.drafts]:
        post.lockstep["url"] = post.url  # worked out once: Pelican does so whenever it is asked
        post.lockstep["bibtex"] = cite.bibtex(post, settings["SITEURL"])
        post.lockstep["card"] = social.name(post, settings)
    neighbours(posts)
    generator.context["kinds"] = by_kind(posts)
    generator.context["skills"] = skills(posts, settings)
    generator.context["tagged"] = tags(posts, settings)


def by_kind(posts: list[Any]) -> list[dict[str, Any]]:
    """The posts of each kind, newest first; a kind without posts is left out."""
    groups = [
        {"name": kind, "title": title, "posts": [post for post in reversed(posts) if str(post.category) == kind]}
        for kind, title in KINDS.items()
    ]
    return [group for group in groups if group["posts"]]


def neighbours(posts: list[Any]) -> None:
    """Tell each post the one before it, the one after it, and those with most tags and skills in common."""
    labels = [{str(tag) for tag in getattr(p, "tags", [])} | {s["name"] for s in p.lockstep["skills"]} for p in posts]
    holders: dict[str, list[int]] = {}
    for number, names in enumerate(labels):
        for name in names:
            holders.setdefault(name, []).append(number)
    for number, post in enumerate(posts):
        shared: Counter[int] = Counter()
        for name in labels[number]:
            shared.update(holders[name])
        del shared[number]
        near = nlargest(RELATED, shared.items(), key=lambda found: (found[1], found[0]))  # ties: the newest first
        post.lockstep["previous"] = posts[number - 1] if number else None
        post.lockstep["next"] = posts[number + 1] if number + 1 < len(posts) else None
        post.lockstep["related"] = [posts[other] for other, _ in near]


@dataclass
class Label:
    """A tag or a skill: its name, its address, and who carries it (with the evidence, for a skill)."""

    name: str
    slug: str
    first: tuple[str, int]
    posts: list[dict[str, Any]] = field(default_factory=list)


def skills(posts: list[Any], settings: dict[str, Any]) -> list[Label]:
    """Every skill by name, and each post's evidence of it, the newest post first."""
    named = [
        (skill["name"], skill["line"], {"post": post, "targets": skill["targets"]})
        for post in reversed(posts)
        for skill in post.lockstep["skills"]
    ]
    return _labels("skill", named, settings)


def tags(posts: list[Any], settings: dict[str, Any]) -> list[Label]:
    """Every tag by name, with its posts, the newest first."""
    named = [
        (str(tag), post.lockstep["lines"].get("tags", 1), {"post": post})
        for post in reversed(posts)
        for tag in getattr(post, "tags", [])
    ]
    return _labels("tag", named, settings)


def _labels(kind: str, named: list[tuple[str, int, dict[str, Any]]], settings: dict[str, Any]) -> list[Label]:
    found: dict[str, Label] = {}
    problems: list[Problem] = []
    for name, line, entry in named:
        place = (f"content/{entry['post'].slug}/index.md", line)
        slug = slugify(name, regex_subs=settings["SLUG_REGEX_SUBSTITUTIONS"])
        label = found.setdefault(slug, Label(name, slug, place))
        if not slug:
            problems.append(Problem(*place, f'the {kind} "{name}" has no letter or digit that could be its address'))
        elif label.name != name:
            other = f'"{label.name}" ({label.first[0]}:{label.first[1]})'
            problems.append(Problem(*place, f'the {kind} "{name}" has the address of {other}: write one name for both'))
        elif label.posts and label.posts[-1]["post"] is entry["post"]:
            problems.append(Problem(*place, f'the {kind} "{name}" is named twice: put all of its evidence on one line'))
        label.posts.append(entry)
    if problems:
        raise CheckFailed(problems)
    return sorted(found.values(), key=lambda label: (label.name.casefold(), label.name))
