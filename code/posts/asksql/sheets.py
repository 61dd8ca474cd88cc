"""Tables out of CSV files, and WikiTableQuestions (Pasupat and Liang, 2015): real tables, questions and answers.

A column is numeric where every cell that is not empty reads as a number ("1,234" and "12" do); its numbers are stored
as numbers, so that they compare as such. Everything else is text as it stands.
"""

from __future__ import annotations

import csv
import io
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lockstep.errors import LockstepError
from numpy.typing import NDArray

from posts.asksql.data import decoded
from posts.asksql.execute import identifier

NUMBER = re.compile(r"^[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?$")
MOST_COLUMNS = 200


@dataclass(frozen=True)
class SheetQuestion:
    """A question of a table, with the answers that are accepted, all of them together."""

    text: str
    table: str
    answers: tuple[str, ...]


def number(cell: str) -> float | int | None:
    """A cell as a number; None for what is none."""
    if not NUMBER.match(cell.strip()):
        return None
    plain = cell.strip().replace(",", "")
    return float(plain) if "." in plain else int(plain)


def database_of(header: Sequence[str], rows: Sequence[Sequence[str]], name: str) -> sqlite3.Connection:
    """One table in memory. Columns are told apart by a number where two have one name."""
    taken: dict[str, int] = {}
    columns = []
    for column in header:
        key = column.strip().lower()
        taken[key] = taken.get(key, 0) + 1
        columns.append(column.strip() if taken[key] == 1 else f"{column.strip()} {taken[key]}")
    cells = [[*row[: len(columns)], *[""] * (len(columns) - len(row))] for row in rows]
    numeric = [
        all(number(row[i]) is not None for row in cells if row[i].strip()) and any(row[i].strip() for row in cells)
        for i in range(len(columns))
    ]
    database = sqlite3.connect(":memory:")
    kinds = (f"{identifier(name)} {'NUMERIC' if each else 'TEXT'}" for name, each in zip(columns, numeric, strict=True))
    database.execute(f"CREATE TABLE {identifier(name)} ({', '.join(kinds)})")
    places = ", ".join("?" * len(columns))
    stored = [[_value(cell, each) for cell, each in zip(row, numeric, strict=True)] for row in cells]
    database.executemany(f"INSERT INTO {identifier(name)} VALUES ({places})", stored)
    database.commit()
    database.execute("PRAGMA query_only = ON")
    return database


def _value(cell: str, numeric: bool) -> str | float | int | None:
    """What is stored of a cell; nothing of an empty one."""
    if not cell.strip():
        return None
    return number(cell) if numeric else cell


def open_csv(path: Path) -> sqlite3.Connection:
    """A CSV file as a database of one table. Raises LockstepError where it cannot be read as one."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        dialect = csv.Sniffer().sniff(text[:10_000], delimiters=",;\t|")
        header, *rows = [row for row in csv.reader(io.StringIO(text), dialect) if row]
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise LockstepError(f"{path} cannot be read as a CSV file with a header ({error})") from None
    if not 0 < len(header) <= MOST_COLUMNS:
        raise LockstepError(f"{path} has {len(header)} columns: expected 1 to {MOST_COLUMNS}")
    return database_of(header, rows, path.stem)


def sheets(arrays: Mapping[str, NDArray[np.uint8]]) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Name, header and rows of every table of WikiTableQuestions: quotation marks are escaped by a backslash."""
    content, begin = arrays["table_bytes"].tobytes(), 0
    for name, end in zip(decoded(arrays, "table_names").split("\n"), arrays["table_ends"].tolist(), strict=True):
        text = content[begin:end].decode("utf-8")
        reader = csv.reader(io.StringIO(text, newline=""), escapechar="\\", doublequote=False)
        header, *rows = [[cell.replace("\\n", " ").replace("\n", " ") for cell in row] for row in reader if row]
        yield name, header, rows
        begin = end


def sheet_questions(arrays: Mapping[str, NDArray[np.uint8]], split: str) -> list[SheetQuestion]:
    """The questions of "training" or "test"."""
    found = []
    for line in decoded(arrays, split).split("\n")[1:]:
        if line:
            _, text, table, answers = line.split("\t")[:4]
            found.append(SheetQuestion(text, table, tuple(each.replace("\\n", " ") for each in answers.split("|"))))
    return found
