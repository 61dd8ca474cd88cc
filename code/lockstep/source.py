"""The first-party modules under `code/`, read once: what each top-level statement binds, imports and does.

A statement of a module is either *named* (a definition or a plain assignment: it matters where its name is reached)
or an *effect* (anything that may act when the module is imported: it matters wherever the module is executed).
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from lockstep.errors import FingerprintError

PURE_CALLS = {
    *("bool bytes complex dict float frozenset int len list max min object range round set slice sorted str".split()),
    *("sum tuple zip abs enumerate reversed repr type property staticmethod classmethod".split()),
    *("Path PurePath TypeVar ParamSpec NamedTuple namedtuple field Fraction Decimal partial".split()),
    *("re.compile logging.getLogger functools.partial dataclasses.field math.log math.sqrt math.exp np.array".split()),
    *("np.float32 np.float64 np.arange np.linspace np.logspace torch.tensor torch.device".split()),
}
PURE_DECORATORS = {
    *("property staticmethod classmethod dataclass dataclasses.dataclass contextmanager cached_property".split()),
    *("contextlib.contextmanager functools.wraps functools.cache functools.lru_cache".split()),
    "functools.cached_property",
    *("wraps cache lru_cache abstractmethod override final overload torch.no_grad torch.inference_mode".split()),
}
ROOTS = ("posts", "lockstep")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Alias:
    """What an import binds a name to: a module, or a name inside one."""

    module: str
    name: str | None = None

    def __str__(self) -> str:
        return self.module + (f".{self.name}" if self.name else "")


@dataclass(frozen=True, eq=False)
class Statement:
    """A top-level statement and the facts that reachability needs."""

    node: ast.stmt
    binds: tuple[str, ...]
    effect: bool


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
    digests: dict[tuple[str, bool], str] = field(default_factory=dict)  # of names, without docstrings or with them

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
        """First parts of the names of what it imports from elsewhere, at the top or inside its functions."""
        names = set[str]()
        for node in (inner for statement in self.statements for inner in ast.walk(statement.node)):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names.add(node.module.partition(".")[0])
        return names - {*ROOTS}

    def at_line(self, line: int) -> Statement | None:
        """The top-level statement that holds a line; decorators belong to what they decorate."""
        for statement in self.statements:
            first = min([statement.node.lineno, *(d.lineno for d in getattr(statement.node, "decorator_list", []))])
            if first <= line <= (statement.node.end_lineno or first):
                return statement
        return None


class Source:
    """All first-party code, as it stands when first asked for. One object is one consistent snapshot."""

    def __init__(self, root: Path, engine: Path | None = None):
        """`root` is the import root; `engine` is where `lockstep` itself lies, where that is another folder."""
        self.root = root
        self.engine = engine or Path(__file__).resolve().parent.parent
        self._modules: dict[str, Module | None] = {}
        self.worked_out: dict[tuple[str, str], Any] = {}

    def path_of(self, name: str) -> tuple[Path, bool] | None:
        """The file of a dotted module and whether it is a package's `__init__`, or None."""
        first = name.partition(".")[0]
        if first not in ROOTS:
            return None
        base = (self.engine if first == "lockstep" else self.root).joinpath(*name.split("."))
        if (init := base / "__init__.py").is_file():
            return init, True
        path = base.with_suffix(".py")
        return (path, False) if path.is_file() else None

    def module(self, name: str) -> Module | None:
        """A first-party module, or None. Raises FingerprintError where it does not parse."""
        if name not in self._modules:
            found = self.path_of(name)
            self._modules[name] = parse(name, *found) if found else None
        return self._modules[name]

    def packages(self, modules: Iterable[str]) -> set[str]:
        """What these first-party modules import from elsewhere."""
        return set().union(*(module.packages for name in modules if (module := self.module(name))))

    def is_package(self, name: str) -> bool:
        """Is there a folder of that dotted name, with or without an `__init__`?"""
        first = name.partition(".")[0]
        return first in ROOTS and (
            (self.engine if first == "lockstep" else self.root).joinpath(*name.split(".")).is_dir()
        )

    def modules_under(self, package: str) -> list[str]:
        """Every module of a package, the package itself included, by name."""
        folder = self.root.joinpath(*package.split("."))
        names = []
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(self.root).with_suffix("").parts
            names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
        return names


def parse(name: str, path: Path, is_package: bool) -> Module:
    """Read one file into a Module."""
    try:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text, filename=str(path))
    except SyntaxError as error:
        raise FingerprintError(f"{path}:{error.lineno}: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise FingerprintError(f"{path}:1: not UTF-8: {error}") from None
    module = Module(name, path, text, is_package)
    for node in tree.body:
        if _only_for_types(node) or _only_as_script(node):
            continue
        module.statements.append(Statement(node, tuple(bound_names(node)), acts(node)))
    for node in executed_nodes([statement.node for statement in module.statements]):
        for alias_name, alias in import_aliases(node, module):
            module.imports.append(alias)
            if alias_name == "*":
                module.stars.append(alias.module)
            elif alias_name:
                module.aliases.setdefault(alias_name, []).append(alias)
    _order_rebound(module)
    return module


def _order_rebound(module: Module) -> None:
    """A name bound twice means what the last executed binding says: its statements count in order, as effects."""
    twice = {name for name, statements in module.bound.items() if len(statements) > 1 and name != "_"}
    module.statements = [
        Statement(s.node, s.binds, True) if not s.effect and twice & set(s.binds) else s for s in module.statements
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


def executed_nodes(nodes: list[ast.stmt]) -> Iterator[ast.AST]:
    """Every syntax node that runs when the statements do: the bodies of functions are left out."""
    stack: list[ast.AST] = list(reversed(nodes))
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, (*FUNCTIONS, ast.Lambda)):
            inner = [*getattr(node, "decorator_list", []), *node.args.defaults, *filter(None, node.args.kw_defaults)]
        elif isinstance(node, ast.If) and _only_for_types(node):
            inner = node.orelse
        else:
            inner = list(ast.iter_child_nodes(node))
        stack.extend(reversed(inner))


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


def acts(node: ast.stmt) -> bool:
    """May the statement do more than bind its names when the module is imported?"""
    if isinstance(node, FUNCTIONS):
        return not all(_known(d, PURE_DECORATORS) for d in node.decorator_list) or _acting_calls(
            [*node.args.defaults, *filter(None, node.args.kw_defaults)]
        )
    if isinstance(node, ast.ClassDef):
        pure = all(_known(d, PURE_DECORATORS) for d in node.decorator_list)
        return not pure or bool(node.keywords) or any(_acts_in_class(inner) for inner in node.body)
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return False
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        plain = all(isinstance(t, (ast.Name, ast.Tuple)) for t in targets)
        return not plain or (node.value is not None and _acting_calls([node.value]))
    return not (isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)))


def _acts_in_class(node: ast.stmt) -> bool:
    if isinstance(node, FUNCTIONS):  # a decorator of a method may register it, unless it belongs to the class itself
        own = all(_known(d, PURE_DECORATORS) or _is_accessor(d) for d in node.decorator_list)
        return not own
    return acts(node)


def _is_accessor(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Attribute) and decorator.attr in ("setter", "deleter", "getter")


def _known(decorator: ast.expr, names: set[str]) -> bool:
    return dotted(decorator.func if isinstance(decorator, ast.Call) else decorator) in names


def _acting_calls(values: list[ast.expr]) -> bool:
    """Does evaluating them call anything that is not known to be pure?"""
    wrapped = [ast.Expr(value) for value in values]
    return any(
        isinstance(node, (ast.Await, ast.NamedExpr))
        or (isinstance(node, ast.Call) and dotted(node.func) not in PURE_CALLS and not _is_exception(node.func))
        for node in executed_nodes([*wrapped])
    )


def _is_exception(function: ast.expr) -> bool:
    kind = getattr(builtins, dotted(function), None)
    return isinstance(kind, type) and issubclass(kind, BaseException)


def dotted(node: ast.expr) -> str:
    """`a.b.c` as text, or "" for any other expression."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (base := dotted(node.value)):
        return f"{base}.{node.attr}"
    return ""


def _only_for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and dotted(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _only_as_script(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Compare) and dotted(node.test.left) == "__name__"
