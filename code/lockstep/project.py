"""A project on disk: where things are, which posts there are, and what each declares.

A broken post disables only itself: what is wrong with it is raised when it is asked for.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import os
import sys
import traceback
from collections.abc import Sequence
from functools import cached_property
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from lockstep import accept, ledger, paper
from lockstep.cache import Cache
from lockstep.errors import DataError, FingerprintError, LockstepError, ProjectError, nearest
from lockstep.experiment import Experiment, Stage
from lockstep.files import digest_file, parse_toml, read_text
from lockstep.source import ENGINE, Source
from lockstep.store import Store


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
                f'pyproject.toml:1: documents of [tool.lockstep] is {named!r:.60}: write ["README.md", …]'
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


class Post:
    """One slug: its declaration, its paper's numbers and its ledger, each read when first asked for."""

    def __init__(self, project: Project, slug: str):
        self.project = project
        self.slug = slug
        self.folder = project.root / "content" / slug
        self.results = self.folder / "results"
        self.prose = self.folder / "index.md"
        self.worked_out: dict[str, Any] = {}
        self._digests: dict[str, str] = {}
        self.declaration = project.root / "code" / "posts" / slug / "experiment.py"

    @cached_property
    def experiment(self) -> Experiment:
        """The post's one Experiment; a post without code has an empty one. Raises ProjectError."""
        if not self.declaration.exists():
            return Experiment(paper.NoConfig)
        serve(self.project.source)
        try:
            with self.project.cache.watching(self.slug):
                module = importlib.import_module(f"posts.{self.slug}.experiment")
        except FingerprintError as error:
            raise ProjectError(str(error).removeprefix(f"{self.project.root}/")) from None
        except LockstepError as error:
            raise ProjectError(f"{self._place(error)}: {error}") from None
        except Exception as error:
            raise ProjectError(f"{self._place(error)}: {type(error).__name__}: {error}") from None
        found = [value for value in vars(module).values() if isinstance(value, Experiment)]
        if len(found) != 1:
            raise ProjectError(f"{self._where()}:1: expected one Experiment at the top level, found {len(found)}")
        return found[0]

    @cached_property
    def paper(self) -> paper.Paper:
        return paper.read(self.folder / "paper.toml")

    @property
    def accepted_path(self) -> Path:
        return (self.base or self).folder / "accepted.jsonl"

    @property
    def accepted(self) -> dict[tuple[str, str], accept.Accepted]:
        """What was accepted without running again. Raises LedgerError."""
        if "accepted" not in self.worked_out:
            self.worked_out["accepted"] = accept.read(self.accepted_path)
        return self.worked_out["accepted"]

    def data_digest(self, name: str) -> str:
        """The digest of a dataset, made once where code makes the data; empty where none has the name."""
        if name not in self._digests:
            try:
                self._digests[name] = self.experiment.data[name].digest if name in self.experiment.data else ""
            except LockstepError:
                raise
            except Exception as error:
                raise DataError(f'the dataset "{name}" cannot be made: {type(error).__name__}: {error}') from None
        return self._digests[name]

    def smoked(self, folder: Path) -> Post:
        """The same post under the smoke profile, which keeps all that it makes in a folder of its own."""
        other = Post(self.project, self.slug)
        other.folder, other.results = folder, folder / "results"
        vars(other).update(experiment=self.experiment.smoked(), paper=self.paper)
        return other

    def placed(self, folder: Path) -> Post:
        """The same post, which keeps what it makes in another folder and reads what is not there from here."""
        other = Post(self.project, self.slug)
        other.folder, other.results, other.base = folder, folder / "results", self
        vars(other).update(experiment=self.experiment, paper=self.paper)
        return other

    def stage(self, name: str) -> Stage:
        """A stage by name. Raises ProjectError with the nearest."""
        if name not in self.experiment.stages:
            raise ProjectError(f'the post "{self.slug}" has no stage "{name}"{nearest(name, self.experiment.stages)}')
        return self.experiment.stages[name]

    @property
    def ledger(self) -> ledger.Ledger:
        if self._ledger is None:
            own = ledger.read(self.results)
            self._ledger = own.over(self.base.ledger) if self.base else own
        return self._ledger

    _ledger: ledger.Ledger | None = None
    base: Post | None = None

    def output(self, line: ledger.Line, place: str) -> Path:
        """Where an output of a recorded run lies, by its path in the ledger."""
        return self.ledger.home(line).parent / place

    def published(self, digest: str) -> Path | None:
        """A committed output with this content, such as the checkpoint that a demo loads."""
        for line in self.ledger.lines.values():
            for place, made in line.outputs.items():
                path = self.output(line, place)
                if made == digest and path.is_file() and digest_file(path) == digest:
                    return path
        return None

    def show(self, shown: ledger.Ledger) -> None:
        """Look at this ledger instead of the one on disk."""
        self._ledger = shown

    def forget(self) -> None:
        """The ledger has changed on disk: so may have all that was worked out from it."""
        self._ledger = None
        self.worked_out.clear()
        self.project.cache.forget(self.slug)

    def _where(self) -> str:
        return self.project.relative(self.declaration)

    def _place(self, error: BaseException) -> str:
        """File and line of the last frame inside the project's code."""
        if isinstance(error, SyntaxError) and error.filename:
            return f"{self.project.relative(Path(error.filename))}:{error.lineno}"
        inside = str(self.project.root / "code" / "posts")
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(inside)]
        if not frames:
            return f"{self._where()}:1"
        return f"{self.project.relative(Path(frames[-1].filename))}:{frames[-1].lineno}"


class Document(Post):
    """A Markdown file that is no post: its bindings name the post that they read."""

    def __init__(self, project: Project, path: Path):
        super().__init__(project, "")
        self.prose, self.folder = path, path.parent
        self.results = path.parent / ".no-results"
        vars(self).update(experiment=Experiment(paper.NoConfig), paper=paper.Paper())


class _Finder(importlib.abc.MetaPathFinder):
    """Serves `posts.*` from a snapshot of the source: what runs is what was fingerprinted, byte for byte."""

    def __init__(self, source: Source):
        self.source = source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] == ENGINE or not self.source.owns(fullname):
            return None
        if found := self.source.path_of(fullname):
            folder = [str(found[0].parent)] if found[1] else None
            loader = _Loader(self.source, fullname, found[0])
            return importlib.util.spec_from_file_location(
                fullname, found[0], loader=loader, submodule_search_locations=folder
            )
        if self.source.is_package(fullname):
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [str(self.source.root.joinpath(*fullname.split(".")))]
            return spec
        return None


class _Loader(importlib.abc.SourceLoader):
    def __init__(self, source: Source, name: str, path: Path):
        self.source, self.name, self.path = source, name, path

    def get_filename(self, fullname: str) -> str:
        return str(self.path)

    def get_data(self, path: str | bytes) -> bytes:
        if str(path) != str(self.path):
            raise OSError(f"no cached bytecode: {path}")
        module = self.source.module(self.name)
        assert module is not None
        return module.text.encode()

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> Any:
        return compile(data.decode(), path, "exec", dont_inherit=True, optimize=_optimize)  # whatever encoding it named


def serve(source: Source) -> None:
    """From now on `posts.*` is imported from this snapshot."""
    if any(isinstance(finder, _Finder) and finder.source is source for finder in sys.meta_path):
        return
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]
    own = [name for name in sys.modules if name.partition(".")[0] != ENGINE and source.owns(name)]
    for name in [*own, *(name for name in sys.modules if name.partition(".")[0] == "posts")]:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, _Finder(source))
