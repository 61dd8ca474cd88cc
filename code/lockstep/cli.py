"""`python -m lockstep`: the engine without invoke.

build [--frozen] · check · status · why [SLUG[.STAGE]] · run SLUG[.STAGE] [--force] [--profile smoke]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from lockstep.check import check_all
from lockstep.errors import CheckFailed, LockstepError
from lockstep.freshness import Freshness
from lockstep.project import Project


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 1 with the message on standard error."""
    parser = argparse.ArgumentParser(prog="python -m lockstep", description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add = commands.add_parser("build", help="run what is stale, refresh the prose, verify, render")
    add.add_argument("--frozen", action="store_true", default=bool(os.environ.get("CI")), help="run and write nothing")
    add.add_argument("--no-render", action="store_true", help="leave the site alone")
    add.set_defaults(function=lambda a: build(a.frozen, not a.no_render))
    commands.add_parser("check", help="verify everything, write nothing").set_defaults(function=lambda a: check())
    commands.add_parser("status", help="every stage and its state").set_defaults(function=lambda a: status())
    add = commands.add_parser("why", help="why runs are stale, and what hangs on them")
    add.add_argument("target", nargs="?", default="", metavar="SLUG[.STAGE]")
    add.set_defaults(function=lambda a: why(a.target))
    add = commands.add_parser("run", help="run stages of a post")
    add.add_argument("target", metavar="SLUG[.STAGE]")
    add.add_argument("--force", action="store_true", help="run again what is fresh")
    add.add_argument("--profile", choices=["published", "smoke"], default="published")
    add.add_argument("--seed", type=int, action="append", metavar="N", help="only runs at this seed; may be repeated")
    add.add_argument("--out", metavar="DIR", help="keep the runs in a folder, for merge into another clone")
    add.set_defaults(function=lambda a: run(a.target, a.force, a.profile, a.seed, a.out))
    given = parser.parse_args(arguments)
    return guarded(lambda: given.function(given))


def guarded(action: Callable[[], None]) -> int:
    """A user's mistake is a message and an exit code, never a traceback."""
    try:
        action()
    except LockstepError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: finished runs are recorded, the unfinished one resumes", file=sys.stderr)
        return 130
    return 0


def build(frozen: bool, render: bool = True, settings: str = "pelicanconf.py") -> None:
    from lockstep.build import build

    project = Project.find()
    build(project, frozen)
    if render:
        from lockstep.site.generate import generate

        print(f"the site is in {generate(project, settings)}")


def check() -> None:
    project = Project.find()
    if problems := check_all(project):
        raise CheckFailed(problems)
    print(f"{len(project.slugs)} posts checked, nothing to mend")


def status() -> None:
    from lockstep.why import status_lines

    print("\n".join(status_lines(Project.find())))


def why(target: str) -> None:
    from lockstep.why import explain

    project = Project.find()
    slug, _, stage = target.partition(".")
    for name in [slug] if slug else project.slugs:
        print("\n".join(explain(project.post(name), stage or None)))


def run(
    target: str, force: bool = False, profile: str = "published", seeds: list[int] | None = None, out: str | None = None
) -> None:
    from lockstep.build import refresh, smoke
    from lockstep.build import run as run_stages
    from lockstep.runner import Profile

    slug, _, stage = target.partition(".")
    post = Project.find().post(slug)
    stages = [stage] if stage else None
    if profile == "smoke":
        for line in smoke(post, stages):
            print(line.stage, line.keys, line.rows)
        return
    where = Profile.elsewhere(post, Path(out).resolve()) if out else Profile.published(post)
    if run_stages(where, stages, force, frozenset(seeds) if seeds else None) == 0:
        states = Freshness.of(where.post).all()
        print(f"{target}: nothing to run, {sum(s.kind == 'fresh' for s in states)} runs are fresh")
    if not out:
        refresh(post)
