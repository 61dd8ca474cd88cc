"""A post: its declaration, its paper's numbers and its ledger.

A broken post disables only itself: what is wrong with it is raised when it is asked for.
"""

from __future__ import annotations

import importlib
import traceback
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockstep.errors import DataError, FingerprintError, LockstepError, ProjectError, nearest
from lockstep.experiment import Experiment, Stage
from lockstep.project import paper
from lockstep.project.importer import serve
from lockstep.record import accepted, ledger
from lockstep.record.files import digest_file

if TYPE_CHECKING:
    from lockstep.project.project import Project


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
            raise ProjectError(error.message, file=self.project.relative(Path(error.file)), line=error.line) from None
        except LockstepError as error:
            raise self._at(error, str(error)) from None
        except Exception as error:
            raise self._at(error, f"{type(error).__name__}: {error}") from None
        found = [value for value in vars(module).values() if isinstance(value, Experiment)]
        if len(found) != 1:
            raise ProjectError(f"expected one Experiment at the top level, found {len(found)}", file=self._where())
        return found[0]

    @cached_property
    def paper(self) -> paper.Paper:
        return paper.read(self.folder / "paper.toml")

    @property
    def accepted_path(self) -> Path:
        return (self.base or self).folder / "accepted.jsonl"

    @property
    def accepted(self) -> dict[tuple[str, str], accepted.Accepted]:
        """What was accepted without running again. Raises LedgerError."""
        if "accepted" not in self.worked_out:
            self.worked_out["accepted"] = accepted.read(self.accepted_path)
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

    def _at(self, error: BaseException, message: str) -> ProjectError:
        """An error of the declaration, at the last frame inside the project's code."""
        if isinstance(error, SyntaxError) and error.filename:
            return ProjectError(message, file=self.project.relative(Path(error.filename)), line=error.lineno or 1)
        inside = str(self.project.root / "code" / "posts")
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(inside)]
        if not frames:
            return ProjectError(message, file=self._where())
        where = self.project.relative(Path(frames[-1].filename))
        return ProjectError(message, file=where, line=frames[-1].lineno or 1)


class Document(Post):
    """A Markdown file that is no post: its bindings name the post that they read."""

    def __init__(self, project: Project, path: Path):
        super().__init__(project, "")
        self.prose, self.folder = path, path.parent
        self.results = path.parent / ".no-results"
        vars(self).update(experiment=Experiment(paper.NoConfig), paper=paper.Paper())
