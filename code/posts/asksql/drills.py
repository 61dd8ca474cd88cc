"""Attacks on the execution of queries, each fence alone against each of them; and what happens without a fence."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any

from posts.asksql.execute import Limits, Refused, checked, live_schema, run_real

if TYPE_CHECKING:
    from lockstep.run import Run

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
ATTACKS = (
    "DROP TABLE pets",
    "DELETE FROM pets",
    "UPDATE pets SET name = 'x'",
    "INSERT INTO pets VALUES (1, 2, 3)",
    "CREATE TABLE mine (x)",
    "ATTACH DATABASE '/tmp/stolen.sqlite' AS stolen",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA query_only = OFF",
    "VACUUM INTO '/tmp/stolen.sqlite'",
    "SELECT name FROM sqlite_master",
    "SELECT load_extension('evil')",
    "SELECT randomblob(1000000000)",
    "SELECT writefile('/tmp/x', 'y')",
    ENDLESS,
)
CHANGES = ATTACKS[:5]  # those that SQLite carries out where nothing stands in the way


def perform(run: Run) -> list[dict[str, Any]]:
    """How many attacks each fence refuses by itself, in percent, and how many of the changes succeed without one."""
    fences = {"parser": _parser, "authorizer and clock": _authorizer}
    rows: list[dict[str, Any]] = [
        {"fence": name, "refused": 100 * sum(map(refuses, ATTACKS)) / len(ATTACKS)} for name, refuses in fences.items()
    ]
    done = sum(not _refused(lambda database, sql: database.execute(sql), sql) for sql in CHANGES)
    return [*rows, {"fence": "none", "refused": 100 * (len(CHANGES) - done) / len(CHANGES)}]


def pets() -> sqlite3.Connection:
    """A database in memory that may be written to."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE pets (name, age, kind)")
    database.execute("INSERT INTO pets VALUES ('Rex', 4, 'dog')")
    return database


def _parser(sql: str) -> bool:
    return _refused(lambda database, text: checked(text, live_schema(database)), sql)


def _authorizer(sql: str) -> bool:
    return _refused(lambda database, text: run_real(database, text, {"pets"}, Limits(seconds=0.2)), sql)


def _refused(attempt: Callable[[sqlite3.Connection, str], Any], sql: str) -> bool:
    """Is it refused, and the database as it was?"""
    with closing(pets()) as database:
        before = list(database.iterdump())
        try:
            attempt(database, sql)
        except Refused:
            return list(database.iterdump()) == before
        return False
