"""Render the site in this process, and fail where Pelican would only warn.

An article that fails in its reader is dropped by Pelican, which then exits with 0: every file of the content must
come back as a page, and every failure that the reader kept is raised.
"""

from __future__ import annotations

import logging
from pathlib import Path

from pelican import Pelican
from pelican.settings import read_settings

from lockstep.errors import CheckFailed, Problem
from lockstep.project import Project
from lockstep.site import articles, search


class _Collector(logging.Handler):
    """Warnings of Pelican, each of which is a failure here."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def generate(project: Project, settings: str = "pelicanconf.py") -> Path:
    """Write the site; returns its folder. Raises CheckFailed."""
    articles.rendered = project
    collector = _Collector()
    logger = logging.getLogger("pelican")
    logger.addHandler(collector)
    try:
        configured = read_settings(str(project.root / settings))
        Pelican(configured).run()
    finally:
        logger.removeHandler(collector)
        articles.rendered = None
    problems = list(articles.failures)
    expected = {*project.root.glob("content/*/index.md"), *project.root.glob("content/pages/*.md")}
    for path in sorted(expected - articles.read):
        if not any(problem.file == project.relative(path) for problem in problems):
            problems.append(Problem(project.relative(path), 1, "Pelican dropped it: see its header"))
    if not problems:
        problems = [Problem(settings, 1, message) for message in collector.messages]
    if problems:
        raise CheckFailed(problems)
    output = Path(configured["OUTPUT_PATH"])
    search.index(output, project.root / ".lockstep" / "search")
    return output
