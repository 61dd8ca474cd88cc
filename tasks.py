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


def _do(action: Callable[[], None]) -> None:
    if code := cli.guarded(action):
        sys.exit(code)


@task(help={"frozen": "run and write nothing; fail where something is stale (the default where CI is set)"})
def build(context: Context, frozen: bool = bool(os.environ.get("CI"))) -> None:
    """Run what is stale, refresh the prose, verify everything, and write the site to output/."""
    _do(lambda: cli.build(frozen))


@task
def check(context: Context) -> None:
    """Verify everything; run and write nothing."""
    _do(cli.check)


@task
def status(context: Context) -> None:
    """Show every stage, the state of its runs and what they cost."""
    _do(cli.status)


@task(help={"target": "SLUG or SLUG.STAGE; everything without it"})
def why(context: Context, target: str = "") -> None:
    """Say why runs are stale and which sentences rest on them."""
    _do(lambda: cli.why(target))


@task(help={"target": "SLUG or SLUG.STAGE", "force": "run again what is fresh", "profile": "published or smoke"})
def run(context: Context, target: str, force: bool = False, profile: str = "published") -> None:
    """Run a post's stages, or one of them."""
    _do(lambda: cli.run(target, force, profile))


@task
def test(context: Context) -> None:
    """Run every test."""
    sys.exit(context.run("pytest -q -rs", warn=True, pty=sys.stdout.isatty()).exited)  # type: ignore[union-attr]


@task
def bench(context: Context, posts: str = "10 100 1000") -> None:
    """Measure check and build on generated projects, beside plain Pelican."""
    sys.exit(context.run(f"{sys.executable} bench/blog.py {posts}", warn=True).exited)  # type: ignore[union-attr]


@task
def serve(context: Context, port: int = 8000) -> None:
    """Serve output/ on this machine."""
    sys.exit(context.run(f"{sys.executable} -m http.server {port} -d output", warn=True, pty=True).exited)  # type: ignore[union-attr]


@task
def livereload(context: Context, port: int = 8000) -> None:
    """Serve while writing: prose and theme render again when they change."""
    command = f"{sys.executable} -m pelican -s pelicanconf.py --listen --autoreload --port {port}"
    sys.exit(context.run(command, warn=True, pty=True).exited)  # type: ignore[union-attr]


@task
def clean(context: Context) -> None:
    """Remove output/."""
    shutil.rmtree(os.path.join(ROOT, "output"), ignore_errors=True)


@task
def publish(context: Context) -> None:
    """Verify everything and write the site as it is published (SITEURL says where)."""
    _do(lambda: cli.build(True, settings="publishconf.py"))


def _stage_task(slug: str, stage: str) -> Task:  # type: ignore[type-arg]
    def body(context: Context, force: bool = False, profile: str = "published") -> None:
        _do(lambda: cli.run(f"{slug}.{stage}", force, profile))

    body.__doc__ = f"Run the stage {stage} of {slug}, and what it needs."
    return task(body, name=stage, help={"force": "run again what is fresh", "profile": "published or smoke"})


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


namespace = Collection(build, check, status, why, run, test, bench, serve, livereload, clean, publish)
_posts(namespace)
