"""Build: say what is stale and what it costs, run it, refresh the prose, verify everything, render.

Frozen, it neither runs nor writes into the source: it verifies and renders, or fails.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from lockstep import bindings, ledger, runner
from lockstep.bindings import Binding
from lockstep.check import check_all, is_clean, misplaced
from lockstep.errors import CheckFailed, LockstepError
from lockstep.files import write_whole
from lockstep.freshness import Freshness, State
from lockstep.project import Post, Project
from lockstep.resolve import Resolver, duration
from lockstep.runner import Profile


def build(project: Project, frozen: bool) -> None:
    """Raises CheckFailed with every problem found, after everything that could be done was done and kept."""
    errors: list[str] = []
    if not frozen:
        for slug in project.slugs:
            if is_clean(project.post(slug)):
                continue
            try:
                run(Profile.published(project.post(slug)))
                refresh(project.post(slug))
            except LockstepError as error:
                errors.append(f"{slug}: {error}")
    problems = check_all(project)
    if errors or problems:
        text = [*errors, *([str(CheckFailed(problems))] if problems else [])]
        raise LockstepError("\n".join(text))


def run(profile: Profile, stages: Iterable[str] | None = None, force: bool = False, seeds: runner.Seeds = None) -> int:
    """Run what is stale or missing of a post, said beforehand; returns how many runs that was."""
    post = profile.post
    names = None if stages is None else [post.stage(name).name for name in stages]
    if todo := runner.plan(Freshness.of(post), names, force, seeds):
        _announce(post, todo)
    return len(runner.run_stages(profile, names, force, seeds))


def _announce(post: Post, todo: list[State]) -> None:
    seconds = runner.cost(post, todo)
    estimate = "" if seconds is None else f", about {duration(seconds)}"
    print(f"{post.slug}: {len(todo)} run{'s' if len(todo) > 1 else ''} to make{estimate}", file=sys.stderr)
    for state in todo:
        print(f"  {state.name}: {state.kind} ({'; '.join(state.reasons[:3])})", file=sys.stderr)


def refresh(post: Post) -> list[tuple[int, str, str]]:
    """Write today's values into the prose; returns (line, old, new) of each that changed."""
    if not post.prose.exists():
        return []
    source = post.prose.read_text(encoding="utf-8")
    resolver = Resolver.of(post)
    changed: list[tuple[int, str, str]] = []

    def text_of(binding: Binding) -> str:
        if misplaced(binding):
            return binding.text
        try:
            text = resolver.resolve(binding.kind, binding.target, binding.text)["text"]
        except LockstepError:
            return binding.text  # the check says what is wrong with it
        if text != binding.text:
            changed.append((binding.line, binding.text, text))
        return text

    refreshed = bindings.refresh(source, text_of)
    if refreshed != source:
        write_whole(post.prose, refreshed.encode())
        post.project.cache.forget(post.slug)
    for line, old, new in sorted(changed):
        sentence = source.splitlines()[line - 1].strip()
        print(
            f"{post.project.relative(post.prose)}:{line}: {old or '(nothing)'} → {new}\n    {sentence}", file=sys.stderr
        )
    return sorted(changed)


def smoke(post: Post, stages: Iterable[str] | None = None, folder: Path | None = None) -> list[ledger.Line]:
    """The same code path, small, into a temporary folder; nothing of it enters the content."""
    names = None if stages is None else [post.stage(name).name for name in stages]
    with tempfile.TemporaryDirectory(prefix="lockstep-smoke-") as temporary:
        return runner.run_stages(Profile.smoke(post, folder or Path(temporary)), names)
