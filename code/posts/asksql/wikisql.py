"""WikiSQL (Zhong et al., 2017) in the canonical form of Finegan-Dollak et al. (2018): questions, SQL, headers in part.

The canonical form has the queries and no tables: of a header we know the columns that any query of the table names,
and the places of those that a query selects. Headers are completed so:
a table has at least `NARROWEST` columns; those missing are drawn from *training* tables that share a column with it,
by a generator seeded with the table's name, the same in every run; columns of unknown place stand at a random one.
So every header has columns that no question asks for, and no header depends on the split but through its own queries.

A condition's value comes from the sentence's own variables. Sentences of which one is missing are left out, and
counted. A value that the question spells otherwise (in capitals, say) is written as the question spells it.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posts.asksql.data import Corpus, Question, decoded
from posts.asksql.prompt import Table, distinct, quoted

SELECT = re.compile(
    r"^SELECT (?:(MAX|MIN|COUNT|SUM|AVG) )?(\S+) FROM (?:TABLE AS TABLEalias0|table)(?: WHERE (.*?))? ;$"
)
CONDITION = re.compile(r"^(\S+) (=|>|<) (.*)$")
VARIABLE = re.compile(r"^var\d+$")
SPLIT_NAMES = {"train": "train", "dev": "validation", "test": "test"}
NARROWEST = 6  # columns; about the median width of the original tables
DRAWS = 50  # attempts to find a column in a related table before any training column will do
NAME = "t"  # of the one table: the source gives none


@dataclass(frozen=True)
class Canonical:
    """A query of the source: its aggregate ("" for none), the field selected, and conditions (field, sign, value)."""

    aggregate: str
    selected: str
    conditions: tuple[tuple[str, str, str], ...]

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.selected, *(name for name, _, _ in self.conditions))


def parse(sql: str) -> Canonical:
    """One query of the canonical form. Raises ValueError for what is not of that form."""
    found = SELECT.match(sql)
    if not found:
        raise ValueError(f"not a query of WikiSQL's canonical form: {sql}")
    conditions = []
    for text in found[3].split(" AND ") if found[3] else ():
        parts = CONDITION.match(text)
        if not parts:
            raise ValueError(f"not a condition of WikiSQL's canonical form: {text}")
        conditions.append((field_name(parts[1]), parts[2], parts[3].strip('"')))
    return Canonical(found[1] or "", field_name(found[2]), tuple(conditions))


def field_name(field: str) -> str:
    """TABLEalias0.SCHOOL/CLUB_TEAM_FIELD is "school/club team"."""
    return field.removeprefix("TABLEalias0.").removesuffix("_FIELD").replace("_", " ").strip().lower()


def place_of_selected(original: str) -> int:
    """The number of the column that the original query selects."""
    found = re.search(r"\bcol(\d+)\b", original)
    if not found:
        raise ValueError(f"no column is selected in {original}")
    return int(found[1])


def values_of(query: Canonical, sentence: Mapping[str, Any]) -> list[str] | None:
    """The value of each condition as this question spells it; None where the source leaves one out."""
    values = []
    text: str = sentence["original"]
    for _, _, value in query.conditions:
        if VARIABLE.match(value):
            if value not in sentence["variables"]:
                return None
            value = sentence["variables"][value]
        at = text.lower().find(value.lower())
        values.append(text[at : at + len(value)] if at >= 0 and len(text) == len(text.lower()) else value)
    return values


def read(arrays: Mapping[str, NDArray[np.uint8]]) -> Corpus:
    """All questions, by split, with completed headers."""
    entries = json.loads(decoded(arrays, "questions"))
    asked = []  # (table, split, sentence, query)
    known: dict[str, dict[str, int | None]] = {}  # of each table: column → place
    split_of: dict[str, str] = {}
    for entry in entries:
        query = parse(entry["sql"][0])
        for sentence in entry["sentences"]:
            table = sentence["table-id"]
            split_of[table] = SPLIT_NAMES[sentence["question-split"]]
            columns = known.setdefault(table, {})
            for name in query.fields:
                columns.setdefault(name, None)
            if len(entry["sentences"]) == 1:  # the original query is that of one sentence of its entry
                columns[query.selected] = place_of_selected(entry["sql-original"][0])
            asked.append((table, sentence, query))
    headers = complete(known, {table for table, split in split_of.items() if split == "train"})
    corpus = Corpus()
    plain_of: dict[str, dict[str, str]] = {}
    for table, header in headers.items():
        names = distinct(header)
        plain_of[table] = dict(zip(header, names, strict=True))
        corpus.schemas[table] = (Table(NAME, tuple(names)),)
    for table, sentence, query in asked:
        values = values_of(query, sentence)
        if values is None:
            corpus.left_out += 1
        else:
            sql = write(query, values, plain_of[table])
            corpus.splits[split_of[table]].append(Question(sentence["original"].strip(), table, sql))
    return corpus


def write(query: Canonical, values: Sequence[str], names: Mapping[str, str]) -> str:
    """The query over plain names, every value a string: SQLite compares it as a number where a column holds numbers."""
    column = names[query.selected]
    sql = f"SELECT {f'{query.aggregate}({column})' if query.aggregate else column} FROM {NAME}"
    conditions = [
        f"{names[name]} {sign} {quoted(value)}" for (name, sign, _), value in zip(query.conditions, values, strict=True)
    ]
    return sql + (f" WHERE {' AND '.join(conditions)}" if conditions else "")


def complete(known: Mapping[str, Mapping[str, int | None]], training: set[str]) -> dict[str, list[str]]:
    """A whole header for each table, as the top of this file says."""
    having: dict[str, list[str]] = {}  # column → training tables that have it
    for table in sorted(training):
        for name in known[table]:
            having.setdefault(name, []).append(table)
    every = sorted(having)
    headers = {}
    for table, places in known.items():
        rng = random.Random(table)
        own = sorted(places)
        related = [name for name in own if name in having]
        header = dict.fromkeys(own)
        draws = 0
        while len(header) < NARROWEST and draws < 2 * DRAWS:
            draws += 1
            if related and draws <= DRAWS:
                other = known[rng.choice(having[rng.choice(related)])]
                header.setdefault(rng.choice(sorted(other)))
            elif every:
                header.setdefault(rng.choice(every))
        width = max([len(header), *(place + 1 for place in places.values() if place is not None)])
        rank = {name: place if (place := places.get(name)) is not None else rng.uniform(-0.5, width) for name in header}
        headers[table] = sorted(header, key=lambda name: (rank[name], name))
    return headers
