"""What the model reads and writes: tables under plain names, a question, and SQL over those names.

    CREATE TABLE t (year, title, director);
    -- Who directed it in 1999?
    SELECT director FROM t WHERE year = '1999'

Names are made plain before the model sees them, letters, digits and low lines only, and put back afterwards
(execute.py): no name needs quotation marks, and no name of a stranger's database can break out of its place.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SIGNS = {
    "#": " number ",
    "%": " percent ",
    "&": " and ",
    "+": " plus ",
    "$": " dollars ",
    "£": " pounds ",
    "€": " euros ",
}
KEYWORDS = frozenset(  # those that a column cannot be called without quotation marks, in SQLite or for the parser
    """add all alter and any as asc attach autoincrement begin between by case cast check collate column commit
    constraint create cross current_date current_time current_timestamp cursor database default deferrable delete
    desc detach distinct drop else end escape except exists explain for foreign from full glob group having if ignore
    in index indexed inner insert intersect interval into is isnull join key left like limit match materialized
    natural not nothing notnull null of offset on or order outer over partition pivot pragma primary raise references
    reindex release replace returning right rollback row rows savepoint select set some table then to transaction
    trigger union unique unpivot update using vacuum values view virtual when where window with without""".split()
)
LONGEST_NAME = 60  # characters


@dataclass(frozen=True)
class Table:
    """A table as the model sees it: plain names."""

    name: str
    columns: tuple[str, ...]


def plain(name: str) -> str:
    """A name in letters, digits and low lines: "School/Club Team" is school_club_team, "No." is no."""
    for sign, word in SIGNS.items():
        name = name.replace(sign, word)
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "_", ascii_only.replace("'", "")).strip("_")[:LONGEST_NAME].strip("_")
    if not words:
        words = "unnamed"
    if words[0].isdigit():
        words = f"n_{words}"
    return f"{words}_" if words in KEYWORDS else words


def distinct(names: Iterable[str]) -> list[str]:
    """Plain names in order; one that is taken gets the first free number: name, name_2, name_3."""
    taken: set[str] = set()
    found: list[str] = []
    for name in map(plain, names):
        choice, n = name, 1
        while choice in taken:
            n += 1
            choice = f"{name}_{n}"
        taken.add(choice)
        found.append(choice)
    return found


def schema_text(tables: Sequence[Table]) -> str:
    return "".join(f"CREATE TABLE {table.name} ({', '.join(table.columns)});\n" for table in tables)


def question_text(question: str) -> str:
    """One line, whatever the question holds."""
    return f"-- {' '.join(question.split())}\n"


def answer_text(sql: str) -> str:
    return f"{sql}\n"


def quoted(value: str) -> str:
    """A string of SQL."""
    return "'" + value.replace("'", "''") + "'"
