"""Verify a post without running or writing anything: ledger, freshness, prose, claims, settings, figures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from pathlib import Path

from lockstep.datasets import is_fixed
from lockstep.errors import LockstepError, Problem, nearest, problem_of
from lockstep.judge.freshness import Freshness, State, config_defaults
from lockstep.project.paper import undeclared, unreferenced
from lockstep.project.post import Document, Post
from lockstep.project.project import Project
from lockstep.prose import bindings, header, lint
from lockstep.prose.bindings import Prose
from lockstep.prose.mistakes import misplaced, mistakes
from lockstep.prose.resolve import Resolver
from lockstep.record.files import DEEP, is_made, read_text
from lockstep.record.ledger import describe, provenance_path

BUILD = "run lockstep build"


def check_all(project: Project) -> list[Problem]:
    """Every problem of every post and document, sorted by place."""
    posts = [problem for slug in project.slugs for problem in check_post(project.post(slug))]
    return sorted([*posts, *(problem for document in project.documents for problem in check_document(document))])


def check_document(document: Document) -> list[Problem]:
    """Every problem of a Markdown file that is no post; of one that is, what its text shows."""
    project, slug = document.project, document.prose.parent.name
    if slug in project.slugs and project.post(slug).prose == document.prose:
        return sorted(set(_prose(project.post(slug))))
    file = project.relative(document.prose)
    if not document.prose.is_file():
        return [Problem("pyproject.toml", 1, f"documents: {project.not_there(document.prose)}")]
    try:
        return sorted(set(_bound(document, bindings.read(document.prose, file), file)))
    except LockstepError as error:
        return [problem_of(error, file)]


def check_post(post: Post) -> list[Problem]:
    """Every problem of one post. A post that does not load is one problem."""
    if is_clean(post):
        return []
    relative = post.project.relative
    try:
        with post.project.cache.watching(post.slug):
            found = [*_ledger(post), *_runs(post), *_settings(post), *_prose(post)]
    except LockstepError as error:
        found = [problem_of(error, relative(post.declaration))]
    except RecursionError:
        found = [Problem(relative(post.declaration), 1, DEEP)]
    if not found and post.prose.exists():  # without prose, a document decides
        post.project.cache.put(
            "clean", post.slug, post.project.cache.key(post.slug), {"data": _data_that_code_makes(post)}
        )
    return sorted({Problem(relative(Path(problem.file)), problem.line, problem.message) for problem in found})


def is_clean(post: Post) -> bool:
    """Was this post, byte for byte, checked before and nothing found? Data that code makes are made again."""
    cache = post.project.cache
    kept = cache.get("clean", post.slug, cache.key(post.slug))
    if not isinstance(kept, dict) or not isinstance(kept.get("data"), dict):
        return False
    try:
        return all(post.data_digest(name) == digest for name, digest in kept["data"].items())
    except LockstepError:
        return False  # the check says why


def _data_that_code_makes(post: Post) -> dict[str, str]:
    """The digests of datasets that recorded runs read and that no declaration fixes: any code may decide them."""
    read = {name for line in post.ledger.lines.values() for name in line.data}
    found = {name: post.experiment.data[name] for name in sorted(read & set(post.experiment.data))}
    return {name: post.data_digest(name) for name, data in found.items() if not is_fixed(data)}


def _ledger(post: Post) -> Iterator[Problem]:
    yield from post.ledger.problems
    for identity, line in post.ledger.lines.items():
        path, number = post.ledger.places[identity]
        if line.post != post.slug:
            yield Problem(str(path), number, f'a run of the post "{line.post}" in the ledger of "{post.slug}"')
        if post.ledger.provenance(line) is None:
            place = provenance_path(path.parent, line).relative_to(path.parent)
            told = (
                f"{describe(line.stage, line.keys)} has no provenance that can be read in {place}: restore it from git"
            )
            yield Problem(str(path), number, told)
        for place, digest in line.outputs.items():
            made = post.folder / place
            if not made.is_file():
                yield Problem(
                    str(path), number, f"{place}, which this run made, is gone: restore it from git, or {BUILD}"
                )
            elif not is_made(made, digest):
                message = f"{place} is not what the run made (it was edited): restore it from git, or {BUILD}"
                yield Problem(str(path), number, message)


def _runs(post: Post) -> Iterator[Problem]:
    states = [state for state in Freshness.of(post).all() if state.kind in ("stale", "missing")]
    for (stage, cause), alike in groupby(states, key=lambda state: (state.stage.name, state.cause)):
        yield _stale(post, stage, list(alike), cause)


def _stale(post: Post, stage: str, states: list[State], cause: tuple[str, ...]) -> Problem:
    path = post.results / f"{stage}.jsonl"
    first = states[0]
    place = post.ledger.places.get(first.line.identity) if first.line else None
    names = first.name if len(states) == 1 else f"{first.name} and {len(states) - 1} more"
    kind, *reasons = cause
    more = f"; and {len(reasons) - 3} more" if len(reasons) > 3 else ""
    return Problem(str(path), place[1] if place else 1, f"{names}: {kind} ({'; '.join(reasons[:3])}{more}): {BUILD}")


def _settings(post: Post) -> Iterator[Problem]:
    path = post.folder / "paper.toml"
    yield from undeclared(post.paper, config_defaults(post.experiment), path)
    yield from unreferenced(post.paper, _references(post.project), path)


def _prose(post: Post) -> Iterator[Problem]:
    file = post.project.relative(post.prose)
    if not post.prose.exists() and not post.prose.is_symlink():
        if not any(
            f":{post.slug}/".encode() in other.prose.read_bytes()
            for other in post.project.documents
            if other.prose.is_file()
        ):
            yield Problem(file, 1, "the post has code and no prose: write it, or remove the code")
        return
    prose = bindings.read(post.prose, file)
    yield from _metadata(prose, file)
    yield from header.problems(post, prose, file)
    yield from _cited(post, prose, file)
    yield from _bound(post, prose, file)


def _cited(post: Post, prose: Prose, file: str) -> Iterator[Problem]:
    """Citations of what the list of references does not have."""
    known = _references(post.project)
    for cited in prose.citations:
        if cited.name not in known:
            told = f'references.bib has no "{cited.name}"{nearest(cited.name, known)}'
            yield Problem(file, prose.line_of(cited.at), told)


def _references(project: Project) -> list[str]:
    """The keys of the list of references."""
    path = project.root / "content" / "references.bib"
    text = read_text(path, project.relative(path)) if path.exists() or path.is_symlink() else ""
    return re.findall(r"^\s*@\w+\s*\{\s*([^,\s]+)", text, re.MULTILINE)


def _bound(post: Post, prose: Prose, file: str) -> Iterator[Problem]:
    """Every binding must resolve to what the prose says, and every number be bound."""
    yield from mistakes(prose, file)
    resolver = Resolver.of(post)
    shown = []
    for binding in prose.bindings:
        if misplaced(binding):
            continue
        problem = None
        try:
            fields = resolver.resolve(binding.kind, binding.target, binding.text)
        except LockstepError as error:
            problem = str(error)
        else:
            shown.append(fields["text"])
            if binding.kind in bindings.VALUES and not bindings.fits(fields["text"]):
                problem = f'{binding.target} is "{fields["text"]}", whose brackets no link can hold: name it in words'
            elif binding.kind in bindings.VALUES and binding.text != fields["text"]:
                says = f'the prose says "{binding.text}", {binding.target} is "{fields["text"]}"'
                problem = f"stale snapshot: {says}: {BUILD}"
            elif binding.kind == "claim" and any(c.isdigit() for c in binding.text):
                problem = f'the phrase "{binding.text}" of a claim holds a number: bind the number beside it'
        if problem:
            yield Problem(file, binding.line, problem)
    yield from lint.unbound(prose, shown, file)


def _metadata(prose: Prose, file: str) -> Iterator[Problem]:
    """What Pelican would drop an article for, without failing, and what is said twice."""
    for one in prose.fields:
        if (first := prose.metadata[one.name][1]) != one.line:
            yield Problem(file, one.line, f"{one.name.capitalize()} stands in line {first} already: give it once")
    for name in ("title", "date", "summary"):
        if not prose.metadata.get(name, ("", 0))[0]:
            yield Problem(file, 1, f"the header has no {name.capitalize()}: Pelican would drop the article")
    value, line = prose.metadata.get("date", ("", 1))
    if value and not _is_date(value):
        yield Problem(file, line, f'"{value}" is no date: write YYYY-MM-DD, or Pelican drops the article')
    status, line = prose.metadata.get("status", ("published", 1))
    if status not in ("published", "draft", "hidden"):
        yield Problem(file, line, f'"{status}" is no status: published, draft or hidden, or Pelican drops the article')


def _is_date(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
