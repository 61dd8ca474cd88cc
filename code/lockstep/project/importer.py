"""Modules of posts, served from a snapshot of the source: what runs is what was fingerprinted, byte for byte."""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from lockstep.depend.source import ENGINE, Source


class _Finder(importlib.abc.MetaPathFinder):
    """Serves `posts.*` from a snapshot of the source."""

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
