"""Runs of a post, said beforehand: what `run` and `build` have in common. Needs nothing that only prose needs."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from lockstep.execute.executors import Executor, here
from lockstep.execute.plan import ALL, Selection, absent, cost, plan
from lockstep.execute.profiles import Profile
from lockstep.execute.runner import run_stages
from lockstep.judge.freshness import Freshness, State
from lockstep.project.post import Post
from lockstep.record import ledger
from lockstep.wording import duration


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
        reasons = "; ".join(state.told[:3]) or "made again, as was asked"
        print(f"  {state.name}: {state.kind} ({reasons})", file=sys.stderr)
    for line in absent(post, todo, profile.has):
        print(f"  {line}", file=sys.stderr)


def smoke(post: Post, selection: Selection = ALL, folder: Path | None = None) -> list[ledger.Line]:
    """The same code path, small, into a temporary folder; nothing of it enters the content."""
    with tempfile.TemporaryDirectory(prefix="lockstep-smoke-") as temporary:
        return run_stages(Profile.smoke(post, folder or Path(temporary)), selection)
