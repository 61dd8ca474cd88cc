"""While a stage runs: no file is read that was not declared, and no code runs that the fingerprint does not cover.

Reads of the environment (interpreter, installed packages, system) and of the temporary folder pass; so do the run's
own folder and what its contract opens. Native loaders escape the audit hook, so artefacts open only through the run.
"""

from __future__ import annotations

import importlib
import os
import site
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from cProfile import Profile
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any

from lockstep.errors import LockstepError
from lockstep.reach import is_declaration
from lockstep.source import Source

# imports, and libraries that show or inspect source lines: of code that the fingerprint covers
READERS_OF_CODE = ("tokenize", "linecache", "importlib._bootstrap_external", "_frozen_importlib_external")
# what takes folders apart or walks through them: they open folders, by names that are relative to other open folders
READERS_OF_FOLDERS = ("shutil", "os")

ONE_FOR_EACH_THREAD = sys.version_info < (3, 12)  # since then, a profiler sees every thread
METADATA = (".egg-info", ".dist-info")  # what importlib.metadata reads when a library looks for plug-ins


class UndeclaredRead(LockstepError, PermissionError):
    """A stage opened a file that it did not declare."""


class _Watch:
    """The one audit hook of the process: audit hooks cannot be taken out again."""

    def __init__(self) -> None:
        self.installed = False
        self.forbidden: Path | None = None
        self.allowed: tuple[str, ...] = ()
        self.opened: set[str] = set()
        self.found: list[str] = []
        self.paused = 0

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        if event != "open" or self.forbidden is None or self.paused or not isinstance(args[0], (str, bytes)):
            return
        path = os.path.realpath(os.fsdecode(args[0]))
        inside = path.startswith(str(self.forbidden) + os.sep)
        if path in self.opened or path.startswith(self.allowed) or (not inside and path.startswith(_environment())):
            return
        caller, by_descriptor = sys._getframe(1).f_globals.get("__name__"), args[1] is None
        if caller in READERS_OF_CODE or (by_descriptor and caller in READERS_OF_FOLDERS):
            return
        if os.path.dirname(path).endswith(METADATA):
            return
        self.found.append(path)
        raise UndeclaredRead(
            f"the stage opened {path}, which it did not declare: read data through run.data, upstream artefacts "
            "through run.inputs[…].open, and write through run.artefact, run.figure or run.write_csv"
        )


_watch = _Watch()
# `profiler`: while a stage is traced, the one of this thread, or the one of them all
_here: Any = threading.local() if ONE_FOR_EACH_THREAD else SimpleNamespace()
_ENVIRONMENT: tuple[str, ...] = ()


def _environment() -> tuple[str, ...]:
    global _ENVIRONMENT
    if not _ENVIRONMENT:
        folders = [
            sys.prefix,
            sys.base_prefix,
            *site.getsitepackages(),
            site.getusersitepackages(),
            *sysconfig.get_paths().values(),
        ]
        home = Path.home()
        folders += [tempfile.gettempdir(), str(home / ".cache"), str(home / ".config"), str(home / ".matplotlib")]
        folders += ["/usr", "/lib", "/etc", "/proc", "/sys", "/dev", "/opt", "/System", "/Library", "/var"]
        _ENVIRONMENT = tuple(os.path.realpath(folder) + os.sep for folder in folders)
    return _ENVIRONMENT


@contextmanager
def only_declared(root: Path, scratch: Path) -> Iterator[None]:
    """Inside, opening a file of the project (or outside the environment) that is not in `scratch` is an error.

    Raises UndeclaredRead at the end as well, where the stage swallowed it.
    """
    if not _watch.installed:
        _watch.installed = True
        sys.addaudithook(_watch.hook)
    _environment()
    _watch.forbidden = root.resolve()
    own = {sys.prefix, sys.base_prefix, str(scratch.resolve()), str(Path(__file__).parent / "fonts")}
    _watch.allowed = tuple(os.path.realpath(folder) + os.sep for folder in own)
    _watch.found = []
    _watch.opened = set()
    try:
        yield
        if _watch.found:
            raise UndeclaredRead(f"the stage opened {_watch.found[0]}, which it did not declare")
    finally:
        _watch.forbidden = None


def declare(path: Path) -> None:
    """The stage may read this file: it came by it through its run."""
    _watch.opened.add(os.path.realpath(path))


@contextmanager
def paused() -> Iterator[None]:
    """The engine itself reads, on the stage's behalf. What executes counts for nothing: makers of data, for one, count
    by what they make."""
    profiler, _here.profiler = getattr(_here, "profiler", None), None
    _watch.paused += 1
    if profiler:
        profiler.disable()
    try:
        yield
    finally:
        if profiler:
            profiler.enable()
        _watch.paused -= 1
        _here.profiler = profiler


@contextmanager
def traced(source: Source) -> Iterator[set[tuple[str, int, str]]]:
    """Collects (module, line, name) of every first-party code object that executes inside, in any thread.

    By the profiler of the interpreter, which is written in C: a trace function would take half of a small run. The set
    is filled at the end. Debuggers and other trace functions are left alone.
    """
    executed: set[tuple[str, int, str]] = set()
    profilers = [_profiler()]

    def in_a_thread(*_: Any) -> None:
        """Called at the first event of a new thread, in which a profiler of its own takes over."""
        _here.profiler = _profiler()
        profilers.append(_here.profiler)
        _here.profiler.enable()

    if ONE_FOR_EACH_THREAD:
        threading.setprofile(in_a_thread)
    _here.profiler = profilers[0]
    profilers[0].enable()
    try:
        yield executed
    finally:
        profilers[0].disable()
        _here.profiler = None
        threading.setprofile(None)  # type: ignore[arg-type]
        for entry in [entry for profiler in profilers for entry in profiler.getstats()]:
            if (place := _place(entry.code, source)) is not None:
                executed.add(place)


def _profiler() -> Profile:
    return Profile(subcalls=False, builtins=False)


def _place(code: CodeType | str, source: Source) -> tuple[str, int, str] | None:
    """Where a post's code object stands: (module, line, name). None for other code, and for the body of a class."""
    if isinstance(code, str) or not code.co_filename.startswith(str(source.root / "posts") + os.sep):
        return None
    if not (code.co_flags & CO_OPTIMIZED or code.co_name == "<module>"):
        return None
    path = Path(code.co_filename).relative_to(source.root).with_suffix("")
    parts = path.parts[:-1] if path.name == "__init__" else path.parts
    return ".".join(parts), code.co_firstlineno, code.co_name


def load_libraries(modules: set[str], source: Source) -> None:
    """Import what these first-party modules import from elsewhere, outside the trace, which it would slow down.

    What cannot be imported fails again, and is said, where the stage asks for it.
    """
    for name in sorted(modules):
        module = source.module(name)
        for alias in module.imports if module else ():
            if source.module(alias.module) is None:
                with suppress(Exception):
                    importlib.import_module(alias.module)


def uncovered(executed: set[tuple[str, int, str]], symbols: set[str], modules: set[str], source: Source) -> list[str]:
    """Executed code that a fingerprint does not cover, as `module:symbol`."""
    missing = []
    for name, line, code_name in sorted(executed):
        module = source.module(name)
        if module is None or is_declaration(name):
            continue
        if code_name == "<module>":
            if name not in modules:
                missing.append(f"{name} (imported)")
            continue
        statement = module.at_line(line)
        if statement is None or (statement.effect and f"{name}#effects" in symbols):
            continue
        if not any(f"{name}:{bound}" in symbols for bound in statement.binds):
            missing.append(f"{name}:{' '.join(statement.binds) or line}")
    return missing
