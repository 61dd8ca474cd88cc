"""The project's own modules under `code/`, read once: what each top-level statement binds, imports and does.

A statement of a module is either *named* (a definition or a plain assignment: it matters where its name is reached)
or an *effect* (anything that may act when the module is imported: it matters wherever the module is executed).
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from lockstep.depend.effects import FUNCTIONS, acts, dotted, executed_nodes, operators
from lockstep.depend.scopes import mentions
from lockstep.errors import FingerprintError

ENGINE = "lockstep"


@dataclass(frozen=True)
class Alias:
    """What an import binds a name to: a module, or a name inside one."""

    module: str
    name: str | None = None

    def __str__(self) -> str:
        return self.module + (f".{self.name}" if self.name else "")


@dataclass(frozen=True, eq=False)
class Statement:
    """A top-level statement and the facts that reachability needs. `operators` are methods that it may call."""

    node: ast.stmt
    binds: tuple[str, ...]
    effect: bool
    operators: frozenset[str] = frozenset()

    @cached_property
    def mentioned(self) -> list[tuple[tuple[str, ...], bool]]:
        """What `scopes.mentions` finds in it."""
        return list(mentions(self.node))

    @cached_property
    def imports(self) -> list[ast.AST]:
        """The import statements in it, wherever."""
        return [inner for inner in ast.walk(self.node) if isinstance(inner, (ast.Import, ast.ImportFrom))]

    @cached_property
    def outside(self) -> set[str]:
        """The names of its module that evaluating it uses; of a function, its decorators alone."""
        decorators = self.node.decorator_list if isinstance(self.node, FUNCTIONS) else None
        found = self.mentioned if decorators is None else [each for d in decorators for each in mentions(d)]
        return {chain[0] for chain, local in found if not local}


@dataclass(eq=False)
class Module:
    """One parsed module. `name` is dotted; `package` is what its relative imports start from."""

    name: str
    path: Path
    text: str
    is_package: bool
    statements: list[Statement] = field(default_factory=list)
    aliases: dict[str, list[Alias]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    imports: list[Alias] = field(default_factory=list)
    digests: dict[tuple[Any, ...], str] = field(default_factory=dict)  # of symbols, by what of them counts

    docstring: str = ""
    worked_out: dict[str, Any] = field(default_factory=dict)  # about it, by what it is called

    @property
    def package(self) -> str:
        return self.name if self.is_package else self.name.rpartition(".")[0]

    @cached_property
    def bound(self) -> dict[str, list[Statement]]:
        """Each name and the statements that bind it, in order."""
        names: dict[str, list[Statement]] = {}
        for statement in self.statements:
            for name in statement.binds:
                names.setdefault(name, []).append(statement)
        return names

    @cached_property
    def effects(self) -> list[Statement]:
        return [statement for statement in self.statements if statement.effect]

    @cached_property
    def packages(self) -> set[str]:
        """First parts of the names of what it imports, at the top or inside its functions."""
        names = set[str]()
        for node in (inner for statement in self.statements for inner in ast.walk(statement.node)):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names.add(node.module.partition(".")[0])
        return names

    def at_line(self, line: int) -> Statement | None:
        """The top-level statement that holds a line; decorators belong to what they decorate."""
        for statement in self.statements:
            first = min([statement.node.lineno, *(d.lineno for d in getattr(statement.node, "decorator_list", []))])
            if first <= line <= (statement.node.end_lineno or first):
                return statement
        return None


class Source:
    """All code of the project, as it stands when first asked for. One object is one consistent snapshot."""

    def __init__(self, root: Path, engine: Path | None = None):
        """`root` is the import root; `engine` is where `lockstep` itself lies, where that is another folder."""
        self.root = root
        self.engine = engine or Path(__file__).resolve().parents[2]
        self._modules: dict[str, Module | None] = {}
        self._tops: dict[str, bool] = {ENGINE: True}
        self.worked_out: dict[Any, Any] = {}

    def owns(self, name: str) -> bool:
        """Is a dotted module the project's own, or the engine's?"""
        first = name.partition(".")[0]
        if first not in self._tops:
            found = (self.root / first).is_dir() or (self.root / f"{first}.py").is_file()
            self._tops[first] = found
        return self._tops[first]

    def _base(self, name: str) -> Path:
        home = self.engine if name.partition(".")[0] == ENGINE else self.root
        return home.joinpath(*name.split("."))

    def path_of(self, name: str) -> tuple[Path, bool] | None:
        """The file of a dotted module and whether it is a package's `__init__`, or None."""
        if not self.owns(name):
            return None
        base = self._base(name)
        if (init := base / "__init__.py").is_file():
            return init, True
        path = base.with_name(f"{base.name}.py")
        return (path, False) if path.is_file() else None

    def module(self, name: str) -> Module | None:
        """A module of the project, or None. Raises FingerprintError where it does not parse."""
        if name not in self._modules:
            found = self.path_of(name)
            self._modules[name] = self._parse(name, *found) if found else None
        return self._modules[name]

    def _parse(self, name: str, path: Path, is_package: bool) -> Module:
        return parse(name, path, is_package, self.owns)

    def named(self, path: str) -> str | None:
        """The dotted name of a file of the project's code, or None."""
        try:
            parts = Path(path).with_suffix("").relative_to(self.root).parts
        except ValueError:
            return None
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found = self.path_of(name) if name else None
        return name if found and str(found[0]) == str(path) else None

    def packages(self, modules: Iterable[str]) -> set[str]:
        """What these modules of the project import from elsewhere."""
        names = set().union(*(module.packages for name in modules if (module := self.module(name))))
        return {name for name in names if not self.owns(name)}

    def is_package(self, name: str) -> bool:
        """Is there a folder of that dotted name, with or without an `__init__`?"""
        return self.owns(name) and self._base(name).is_dir()

    def files_in(self, package: str) -> list[str]:
        """The names of all that lies directly in a package's folder, but for what tools leave there."""
        folder = self.root.joinpath(*package.split("."))
        return sorted(p.name for p in folder.iterdir() if p.name != "__pycache__") if folder.is_dir() else []

    def modules_under(self, package: str) -> list[str]:
        """Every module of a package, the package itself included, by name."""
        folder = self.root.joinpath(*package.split("."))
        names = []
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(self.root).with_suffix("").parts
            names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
        return names


def parse(name: str, path: Path, is_package: bool, owns: Any = lambda name: name in ("posts", ENGINE)) -> Module:
    """Read one file into a Module; `owns` says whether a dotted module is the project's. Raises FingerprintError."""
    text, tree = read_syntax(path)
    module = Module(name, path, text, is_package, docstring=ast.get_docstring(tree, clean=False) or "")
    body = list(_executed(tree.body, _types_only(tree)))
    for node in executed_nodes(body):
        for alias_name, alias in import_aliases(node, module):
            module.imports.append(alias)
            if alias_name == "*":
                module.stars.append(alias.module)
            elif alias_name:
                module.aliases.setdefault(alias_name, []).append(alias)
    binds = [tuple(bound_names(node)) for node in body]
    foreign = {n for n, found in module.aliases.items() if not any(owns(alias.module) for alias in found)}
    own = {name for names in binds for name in names} - foreign
    own |= {n for node in body if isinstance(node, (*FUNCTIONS, ast.ClassDef)) for n in [node.name]}
    postponed = any(isinstance(n, ast.ImportFrom) and n.module == "__future__" and _annotations(n) for n in body)
    for node, names in zip(body, binds, strict=True):
        module.statements.append(Statement(node, names, acts(node, own, postponed), operators(node)))
    _order_rebound(module)
    return module


def read_syntax(path: Path) -> tuple[str, ast.Module]:
    """The text of a file of Python, in whatever encoding it declares, and its syntax. Raises FingerprintError."""
    try:
        content = path.read_bytes()
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        text = content.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
        return text, ast.parse(text, filename=str(path))
    except SyntaxError as error:  # also of an unknown encoding
        raise FingerprintError(error.msg, file=path, line=error.lineno or 1) from None
    except UnicodeDecodeError as error:
        raise FingerprintError(f"not {error.encoding.upper()}: {error}", file=path) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise FingerprintError(f"Python cannot read this file: {error or type(error).__name__}", file=path) from None
    except OSError as error:
        raise FingerprintError(f"cannot be read: {error.strerror}", file=path) from None


def _annotations(node: ast.ImportFrom) -> bool:
    return any(item.name == "annotations" for item in node.names)


def _executed(body: Iterable[ast.stmt], types_only: Collection[str]) -> Iterator[ast.stmt]:
    """The statements without those that are only for type checkers, or only for a module run as a script."""
    for node in body:
        if isinstance(node, ast.If) and (dotted(node.test) in types_only or _only_as_script(node)):
            yield from _executed(node.orelse, types_only)
        else:
            yield node


def _order_rebound(module: Module) -> None:
    """A name bound twice means what the last executed binding says: its statements count in order, as effects."""
    twice = {name for name, statements in module.bound.items() if len(statements) > 1 and name != "_"}
    module.statements = [
        Statement(s.node, s.binds, True, s.operators) if not s.effect and twice & set(s.binds) else s
        for s in module.statements
    ]
    del module.bound


def import_aliases(node: ast.AST, module: Module) -> Iterator[tuple[str, Alias]]:
    """What an import statement binds: (name, alias) pairs; `*` for a star, "" for a module that is only executed."""
    if isinstance(node, ast.Import):
        for item in node.names:
            if item.asname:
                yield item.asname, Alias(item.name)
            else:
                yield item.name.partition(".")[0], Alias(item.name.partition(".")[0])
                yield "", Alias(item.name)
    elif isinstance(node, ast.ImportFrom):
        origin = node.module or ""
        if node.level:
            parts = module.package.split(".")
            base = parts[: len(parts) - node.level + 1]
            origin = ".".join([*base, *([origin] if origin else [])])
        for item in node.names:
            yield (item.asname or item.name), Alias(origin, None if item.name == "*" else item.name)


def bound_names(node: ast.stmt) -> Iterator[str]:
    """The module-level names that a statement binds, nested blocks included."""
    inner_scopes = {
        id(name)
        for scope in executed_nodes([node])
        if isinstance(scope, ast.comprehension)
        for name in ast.walk(scope.target)
    }
    for inner in executed_nodes([node]):
        if id(inner) in inner_scopes:
            continue
        if isinstance(inner, (*FUNCTIONS, ast.ClassDef)):
            if inner is node or not isinstance(node, ast.ClassDef):
                yield inner.name
        elif isinstance(node, ast.ClassDef):
            continue
        elif isinstance(inner, (ast.Import, ast.ImportFrom)):
            yield from ((item.asname or item.name.partition(".")[0]) for item in inner.names if item.name != "*")
        elif isinstance(inner, ast.Name) and isinstance(inner.ctx, (ast.Store, ast.Del)):
            yield inner.id
        elif isinstance(inner, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and inner.name:
            yield inner.name


def _types_only(tree: ast.Module) -> set[str]:
    """The names by which a module knows `typing.TYPE_CHECKING`, unless it binds them otherwise."""
    found = set[str]()
    for node in tree.body:
        if isinstance(node, ast.Import):
            found |= {f"{a.asname or a.name}.TYPE_CHECKING" for a in node.names if a.name == "typing"}
        elif isinstance(node, ast.ImportFrom) and node.module == "typing":
            found |= {a.asname or a.name for a in node.names if a.name == "TYPE_CHECKING"}
    stored = [n for n in ast.walk(tree) if isinstance(getattr(n, "ctx", None), (ast.Store, ast.Del))]
    return found - {dotted(node) for node in stored} if found else found


def _only_as_script(node: ast.If) -> bool:
    test = node.test
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)):
        return False
    sides = [test.left, test.comparators[0]]
    names = {dotted(side) for side in sides}
    return "__name__" in names and any(isinstance(s, ast.Constant) and s.value == "__main__" for s in sides)
