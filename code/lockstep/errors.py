"""Every error a user can cause, as one tree.

LockstepError
├── PaperError         a paper.toml that does not parse (paper.py)
├── ProjectError       a folder that is no project, an experiment.py that does not load, an unknown post or stage
├── FingerprintError   code that the engine cannot read: a syntax error, an unknown stage function
├── LedgerError        a ledger line that is damaged, doubled or written by a newer engine
├── FileError          a file that cannot be read or written: gone, a folder, forbidden, no room
├── DataError          a dataset that cannot be had, or is not what was declared
├── QueryError         a selection that names no metric, no row or too many kinds of rows
├── RunFailed          a stage gave up on its own account (a loss that is not finite)
├── StageError         the code of a stage raised (runner.py)
├── UndeclaredRead     a stage opened a file that it did not declare (guard.py)
└── CheckFailed        everything that `check` found, all at once
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path


class LockstepError(Exception):
    """Something a user can mend. The message names file, line, what was expected and the nearest known name."""


class PlacedError(LockstepError):
    """One file is at fault: `file` and `line` lead to it, and stand before the message wherever it is shown.

    So are errors of paper, project, code, ledger and files; the others are placed by whoever asked, or stand alone.
    """

    def __init__(self, message: str, *, file: str | Path = "", line: int = 1):
        super().__init__(message)
        self.message, self.file, self.line = message, str(file), line

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}" if self.file else self.message


class ProjectError(PlacedError):
    """The project or a post of it does not load."""


class FingerprintError(PlacedError):
    """Code that no fingerprint can be taken of."""


class LedgerError(PlacedError):
    """The record of runs cannot be trusted as it stands."""


class FileError(PlacedError):
    """A file that cannot be read or written."""


class DataError(LockstepError):
    """A dataset is missing or wrong."""


class QueryError(LockstepError):
    """A selection of measured values that has no one meaning."""


class RunFailed(LockstepError):
    """A stage says that its result is not usable. Recorded as failed, never rolled again."""


@dataclass(frozen=True, order=True)
class Problem:
    """One thing to mend: where, and what."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


def problem_of(error: LockstepError, otherwise: str) -> Problem:
    """An error as `check` lists it: at its own place, or for a whole other file."""
    if isinstance(error, PlacedError) and error.file:
        return Problem(error.file, error.line, error.message)
    return Problem(otherwise, 1, str(error))


class CheckFailed(LockstepError):
    """Problems found together, each with its place."""

    def __init__(self, problems: Iterable[Problem]):
        self.problems = sorted(set(problems))
        count = len(self.problems)
        lines = [str(problem) for problem in self.problems]
        super().__init__("\n".join([*lines, f"{count} problem{'s' if count > 1 else ''}"]))


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean "…"?` where a known name is close, else the known names, else nothing."""
    names = sorted(known)
    if close := get_close_matches(name, names, n=1):
        return f'; did you mean "{close[0]}"?'
    return f"; known: {', '.join(names)}" if names else ""
