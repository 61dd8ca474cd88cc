"""Build: say what is stale and what it costs, run it, refresh the prose, verify everything, render.

Frozen, it neither runs nor writes into the source: it verifies and renders, or fails.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from lockstep import bindings, ledger
from lockstep.bindings import Binding
from lockstep.check import check_all, is_clean
from lockstep.errors import CheckFailed, LockstepError
from lockstep.executors import Executor, here
from lockstep.files import read_text, write_whole
from lockstep.freshness import Freshness, State
from lockstep.mistakes import misplaced
from lockstep.plan import ALL, Selection, absent, cost, plan, within
from lockstep.profiles import Profile
from lockstep.project import Post, Project
from lockstep.resolve import Resolver
from lockstep.runner import run_stages
from lockstep.wording import duration


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


def run(profile: Profile, selection: Selection = ALL, executor: Executor = here) -> int:
    """Run what is stale or missing of a post, said beforehand; returns how many runs that was."""
    todo = plan(Freshness.of(profile.post), selection)
    if todo:
        _announce(profile, todo)
    if selection.only is not None and (
        late := len(plan(Freshness.of(profile.post), replace(selection, only=None))) - len(todo)
    ):
        print(f"{profile.post.slug}: {late} runs do not fit into the budget and stay as they are", file=sys.stderr)
    return len(run_stages(profile, selection, executor))


def _announce(profile: Profile, todo: list[State]) -> None:
    post = profile.post
    seconds = cost(post, todo)
    estimate = "" if seconds is None else f", about {duration(seconds)}"
    print(f"{post.slug}: {len(todo)} run{'s' if len(todo) > 1 else ''} to make{estimate}", file=sys.stderr)
    for state in todo:
        reasons = "; ".join(state.reasons[:3]) or "made again, as was asked"
        print(f"  {state.name}: {state.kind} ({reasons})", file=sys.stderr)
    for line in absent(post, todo, profile.fetch):
        print(f"  {line}", file=sys.stderr)


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


def smoke(post: Post, selection: Selection = ALL, folder: Path | None = None) -> list[ledger.Line]:
    """The same code path, small, into a temporary folder; nothing of it enters the content."""
    with tempfile.TemporaryDirectory(prefix="lockstep-smoke-") as temporary:
        return run_stages(Profile.smoke(post, folder or Path(temporary)), selection)
