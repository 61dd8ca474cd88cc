"""`new`: the scaffold of a post, whose runs, tests, prose and check pass before its author changes a word.

Its files are templates: those of `templates/every`, and those of the kind, which add to them or take their place. Each
lies where the post keeps it (`code`, `content` or `tests`), with SLUG for the slug and TODAY for the date.
"""

from __future__ import annotations

import io
import keyword
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from contextlib import redirect_stderr
from datetime import date
from pathlib import Path

from lockstep.errors import LockstepError, ProjectError, nearest
from lockstep.project.post import Post
from lockstep.project.project import Project
from lockstep.prose.header import KINDS
from lockstep.record.files import write_whole

TEMPLATES = Path(__file__).parent / "templates"
TASKS = frozenset(
    "build check status why run reproduce accept diff merge migrate moved new test bench lighthouse serve livereload"
    " clean publish vendor".split()
)
IGNORED = "__pycache__/\n.lockstep/\noutput/\n"  # what a project's first commit should not hold
OUTPUT = frozenset({"evidence", "pagefind", "skills", "tags", "theme"})  # of the generated site, beside the posts


def create(project: Project, slug: str, kind: str) -> list[Path]:
    """Write a post, make its runs and fill in its numbers; returns the files that its author goes on with.

    Raises ProjectError, with nothing written, for a name or kind that cannot be; and where a run fails, with the
    files in place.
    """
    refuse(project, slug, kind)
    files = render(slug, kind)
    write(project.root, slug, files)
    if not (project.root / ".gitignore").exists():
        write_whole(project.root / ".gitignore", IGNORED.encode())
    try:
        make_runs(Project(project.root).post(slug))
    except LockstepError as error:
        raise ProjectError(f"{error}\nthe files of {slug} are in place: mend this, then run lockstep build") from None
    return [project.root / name for name in files]


def make_runs(post: Post) -> None:
    """What `build` does for a post."""
    from lockstep.build import refresh, run
    from lockstep.execute.profiles import Profile

    run(Profile.published(post))
    with redirect_stderr(io.StringIO()):  # it tells each number that it writes, and here that is all of them
        refresh(post)


def refuse(project: Project, slug: str, kind: str) -> None:
    """Raises ProjectError where no such post can be written."""
    if kind not in KINDS:
        raise ProjectError(f'there is no kind of post "{kind}"{nearest(kind, KINDS)}')
    if not re.fullmatch("[a-z][a-z0-9]*", slug):
        raise ProjectError(f'"{slug}" cannot name a post: write one lower-case word, of a to z and 0 to 9')
    if owner := owner_of(project, slug):
        raise ProjectError(f'"{slug}" cannot name a post: {owner} has that name')
    for place in (*tops(slug, render(slug, kind)), f"code/posts/{slug}.py"):
        if (project.root / place).exists():
            raise ProjectError(f'"{slug}" cannot name a new post: {place} exists')


def owner_of(project: Project, name: str) -> str:
    """What else has a name, or nothing."""
    taken = {
        "a keyword of Python": keyword.kwlist,
        "a task": TASKS,
        "a module of Python": sys.stdlib_module_names,
        "a module of this project": ["lockstep", *(path.stem for path in (project.root / "code").iterdir())],
        "a page of the site": [path.stem for path in (project.root / "content" / "pages").glob("*.md")],
        "a folder of the site": OUTPUT,
    }
    return next((owner for owner, names in taken.items() if name in names), "")


def render(slug: str, kind: str) -> dict[str, str]:
    """Every file of a new post by its path from the project's root."""
    homes = {"code": f"code/posts/{slug}", "content": f"content/{slug}", "tests": "tests/posts"}
    files: dict[str, str] = {}
    for folder in (TEMPLATES / "every", TEMPLATES / kind):
        for path in folder.glob("*/[!.]*"):
            room, name = path.relative_to(folder).parts
            text = path.read_text(encoding="utf-8").replace("TODAY", date.today().isoformat())
            files[f"{homes[room]}/{name.removesuffix('.txt')}".replace("SLUG", slug)] = text.replace("SLUG", slug)
    return dict(sorted(files.items()))


def tops(slug: str, files: Iterable[str]) -> list[str]:
    """What is moved into place, in this order: the post's two folders and its tests.

    The code goes first: should a kill leave it without prose, `check` names the post, and no other is touched.
    """
    return [f"code/posts/{slug}", f"content/{slug}", *(name for name in files if name.startswith("tests/"))]


def write(root: Path, slug: str, files: Mapping[str, str]) -> None:
    """Write all files aside, then move them into place: all, or none. Raises ProjectError where that fails."""
    draft = root / ".lockstep" / f"new-{slug}"
    shutil.rmtree(draft, ignore_errors=True)
    try:
        for name, text in files.items():
            write_whole(draft / name, text.encode())
        for name in tops(slug, files):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            os.rename(draft / name, root / name)
    except BaseException as error:
        for name in tops(slug, files):
            if not (draft / name).exists():  # it has been moved: before, nothing was there
                remove(root / name)
        if isinstance(error, OSError):
            raise ProjectError(f"nothing of {slug} was written: {error}") from None
        raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def remove(path: Path) -> None:
    """A file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
