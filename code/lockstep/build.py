"""Build: say what is stale and what it costs, run it, refresh the prose, verify everything, render.

Frozen, it neither runs nor writes into the source: it verifies and renders, or fails.
"""

from __future__ import annotations

import sys

from lockstep.errors import CheckFailed, LockstepError
from lockstep.execute.executors import Executor, here
from lockstep.execute.plan import ALL, within
from lockstep.execute.profiles import Profile
from lockstep.execute.running import run
from lockstep.project.post import Post
from lockstep.project.project import Project
from lockstep.prose import bindings
from lockstep.prose.bindings import Binding
from lockstep.prose.mistakes import misplaced
from lockstep.prose.resolve import Resolver
from lockstep.record.files import read_text, write_whole
from lockstep.report.check import check_all, is_clean


def build(project: Project, frozen: bool, budget: float | None = None, executor: Executor = here) -> None:
    """Raises CheckFailed with every problem found, after everything that could be done was done and kept.

    With a `budget` in seconds, only runs that fit are made, cheapest first; what stays stale is among the problems.
    """
    errors: list[str] = []
    if not frozen:
        for slug in project.slugs:
            if is_clean(project.post(slug)):
                continue
            try:
                selection = ALL
                if budget is not None:
                    selection, budget = within(budget, project.post(slug))
                run(Profile.published(project.post(slug)), selection, executor)
                refresh(project.post(slug))
            except LockstepError as error:
                errors.append(f"{slug}: {error}")
        for document in project.documents:
            refresh(document)
    problems = check_all(project)
    if errors or problems:
        text = [*errors, *([str(CheckFailed(problems))] if problems else [])]
        raise LockstepError("\n".join(text))


def refresh(post: Post) -> None:
    """Write today's values into the prose, and tell the sentence of each that changed."""
    if not post.prose.exists():
        return
    source = read_text(post.prose, post.project.relative(post.prose))
    resolver = Resolver.of(post)
    changed: list[tuple[int, str, str]] = []

    def text_of(binding: Binding) -> str:
        if misplaced(binding):
            return binding.text
        try:
            text = resolver.resolve(binding.kind, binding.target, binding.text)["text"]
        except LockstepError:
            return binding.text  # the check says what is wrong with it
        if not bindings.fits(text):
            return binding.text  # and that it cannot be written
        if text != binding.text:
            changed.append((binding.line, binding.text, text))
        return text

    refreshed = bindings.refresh(source, text_of)
    if refreshed == source:
        return
    write_whole(post.prose, refreshed.encode())
    post.project.cache.forget(post.slug)
    after = bindings.parse(refreshed)
    now = {(binding.line, binding.text): binding for binding in reversed(after.bindings)}
    for line, old, new in sorted(changed):
        held = now[line, new]
        told = f"{post.project.relative(post.prose)}:{line}: {old or '(nothing)'} → {new}"
        print(f"{told}\n    {bindings.sentence(after, held)}", file=sys.stderr)
