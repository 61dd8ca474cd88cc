"""Which first-party code a stage's result can depend on: every symbol it reaches, and every module it executes.

From the stage's function, each name that a reached statement uses is followed to what binds it, across modules,
through re-exports and star imports. A module that is imported on the way is executed, so its effects count, and
those of the packages around it. Where a use cannot be followed by name, the whole module counts, and where even the
module is unknown, the whole post. Names count by what they may mean: a local variable that shares the name of a
module-level symbol reaches it too, which can only make a run stale that need not be.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from lockstep.canonical import digest_syntax, digest_value
from lockstep.errors import FingerprintError, nearest
from lockstep.source import FUNCTIONS, Alias, Module, Source, Statement, dotted, import_aliases

WHOLE_MODULE = {"globals", "locals", "eval", "exec", "vars", "compile", "__dict__", "__globals__"}
WHOLE_POST = {"__subclasses__", "import_module", "__import__", "find_spec", "run_module", "run_path"}
SUBCLASS_HOOKS = {"__init_subclass__", "__set_name__", "__new__", "__prepare__"}


@dataclass
class Reach:
    """Symbols (`module:name`, and `module#effects`) with their digests, and how each was first reached."""

    symbols: dict[str, str] = field(default_factory=dict)
    via: dict[str, str] = field(default_factory=dict)
    executed: set[str] = field(default_factory=set)

    @property
    def digest(self) -> str:
        return digest_value(self.symbols)

    def chain(self, symbol: str) -> list[str]:
        """From the stage's function to the symbol."""
        steps = [symbol]
        while steps[-1] in self.via and self.via[steps[-1]] not in steps:
            steps.append(self.via[steps[-1]])
        return steps[::-1]


def reach(source: Source, module: str, function: str) -> Reach:
    """Everything that `function` of `module` can reach. Raises FingerprintError where either does not exist."""
    if (module, function) in source.worked_out:
        return source.worked_out[module, function]
    start = source.module(module)
    if start is None:
        raise FingerprintError(f"there is no module {module} under {source.root}")
    if function not in start.bound:
        definitions = [name for name, s in start.bound.items() if isinstance(s[0].node, ast.FunctionDef)]
        raise FingerprintError(f'{start.path}:1: no function "{function}"{nearest(function, definitions)}')
    source.worked_out[module, function] = found = _Walk(source, module).walk(function)
    return found


class _Walk:
    def __init__(self, source: Source, start: str):
        self.source = source
        self.start = start
        self.post = ".".join(start.split(".")[:2])
        self.reached: dict[tuple[str, str], None] = {}
        self.executed: dict[str, None] = {}
        self.via: dict[str, str] = {}
        self.queue: list[tuple[str, str, str]] = []
        self.docstrings = False

    def walk(self, function: str) -> Reach:
        self.execute(self.start, "")
        self.want(self.start, function, "")
        while self.queue:
            self.follow(*self.queue.pop(0))
            if not self.queue and self.subclasses_act():
                self.want_subclasses()
        result = Reach(via=self.via, executed=set(self.executed))
        for module_name, name in self.reached:
            result.symbols[f"{module_name}:{name}"] = self.digest(self.module(module_name), name)
        for module_name in self.executed:
            module = self.module(module_name)
            if module.effects and not is_declaration(module_name):
                result.symbols[f"{module_name}#effects"] = self.digest(module, "#effects")
        return result

    def digest(self, module: Module, name: str) -> str:
        """Of what binds a name, or of a module's effects; computed once for all stages that reach it."""
        key = name, self.docstrings
        if key not in module.digests:
            if name == "#effects":
                module.digests[key] = digest_syntax([each.node for each in module.effects], self.docstrings)
            else:
                nodes = [each.node for each in module.bound.get(name, []) if not _imports(each.node)]
                told = [str(alias) for alias in module.aliases.get(name, [])]
                module.digests[key] = digest_value([digest_syntax(nodes, self.docstrings), told])
        return module.digests[key]

    def module(self, name: str) -> Module:
        module = self.source.module(name)
        assert module is not None
        return module

    def execute(self, name: str, origin: str) -> None:
        """The module is imported: so are the packages around it, and all that they and it import."""
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            part = ".".join(parts[:end])
            if part in self.executed or (module := self.source.module(part)) is None:
                continue
            self.executed[part] = None
            self.via.setdefault(f"{part}#effects", origin)
            if is_declaration(part):
                continue
            for alias in module.imports:
                self.import_alias(alias, f"{part}#effects")
            for statement in module.effects:
                self.uses(module, statement.node, f"{part}#effects")
            for star in module.stars:
                self.whole(star, f"{part}#effects")

    def subclasses_act(self) -> bool:
        """Can defining a class do something, through a hook of a base or metaclass in an executed module?"""
        return any(
            isinstance(inner, FUNCTIONS) and inner.name in SUBCLASS_HOOKS
            for name in self.executed
            for statement in self.module(name).statements
            if isinstance(statement.node, ast.ClassDef)
            for inner in statement.node.body
        )

    def want_subclasses(self) -> None:
        for name in self.executed:
            for statement in self.module(name).statements:
                if isinstance(statement.node, ast.ClassDef) and statement.node.bases and not is_declaration(name):
                    self.want(name, statement.node.name, f"{name}#effects")

    def import_alias(self, alias: Alias, origin: str) -> None:
        self.execute(alias.module, origin)
        if alias.name and (self.source.module(alias.module) or self.source.is_package(alias.module)):
            self.execute(f"{alias.module}.{alias.name}", origin)

    def want(self, module: str, name: str, origin: str) -> None:
        if (module, name) not in self.reached:
            self.reached[module, name] = None
            self.queue.append((module, name, origin))

    def follow(self, module_name: str, name: str, origin: str) -> None:
        module, symbol = self.module(module_name), f"{module_name}:{name}"
        if origin:
            self.via.setdefault(symbol, origin)
        for alias in module.aliases.get(name, []):
            self.reach_alias(alias, (), symbol)
        for statement in module.bound[name]:
            if not _imports(statement.node):
                self.uses(module, statement.node, symbol)
                if is_declaration(module_name):
                    self.refuse_declared(module, statement, symbol)

    def refuse_declared(self, module: Module, statement: Statement, symbol: str) -> None:
        value = getattr(statement.node, "value", None)
        if isinstance(value, ast.Call) and dotted(value.func).endswith("Experiment"):
            chain = " ← ".join([symbol, self.via.get(symbol, "")])
            raise FingerprintError(
                f"{module.path}:{statement.node.lineno}: a stage reads the declaration itself ({chain}); "
                "it gets its settings from run.config"
            )

    def uses(self, module: Module, node: ast.AST, origin: str) -> None:
        """Follow every name that a piece of code mentions, wherever in it."""
        inner_aliases: dict[str, list[Alias]] = {}
        for inner in ast.walk(node):
            if isinstance(inner, (ast.Import, ast.ImportFrom)):
                for name, alias in import_aliases(inner, module):
                    self.import_alias(alias, origin)
                    if name == "*":
                        self.whole(alias.module, origin)
                    elif name:
                        inner_aliases.setdefault(name, []).append(alias)
        for chain in _chains(node):
            if (len(chain) == 1 or chain[-1].startswith("__")) and chain[-1] in WHOLE_MODULE:
                self.whole(module.name, origin)
            if chain[-1] in WHOLE_POST or chain[:2] == ("sys", "modules"):
                for name in self.source.modules_under(self.post):
                    self.whole(name, origin)
            if "__doc__" in chain:
                self.docstrings = True
            for alias in inner_aliases.get(chain[0], []):
                self.reach_alias(alias, chain[1:], origin)
            self.reach_name(module, chain[0], chain[1:], origin)

    def reach_name(self, module: Module, name: str, rest: tuple[str, ...], origin: str) -> None:
        if name not in module.bound:
            return
        self.want(module.name, name, origin)
        for alias in module.aliases.get(name, []):
            self.reach_alias(alias, rest, origin)

    def reach_alias(self, alias: Alias, rest: tuple[str, ...], origin: str) -> None:
        """An imported name is used, followed by the attributes `rest`."""
        if alias.name:
            module = self.source.module(alias.module)
            if module and alias.name in module.bound:
                self.reach_name(module, alias.name, rest, origin)
            elif module and "__getattr__" in module.bound:
                self.whole(alias.module, origin)
            target = f"{alias.module}.{alias.name}"
            if not (self.source.module(target) or self.source.is_package(target)):
                return
            alias = Alias(target)
        if self.source.module(alias.module) is None and not self.source.is_package(alias.module):
            return
        if rest:
            self.reach_alias(Alias(alias.module, rest[0]), rest[1:], origin)
        elif self.source.module(alias.module) and not self._is_bare_import(alias.module, origin):
            self.whole(alias.module, origin)

    def _is_bare_import(self, module: str, origin: str) -> bool:
        """Following `helpers` as a symbol of its importer tells nothing yet: its uses do."""
        importer, _, name = origin.partition(":")
        return bool(name) and any(
            str(alias) == module or alias.module == module for alias in self.module(importer).aliases.get(name, [])
        )

    def whole(self, name: str, origin: str) -> None:
        """All of a module counts."""
        if is_declaration(name) or (module := self.source.module(name)) is None:
            return
        self.execute(name, origin)
        for bound in module.bound:
            self.want(name, bound, origin)
        for star in module.stars:
            if star != name:
                self.whole(star, origin)


def is_declaration(module: str) -> bool:
    """experiment.py declares; it is not code that a result depends on."""
    return module.startswith("posts.") and module.endswith(".experiment")


def _imports(node: ast.stmt) -> bool:
    return isinstance(node, (ast.Import, ast.ImportFrom))


def _chains(node: ast.AST) -> Iterator[tuple[str, ...]]:
    """Every maximal `name.attribute.attribute`, and every attribute of anything else as `("", attribute)`."""
    stack = [node]
    while stack:
        inner = stack.pop()
        if isinstance(inner, ast.Attribute):
            if chain := dotted(inner):
                yield tuple(chain.split("."))
                continue
            yield "", inner.attr
        elif isinstance(inner, ast.Name):
            yield (inner.id,)
        elif isinstance(inner, ast.Constant) and isinstance(inner.value, str) and inner.value in WHOLE_POST:
            yield "", inner.value  # getattr(cls, "__subclasses__")
        stack.extend(ast.iter_child_nodes(inner))
