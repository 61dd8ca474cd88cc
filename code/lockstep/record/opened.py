"""Which files this process opens to read, as the interpreter itself reports it: what kept verdicts and pages rest on.

A declaration, a claim, a table or a Markdown extension may read any file and import any module. What was seen to be
opened while they ran is kept with what they gave, and that stands only while those files are what they were.
Compiled modules count as their source. What a library reads behind the interpreter's back is not seen.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

# where files lie that come with a system, an interpreter or an installed package
LIBRARIES = tuple(
    f"{folder.rstrip(os.sep)}{os.sep}"
    for folder in {
        *(sys.prefix, sys.base_prefix, *map(os.path.realpath, (sys.prefix, sys.base_prefix))),
        *(folder for folder in sys.path if folder.endswith(("site-packages", "dist-packages"))),
        *("/usr", "/lib", "/lib64", "/etc", "/proc", "/sys", "/dev", "/System", "/Library"),
    }
)

_before: set[str] = set()  # opened before anything was watched
_ever: dict[str, None] = {}  # opened before, or while something was watched, in that order
_watching: list[set[str]] = [_before]
_loaded: dict[str, str] = {}  # digests of modules that stay loaded, however often their files change


@contextmanager
def watching() -> Iterator[set[str]]:
    """A set that receives the path of every file that is opened to read inside."""
    found: set[str] = set()
    _ever.update(dict.fromkeys(_before))
    _before.clear()
    _watching[:] = [*(other for other in _watching if other is not _before), found]
    try:
        yield found
    finally:
        _watching[:] = [other for other in _watching if other is not found]
        _ever.update(dict.fromkeys(found))


def ever(after: int = 0) -> set[str]:
    """What was opened while anything was watched, or before: a module is opened once and serves whoever asks later.

    The first `after` of them are left out, for one who knows them.
    """
    return set(islice(_ever, after, None))


def modules() -> set[str]:
    """The files of all modules that this process has loaded, other than those of posts, which are loaded anew."""
    named = [(name, getattr(module, "__file__", None)) for name, module in list(sys.modules.items())]
    return {file for name, file in named if file and name.partition(".")[0] != "posts"}


def sources(paths: set[str]) -> set[str]:
    """The same files, compiled modules as their sources."""
    return {_source(path) if path.endswith(".pyc") else path for path in paths}


def digest(path: str) -> str:
    """The digest of a file as it is now, empty where it cannot be read; of a loaded module, as it was first seen."""
    if path in _loaded:
        return _loaded[path]
    try:
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
    if path.endswith(".py") and path in modules():
        _loaded[path] = found
    return found


def _source(path: str) -> str:
    try:
        return importlib.util.source_from_cache(path)
    except ValueError:
        return path


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watching or event not in ("open", "sqlite3.connect"):
        return
    path = arguments[0]
    if not isinstance(path, str):
        return
    if event == "open" and (arguments[2] & (os.O_WRONLY | os.O_RDWR) or "r" not in (arguments[1] or "r")):
        return
    path = path if path.startswith(os.sep) else os.path.abspath(path)
    for found in _watching:
        found.add(path)


sys.addaudithook(_hook)
