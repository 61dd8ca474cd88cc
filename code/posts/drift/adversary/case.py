"""A case of the adversary: a small project, written with its edit in place.

A case is text. `== name` begins it, `-- path` begins a file, and `«old→new»` is an edit: the project before it has the
left side, the one after it the right. A file that comes or goes is `-- path (added)` or `-- path (removed)`; a link is
`-- path -> target`. `needs: X` says that the result depends on X, which no project declares: a tool that refuses to run
it, and names X, is as right as one that notices. `needs: raises X`: in a run the thing is not there at all (the folder
for temporary files is a run's own, docstrings that no name leads to are left out), so the stage itself may end with X.

Paths lie in the package of the case. `root:`, `beside:`, `project:`, `home:` and `temp:` are the folder of imports,
that which holds the package, the project, the user's home and the folder for temporary files; `env:NAME` is a variable.
Names with an `@` are declarations, which each tool places where it has them. What asks for a tool's own things (`fit`,
or parts of `experiment.py`) is of lockstep alone. `$package` is the package's dotted name, `$other` that of one
beside it, and the letters `$a` to `$d` are numbers that a seed chooses.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from string import Template

EDIT = re.compile("«([^«»→]*)→([^«»→]*)»")
HEADER = re.compile(r"-- (?P<path>\S+)(?: -> (?P<target>\S+))?(?: \((?P<flags>[^)]+)\))?")
PLACES = ("root:", "beside:", "project:", "home:", "temp:", "env:")
OWN = ("@head", "@config", "@make", "@tail", "@prose", "@paper")  # parts that only lockstep has
NUMBERS = "abcd"


@dataclass(frozen=True)
class File:
    """A file with its edit in place, in its text, path or target.

    `flags`: added, removed, or how the text becomes bytes (latin-1, sqlite).
    """

    path: str
    text: str
    target: str = ""
    flags: tuple[str, ...] = ()

    def side(self, after: bool) -> tuple[str, str, str] | None:
        """Path, text and target before or after the edit, None where it is not there."""
        if ("added" in self.flags and not after) or ("removed" in self.flags and after):
            return None
        path, text, target = (EDIT.sub(lambda found: found[2 if after else 1], each) for each in self._edited)
        return path, text, target

    @property
    def _edited(self) -> tuple[str, str, str]:
        return self.path, self.text, self.target

    @property
    def codec(self) -> str:
        """How the text becomes bytes."""
        return next((flag for flag in self.flags if flag not in ("added", "removed")), "utf-8")


@dataclass(frozen=True)
class Case:
    """One edit of one small project. `kind` groups cases; `needs` may be named by a refusal."""

    name: str
    kind: str
    files: tuple[File, ...]
    needs: str = ""

    @property
    def only_here(self) -> bool:
        """Does the case speak of what lockstep alone has?"""
        return any(file.path in OWN or "def fit(run)" in file.text for file in self.files)


@dataclass(frozen=True)
class Entry:
    """A file of a project before or after the edit: bytes in a codec of ours, or a link."""

    text: str
    codec: str = "utf-8"
    target: str = ""


def cases(kind: str, text: str) -> tuple[Case, ...]:
    """Every case of a text. Raises ValueError for a line that belongs to none."""
    found: list[Case] = []
    for part in re.split(r"^== ", text.strip("\n"), flags=re.MULTILINE)[1:]:
        name, _, body = part.partition("\n")
        needs = re.match(r"needs: (.+)\n", body)
        pieces = re.split(r"^(?=-- )", body[needs.end() if needs else 0 :], flags=re.MULTILINE)
        if pieces[0].strip():
            raise ValueError(f'"{name}": text before its first file: {pieces[0]!r:.60}')
        found.append(Case(name, kind, tuple(map(_file, pieces[1:])), needs[1] if needs else ""))
    return tuple(found)


def _file(piece: str) -> File:
    head, _, text = piece.partition("\n")
    if not (found := HEADER.fullmatch(head)):
        raise ValueError(f'"{head}" heads no file: expected "-- path", "-- path (added)" or "-- path -> target"')
    flags = tuple((found["flags"] or "").split(", ")) if found["flags"] else ()
    return File(found["path"], text, found["target"] or "", flags)


def numbers(seed: int) -> dict[str, str]:
    """Different numbers for the letters, from 11 to 80."""
    return dict(zip(NUMBERS, map(str, random.Random(seed).sample(range(11, 80), len(NUMBERS))), strict=True))


def side(case: Case, after: bool, words: Mapping[str, str]) -> dict[str, Entry]:
    """The files of a case before or after its edit, by path, with every placeholder filled.

    Raises KeyError for a placeholder without a word.
    """
    return dict(_side(case, after, words))


def _side(case: Case, after: bool, words: Mapping[str, str]) -> Iterator[tuple[str, Entry]]:
    for file in case.files:
        if (found := file.side(after)) is not None:
            path, text, target = (Template(part).substitute(words) for part in found)
            yield path, Entry(text, file.codec, target)
