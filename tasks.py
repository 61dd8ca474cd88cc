"""`invoke --list`: build, check and explain the site, run the work of each post, and the usual tasks of Pelican."""

from __future__ import annotations

import inspect
import os
import shutil
import sys
from collections.abc import Callable
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import Task, task
from lockstep import cli
from lockstep.commands import COMMANDS, Command, Option
from lockstep.errors import LockstepError
from lockstep.project.project import Project

ROOT = os.path.dirname(os.path.abspath(__file__))
RUN = next(command for command in COMMANDS if command.name == "run")


def _do(action: Callable[[], int | None]) -> None:
    if code := cli.guarded(action):
        sys.exit(code)


def _task(command: Command, name: str, help: str, **fixed: str) -> Task:  # type: ignore[type-arg]
    """A command as a task of invoke. What is `fixed` is no option of the task."""
    options = [option for option in command.options if option.name not in fixed]
    names = {option.each or option.name: option for option in options}
    given = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter("context", given)]
    for each, option in sorted(names.items(), key=lambda item: not (item[1].required or item[1].repeated)):
        needed = option.required or option.repeated  # what may be given several times has no default
        parameters.append(inspect.Parameter(each, given, default=inspect.Parameter.empty if needed else option.usual))

    def body(context: Context, *arguments: Any, **chosen: Any) -> None:
        chosen |= dict(zip([parameter.name for parameter in parameters[1:]], arguments, strict=False))
        read = {option.name: _read(option, chosen[each]) for each, option in names.items()}
        if code := cli.guarded(lambda: cli.FUNCTIONS[command.name](**read, **fixed)):
            sys.exit(code)

    body.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    body.__name__, body.__doc__ = command.name, f"{help[0].upper()}{help[1:]}."
    repeated = [each for each, option in names.items() if option.repeated]
    told = {each: option.help for each, option in names.items()}
    return task(body, name=name, iterable=repeated, help=told)


def _read(option: Option, value: Any) -> Any:
    """Raises SystemExit, with a message, for what should be a number and is none."""
    try:
        return [int(each) for each in value] if option.number else value
    except ValueError:
        sys.exit(f"a {option.name} is a whole number, not {', '.join(value)}")


@task
def test(context: Context) -> None:
    """Run every test, a process a core. What the tests of the site need from npm is installed first, as locked."""
    if shutil.which("npm") and not os.path.isdir(os.path.join(ROOT, "tests/site/node_modules")):
        context.run("npm ci --prefix tests/site --ignore-scripts --no-audit --no-fund", hide="out")
    sys.exit(
        context.run("pytest -q -rs -n auto --dist loadscope --durations=30", warn=True, pty=sys.stdout.isatty()).exited
    )  # type: ignore[union-attr]


@task(
    help={
        "posts": "sizes of the generated projects",
        "generators": "beside Hugo and Eleventy too, and record it",
        "linear": "instead, how a check and a refresh grow with bindings and rows, and record it",
        "overhead": "instead, what it costs that runs leave evidence, and record it",
        "cluster": "instead, what it costs to make runs on a cluster, and record it",
        "transformer": "instead, the Transformer's training and beam search beside other libraries, and record it",
    }
)
def bench(
    context: Context,
    posts: str = "10 100 1000",
    generators: bool = False,
    linear: bool = False,
    overhead: bool = False,
    cluster: bool = False,
    transformer: bool = False,
) -> None:
    """Measure check and build on generated projects, beside plain Pelican."""
    script = f"{'generators' if generators else 'blog'}.py {posts}"
    script = "cluster.py" if cluster else script
    script = "transformer.py" if transformer else "linear.py" if linear else "overhead.py" if overhead else script
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


@task(help={"placeholders": "publish also what site.toml does not say about its author yet"})
def publish(context: Context, placeholders: bool = False) -> None:
    """Verify everything and write the site as it is published (SITEURL says where)."""
    if not os.environ.get("SITEURL"):
        sys.exit("publish needs the address of the site, for its feed and map: SITEURL=https://… invoke publish")

    def publish() -> int | None:
        from lockstep.site.settings import refuse_placeholders

        if not placeholders:
            refuse_placeholders(Project.find().root / "site.toml")
        return cli.build(True, settings="publishconf.py")

    _do(publish)


@task
def vendor(context: Context) -> None:
    """Renew the fonts and files of the theme from the packages that theme/vendor.toml names."""
    sys.exit(context.run(f"{sys.executable} theme/vendor.py", warn=True).exited)  # type: ignore[union-attr]


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
            help = f"run the stage {stage} of {slug}, and what it needs"
            collection.add_task(_task(RUN, stage, help, target=f"{slug}.{stage}"))
        namespace.add_collection(collection)


namespace = Collection()
for command in COMMANDS:
    namespace.add_task(_task(command, command.name, command.help))
for other in (test, bench, lighthouse, serve, livereload, clean, publish, vendor):
    namespace.add_task(other)
_posts(namespace)
