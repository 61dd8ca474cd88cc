"""Running a query that a model wrote, on somebody's data: read only, bounded, and refused before it starts where it
asks for anything but reading its own tables.

Four fences, each enough against most of it. The file is opened read-only. An authorizer allows the reading of columns
of the user's tables and pure functions, and refuses all else: writing, ATTACH, PRAGMA, loading of extensions,
SQLite's own tables. A progress handler ends what takes too long, and rows beyond a limit are not fetched. The parser
must find exactly one SELECT, all of whose names exist: SQLite reads an unknown "name" as a string, so that a wrong
column would give a wrong answer and no error.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlglot
from lockstep.errors import LockstepError, nearest
from sqlglot import exp
from sqlglot.errors import SqlglotError

from posts.asksql.prompt import Table, distinct

STEPS = 1000  # instructions of SQLite's machine between two looks at the clock
FUNCTIONS = frozenset(
    """abs avg coalesce count ifnull iif instr length like lower ltrim max min nullif replace round rtrim substr
    substring sum total trim upper""".split()
)

SOURCES = (exp.Table, exp.Subquery)


class Refused(LockstepError):
    """A query that is not run, or not to its end, and why."""


@dataclass(frozen=True)
class Limits:
    """What one query may cost."""

    seconds: float = 2.0
    rows: int = 200
    cell_characters: int = 2000


@dataclass(frozen=True)
class Live:
    """The schema of a database: tables under plain names, and the real name behind each."""

    tables: tuple[Table, ...]
    real_tables: Mapping[str, str]
    real_columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def only(self, table: str, shown: str) -> Live:
        """One of its tables alone, under another plain name."""
        own = next(each for each in self.tables if each.name == table)
        return Live((Table(shown, own.columns),), {shown: self.real_tables[table]}, {shown: self.real_columns[table]})


@dataclass(frozen=True)
class Result:
    """What a query returned; `cut` where there were more rows than the limit."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    cut: bool


def live_schema(database: sqlite3.Connection) -> Live:
    """The tables that a person made, in the order in which they were made. Raises LockstepError where there is none."""
    listing = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid"
    )
    real = [name for (name,) in database.execute(listing)]
    if not real:
        raise LockstepError("the database has no table: there is nothing to ask")
    tables, columns = [], {}
    for plain_name, name in zip(distinct(real), real, strict=True):
        own = [row[1] for row in database.execute(f"PRAGMA table_info({identifier(name)})")]
        shown = distinct(own)
        tables.append(Table(plain_name, tuple(shown)))
        columns[plain_name] = dict(zip(shown, own, strict=True))
    return Live(tuple(tables), dict(zip([table.name for table in tables], real, strict=True)), columns)


def identifier(name: str) -> str:
    """A name between quotation marks, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def open_read_only(path: Path) -> sqlite3.Connection:
    """A database file, which this connection cannot change. Raises LockstepError where it is none."""
    if not path.is_file():
        raise LockstepError(f"{path} is not a file: expected an SQLite database or a CSV file")
    database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        database.close()
        raise LockstepError(f"{path} is not an SQLite database ({error})") from None
    return database


def checked(sql: str, live: Live) -> exp.Query:
    """The one query in `sql`, if it reads nothing but tables and columns of the schema. Raises Refused otherwise."""
    try:
        statements = sqlglot.parse(sql, dialect="sqlite")
    except SqlglotError as error:
        raise Refused(f"not SQL: {str(error).splitlines()[0]}") from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise Refused("expected one SELECT and nothing else")
    tree = statements[0]
    if tree.find(exp.With):
        raise Refused("WITH is not allowed: a recursive one need not end")
    known = {table.name: set(table.columns) for table in live.tables}
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier) or table.db or table.name.lower() not in known:
            raise Refused(f'there is no table "{table.sql()}"{nearest(table.name, list(known))}')
    _names_exist(tree, known)
    for function in tree.find_all(exp.Anonymous):
        if str(function.this).lower() not in FUNCTIONS:
            raise Refused(f"the function {function.this} is not allowed")
    return tree


def _names_exist(tree: exp.Query, known: Mapping[str, set[str]]) -> None:
    """Every column must belong to a table that its query, or one around it, reads; what a query names itself counts."""
    named = {alias.alias.lower() for alias in tree.find_all(exp.Alias)}
    for column in tree.find_all(exp.Column):
        if isinstance(column.this, exp.Star):
            continue
        visible: dict[str, set[str]] = {}
        for scope in scopes(column):
            for source in scope.find_all(*SOURCES):
                if source.find_ancestor(exp.Select) is scope:
                    own = known[source.name.lower()] if isinstance(source, exp.Table) else named
                    visible.setdefault((source.alias or source.name).lower(), own)
        name, where = column.name.lower(), column.table.lower()
        if where and where not in visible:
            raise Refused(f'"{where}" is no table of the query{nearest(where, list(visible))}')
        candidates = [visible[where]] if where else [*visible.values(), named]
        if not any(name in columns for columns in candidates):
            every = sorted(set().union(*candidates))
            raise Refused(f'there is no column "{column.name}"{nearest(name, every)}')


def scopes(column: exp.Column) -> Iterator[exp.Select]:
    """The queries around a column, from the inside out."""
    inner = column.find_ancestor(exp.Select)
    while inner is not None:
        yield inner
        inner = inner.find_ancestor(exp.Select)


def real_sql(sql: str, live: Live) -> str:
    """The checked query over the database's own names, all between quotation marks, comparing text in any case."""
    tree = checked(sql, live)
    by_name: dict[str, set[str]] = {}
    for columns in live.real_columns.values():
        for shown, real in columns.items():
            by_name.setdefault(shown, set()).add(real)
    renamed = {table.alias_or_name.lower(): table.name.lower() for table in tree.find_all(exp.Table)}
    for column in list(tree.find_all(exp.Column)):
        if isinstance(column.this, exp.Star):
            continue
        real = _real_column(column, live, renamed, by_name)
        if real is not None:
            column.set("this", exp.to_identifier(real, quoted=True))
        if column.table.lower() in live.real_tables and renamed.get(column.table.lower()) == column.table.lower():
            column.set("table", exp.to_identifier(live.real_tables[column.table.lower()], quoted=True))
    for table in list(tree.find_all(exp.Table)):
        table.set("this", exp.to_identifier(live.real_tables[table.name.lower()], quoted=True))
    for equal in list(tree.find_all(exp.EQ)):
        if isinstance(equal.expression, exp.Literal) and equal.expression.is_string:
            equal.set("expression", exp.Collate(this=equal.expression.copy(), expression=exp.Var(this="NOCASE")))
    return tree.sql(dialect="sqlite")


def _real_column(
    column: exp.Column, live: Live, renamed: Mapping[str, str], by_name: Mapping[str, set[str]]
) -> str | None:
    """The database's own name of a column; None for one that the query itself named."""
    name, where = column.name.lower(), column.table.lower()
    if where:
        return live.real_columns[renamed[where]].get(name) if where in renamed else None
    for scope in scopes(column):
        for table in scope.find_all(exp.Table):
            if table.find_ancestor(exp.Select) is scope and name in live.real_columns[table.name.lower()]:
                return live.real_columns[table.name.lower()][name]
    return next(iter(by_name[name])) if len(by_name.get(name, ())) == 1 else None


def run(database: sqlite3.Connection, sql: str, live: Live, limits: Limits) -> Result:
    """Run a query over plain names within the limits. Raises Refused where it is not allowed or takes too long."""
    return run_real(database, real_sql(sql, live), set(live.real_tables.values()), limits)


def run_real(database: sqlite3.Connection, sql: str, readable: set[str], limits: Limits) -> Result:
    """Run a query over the database's own names behind authorizer and progress handler, whatever it is."""
    with fenced(database, readable, limits.seconds) as refusals:
        try:
            with closing(database.execute(sql)) as cursor:
                rows = cursor.fetchmany(limits.rows + 1)
                columns = [each[0] for each in cursor.description or ()]
        except (sqlite3.Error, sqlite3.Warning, MemoryError) as error:
            raise Refused(refusals[0] if refusals else f"SQLite: {error}") from None
    shortened = [tuple(_short(cell, limits.cell_characters) for cell in row) for row in rows[: limits.rows]]
    return Result(columns, shortened, len(rows) > limits.rows)


@contextmanager
def fenced(database: sqlite3.Connection, readable: set[str], seconds: float) -> Iterator[list[str]]:
    """Authorizer, clock and size limits around what the block executes; yields the reasons of refusals."""
    refusals: list[str] = []
    ends = time.monotonic() + seconds

    def authorize(action: int, first: str | None, second: str | None, schema: str | None, trigger: str | None) -> int:
        if action == sqlite3.SQLITE_READ and (first in readable or not first):
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in FUNCTIONS:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_SELECT:
            return sqlite3.SQLITE_OK
        refusals.append(f"not allowed: {_action(action)} {first or second or ''}".rstrip())
        return sqlite3.SQLITE_DENY

    def overdue() -> int:
        if time.monotonic() < ends:
            return 0
        refusals.append(f"it takes longer than {seconds:g} s")
        return 1

    database.set_authorizer(authorize)
    database.set_progress_handler(overdue, STEPS)
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1_000_000)
    try:
        yield refusals
    finally:
        database.set_authorizer(None)
        database.set_progress_handler(None, 0)


def _action(number: int) -> str:
    """SQLite's name of an action that an authorizer is asked about."""
    names: Sequence[str] = [name for name in dir(sqlite3) if name.startswith("SQLITE_") and name in ACTIONS]
    return next((name[7:] for name in names if getattr(sqlite3, name) == number), f"action {number}")


def _short(cell: Any, most: int) -> Any:
    return cell[:most] + "…" if isinstance(cell, str) and len(cell) > most else cell


ACTIONS = frozenset(
    f"SQLITE_{name}"
    for name in """ALTER_TABLE ANALYZE ATTACH CREATE_INDEX CREATE_TABLE CREATE_TEMP_TABLE CREATE_TRIGGER CREATE_VIEW
    CREATE_VTABLE DELETE DETACH DROP_INDEX DROP_TABLE DROP_TRIGGER DROP_VIEW DROP_VTABLE FUNCTION INSERT PRAGMA READ
    RECURSIVE REINDEX SAVEPOINT SELECT TRANSACTION UPDATE""".split()
)
