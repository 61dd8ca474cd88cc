"""What only the whole site knows: the kinds of posts, the posts before, after and near each, tags, and skills."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from heapq import nlargest
from typing import Any

from pelican.utils import slugify

from lockstep.errors import CheckFailed, Problem, nearest
from lockstep.site import cite, social

KINDS = {"paper": "Papers, implemented", "capstone": "Capstones", "design": "System designs"}
NEIGHBOURS = 3  # other posts that a post leads to, in one row


def connect(generator: Any) -> None:
    """Called when every post is read. Raises CheckFailed where two names want one address."""
    posts = sorted(generator.articles, key=lambda post: (post.date, post.slug))
    settings = generator.settings
    for post in [*posts, *generator.hidden_articles, *generator.drafts]:
        post.lockstep["url"] = post.url  # worked out once: Pelican does so whenever it is asked
        post.lockstep["bibtex"] = cite.bibtex(post, settings["SITEURL"])
        post.lockstep["card"] = social.name(post, settings)
        post.lockstep["kind"] = social.KINDS.get(str(post.category), str(post.category))
    neighbours(posts)
    generator.context["posts"] = ordered(posts, generator, settings)
    generator.context["kinds"] = kinds(posts)
    generator.context["skills"] = found = skills(posts, settings)
    for post in posts:
        post.lockstep["labels"] = []
    for skill in found:
        for entry in skill.posts:
            entry["post"].lockstep["labels"].append(skill.slug)
    generator.context["tagged"] = tags(posts, settings)


def ordered(posts: list[Any], generator: Any, settings: dict[str, Any]) -> list[Any]:
    """The posts as the home page lists them: first those that `site.toml` names, then the others, the newest first.

    Raises CheckFailed for a name that no post has, listed or not.
    """
    wanted: list[str] = settings.get("ORDER", [])
    known = [post.slug for post in [*posts, *generator.hidden_articles, *generator.drafts]]
    if lost := [slug for slug in wanted if slug not in known]:
        told = f'posts: there is no post "{lost[0]}"{nearest(lost[0], known)}'
        raise CheckFailed([Problem("site.toml", settings["ORDER_LINE"], told)])
    place = {slug: number for number, slug in enumerate(wanted)}
    return sorted(reversed(posts), key=lambda post: place.get(post.slug, len(wanted)))


def kinds(posts: list[Any]) -> list[dict[str, str]]:
    """The kinds that have posts."""
    there = {str(post.category) for post in posts}
    return [{"name": kind, "title": title} for kind, title in KINDS.items() if kind in there]


def neighbours(posts: list[Any]) -> None:
    """Tell each post the one before it, the one after it, and others with most tags and skills in common."""
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
        around = [other for other in (number - 1, number + 1) if 0 <= other < len(posts)]
        for other in around:
            del shared[other]  # told already
        near = nlargest(NEIGHBOURS - len(around), shared.items(), key=lambda found: (found[1], found[0]))  # the newest
        post.lockstep["previous"] = posts[number - 1] if number else None
        post.lockstep["next"] = posts[number + 1] if number + 1 < len(posts) else None
        post.lockstep["related"] = [posts[other] for other, _ in near]


@dataclass
class Label:
    """A tag or a skill: its name, its address, who carries it (with the evidence, for a skill), a sentence about it."""

    name: str
    slug: str
    first: tuple[str, int]
    posts: list[dict[str, Any]] = field(default_factory=list)
    text: str = ""


def skills(posts: list[Any], settings: dict[str, Any]) -> list[Label]:
    """Every skill, and each post's evidence of it, the newest post first: the skills that `site.toml` names in its
    order, each with its sentence, then the others, that with most evidence first."""
    named = [
        (skill["name"], skill["line"], {"post": post, "targets": skill["targets"]})
        for post in reversed(posts)
        for skill in post.lockstep["skills"]
    ]
    told = {skill.name: (number, skill.text) for number, skill in enumerate(settings.get("SKILLS", []))}
    found = _labels("skill", named, settings)
    for label in found:
        label.text = told.get(label.name, (0, ""))[1]

    def importance(label: Label) -> tuple[int, int]:
        return told.get(label.name, (len(told), ""))[0], -sum(len(entry["targets"]) for entry in label.posts)

    return sorted(found, key=importance)


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
