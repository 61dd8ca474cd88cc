"""While a stage runs: nothing is read that was not declared, be it a file, a folder, a program or the environment.

Reads of the environment that a machine provides (interpreter, installed packages, system) and of the temporary folder
pass; so do the run's own folder and what its contract opens. What installed packages do on their own account passes as
far as they stay out of the project. Native loaders escape the audit hook, so artefacts open only through the run.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import unquote, urlsplit

from lockstep.depend.installed import PACKAGES, caches, environment
from lockstep.depend.seen import Finder
from lockstep.errors import LockstepError

LOADERS = ("importlib._bootstrap_external", "_frozen_importlib_external", "zipimport")
PACKAGING = (*LOADERS, "importlib._bootstrap", "importlib.metadata", "importlib.util")  # look for modules in all places
WAYS = ("tokenize", "linecache", "inspect", "traceback")  # by which code reads code
FOLDERS = ("shutil", "os")  # take folders apart by names that are relative to other open folders
METADATA = (".egg-info", ".dist-info")  # what importlib.metadata reads when a library looks for plug-ins
WHEREABOUTS = {  # variables that say where things lie: what is found there is guarded in turn
    *("PATH HOME TMPDIR TEMP TMP LANG LC_ALL LANGUAGE TERM USER LOGNAME SHELL PWD VIRTUAL_ENV PYTHONPATH".split()),
    *("SYSTEMROOT DISPLAY LD_LIBRARY_PATH COLUMNS LINES XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME".split()),
}
LOOPBACK = ("127.", "::1", "localhost", "::ffff:127.")
STANDARD = os.path.realpath(os.path.dirname(os.__file__)) + os.sep
ENGINE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class UndeclaredRead(LockstepError, PermissionError):
    """A stage read something that it did not declare."""


class Guard:
    """What a run may read, and what it was found to read beside that. One for a process: hooks stay."""

    def __init__(
        self,
        root: Path,
        own: tuple[Path, ...],
        finder: Finder,
        programs: tuple[str, ...] = (),
        variables: tuple[str, ...] = (),
    ):
        """`own` are folders in which the run may do as it likes."""
        self.project = str(root.resolve()) + os.sep
        self.code = os.path.join(self.project, "code") + os.sep
        self.finder = finder
        self.programs, self.variables = programs, variables
        open_to_all = [sys.prefix, sys.base_prefix, ENGINE, *map(str, own)]
        self.allowed = tuple(os.path.realpath(folder) + os.sep for folder in open_to_all)
        self.environment, self.caches = environment(), caches()
        self.opened: set[str] = set()
        self.found: list[str] = []
        self.variables_read: set[str] = set()
        self.paused, self.passed_on = 0, False

    def install(self) -> None:
        """From here on, to the end of the process."""
        global _guard
        _guard = self
        sys.addaudithook(self.hook)
        os.environ.__class__ = os.environb.__class__ = _WatchedEnviron
        os.stat = _asking(os.stat)
        os.lstat = _asking(os.lstat)
        os.access = _asking(os.access)
        os.readlink = _asking(os.readlink)

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        if (check := CHECKS.get(event)) is not None and not self.paused:
            check(self, args)

    def refuse(self, message: str) -> None:
        """Raises UndeclaredRead, now, and at the end of the run too where the stage swallows it."""
        self.found.append(message)
        raise UndeclaredRead(message)

    def is_allowed(self, path: str) -> bool:
        inside = path.startswith(self.project) or path + os.sep == self.project
        if path in self.opened or (path + os.sep).startswith(self.allowed):
            return True
        if inside or not (path + os.sep).startswith((*self.environment, *self.caches)):
            return False
        return (path + os.sep).startswith(self.environment) or not self.by_the_project(sys._getframe(2))

    def opens(self, args: tuple[Any, ...]) -> None:
        if not isinstance(args[0], (str, bytes)):
            return
        path = os.path.realpath(os.fsdecode(args[0]))
        if self.is_allowed(path) or os.path.dirname(path).endswith(METADATA):
            return
        caller = str(sys._getframe(2).f_globals.get("__name__"))
        if path.startswith(self.code) and path.endswith((".py", ".pyc")):
            self.source(path, caller)
            return
        if args[1] is None and caller in FOLDERS:
            return
        if caller in LOADERS:
            self.refuse(
                f"the stage imported {path}, which lies outside code/ and is not installed: move it under code/, where "
                "a change of it is seen, or install it"
            )
        self.refuse(
            f"the stage opened {path}, which it did not declare: read data through run.data, upstream artefacts "
            "through run.inputs[…].open, and write through run.artefact, run.figure or run.write_csv"
        )

    def source(self, path: str, caller: str) -> None:
        """Code of the project is imported by a way of its own, or read as text: it counts whole."""
        if path.endswith(".pyc"):
            path = importlib.util.source_from_cache(path)
        name = self.finder.files.get(path) or _dotted(path, self.code)
        if caller in LOADERS:
            self.finder.seen.modules.add(name)
        elif caller not in WAYS or not _on_the_way(sys._getframe(3), ("warnings", "traceback", "logging")):
            if self.by_the_project(sys._getframe(3)):
                self.finder.seen.texts.add(name)

    def by_the_project(self, frame: FrameType | None) -> bool:
        """Is the nearest caller outside the standard library code of the project?"""
        while frame is not None:
            name = frame.f_code.co_filename
            project = name.startswith(self.project) and not name.startswith(ENGINE)
            if project and not any(part in name for part in PACKAGES):
                return True
            library = name.startswith((STANDARD, ENGINE, "<frozen")) and not any(part in name for part in PACKAGES)
            if not library and not name.startswith("<"):
                return False
            frame = frame.f_back
        return False

    def opens_base(self, args: tuple[Any, ...]) -> None:
        """A database of SQLite: a file, by its path or an address. One in memory is nobody's."""
        name = os.fsdecode(args[0]) if isinstance(args[0], (str, bytes, os.PathLike)) else ""
        if name in ("", ":memory:"):
            return
        address = urlsplit(name) if name.startswith("file:") else None
        with paused():
            literal = address is None or os.path.lexists(name)  # SQLite takes an address for a path unless asked
        if literal:
            self.opens((name, "r", 0))
        if address and unquote(address.path) != ":memory:" and "mode=memory" not in address.query.split("&"):
            self.opens((unquote(address.path), "r", 0))

    def lists(self, args: tuple[Any, ...]) -> None:
        if not isinstance(args[0], (str, bytes, os.PathLike)):
            return
        path = os.path.realpath(os.fsdecode(args[0]))
        if (
            self.is_allowed(path)
            or _on_the_way(sys._getframe(2), PACKAGING)
            or not self.by_the_project(sys._getframe(2))
        ):
            return
        if (path + os.sep).startswith(self.code):
            self.finder.seen.folders.add(_dotted(path + ".", self.code))
            return
        self.refuse(f"the stage looked into the folder {path}, which it did not declare: what lies there is an input")

    def asks(self, path: Any, frame: FrameType, link: bool = False) -> None:
        """For the size, the time or the presence of a file."""
        if self.paused or not isinstance(path, (str, bytes, os.PathLike)):
            return
        caller = str(frame.f_globals.get("__name__"))
        if caller == "posixpath" and frame.f_code.co_name in ("_joinrealpath", "realpath", "ismount") and not link:
            return
        real = os.path.abspath(os.fsdecode(path))
        if (
            _on_the_way(frame, (*PACKAGING, "shutil"))  # which looks for programs; what it copies it opens
            or self.is_allowed(real)
            or real.startswith(self.code)
            or self.project.startswith(real + os.sep)
        ):
            return
        if self.by_the_project(frame):
            self.refuse(
                f"the stage asked for {real}, which it did not declare: whether and how it is there is an input"
            )

    def connects(self, args: tuple[Any, ...]) -> None:
        address = args[1]
        host = address[0] if isinstance(address, tuple) and address else ""
        if isinstance(address, tuple) and not str(host).startswith(LOOPBACK):
            self.refuse(f"the stage opened a connection to {host}: what comes from there is no declared input")

    def loads(self, args: tuple[Any, ...]) -> None:
        name = os.fsdecode(args[0]) if isinstance(args[0], (str, bytes)) else "of the system"
        path = os.path.realpath(name) if os.sep in name else ""
        if path and not self.is_allowed(path):
            self.refuse(f"the stage loaded the library {path}, which it did not declare: install it as a package")
        if "ctypes" not in self.programs and self.by_the_project(sys._getframe(2)):
            self.refuse(
                f"the stage calls the C library {name}, in which nobody sees what is read: use a package, or name "
                'ctypes, as in programs=["ctypes"]'
            )

    def imports(self, args: tuple[Any, ...]) -> None:
        """Compiled modules alone come with a file name."""
        if len(args) > 1 and isinstance(args[1], str):
            path = os.path.realpath(args[1])
            if not self.is_allowed(path):
                self.refuse(f"the stage imported the compiled module {path}: install it as a package")

    def starts(self, args: tuple[Any, ...]) -> None:
        executable, given = args[:2]
        words = [given] if isinstance(given, (str, bytes)) else list(given or ())
        given = executable or (words[0] if words else "")
        if isinstance(given, (str, bytes, os.PathLike)) and given:
            told = " ".join(os.fsdecode(word) for word in words if isinstance(word, (str, bytes, os.PathLike)))
            self.program(os.path.basename(os.fsdecode(given)).split()[0], told)

    def shells(self, args: tuple[Any, ...]) -> None:
        words = os.fsdecode(args[0]).split()
        self.program(os.path.basename(words[0]) if words else "sh", " ".join(words))

    def program(self, name: str, command: str) -> None:
        plain = "python" if name.startswith("python") else name
        if plain not in self.programs and self.by_the_project(sys._getframe(3)):
            self.refuse(
                f"the stage started the program {plain} ({command[:200]}), which it did not declare: name it, as in "
                f'programs=["{plain}"], and what of the project\'s code it runs, as in covers=[…]'
            )

    def reads_variable(self, name: str) -> None:
        if self.paused or self.passed_on or name in WHEREABOUTS or name.startswith("PYTHON"):
            return
        if name in self.variables:
            self.variables_read.add(name)
            return
        if self.by_the_project(sys._getframe(2)):
            self.refuse(
                f"the stage read the environment variable {name}, which it did not declare: make it a setting of the "
                f'Config, or name it, as in variables=["{name}"]'
            )

    def loops(self) -> None:
        """Over all variables: what a program is given, or an input of whatever name."""
        if self.programs:  # they are given the environment, and what they read of it nobody sees
            self.passed_on = True
        elif not self.paused and self.by_the_project(sys._getframe(2)):
            known = {*WHEREABOUTS, "LOCKSTEP_STORE", "LOCKSTEP_DATA"}
            names = sorted(set(map(os.fsdecode, os.environ._data)) - known)  # type: ignore[attr-defined]
            self.refuse(
                "the stage looked at all variables of the environment, of which it declared none: ask for those that "
                f"it needs, and name them, as in variables=[…], of {', '.join(n for n in names if n[:6] != 'PYTHON')}"
            )


CHECKS: dict[str, Callable[[Guard, tuple[Any, ...]], None]] = {
    "open": Guard.opens,
    "sqlite3.connect": lambda guard, args: guard.opens_base(args),
    "os.listdir": Guard.lists,
    "os.scandir": Guard.lists,
    "socket.connect": Guard.connects,
    "ctypes.dlopen": Guard.loads,
    "import": Guard.imports,
    "subprocess.Popen": Guard.starts,
    "os.posix_spawn": Guard.starts,
    "os.exec": Guard.starts,
    "os.system": Guard.shells,
}
_guard: Guard | None = None


class _WatchedEnviron(os._Environ):  # type: ignore[type-arg]
    """The environment, which notes what is read of it."""

    def __getitem__(self, key: Any) -> Any:
        if _guard:
            _guard.reads_variable(_name(key))
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        if _guard:
            _guard.reads_variable(_name(key))
        return super().__contains__(key)

    def __iter__(self) -> Iterator[Any]:
        if _guard:
            _guard.loops()
        return super().__iter__()


def _name(key: Any) -> str:
    return os.fsdecode(key) if isinstance(key, bytes) else str(key)


def _asking(original: Callable[..., Any]) -> Callable[..., Any]:
    def ask(path: Any, *args: Any, **options: Any) -> Any:
        if _guard:
            _guard.asks(path, sys._getframe(1), original.__name__ == "readlink")
        return original(path, *args, **options)

    ask.__name__ = original.__name__
    return ask


def _dotted(path: str, code: str) -> str:
    name = path.removeprefix(code).rpartition(".")[0].replace(os.sep, ".")
    return name.removesuffix(".__init__")


def _on_the_way(frame: FrameType | None, modules: tuple[str, ...]) -> bool:
    while frame is not None:
        if frame.f_globals.get("__name__") in modules:
            return True
        frame = frame.f_back
    return False


def declare(path: Path) -> None:
    """The stage may read this file: it came by it through its run."""
    if _guard:
        _guard.opened.add(os.path.realpath(path))


@contextmanager
def paused() -> Iterator[None]:
    """The engine itself reads, on the stage's behalf."""
    if _guard is None:
        yield
        return
    _guard.paused += 1
    try:
        yield
    finally:
        _guard.paused -= 1
