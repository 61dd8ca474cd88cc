"""`python -m lockstep`, or `lockstep`: the engine without invoke. Each function is one task, for tasks.py as well."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lockstep.errors import CheckFailed, LockstepError, nearest
from lockstep.files import DEEP, told
from lockstep.project import Post, Project

if TYPE_CHECKING:
    from lockstep.plan import Selection

PROFILES = ["published", "smoke"]


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 1 with the message on standard error; 3 where reproduce cannot tell."""
    given = parser().parse_args(arguments)
    return guarded(lambda: given.function(given))


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(prog="lockstep", description="Keeps prose and results in step.")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, help: str, function: Callable[[argparse.Namespace], int | None]) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help, description=help)
        added.set_defaults(function=function)
        return added

    one = command(
        "build",
        "run what is stale, refresh the prose, verify, render",
        lambda a: build(a.frozen, not a.no_render, budget=a.budget, on=a.on),
    )
    one.add_argument("--frozen", action="store_true", default=bool(os.environ.get("CI")), help="run and write nothing")
    one.add_argument("--no-render", action="store_true", help="leave the site alone")
    _budget(one)
    _on(one)
    one = command("check", "verify everything, or only these Markdown files; write nothing", lambda a: check(a.files))
    one.add_argument("files", nargs="*", metavar="FILE.md")
    command("status", "every stage, the state of its runs, and their cost", lambda a: status())
    one = command("why", "why runs are stale, and what hangs on them", lambda a: why(a.target))
    one.add_argument("target", nargs="?", default="", metavar="SLUG[.STAGE]")
    one = command(
        "run",
        "run stages of a post",
        lambda a: run(a.target, a.force, a.profile, a.seed, a.out, a.on, a.budget, a.where),
    )
    _target(one)
    one.add_argument("--force", action="store_true", help="run again what is fresh")
    _profile(one)
    _seed(one)
    _where(one)
    one.add_argument("--out", default="", metavar="DIR", help="keep the runs in a folder, for merge into another clone")
    _budget(one)
    _on(one)
    one = command(
        "reproduce",
        "run recorded runs again and say whether they came out the same",
        lambda a: reproduce(a.target, a.profile, a.seed, a.on, a.where),
    )
    _target(one)
    _profile(one)
    _seed(one)
    _where(one)
    _on(one)
    one = command("accept", "let stale runs stand, for a reason that readers see", lambda a: accept(a.target, a.reason))
    _target(one)
    one.add_argument("--reason", required=True, help="why no result can have changed")
    one = command("diff", "what changed in the results since a commit, as Markdown", lambda a: diff(a.rev))
    one.add_argument("--rev", default="HEAD", help="a commit, branch or tag (default: HEAD)")
    one = command("merge", "take in runs that were made elsewhere with run --out", lambda a: merge(a.source))
    one.add_argument("source", metavar="DIR", help="the folder, or an archive of it")
    one = command("migrate", "take runs of an older engine into today's fingerprints", lambda a: migrate(a.target))
    one.add_argument("target", nargs="?", default="", metavar="SLUG")
    one = command("new", "write the scaffold of a post", lambda a: new(a.slug, a.kind))
    one.add_argument("slug", metavar="SLUG")
    one.add_argument("--kind", required=True, metavar="KIND", help="paper, capstone or design")
    return whole


def _target(command: argparse.ArgumentParser) -> None:
    command.add_argument("target", metavar="SLUG[.STAGE]")


def _profile(command: argparse.ArgumentParser) -> None:
    command.add_argument("--profile", choices=PROFILES, default="published")


def _seed(command: argparse.ArgumentParser) -> None:
    command.add_argument("--seed", type=int, action="append", metavar="N", help="only runs at this seed (repeatable)")


def _where(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--where", action="append", metavar="KEY=VALUE", help="only runs where a key has this value (repeatable)"
    )


def _budget(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--budget", default="", metavar="TIME", help="make only runs that fit, cheapest first: 90s, 30m, 2h"
    )


def _on(command: argparse.ArgumentParser) -> None:
    command.add_argument("--on", default="here", metavar="WHERE", help="here, or local:N for N processes")


def guarded(action: Callable[[], int | None]) -> int:
    """A user's mistake is a message and an exit code, never a traceback."""
    try:
        return action() or 0
    except LockstepError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(told(error), file=sys.stderr)
        return 1
    except RecursionError:
        print(f"{DEEP}; in which file, lockstep check tells", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: finished runs are recorded, the unfinished one resumes", file=sys.stderr)
        return 130


def seconds(text: str) -> float | None:
    """`90s`, `30m`, `2h`, or nothing. Raises LockstepError for anything else."""
    if not text:
        return None
    if not (found := re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h)", text.strip())):
        raise LockstepError(f'"{text}" is no length of time: write 90s, 30m or 2h')
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


def _split(project: Project, target: str) -> tuple[str, list[str] | None]:
    """A post, and one of its stages or None for all. Raises LockstepError with the nearest name."""
    slug, _, stage = target.partition(".")
    return slug, [project.post(slug).stage(stage).name] if stage else None


def build(
    frozen: bool, render: bool = True, settings: str = "pelicanconf.py", budget: str = "", on: str = "here"
) -> None:
    from lockstep.build import build
    from lockstep.executors import named

    limit = seconds(budget)
    project = Project.find()
    build(project, frozen, limit, named(on))
    if render:
        from lockstep.site.generate import generate

        print(f"the site is in {generate(project, settings)}")


def check(files: Sequence[str] = ()) -> None:
    from lockstep.check import check_all, check_document

    project = Project.find()
    if files:
        documents = [project.document(Path.cwd() / name) for name in files]
        problems = [problem for document in documents for problem in check_document(document)]
    else:
        problems = check_all(project)
    if problems:
        raise CheckFailed(problems)
    print(f"{', '.join(files) or f'{len(project.slugs)} posts'} checked, nothing to mend")


def status() -> None:
    from rich.console import Console

    from lockstep.why import status_table

    table, told = status_table(Project.find())
    Console().print(table)
    for message in told:
        print(message, file=sys.stderr)


def why(target: str) -> None:
    from lockstep.why import explain

    project = Project.find()
    slug, _, stage = target.partition(".")
    broken: list[str] = []
    for name in [slug] if slug else project.slugs:
        try:
            print("\n".join(explain(project.post(name), stage or None)))
        except LockstepError as error:
            broken.append(str(error) if slug else f"{name}: {error}")
    if broken:
        raise LockstepError("\n".join(broken))


def run(
    target: str,
    force: bool = False,
    profile: str = "published",
    seeds: Sequence[int] | None = None,
    out: str = "",
    on: str = "here",
    budget: str = "",
    where: Sequence[str] | None = None,
) -> None:
    from lockstep.build import refresh, smoke
    from lockstep.build import run as run_selected
    from lockstep.executors import named
    from lockstep.freshness import Freshness
    from lockstep.plan import left_out, within
    from lockstep.profiles import Profile

    project, limit = Project.find(), seconds(budget)
    slug, stages = _split(project, target)
    post = project.post(slug)
    if profile == "smoke" and (seeds or where or out or budget or on != "here"):
        raise LockstepError("the smoke profile keeps nothing and takes seconds: only --force goes with it")
    selection = _selection(post, stages, force, seeds, where)
    if profile == "smoke":
        for line in smoke(post, selection):
            print(line.stage, line.keys, line.rows)
        return
    made = Profile.elsewhere(post, Path(out).resolve()) if out else Profile.published(post)
    if limit is not None:
        selection, _ = within(limit, made.post, selection)
    if run_selected(made, selection, named(on)) == 0:
        states = [s for s in Freshness.of(made.post).all() if not stages or s.stage.name in stages]
        print(f"{target}: nothing to run, {sum(s.kind == 'fresh' for s in states)} runs are fresh")
    for line in left_out(Freshness.of(made.post), selection):
        print(line, file=sys.stderr)
    if not out:
        refresh(post)


def _selection(
    post: Post, stages: list[str] | None, force: bool, seeds: Sequence[int] | None, where: Sequence[str] | None
) -> Selection:
    """The runs that are asked for. Raises LockstepError for a seed or a place that no run has."""
    from lockstep.plan import Selection

    _has_seeds(post, stages, seeds or ())
    points = tuple(_point(post, stages, text) for text in where or ())
    return Selection(frozenset(stages) if stages else None, force, frozenset(seeds) if seeds else None, where=points)


def _point(post: Post, stages: list[str] | None, text: str) -> tuple[str, str]:
    """`KEY=VALUE`, which some run of these stages must have. Raises LockstepError."""
    key, equals, value = text.partition("=")
    if not equals:
        raise LockstepError(f'"{text}" is no place in a grid: write KEY=VALUE')
    points = [keys for name in stages or post.experiment.stages for keys in post.experiment.stages[name].points()]
    target = ".".join([post.slug, *(stages or [])])
    if key not in (known := {name for keys in points for name in keys}):
        raise LockstepError(f'{target} has no key "{key}"{nearest(key, known)}')
    if value not in (values := {str(keys[key]) for keys in points if key in keys}):
        raise LockstepError(f'{target} has no {key} "{value}"{nearest(value, values)}')
    return key, value


def _has_seeds(post: Post, stages: list[str] | None, seeds: Sequence[int]) -> None:
    """Raises LockstepError for a seed that no run of these stages has, nor any that they read."""
    from lockstep.plan import upstream

    asked = [post.experiment.stages[name] for name in stages or post.experiment.stages]
    read = [run for stage in asked for keys in stage.points() for run in [(stage, keys), *upstream(stage, keys)]]
    known = sorted({keys["seed"] for _, keys in read if "seed" in keys})
    if unknown := [seed for seed in seeds if seed not in known]:
        there = f"there are {', '.join(map(str, known))}" if known else "its stages have none"
        raise LockstepError(f"{'.'.join([post.slug, *(stages or [])])} has no seed {unknown[0]}: {there}")


def reproduce(
    target: str,
    profile: str = "published",
    seeds: Sequence[int] | None = None,
    on: str = "here",
    where: Sequence[str] | None = None,
) -> int:
    from lockstep.executors import named
    from lockstep.reproduce import EXIT, reproduce, reproduce_smoke

    project = Project.find()
    slug, stages = _split(project, target)
    post = project.post(slug)
    if profile == "smoke":
        if stages or seeds or where or on != "here":
            raise LockstepError(
                "the smoke profile reproduces a whole post, here: leave stage, --seed, --where and --on out"
            )
        report = reproduce_smoke(post)
    else:
        report = reproduce(post, _selection(post, stages, True, seeds, where), named(on))
    print("\n".join(report.markdown()))
    return EXIT[report.verdict]


def accept(target: str, reason: str) -> None:
    from lockstep.accept import accept

    project = Project.find()
    slug, stages = _split(project, target)
    post = project.post(slug)
    for entry in accept(post, stages or list(post.experiment.stages), reason):
        print(f"{slug}.{entry.stage} {dict(entry.keys)}: stands as it ran ({'; '.join(entry.changes)})")


def diff(rev: str) -> None:
    from lockstep.diff import diff

    print("\n".join(diff(Project.find(), rev)))


def merge(source: str) -> int:
    from lockstep.build import refresh
    from lockstep.merge import merge

    project = Project.find()
    merged = merge(project, Path(source).resolve())
    for name in merged.taken:
        print(f"taken: {name}")
    if merged.known:
        print(f"already here: {len(merged.known)}")
    for reason in merged.refused:
        print(f"refused: {reason}", file=sys.stderr)
    for slug in sorted({name.partition(".")[0] for name in merged.taken}):
        refresh(project.post(slug))
    return 1 if merged.refused else 0


def migrate(target: str) -> int:
    from lockstep.migrate import migrate

    project, left = Project.find(), 0
    for slug in [target] if target else project.slugs:
        found = migrate(project.post(slug))
        print(f"{slug}: {len(found.same)} runs are as they were, {len(found.stale)} ran other code than today's")
        for line in [*found.stale, *found.left]:
            print(f"  {line}", file=sys.stderr)
        left += len(found.left)
    return 1 if left else 0


def new(slug: str, kind: str) -> None:
    from lockstep.scaffold import create

    for path in create(Project.find(), slug, kind):
        print(path)
