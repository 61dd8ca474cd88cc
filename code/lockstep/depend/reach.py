"""Which code of the project a stage's result can depend on: every symbol it reaches, and every module it executes.

From the stage's function, and from the Config whose settings it reads, each name that a reached statement uses is
followed to what binds it, across modules, through re-exports and star imports. A module that is imported on the way is
executed, so its effects count, and those of the packages around it. Where a use cannot be followed by name, the whole
module counts, and where even the module is unknown, the whole post. To this a run adds what it was seen to do
(`seen.py`): a module that names alone do not account for counts whole.
"""

from __future__ import annotations

import ast
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from lockstep.depend.canonical import Form, digest_syntax, digest_value
from lockstep.depend.declared import fields_of, is_declaration, refuse_declared, unread
from lockstep.depend.effects import FUNCTIONS, meanings
from lockstep.depend.looks import (
    CLASS_HOOKS,
    ELSEWHERE,
    READS_ANNOTATIONS,
    READS_DOCSTRINGS,
    READS_TEXT,
    WHOLE_MODULE,
    WHOLE_POST,
)
from lockstep.depend.order import effects_of
from lockstep.depend.source import Alias, Module, Source, Statement, import_aliases
from lockstep.errors import FingerprintError, nearest

TEXT, FOLDER, WHOLE_ANNOTATIONS = "#text", "#folder", "@annotations"


@dataclass
class Reach:
    """Symbols (`module:name`, `module#effects`, `module#text`) with their digests, and how each was first reached."""

    symbols: dict[str, str] = field(default_factory=dict)
    via: dict[str, str] = field(default_factory=dict)
    executed: set[str] = field(default_factory=set)
    docstrings: bool = False

    @property
    def digest(self) -> str:
        return digest_value(self.symbols)

    def chain(self, symbol: str) -> list[str]:
        """From the stage's function to the symbol."""
        steps = [symbol]
        while steps[-1] in self.via and self.via[steps[-1]] not in steps:
            steps.append(self.via[steps[-1]])
        return steps[::-1]


@dataclass(frozen=True)
class Start:
    """Where a walk starts: a stage's function, the Config (module, class) with the fields of it that are read (None:
    all), what else counts (modules; `module#text`; `@annotations`), and the classes of those settings."""

    module: str
    function: str
    config: tuple[str, str] | None = None
    fields: frozenset[str] | None = None
    seen: frozenset[str] = frozenset()
    types: frozenset[tuple[str, str]] = frozenset()


def reach(source: Source, start: Start) -> Reach:
    """Everything that a stage can reach. Raises FingerprintError where its function does not exist."""
    if start not in source.worked_out:
        module = source.module(start.module)
        if module is None:
            raise FingerprintError(f"there is no module {start.module} under {source.root}")
        if start.function not in module.bound:
            definitions = [name for name, s in module.bound.items() if isinstance(s[0].node, ast.FunctionDef)]
            raise FingerprintError(
                f'no function "{start.function}"{nearest(start.function, definitions)}', file=module.path
            )
        source.worked_out[start] = _Walk(source, start).walk()
    return source.worked_out[start]


class _Walk:
    def __init__(self, source: Source, start: Start):
        self.source = source
        self.start = start
        self.post = ".".join(start.module.split(".")[:2])
        self.reached: dict[tuple[str, str], None] = {}
        self.executed: dict[str, None] = {}
        self.via: dict[str, str] = {}
        self.queue: list[tuple[str, str, str]] = []
        self.wholes: set[str] = set()
        self.whole_post = self.text = self.docstrings = False
        self.annotations = WHOLE_ANNOTATIONS in start.seen
        self.texts = {each.removesuffix(TEXT) for each in start.seen if each.endswith(TEXT)}
        self.folders = {each.removesuffix(FOLDER) for each in start.seen if each.endswith(FOLDER)}

    def walk(self) -> Reach:
        self.execute(self.start.module, "")
        self.want(self.start.module, self.start.function, "")
        if self.start.config and self.source.module(self.start.config[0]):
            for module, name in [self.start.config, *sorted(self.start.types)]:
                self.execute(module, "")
                self.want(module, name, "")
        for seen in sorted(self.start.seen):
            if "#" not in seen and seen != WHOLE_ANNOTATIONS:
                self.whole(seen, "", held=True)
        self.drain()
        return self.result()

    def drain(self) -> None:
        """Follow what is wanted, and then what statements may do given all classes that are about."""
        while self.queue:
            self.follow(*self.queue.pop(0))
            if not self.queue:
                self.want_acting()

    def result(self) -> Reach:
        result = Reach(via=self.via, executed=set(self.executed), docstrings=self.docstrings)
        for module_name, name in self.reached:
            result.symbols[f"{module_name}:{name}"] = self.digest(self.module(module_name), name)
        for module_name in self.executed:
            module = self.module(module_name)
            if effects := effects_of(self.source, module, self.reached):
                result.symbols[f"{module_name}#effects"] = digest_value([self.form_key, *map(self.effect, effects)])
            if module_name in self.wholes:  # whoever looks at all names sees their order
                result.symbols[f"{module_name}#order"] = digest_value(list(module.bound))
            if self.docstrings and not is_declaration(module_name):
                result.symbols[f"{module_name}#doc"] = digest_value(module.docstring)
        for folder in self.folders:
            result.symbols[folder + FOLDER] = digest_value(self.source.files_in(folder))
        for module_name in self.executed if self.text else self.texts:
            if module := self.source.module(module_name):
                result.symbols[module_name + TEXT] = digest_value(module.text)
        return result

    @property
    def form(self) -> Form:
        return Form(self.docstrings, self.annotations)

    @property
    def form_key(self) -> list[bool]:
        return [self.docstrings, self.annotations]

    def effect(self, part: Statement | str) -> str:
        return part if isinstance(part, str) else digest_syntax([part.node], self.form)

    def digest(self, module: Module, name: str) -> str:
        """Of what binds a name; computed once for all stages that reach it."""
        key = name, self.form, self.is_config(module, name)
        if key not in module.digests:
            nodes = [each.node for each in module.bound.get(name, []) if not _imports(each.node)]
            if self.is_config(module, name):
                nodes = [unread(node) for node in nodes]  # settings count by their values
            told = [str(alias) for alias in module.aliases.get(name, [])]
            module.digests[key] = digest_value([digest_syntax(nodes, self.form), told])
        return module.digests[key]

    def is_config(self, module: Module, name: str) -> bool:
        return (module.name, name) == self.start.config

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
                continue  # a run sees of it only what it reaches
            for alias in module.imports:
                self.import_alias(alias, f"{part}#effects")
            for statement in module.effects:
                self.uses(module, statement, f"{part}#effects")
            for star in module.stars:
                self.whole(star, f"{part}#effects")

    def want_acting(self) -> None:
        """Statements that only bind names, and yet act: they define a class under a hook, or use an operator or an
        attribute to which a class gives a meaning of its own. And what of a declaration touches what is reached."""
        classes = [
            statement.node
            for name in self.executed
            for statement in self.module(name).statements
            if isinstance(statement.node, ast.ClassDef)
        ]
        defined = {name: set(meanings(node)) for name, node in ((node.name, node) for node in classes)}
        methods = set().union(*defined.values())
        hooked = bool(methods & CLASS_HOOKS) or bool(_metaclasses(classes))
        for name in list(self.executed):
            module = self.module(name)
            if is_declaration(name):
                for part in effects_of(self.source, module, self.reached):
                    if isinstance(part, Statement):
                        self.uses(module, part, f"{name}#effects")
                continue
            for statement in module.statements:
                if (hooked and isinstance(statement.node, ast.ClassDef)) or statement.operators & methods:
                    for bound in () if isinstance(statement.node, FUNCTIONS) else statement.binds:
                        self.want(name, bound, f"{name}#effects")

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
            if is_declaration(module_name):
                self.import_alias(alias, symbol)
            self.reach_alias(alias, (), symbol)
        for statement in module.bound.get(name, []):
            if not _imports(statement.node):
                if self.is_config(module, name) and isinstance(statement.node, ast.ClassDef):
                    statement = replace(statement, node=fields_of(statement.node, self.start.fields))
                self.uses(module, statement, symbol)
                if is_declaration(module_name):
                    refuse_declared(module, statement, [symbol, self.via.get(symbol, "")])

    def uses(self, module: Module, statement: Statement, origin: str) -> None:
        """Follow every name that a statement mentions, wherever in it."""
        inner_aliases: dict[str, list[Alias]] = {}
        for node in statement.imports:
            for name, alias in import_aliases(node, module):
                self.import_alias(alias, origin)
                if name == "*":
                    self.whole(alias.module, origin)
                elif name:
                    inner_aliases.setdefault(name, []).append(alias)
        for chain, local in statement.mentioned:
            self.heed(module, chain, local, origin)
            for alias in inner_aliases.get(chain[0], []):
                self.reach_alias(alias, chain[1:], origin)
            if not local:
                self.reach_name(module, chain[0], chain[1:], origin)

    def heed(self, module: Module, chain: tuple[str, ...], local: bool, origin: str) -> None:
        """Names with which code looks at code, whatever it looks at."""
        last = chain[-1]
        if last in WHOLE_MODULE and ((len(chain) == 1 and not local) or last.startswith("__")):
            self.whole(module.name, origin, held=True)
        if last in WHOLE_POST or chain[:2] == ("sys", "modules"):
            self.want_post(origin)
        self.text |= last in READS_TEXT or chain[:2] == ("inspect", "stack")
        self.annotations |= last in READS_ANNOTATIONS
        self.docstrings |= last in READS_DOCSTRINGS

    def want_post(self, origin: str) -> None:
        if not self.whole_post:
            self.whole_post = True
            for name in self.source.modules_under(self.post):
                self.whole(name, origin, held=True)

    def reach_name(self, module: Module, name: str, rest: tuple[str, ...], origin: str) -> None:
        if name not in module.bound:
            return
        self.want(module.name, name, origin)
        for alias in module.aliases.get(name, []):
            self.reach_alias(alias, rest, origin)

    def reach_alias(self, alias: Alias, rest: tuple[str, ...], origin: str, passed: Collection[Any] = ()) -> None:
        """An imported name is used, followed by the attributes `rest`. `passed`: what this use came through, since a
        package may re-export a module of its own under the module's name."""
        if str(alias) in ELSEWHERE or alias.name in WHOLE_POST:
            self.want_post(origin)
        if (alias, rest) in passed:
            return
        passed = [*passed, (alias, rest)]
        if alias.name:
            module = self.source.module(alias.module)
            if module and alias.name in module.bound:
                self.want(module.name, alias.name, origin)
                for further in module.aliases.get(alias.name, []):
                    self.reach_alias(further, rest, origin, passed)
            elif module and "__getattr__" in module.bound:
                self.whole(alias.module, origin)
            target = f"{alias.module}.{alias.name}"
            if not (self.source.module(target) or self.source.is_package(target)):
                return
            alias = Alias(target)
        if self.source.module(alias.module) is None and not self.source.is_package(alias.module):
            return
        if rest:
            self.reach_alias(Alias(alias.module, rest[0]), rest[1:], origin, passed)
        elif self.source.module(alias.module) and not self._is_bare_import(alias.module, origin):
            self.whole(alias.module, origin, held=True)

    def _is_bare_import(self, module: str, origin: str) -> bool:
        """Following `helpers` as a symbol of its importer tells nothing yet: its uses do."""
        importer, _, name = origin.partition(":")
        return bool(name) and any(
            str(alias) == module or alias.module == module for alias in self.module(importer).aliases.get(name, [])
        )

    def whole(self, name: str, origin: str, held: bool = False) -> None:
        """All of a module counts; with `held`, all of the modules that it holds as well: who holds it may use them."""
        if name in self.wholes or is_declaration(name) or (module := self.source.module(name)) is None:
            return
        if held:
            self.wholes.add(name)
        self.execute(name, origin)
        for bound in module.bound:
            self.want(name, bound, origin)
        for alias in [alias for found in module.aliases.values() for alias in found] if held else ():
            if not str(alias).startswith("lockstep.") and self.source.module(str(alias)):
                self.whole(str(alias), f"{name}#effects", held=True)
        for star in module.stars:
            if star != name:
                self.whole(star, origin)


def _imports(node: ast.stmt) -> bool:
    return isinstance(node, (ast.Import, ast.ImportFrom))


def _metaclasses(classes: list[ast.ClassDef]) -> set[str]:
    """Names of those classes that make classes, and do something of their own while they make one."""
    found = {"type", "ABCMeta", "EnumMeta", "EnumType"}
    own = set[str]()
    for _ in classes:
        more = {
            node.name
            for node in classes
            if any(getattr(base, "id", getattr(base, "attr", "")) in found for base in node.bases)
        }
        if more <= own:
            break
        own, found = own | more, found | more
    return own
