"""Render the site in this process, and fail where Pelican would only warn.

An article that fails in its reader is dropped by Pelican, which then exits with 0: every file of the content must
come back as a page, and every failure that the reader kept is raised. Only then is anything written.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from pelican.log import LimitFilter
from pelican.settings import read_settings

from lockstep.errors import CheckFailed, LockstepError, Problem
from lockstep.project.project import Project
from lockstep.site import articles, output, search
from lockstep.site.rendering import Rendering


class _Collector(logging.Handler):
    """Warnings of Pelican, each of which is a failure here."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def generate(project: Project, settings: str = "pelicanconf.py") -> Path:
    """Write the site; returns its folder. Raises CheckFailed."""
    folder, _ = render(project, settings)
    search.index(folder, project.root / ".lockstep" / "search")
    return folder


def render(project: Project, settings: str = "pelicanconf.py") -> tuple[Path, list[str]]:
    """Write everything but the search index; returns the site's folder and the places that changed.

    Raises CheckFailed, and then the site is what it was.
    """
    configured = configure(project, settings)
    sources = [Path(configured["PATH"]), Path(configured["THEME"]), project.root / "code"]
    into = output.opened(configured, sources, apart=[search.FOLDER])
    articles.rendered = project
    try:
        with warnings_of_pelican() as messages, _explained(project):
            Rendering(configured, into).run()
    finally:
        articles.rendered = None
    if problems := _problems(project, settings, messages):
        raise CheckFailed(problems)
    return into.folder, into.finish()


def configure(project: Project, settings: str) -> dict[str, Any]:
    """The settings as the file has them now. Raises LockstepError."""
    for name in ("pelicanconf", "publishconf"):
        sys.modules.pop(name, None)
    compiles, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # compiled files are known by second and size
    sys.path.insert(0, str(project.root))  # where publishconf.py finds pelicanconf.py
    try:
        with _explained(project, everything=True), project.cache.watching(""):
            return read_settings(str(project.root / settings))
    finally:
        sys.dont_write_bytecode = compiles
        sys.path.remove(str(project.root))


@contextmanager
def warnings_of_pelican() -> Iterator[list[str]]:
    """What Pelican warns of inside, also where it has done so before in this process."""
    LimitFilter._raised_messages.clear()
    LimitFilter._group_count.clear()
    collector = _Collector()
    logger = logging.getLogger("pelican")
    logger.addHandler(collector)
    try:
        yield collector.messages
    finally:
        logger.removeHandler(collector)


def _problems(project: Project, settings: str, messages: list[str]) -> list[Problem]:
    """What failed in the reader, what Pelican dropped, or else what it warned of."""
    problems = list(articles.failures)
    expected = {*project.root.glob("content/*/index.md"), *project.root.glob("content/pages/*.md")}
    for path in sorted(expected - articles.read):
        if not any(problem.file == project.relative(path) for problem in problems):
            problems.append(Problem(project.relative(path), 1, "Pelican dropped it: see its header"))
    return problems or [Problem(settings, 1, message) for message in messages]


@contextmanager
def _explained(project: Project, everything: bool = False) -> Iterator[None]:
    """A mistake in a template (or in `everything` that runs inside) becomes one problem with its place."""
    try:
        yield
    except LockstepError:
        raise
    except Exception as error:
        if not (everything or isinstance(error, TemplateError)):
            raise
        raise CheckFailed([Problem(*_place(project, error), f"{type(error).__name__}: {error}")]) from None


def _place(project: Project, error: Exception) -> tuple[str, int]:
    """File and line of what was wrong, as far inside the project as the error leads."""
    named, line = getattr(error, "filename", None), getattr(error, "lineno", None)
    if named and line:
        return project.relative(Path(named)), line
    inside = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_own(project, Path(frame.filename))]
    return (project.relative(Path(inside[-1].filename)), inside[-1].lineno or 1) if inside else ("theme", 1)


def _is_own(project: Project, path: Path) -> bool:
    return path.is_relative_to(project.root) and not path.is_relative_to(Path(__file__).parent)
