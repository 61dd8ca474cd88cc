"""Pelican, made to put everything that it writes into an Output instead of straight onto the disk."""

from __future__ import annotations

import fnmatch
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pelican import Pelican, signals
from pelican.generators import StaticGenerator
from pelican.writers import Writer

from lockstep.errors import LockstepError
from lockstep.site import output


class Rendering(Pelican):
    """One run of Pelican. What it renders is in its settings, for the plugin's own files."""

    def __init__(self, settings: dict[str, Any], into: output.Output):
        settings["LOCKSTEP_RENDERING"] = into
        settings["DELETE_OUTPUT_DIRECTORY"] = False
        signals.get_writer.connect(_pages)
        super().__init__(settings)

    def _get_generator_classes(self) -> Any:
        return [Statics if each is StaticGenerator else each for each in super()._get_generator_classes()]


def _pages(pelican: Pelican) -> type[Writer] | None:
    return Pages if isinstance(pelican, Rendering) else None


class Pages(Writer):
    """Puts pages and feeds."""

    def __init__(self, output_path: str, settings: dict[str, Any] | None = None):
        super().__init__(output_path, settings=settings)
        self.written, self.overridden = set[str](), set[str]()

    def _open_w(self, filename: str, encoding: str, override: bool = False) -> Any:
        """As Pelican does: a place is written once, unless one of two writes says that it overrides.

        Raises LockstepError.
        """
        if filename in self.overridden and not override:
            return io.StringIO()
        if filename in (self.overridden if override else self.written):
            place = os.path.relpath(filename, self.output_path)
            raise LockstepError(f"two pages want to be {place}: give one of them another Slug")
        if override:
            self.overridden.add(filename)
        self.written.add(filename)
        return _Page(self.settings, os.path.relpath(filename, self.output_path), encoding)


class _Page(io.StringIO):
    """A page being written, put when it is closed."""

    def __init__(self, settings: dict[str, Any], place: str, encoding: str):
        super().__init__()
        self.settings, self.place, self.bytes_as = settings, place, encoding

    def close(self) -> None:
        if not self.closed:
            output.put(self.settings, self.place, self.getvalue().encode(self.bytes_as))
        super().close()


class Statics(StaticGenerator):
    """Puts the files of the theme, and those of the content that are no pages."""

    def generate_output(self, writer: Any = None) -> None:
        for folder in self.settings["THEME_STATIC_PATHS"]:
            base = Path(self.theme) / folder
            for path in self._files(base):
                place = os.path.join(self.settings["THEME_STATIC_DIR"], path.relative_to(base))
                output.put(self.settings, place, path.read_bytes())
        for static in self.context["staticfiles"]:
            output.put(self.settings, static.save_as, Path(self.path, static.source_path).read_bytes())

    def _files(self, base: Path) -> Iterator[Path]:
        for path in base.rglob("*"):
            names = path.relative_to(base).parts
            ignored = any(fnmatch.fnmatch(name, pattern) for name in names for pattern in self.settings["IGNORE_FILES"])
            if path.is_file() and not ignored:
                yield path
