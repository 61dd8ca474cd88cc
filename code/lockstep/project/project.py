"""A project on disk: where things are, and which posts there are."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

from lockstep.depend.source import Source
from lockstep.errors import ProjectError, nearest
from lockstep.project.post import Document, Post
from lockstep.record.cache import Cache
from lockstep.record.files import parse_toml, read_text
from lockstep.record.store import Store


class Project:
    """The folder that holds `code/posts` and `content`, with one snapshot of its code."""

    def __init__(self, root: Path):
        self.root = root.resolve()
        self.source = Source(self.root / "code")
        self.store = Store.of(self.root)
        self.cache = Cache(self.root)
        self._posts: dict[str, Post] = {}

    @classmethod
    def find(cls, start: Path | None = None) -> Project:
        """The project around a folder, by default the current one."""
        start = (start or Path.cwd()).resolve()
        for folder in [start, *start.parents]:
            if (folder / "code" / "posts").is_dir() and (folder / "content").is_dir():
                return cls(folder)
        raise ProjectError(f"{start} is in no project: expected a folder that holds code/posts and content")

    @cached_property
    def slugs(self) -> list[str]:
        """Every post, with code, prose or both."""
        prose = {path.parent.name for path in (self.root / "content").glob("*/index.md")}
        code = {path.parent.name for path in (self.root / "code" / "posts").glob("*/experiment.py")}
        return sorted(prose | code)

    def post(self, slug: str) -> Post:
        if slug not in self.slugs:
            raise ProjectError(f'there is no post "{slug}"{nearest(slug, self.slugs)}')
        if slug not in self._posts:
            self._posts[slug] = Post(self, slug)
        return self._posts[slug]

    @cached_property
    def documents(self) -> list[Document]:
        """Markdown files outside any post that `check` and `build` look after: `[tool.lockstep] documents`."""
        settings = self.root / "pyproject.toml"
        there = settings.exists() or settings.is_symlink()
        read = parse_toml(read_text(settings, settings.name), settings.name) if there else {}
        tool = read.get("tool")
        own = tool.get("lockstep") if isinstance(tool, dict) else None
        named = own.get("documents", []) if isinstance(own, dict) else []
        if not isinstance(named, list) or not all(isinstance(name, str) and "\0" not in name for name in named):
            raise ProjectError(
                f'documents of [tool.lockstep] is {named!r:.60}: write ["README.md", …]', file=settings.name
            )
        return [Document(self, self._place(name)) for name in named]

    def document(self, path: Path) -> Document:
        """A Markdown file of the project. Raises ProjectError where there is none."""
        path = self._place(path)
        if not path.is_file():
            raise ProjectError(self.not_there(path))
        return Document(self, path)

    def _place(self, name: str | Path) -> Path:
        """Where a file of the project lies, links followed as far as they lead: one to itself leads nowhere."""
        return Path(os.path.realpath(self.root / name))

    def not_there(self, path: Path) -> str:
        """What to say of a Markdown file that is not there."""
        known = [p.relative_to(self.root).as_posix() for p in self.root.glob("*.md")]
        return f"there is no file {self.relative(path)}{nearest(self.relative(path), known)}"

    def relative(self, path: Path) -> str:
        """A path as messages show it: from the project's root."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)
