"""`invoke --list`: build, check and explain the site, run the work of each post, and the usual tasks of Pelican."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import Task, task
from lockstep import cli
from lockstep.errors import LockstepError
from lockstep.project import Project

ROOT = os.path.dirname(os.path.abspath(__file__))


def _do(action: Callable[[], int | None]) -> None:
    if code := cli.guarded(action):
        sys.exit(code)


def _seeds(given: list[str]) -> list[int]:
    """Raises SystemExit, with a message, for a seed that is no number."""
    try:
        return [int(seed) for seed in given]
    except ValueError:
        sys.exit(f"a seed is a whole number, not {', '.join(given)}")


TARGET, ON = "SLUG or SLUG.STAGE", "here, or local:N for N processes of this machine"
BUDGET = "make only runs that fit into this time, cheapest first: 90s, 30m, 2h"
SEED = "only runs at this seed (repeatable)"
WHERE = "only runs where a key has this value: KEY=VALUE (repeatable)"
RUN = {
    "force": "run again what is fresh",
    "profile": "published or smoke",
    "seed": SEED,
    "where": WHERE,
    "out": "keep the runs in a folder, for merge into another clone",
    "on": ON,
    "budget": BUDGET,
}
FROZEN = "run and write nothing; fail where something is stale (the default where CI is set)"


@task(help={"frozen": FROZEN, "budget": BUDGET, "on": ON})
def build(context: Context, frozen: bool = bool(os.environ.get("CI")), budget: str = "", on: str = "here") -> None:
    """Run what is stale, refresh the prose, verify everything, and write the site to output/."""
    _do(lambda: cli.build(frozen, budget=budget, on=on))


@task(iterable=["file"], help={"file": "only this Markdown file (repeatable)"})
def check(context: Context, file: list[str]) -> None:
    """Verify everything; run and write nothing."""
    _do(lambda: cli.check(file))


@task
def status(context: Context) -> None:
    """Show every stage, the state of its runs and what they cost."""
    _do(cli.status)


@task(help={"target": f"{TARGET}; everything without it"})
def why(context: Context, target: str = "") -> None:
    """Say why runs are stale and which sentences rest on them."""
    _do(lambda: cli.why(target))


@task(iterable=["seed", "where"], help={"target": TARGET} | RUN)
def run(
    context: Context,
    target: str,
    seed: list[str],
    where: list[str],
    force: bool = False,
    profile: str = "published",
    out: str = "",
    on: str = "here",
    budget: str = "",
) -> None:
    """Run a post's stages, or one of them."""
    _do(lambda: cli.run(target, force, profile, _seeds(seed), out, on, budget, where))


@task(
    iterable=["seed", "where"],
    help={"target": TARGET, "profile": "published or smoke", "seed": SEED, "where": WHERE, "on": ON},
)
def reproduce(
    context: Context, target: str, seed: list[str], where: list[str], profile: str = "published", on: str = "here"
) -> None:
    """Run recorded runs again, and report whether they came out the same (3 where that cannot be told)."""
    _do(lambda: cli.reproduce(target, profile, _seeds(seed), on, where))


@task(help={"target": TARGET, "reason": "why no result can have changed; readers see it"})
def accept(context: Context, target: str, reason: str) -> None:
    """Let stale runs stand, for a reason."""
    _do(lambda: cli.accept(target, reason))


@task(help={"rev": "a commit, branch or tag"})
def diff(context: Context, rev: str = "HEAD") -> None:
    """Report what changed in the results since a commit, as Markdown."""
    _do(lambda: cli.diff(rev))


@task(help={"source": "the folder that `run --out` filled, or an archive of it"})
def merge(context: Context, source: str) -> None:
    """Take in runs that were made elsewhere."""
    _do(lambda: cli.merge(source))


@task(help={"slug": "a post; without one, all"})
def migrate(context: Context, slug: str = "") -> None:
    """Take runs of an older engine into today's fingerprints."""
    _do(lambda: cli.migrate(slug))


@task(help={"slug": "one lower-case word", "kind": "paper, capstone or design"})
def new(context: Context, slug: str, kind: str) -> None:
    """Write the scaffold of a post."""
    _do(lambda: cli.new(slug, kind))


@task
def test(context: Context) -> None:
    """Run every test, a process a core. What the tests of the site need from npm is installed first, as locked."""
    if shutil.which("npm") and not os.path.isdir(os.path.join(ROOT, "tests/site/node_modules")):
        context.run("npm ci --prefix tests/site --ignore-scripts --no-audit --no-fund", hide="out")
    sys.exit(context.run("pytest -q -rs -n auto --dist loadscope", warn=True, pty=sys.stdout.isatty()).exited)  # type: ignore[union-attr]


@task(
    help={
        "posts": "sizes of the generated projects",
        "generators": "beside Hugo and Eleventy too, and record it",
        "linear": "instead, how a check and a refresh grow with bindings and rows, and record it",
        "transformer": "instead, the Transformer's training and beam search beside other libraries, and record it",
    }
)
def bench(
    context: Context,
    posts: str = "10 100 1000",
    generators: bool = False,
    linear: bool = False,
    transformer: bool = False,
) -> None:
    """Measure check and build on generated projects, beside plain Pelican."""
    script = f"{'generators' if generators else 'blog'}.py {posts}"
    script = "transformer.py" if transformer else "linear.py" if linear else script
    sys.exit(context.run(f"{sys.executable} bench/{script}", warn=True).exited)  # type: ignore[union-attr]


@task(help={"runs": "runs a page; the one with the median performance counts"})
def lighthouse(context: Context, runs: int = 3) -> None:
    """Let Lighthouse judge the published site: home and every post, on a phone; fails below 98."""
    sys.exit(context.run(f"{sys.executable} bench/lighthouse.py --runs {runs}", warn=True).exited)  # type: ignore[union-attr]


@task
def serve(context: Context, port: int = 8000) -> None:
    """Serve output/ on this machine."""
    sys.exit(context.run(f"{sys.executable} -m http.server {port} -d output", warn=True, pty=True).exited)  # type: ignore[union-attr]


@task
def livereload(context: Context, port: int = 8000) -> None:
    """Serve while writing: whatever changes shows in the browser; nothing is run and no prose is written."""

    def serve() -> None:
        from lockstep.site.livereload import serve

        serve(Project.find().root, port)

    _do(serve)


@task
def clean(context: Context) -> None:
    """Remove output/."""
    shutil.rmtree(os.path.join(ROOT, "output"), ignore_errors=True)


@task
def publish(context: Context) -> None:
    """Verify everything and write the site as it is published (SITEURL says where)."""
    if not os.environ.get("SITEURL"):
        sys.exit("publish needs the address of the site, for its feed and map: SITEURL=https://… invoke publish")
    _do(lambda: cli.build(True, settings="publishconf.py"))


@task
def vendor(context: Context) -> None:
    """Renew the fonts and files of the theme from the packages that theme/vendor.toml names."""
    sys.exit(context.run(f"{sys.executable} theme/vendor.py", warn=True).exited)  # type: ignore[union-attr]


def _stage_task(slug: str, stage: str) -> Task:  # type: ignore[type-arg]
    def body(
        context: Context,
        seed: list[str],
        where: list[str],
        force: bool = False,
        profile: str = "published",
        out: str = "",
        on: str = "here",
        budget: str = "",
    ) -> None:
        _do(lambda: cli.run(f"{slug}.{stage}", force, profile, _seeds(seed), out, on, budget, where))

    body.__doc__ = f"Run the stage {stage} of {slug}, and what it needs."
    return task(body, name=stage, iterable=["seed", "where"], help=RUN)


def _posts(namespace: Collection) -> None:
    """A sub-collection for each post. A post that does not load has none, and says why."""
    project = Project.find()
    for slug in project.slugs:
        try:
            stages = list(project.post(slug).experiment.stages)
        except LockstepError as error:
            print(f"{slug} has no tasks: {error}", file=sys.stderr)
            continue
        collection = Collection(slug)
        for stage in stages:
            collection.add_task(_stage_task(slug, stage))
        namespace.add_collection(collection)


namespace = Collection(build, check, status, why, run, reproduce, accept, diff, merge, migrate, new)
for other in (test, bench, lighthouse, serve, livereload, clean, publish, vendor):
    namespace.add_task(other)
_posts(namespace)
