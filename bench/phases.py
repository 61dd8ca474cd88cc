"""Where the time of one build goes: run in a project, prints seconds of each phase as JSON.

The phases are the real functions of a real build, timed on the way; `other` is what is between them. `python
bench/phases.py` in the folder of a project.
"""

from __future__ import annotations

import json
import time

STARTED = time.perf_counter()

from collections.abc import Callable  # noqa: E402  (what importing costs is a phase)
from typing import Any  # noqa: E402

import jinja2  # noqa: E402
from lockstep.build import build  # noqa: E402
from lockstep.project.project import Project  # noqa: E402
from lockstep.site import articles, generate, output, rendering, search  # noqa: E402
from pelican.generators import ArticlesGenerator, PagesGenerator, StaticGenerator  # noqa: E402

SPENT: dict[str, float] = {}
RUNNING: list[float] = []  # of each phase that is open, the time that phases inside it took


def timed(owner: Any, name: str, phase: str) -> None:
    """Count the time of a function, without that of timed functions it calls, to a phase."""
    function: Callable[..., Any] = getattr(owner, name)

    def wrapper(*arguments: Any, **options: Any) -> Any:
        started = time.perf_counter()
        RUNNING.append(0.0)
        try:
            return function(*arguments, **options)
        finally:
            took, inside = time.perf_counter() - started, RUNNING.pop()
            SPENT[phase] = SPENT.get(phase, 0.0) + took - inside
            if RUNNING:
                RUNNING[-1] += took

    setattr(owner, name, wrapper)


def main() -> None:
    imported = time.perf_counter() - STARTED
    timed(articles.Reader, "anew", "convert Markdown and resolve bindings")
    for owner in (ArticlesGenerator, PagesGenerator, StaticGenerator):
        timed(owner, "generate_context", "read pages")
    timed(jinja2.Template, "render", "render templates")
    timed(rendering.Rendering, "run", "Pelican around them")
    timed(output, "put", "compare with what is there")
    timed(output.Output, "_files", "list the output")
    timed(output.Output, "finish", "write what differs")
    timed(search, "_make", "search index (Pagefind)")
    timed(search, "searched", "search index, what it is of")
    timed(search, "index", "search index, put in place")
    project = Project.find()
    started = time.perf_counter()
    build(project, frozen=True)
    checked = time.perf_counter() - started
    generate.generate(project)
    spent = {"import": imported, "check": checked, **SPENT}
    whole = time.perf_counter() - STARTED
    print(json.dumps({**spent, "other": whole - sum(spent.values()), "whole": whole}))


if __name__ == "__main__":
    main()
