"""`python -m lockstep`, or `lockstep`: the engine without invoke. Each function is a command of commands.py."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from lockstep import commands
from lockstep.errors import CheckFailed, LockstepError
from lockstep.execute.asked import selection
from lockstep.project.project import Project
from lockstep.record.files import DEEP, told


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 1 with the message on standard error; 3 where reproduce cannot tell."""
    given = commands.parser(FUNCTIONS).parse_args(arguments)
    return guarded(lambda: given.function(**commands.values(given)))


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


def needed(module: str, extra: str, why: str, otherwise: str = "") -> None:
    """Raises LockstepError, before anything runs, where a library of an extra is not installed."""
    try:
        found = importlib.util.find_spec(module)
    except ValueError:
        found = None
    if found is None:
        raise LockstepError(
            f'{why} by libraries that are not installed: pip install "lockstep-blog[{extra}]"{otherwise}'
        )


def build(
    frozen: bool, no_render: bool = False, budget: str = "", on: str = "here", settings: str = "pelicanconf.py"
) -> None:
    from lockstep.build import build
    from lockstep.execute.executors import named

    limit = seconds(budget)
    project = Project.find()
    if not no_render:
        needed("pelican", "site", "pages are rendered", ", or lockstep build --no-render")
        if not (project.root / settings).is_file():
            raise LockstepError(f"{settings} is not here, so there is no site to render: lockstep build --no-render")
    build(project, frozen, limit, named(on))
    if not no_render:
        from lockstep.site.generate import generate

        print(f"the site is in {generate(project, settings)}")


def check(files: Sequence[str] = ()) -> None:
    from lockstep.report.check import check_all, check_document

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

    from lockstep.report.why import status_table

    table, told = status_table(Project.find())
    Console().print(table)
    for message in told:
        print(message, file=sys.stderr)


def why(target: str = "") -> None:
    from lockstep.report.why import explain

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
    seed: Sequence[int] = (),
    where: Sequence[str] = (),
    out: str = "",
    budget: str = "",
    on: str = "here",
) -> None:
    from lockstep.execute.executors import named
    from lockstep.execute.plan import left_out, within
    from lockstep.execute.profiles import Profile
    from lockstep.execute.running import run as run_selected
    from lockstep.execute.running import smoke
    from lockstep.judge.freshness import Freshness

    project, limit = Project.find(), seconds(budget)
    slug, stages = _split(project, target)
    post = project.post(slug)
    if profile == "smoke" and (seed or where or out or budget or on != "here"):
        raise LockstepError("the smoke profile keeps nothing and takes seconds: only --force goes with it")
    chosen = selection(post, stages, force, seed, where)
    if profile == "smoke":
        for line in smoke(post, chosen):
            print(line.stage, line.keys, line.rows)
        return
    made = Profile.elsewhere(post, Path(out).resolve()) if out else Profile.published(post)
    if limit is not None:
        chosen, _ = within(limit, made.post, chosen)
    if run_selected(made, chosen, named(on)) == 0:
        states = [s for s in Freshness.of(made.post).all() if not stages or s.stage.name in stages]
        print(f"{target}: nothing to run, {sum(s.kind == 'fresh' for s in states)} runs are fresh")
    for line in left_out(Freshness.of(made.post), chosen):
        print(line, file=sys.stderr)
    if not out:
        from lockstep.build import refresh  # which reads prose: a machine that only trains need not

        refresh(post)


def reproduce(
    target: str,
    profile: str = "published",
    seed: Sequence[int] = (),
    where: Sequence[str] = (),
    on: str = "here",
) -> int:
    from lockstep.execute.executors import named
    from lockstep.report.reproduce import EXIT, reproduce, reproduce_smoke

    project = Project.find()
    slug, stages = _split(project, target)
    post = project.post(slug)
    if profile == "smoke":
        if stages or seed or where or on != "here":
            raise LockstepError(
                "the smoke profile reproduces a whole post, here: leave stage, --seed, --where and --on out"
            )
        report = reproduce_smoke(post)
    else:
        report = reproduce(post, selection(post, stages, True, seed, where), named(on))
    print("\n".join(report.markdown()))
    return EXIT[report.verdict]


def accept(target: str, reason: str) -> None:
    from lockstep.carry.accept import accept

    project = Project.find()
    slug, stages = _split(project, target)
    post = project.post(slug)
    for entry in accept(post, stages or list(post.experiment.stages), reason):
        print(f"{slug}.{entry.stage} {dict(entry.keys)}: stands as it ran ({'; '.join(entry.changes)})")


def diff(rev: str = "HEAD") -> None:
    from lockstep.report.diff import diff

    print("\n".join(diff(Project.find(), rev)))


def merge(source: str) -> int:
    from lockstep.build import refresh
    from lockstep.execute.merge import merge

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


def migrate(slug: str = "") -> int:
    from lockstep.carry.migrate import migrate

    project, left = Project.find(), 0
    for name in [slug] if slug else project.slugs:
        found = migrate(project.post(name))
        print(f"{name}: {len(found.same)} runs are as they were, {len(found.stale)} ran other code than today's")
        for line in [*found.stale, *found.left]:
            print(f"  {line}", file=sys.stderr)
        left += len(found.left)
    return 1 if left else 0


def moved(names: Sequence[str], since: str = "HEAD") -> int:
    from lockstep.carry.moved import moved

    if len(names) % 2:
        raise LockstepError("moved takes pairs, OLD NEW: where a module or module:name of a post was, and where it is")
    project, refused = Project.find(), 0
    given = {f"posts.{old}": f"posts.{new}" for old, new in zip(names[::2], names[1::2], strict=True)}
    slugs = sorted({name.split(".")[1] for name in given}) or project.slugs
    for slug in slugs:
        found = moved(project, slug, {o: n for o, n in given.items() if o.split(".")[1] == slug}, since)
        print(f"{slug}: {len(found.carried)} runs carried over")
        for line in found.refused:
            print(f"refused: {line}", file=sys.stderr)
        refused += len(found.refused)
    return 1 if refused else 0


def new(slug: str, kind: str) -> None:
    from lockstep.scaffold import create

    needed("matplotlib", "figures", "the figures of a new post are drawn")
    for path in create(Project.find(), slug, kind):
        print(path)


FUNCTIONS: dict[str, Callable[..., int | None]] = {
    function.__name__: function
    for function in (build, check, status, why, run, reproduce, accept, diff, merge, migrate, moved, new)
}
