"""Whether two queries mean the same, by what they return on many small databases (Zhong, Yu and Klein, 2020).

WikiSQL's tables are not at hand, so the databases are made: random rows in which the values of both queries, and
values just beside them, are frequent. Two queries that return the same on all of them count as equivalent. How far
that can be trusted is measured: mutants of a query, each with one thing changed, must be told apart from it.
"""

from __future__ import annotations

import random
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from posts.asksql.prompt import Table
from posts.asksql.sketch import AGGREGATES, SIGNS, Sketch

DATABASES = 12
ROWS = 14
WORDS = ("ash", "birch", "cedar", "elm", "fir", "7", "12", "19.5")
NUMBER = re.compile(r"^-?\d+(\.\d+)?$")


def near(value: str) -> list[str]:
    """The value, and others just beside it."""
    if NUMBER.match(value):
        return [value, str(float(value) + 1), str(float(value) - 1)]
    return [value, f"{value} x", value[: len(value) // 2] or "y"]


def databases(
    table: Table, queries: Sequence[Sketch], seed: int, count: int = DATABASES
) -> Iterator[sqlite3.Connection]:
    """Small random tables, each closed when the next is asked for. Some columns are numeric, as in real tables."""
    named: dict[str, set[str]] = {}
    for query in queries:
        for column, _, value in query.conditions:
            named.setdefault(column, set()).add(value)
    compared = {column for query in queries for column, sign, _ in query.conditions if sign != "="}
    summed = {query.column for query in queries if query.aggregate in {"MAX", "MIN", "SUM", "AVG"}}
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        with closing(sqlite3.connect(":memory:")) as database:
            numeric = {name: name in compared | summed or rng.random() < 0.3 for name in table.columns}
            kinds = ", ".join(f"{name} {'NUMERIC' if numeric[name] else 'TEXT'}" for name in table.columns)
            database.execute(f"CREATE TABLE {table.name} ({kinds})")
            pools = {name: _pool(name, sorted(named.get(name, ())), numeric[name], rng) for name in table.columns}
            rows = [[rng.choice(pools[name]) for name in table.columns] for _ in range(ROWS)]
            places = ", ".join("?" * len(table.columns))
            database.executemany(f"INSERT INTO {table.name} VALUES ({places})", rows)
            yield database


def _pool(name: str, values: Sequence[str], numeric: bool, rng: random.Random) -> list[str]:
    beside = [other for value in values for other in near(value)]
    others = (
        [str(rng.randint(0, 40)) for _ in range(5)]
        if numeric
        else [f"{rng.choice(WORDS)} {name[:3]}" for _ in range(5)]
    )
    return [*(list(values) * 4), *beside, *others]


def returned(database: sqlite3.Connection, query: Sketch) -> Counter[tuple[object, ...]] | None:
    """The rows of a query, in no order; None where it cannot run."""
    try:
        with closing(database.execute(query.sql())) as cursor:
            return Counter(cursor.fetchall())
    except sqlite3.Error:
        return None


def equivalent(table: Table, one: Sketch, other: Sketch, seed: int = 0, count: int = DATABASES) -> bool:
    """Whether two queries return the same on every database of the suite."""
    if one.form == other.form:
        return True
    names = {other.column, *(column for column, _, _ in other.conditions)}
    if not names <= set(table.columns):
        return False
    for database in databases(table, [one, other], seed, count):
        expected = returned(database, one)
        if expected is None or returned(database, other) != expected:
            return False
    return True


def mutants(table: Table, query: Sketch, seed: int = 0) -> list[Sketch]:
    """The query with one thing changed, each in turn: aggregate, column, and of each condition column, sign, value."""
    rng = random.Random(f"mutants {seed}")
    found = [replace(query, aggregate=rng.choice([each for each in AGGREGATES if each != query.aggregate]))]
    others = [name for name in table.columns if name != query.column]
    if others:
        found.append(replace(query, column=rng.choice(others)))
    for i, (column, sign, value) in enumerate(query.conditions):
        rest = query.conditions[:i], query.conditions[i + 1 :]
        found.append(replace(query, conditions=rest[0] + rest[1]))
        changed = [(column, each, value) for each in SIGNS if each != sign]
        changed += [(name, sign, value) for name in rng.sample(table.columns, len(table.columns)) if name != column][:1]
        changed += [(column, sign, near(value)[1])]
        found += [replace(query, conditions=(*rest[0], each, *rest[1])) for each in changed]
    return found
