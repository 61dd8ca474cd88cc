"""Asking a database: which table, which query, how sure, and the rows; or no answer, and why.

Every table is asked as if it were the only one; the surest answer is taken. The model was trained on questions of one
table, so it joins nothing.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lockstep.errors import LockstepError
from safetensors import safe_open

from posts.asksql import weights
from posts.asksql.confidence import Calibration
from posts.asksql.decode import Answer, answers
from posts.asksql.execute import Limits, Live, Refused, Result, live_schema, open_read_only, run
from posts.asksql.grammar import Grammars, of_table
from posts.asksql.lora import add
from posts.asksql.model import Llama, load
from posts.asksql.prompt import plain
from posts.asksql.sheets import open_csv
from posts.asksql.wikisql import NAME

PUBLISHED = Path(__file__).parents[3] / "content" / "asksql" / "demo"
MOST_TABLES = 8  # that are asked; of more, those whose names the question mentions come first
SHORTEST_WORD = 3  # characters of a word that says what a question is about
LONGEST_QUESTION = 500  # characters


@dataclass(frozen=True)
class Reply:
    """What is told: SQL over plain names, rows, and confidence; or, with `declined`, the reason why not."""

    question: str
    table: str
    sql: str
    confidence: float
    result: Result | None
    declined: str = ""


class Assistant:
    """A model with its adapter merged, its grammars and its calibration."""

    def __init__(self, base: weights.Base, calibration: Calibration, learned: Path | None = None):
        self.model = merged(base, learned)
        self.tokenizer, self.calibration = base.tokenizer, calibration
        self.grammars = Grammars(base.tokenizer)

    def ask(self, database: sqlite3.Connection, question: str, limits: Limits | None = None) -> Reply:
        """One question of one database. Raises LockstepError for a question that is none."""
        spoken = " ".join(question.split())
        if not spoken or len(spoken) > LONGEST_QUESTION:
            raise LockstepError(f"a question has 1 to {LONGEST_QUESTION} characters, this one has {len(spoken)}")
        live = live_schema(database)
        found: list[tuple[float, str, Answer]] = []
        for table in likeliest_tables(live, spoken):
            own = live.only(table, NAME)
            writer = self.grammars.writer(of_table(own.tables[0], spoken))
            (answer,) = answers(self.model, self.tokenizer, own.tables, [spoken], [writer])
            found.append((self.calibration.confidence(answer), table, answer))
        confidence, table, answer = max(found, key=lambda each: each[0])
        reply = Reply(spoken, live.real_tables[table], answer.sql, confidence, None)
        if confidence < self.calibration.threshold:
            why = f"not sure enough: {confidence:.2f}, below the {self.calibration.threshold:.2f} that is asked for"
            return replace(reply, declined=why)
        try:
            return replace(reply, result=run(database, answer.sql, live.only(table, NAME), limits or Limits()))
        except Refused as refused:
            return replace(reply, declined=str(refused))


def merged(base: weights.Base, learned: Path | None) -> Llama:
    """The base with the adapter of a file. Raises LockstepError where the file is missing or no adapter."""
    if learned is None:
        return load(base.shape, base.weights)
    if not learned.is_file():
        raise LockstepError(f"there is no adapter at {learned}: train one, or name another with --adapter")
    with safe_open(learned, "pt") as file:
        about = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # it is no mapping
    if "scale" not in about:
        raise LockstepError(f"{learned} does not say by what its adapter is scaled: it is not one of this model")
    return load(base.shape, add(base.weights, tensors, float(about["scale"])))


def likeliest_tables(live: Live, question: str) -> list[str]:
    """The tables to ask, at most MOST_TABLES: those of whose names and columns the question has most words, first."""
    words = {word for word in re.findall(r"[a-z0-9]+", plain(question)) if len(word) >= SHORTEST_WORD}

    def shared(table: str, columns: Sequence[str]) -> int:
        return len(words & {word for name in (table, *columns) for word in name.split("_")})

    ranked = sorted(live.tables, key=lambda each: -shared(each.name, each.columns))
    return [table.name for table in ranked[:MOST_TABLES]]


def open_any(path: Path) -> sqlite3.Connection:
    """An SQLite database or a CSV file, read-only."""
    return open_csv(path) if path.suffix.lower() in {".csv", ".tsv", ".txt"} else open_read_only(path)
