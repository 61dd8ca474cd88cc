"""What a run is seen to do with the project's code: modules imported, functions executed, names looked up in modules.

The modules of the project are compiled from the snapshot that the run was planned with. Each function outside another
begins with one store into a shared map of bytes, a byte for a top-level statement: the same on every version of Python,
in any thread and in forked processes. Modules note which of their names are looked up from outside in ways that no
reading of the code foretells (`getattr`, pickles, text that is executed).
"""

from __future__ import annotations

import ast
import builtins
import importlib.abc
import importlib.util
import mmap
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from importlib.readers import FileReader
from inspect import CO_OPTIMIZED
from opcode import opname
from types import CodeType, FrameType, ModuleType
from typing import Any

from lockstep.depend.effects import FUNCTIONS

MAP = "__lockstep_executed__"  # among the builtins, so that it is in no module's own names
SIZE = 1 << 20
QUIET = {"__name__", "__file__", "__spec__", "__path__", "__loader__", "__package__", "__cached__", "__class__"}
# the standard library asks for a module's names to resolve annotations, or to name what it made
OWN_BUSINESS = {"dataclasses", "typing", "enum", "functools", "inspect", "abc", "collections", "warnings"}


@dataclass(frozen=True)
class Text:
    """A module as the planner has it: `kept` are the first lines of those statements that are executed; None: all."""

    name: str
    path: str
    text: str
    is_package: bool
    kept: tuple[int, ...] | None = None
    docstrings: bool = False  # without, what asks for `__doc__` finds none: so a docstring changes nothing


@dataclass(frozen=True)
class Compiled:
    """Its code, and the line of the top-level statement behind each byte of the map from `base` on."""

    code: CodeType
    base: int
    lines: tuple[int, ...]


@dataclass
class Seen:
    """What was seen so far. `texts` are modules whose source was read as text, `folders` packages whose modules were
    listed; `annotations`: some were read."""

    modules: set[str] = field(default_factory=set)
    executed: set[tuple[str, int]] = field(default_factory=set)
    looked_up: set[tuple[str, str]] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    annotations: bool = False

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "modules": sorted(self.modules),
            "executed": sorted(map(list, self.executed)),
            "looked_up": sorted(map(list, self.looked_up)),
            "texts": sorted(self.texts),
            "folders": sorted(self.folders),
            "annotations": self.annotations,
        }

    def add(self, plain: dict[str, Any]) -> None:
        """What an earlier attempt of the same run was seen to do."""
        self.modules.update(plain["modules"])
        self.executed.update((module, line) for module, line in plain["executed"])
        self.looked_up.update((module, name) for module, name in plain["looked_up"])
        self.texts.update(plain["texts"])
        self.folders.update(plain["folders"])
        self.annotations |= plain["annotations"]


class Compiler:
    """Compiles modules so that they mark what executes; each text once."""

    def __init__(self) -> None:
        self._used = 0
        self._made: dict[Text, Compiled] = {}
        self.renew()

    def renew(self) -> None:
        """A map in which nothing has executed, shared with every process that is forked from here on."""
        self.executed = mmap.mmap(-1, SIZE)
        setattr(builtins, MAP, self.executed)

    def compiled(self, module: Text) -> Compiled:
        if module not in self._made:
            tree = ast.parse(module.text, filename=module.path)
            if module.kept is not None:
                tree.body = [node for node in tree.body if node.lineno in module.kept]
            if not module.docstrings:
                _strip(tree)
            lines = self._mark(tree)
            code = compile(tree, module.path, "exec", dont_inherit=True)
            self._made[module] = Compiled(code, self._used - len(lines), lines)
        return self._made[module]

    def _mark(self, tree: ast.Module) -> tuple[int, ...]:
        lines = []
        for node in tree.body:
            if any(isinstance(inner, (*FUNCTIONS, ast.Lambda)) for inner in ast.walk(node)):
                _mark(node, self._used)
                lines.append(node.lineno)
                self._used += 1
        if self._used > SIZE:
            raise MemoryError(f"more than {SIZE:,} top-level statements with functions")
        ast.fix_missing_locations(tree)
        return tuple(lines)


def _strip(tree: ast.Module) -> None:
    """Take the docstrings away."""
    for node in ast.walk(tree):
        if isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.Module)) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str):
                node.body[:1] = [] if isinstance(node, ast.Module) else [ast.copy_location(ast.Pass(), first)]


def _mark(node: ast.AST, index: int) -> None:
    """Let every function in a top-level statement that is inside no other one set a byte of the map."""
    stack = [node]
    while stack:
        inner = stack.pop()
        if isinstance(inner, FUNCTIONS):
            told = isinstance(inner.body[0], ast.Expr) and isinstance(inner.body[0].value, ast.Constant)
            place = ast.Subscript(ast.Name(MAP, ast.Load()), ast.Constant(index), ast.Store())
            inner.body.insert(1 if told else 0, ast.Assign([place], ast.Constant(1), lineno=inner.body[0].lineno))
            stack += [*inner.decorator_list, *inner.args.defaults, *filter(None, inner.args.kw_defaults)]
        elif isinstance(inner, ast.Lambda):
            put = ast.Attribute(ast.Name(MAP, ast.Load()), "__setitem__", ast.Load())
            both = ast.Tuple([ast.Call(put, [ast.Constant(index), ast.Constant(1)], []), inner.body], ast.Load())
            inner.body = ast.copy_location(ast.Subscript(both, ast.Constant(1), ast.Load()), inner.body)
            stack += [*inner.args.defaults, *filter(None, inner.args.kw_defaults)]
        else:
            stack += ast.iter_child_nodes(inner)


class Finder(importlib.abc.MetaPathFinder):
    """Serves the project's modules from the planner's snapshot, and keeps `seen`."""

    def __init__(self, compiler: Compiler, provide: Callable[[str], Text | list[str] | None]):
        """`provide` has a module's text by its dotted name, the folders of a package without `__init__`, or None."""
        self.seen = Seen()
        self.compiler = compiler
        self.provide = provide
        self.loaded: dict[str, Compiled] = {}
        self.files: dict[str, str] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        found = self.provide(fullname)
        if found is None:
            return None
        if isinstance(found, list):
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = found
            return spec
        folder = [found.path.rpartition("/")[0]] if found.is_package else None
        loader = _Loader(self, found)
        return importlib.util.spec_from_file_location(
            fullname, found.path, loader=loader, submodule_search_locations=folder
        )

    def gather(self) -> Seen:
        """What was seen, executed functions included."""
        for name, compiled in self.loaded.items():
            for number, line in enumerate(compiled.lines):
                if self.compiler.executed[compiled.base + number]:
                    self.seen.executed.add((name, line))
        return self.seen


class _Loader(importlib.abc.Loader):
    def __init__(self, finder: Finder, text: Text):
        self.finder, self.text = finder, text
        self.path = text.path

    def get_filename(self, fullname: str) -> str:
        return self.path

    def get_code(self, fullname: str) -> CodeType:
        """For a module that is run by its name."""
        self.finder.seen.modules.add(self.text.name)
        self.finder.loaded[self.text.name] = self.finder.compiler.compiled(self.text)
        return self.finder.loaded[self.text.name].code

    def get_source(self, fullname: str) -> str:
        """By opening the file, as everybody else must."""
        with open(self.path, encoding="utf-8") as file:
            return file.read()

    def get_data(self, path: str) -> bytes:
        with open(path, "rb") as file:
            return file.read()

    def get_resource_reader(self, fullname: str) -> Any:
        return FileReader(self)  # type: ignore[arg-type]

    def exec_module(self, module: ModuleType) -> None:
        name, finder = self.text.name, self.finder
        finder.seen.modules.add(name)
        finder.loaded[name] = finder.compiler.compiled(self.text)
        finder.files[self.text.path] = name
        module.__class__ = _watched(name, finder)
        exec(finder.loaded[name].code, vars_of(module))


def vars_of(module: ModuleType) -> dict[str, Any]:
    """The names of a module, without its noticing."""
    return ModuleType.__getattribute__(module, "__dict__")


def _watched(name: str, finder: Finder) -> type[ModuleType]:
    """The class of a module that notes which of its names are looked up from outside."""
    known = set(QUIET)

    class Watched(ModuleType):
        def __getattribute__(self, attribute: str) -> Any:
            if attribute not in known and _unforetold(sys._getframe(1), attribute, finder):
                known.add(attribute)
                finder.seen.looked_up.add((name, attribute))
            return ModuleType.__getattribute__(self, attribute)

    Watched.__name__ = Watched.__qualname__ = "module"
    return Watched


def _unforetold(frame: FrameType, attribute: str, finder: Finder) -> bool:
    """Must a look-up be noted? Not where a module or class body makes it, or an import statement: those are read."""
    code = frame.f_code
    caller = str(frame.f_globals.get("__name__"))
    if code.co_filename in finder.files:
        return bool(code.co_flags & CO_OPTIMIZED) and opname[code.co_code[frame.f_lasti]] != "IMPORT_FROM"
    if caller.startswith("importlib"):
        return False
    if attribute == "__dict__" and caller in OWN_BUSINESS:
        finder.seen.annotations |= caller == "typing"
        return False
    return True
