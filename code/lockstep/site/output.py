"""The folder of the site, written so that a build touches only what is not there yet as it must be.

Every page is rendered anew, so that none can be out of date, and compared with the file that is there: the same bytes
are left alone. Nothing is written before everything is rendered; then what no longer belongs goes, and what differs
is put in place, each file whole. A build that fails leaves the last good site; one that is killed leaves files that
the next build compares like any others: nothing but their bytes is ever trusted.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from lockstep.errors import LockstepError
from lockstep.record.files import write_whole

Signature = tuple[int, int, int]


class Output:
    """One rendering of a site. `apart` are top-level names that somebody else looks after."""

    def __init__(self, folder: Path, apart: Iterable[str] = ()):
        self.folder = folder
        self.apart = frozenset(apart)
        self.places: set[str] = set()
        self.waiting: dict[str, bytes] = {}
        self.before = self._files()

    def put(self, place: str, content: bytes) -> None:
        """What the site has at this place. The last of several stands."""
        place = os.path.normpath(place)
        self.places.add(place)
        if _content(self.folder / place, len(content)) == content:
            self.waiting.pop(place, None)
        else:
            self.waiting[place] = content

    def finish(self) -> list[str]:
        """Make the folder what was put, and nothing else; returns the places that changed.

        A file that was written without being put, by somebody who knows only the folder, belongs as well: the system
        has another time of change for it than before.
        """
        now = self._files()
        written = {place for place, signature in now.items() if self.before.get(place) != signature}
        surplus = now.keys() - self.places - written
        for place in surplus:
            os.unlink(self.folder / place)
        self._remove_empty()
        for place, content in self.waiting.items():
            write_whole(self.folder / place, content, lasting=False)
        return sorted(surplus | self.waiting.keys() | (written - self.places))

    def _files(self) -> dict[str, Signature]:
        """Every file below the folder, with what the system changes whenever the file is written."""
        found: dict[str, Signature] = {}
        folders = [""]
        while folders:
            folder = folders.pop()
            try:
                entries = os.scandir(self.folder / folder)
            except FileNotFoundError:
                continue
            with entries:
                for entry in entries:
                    place = os.path.join(folder, entry.name)
                    if place in self.apart:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(place)
                    else:
                        stat = entry.stat(follow_symlinks=False)
                        found[place] = stat.st_ctime_ns, stat.st_ino, stat.st_size
        return found

    def _remove_empty(self) -> None:
        """Remove the folders that hold nothing, the innermost first."""
        folders = []
        for folder, names, _ in os.walk(self.folder):
            if Path(folder) == self.folder:
                names[:] = [name for name in names if name not in self.apart]
            folders += [os.path.join(folder, name) for name in names]
        for folder in reversed(folders):
            with suppress(OSError):  # one that holds something stays
                os.rmdir(folder)


def opened(settings: dict[str, Any], sources: Iterable[Path], apart: Iterable[str] = ()) -> Output:
    """The output that the settings name. Raises LockstepError where cleaning it could take sources along."""
    folder = Path(settings["OUTPUT_PATH"]).resolve()
    for path in sources:
        if path.resolve().is_relative_to(folder) or folder.is_relative_to(path.resolve()):
            raise LockstepError(f"the site cannot be written to {folder}, where {path} is: choose a folder of its own")
    return Output(folder, {*apart, *settings["OUTPUT_RETENTION"]})


def put(settings: dict[str, Any], place: str, content: bytes) -> None:
    """Put a file that is no page into the site: into the rendering that is going on, or straight into its folder."""
    output: Output | None = settings.get("LOCKSTEP_RENDERING")
    if output is not None:
        output.put(place, content)
    else:
        write_whole(Path(settings["OUTPUT_PATH"]) / place, content, lasting=False)


def _content(path: Path, size: int) -> bytes | None:
    """The bytes of a file, if it is one of this size."""
    try:
        with path.open("rb") as file:
            return file.read() if os.fstat(file.fileno()).st_size == size else None
    except OSError:
        return None
