"""GeoQuery (Zelle and Mooney, 1996) with its database, in the canonical form of Finegan-Dollak et al. (2018).

The canonical SQL names every column by an alias of its table. We write the same queries as a person would: lower case,
a table's alias only where the query reads that table more than once or joins it, strings between single quotation
marks. The licence of the set is unclear, so nothing of it is shown anywhere: no question, query or cell.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sqlglot
from numpy.typing import NDArray
from sqlglot import exp

from posts.asksql.data import Corpus, Question, decoded
from posts.asksql.prompt import Table, distinct

SCHEMA = "geography"
SPLIT_NAMES = {"train": "train", "dev": "validation", "test": "test"}
ALIAS = re.compile(r"^(.+)alias(\d+)$", re.IGNORECASE)


def read(arrays: Mapping[str, NDArray[np.uint8]]) -> Corpus:
    """All questions by the published question split, each with its own values filled in."""
    corpus = Corpus(schemas={SCHEMA: tables_of(connect(arrays))})
    for entry in json.loads(decoded(arrays, "questions")):
        template = entry["sql"][0]
        for sentence in entry["sentences"]:
            text, sql = filled(sentence["text"], sentence), filled(template, sentence, entry["variables"])
            corpus.splits[SPLIT_NAMES[sentence["question-split"]]].append(Question(text, SCHEMA, shortened(sql)))
    return corpus


def connect(arrays: Mapping[str, NDArray[np.uint8]]) -> sqlite3.Connection:
    """The database, in memory. Writing to it is refused."""
    database = sqlite3.connect(":memory:")
    database.deserialize(arrays["database"].tobytes())
    database.execute("PRAGMA query_only = ON")
    return database


def tables_of(database: sqlite3.Connection) -> tuple[Table, ...]:
    """The tables of a database under plain names, in the order in which they were made."""
    names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid")]
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    columns = [[row[1] for row in database.execute(f"PRAGMA table_info({name})")] for name in quoted]
    return tuple(Table(table, tuple(distinct(own))) for table, own in zip(distinct(names), columns, strict=True))


def filled(text: str, sentence: Mapping[str, Any], variables: Sequence[Mapping[str, Any]] = ()) -> str:
    """A text with its variables replaced by their values; those that the sentence lacks by their example."""
    values = {each["name"]: each["example"] for each in variables} | dict(sentence["variables"])
    for name in sorted(values, key=len, reverse=True):
        text = re.sub(rf"\b{re.escape(name)}\b", lambda _, value=values[name]: value, text)
    return text


def shortened(sql: str) -> str:
    """A canonical query without the aliases that it can do without; it selects the same rows."""
    double = re.sub(r'"([^"]*)"', lambda found: "'" + found[1].replace("'", "''") + "'", sql.rstrip(" ;"))
    tree = sqlglot.parse_one(double, dialect="sqlite")
    for select in tree.find_all(exp.Select):
        own = [table for table in select.find_all(exp.Table) if table.find_ancestor(exp.Select) is select]
        if len(own) == 1 and own[0].alias and not _read_from_inside(select, own[0].alias):
            alias = own[0].alias
            for column in select.find_all(exp.Column):
                if column.table.lower() == alias.lower():
                    column.set("table", None)
            own[0].set("alias", None)
    for node in tree.find_all(exp.Identifier):
        if (found := ALIAS.match(node.name)) is not None:
            node.set("this", f"{found[1]}_{found[2]}")
        node.set("this", node.name.lower())
    return tree.sql(dialect="sqlite")


def _read_from_inside(select: exp.Select, alias: str) -> bool:
    """Whether a query within this one reads a column by this one's alias."""
    return any(
        column.table.lower() == alias.lower() and column.find_ancestor(exp.Select) is not select
        for column in select.find_all(exp.Column)
    )
