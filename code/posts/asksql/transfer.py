"""Two harder tests: GeoQuery, whose queries join and nest and can be run, and real tables that training never saw.

On GeoQuery two queries are compared word for word, which is what was published, and by the rows they return, in any
order. On WikiTableQuestions there is no SQL: the model that was trained on WikiSQL writes a query, and what it returns
must be the answer. Most of those questions need more than an aggregate and conditions, so this measures how far the
form carries, not only how well it was learned.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import torch

from posts.asksql import geoquery, weights
from posts.asksql.decode import Answer, answers
from posts.asksql.evaluate import EVALUATION_SEED, keep, learned_model, read_answers, read_kept, share
from posts.asksql.execute import Limits, Refused, live_schema, run_real
from posts.asksql.execute import run as execute
from posts.asksql.grammar import Grammars, of_schema, of_table
from posts.asksql.sheets import SheetQuestion, database_of, number, sheet_questions, sheets
from posts.asksql.wikisql import NAME

if TYPE_CHECKING:
    from lockstep.run import Run

PATIENT = Limits(seconds=10.0, rows=10_000)  # for scoring: a query that is right must not fail for being slow


def write_geoquery(run: Run) -> list[dict[str, Any]]:
    """Answers to GeoQuery's questions of the split; returns and keeps what `posts.asksql.evaluate.write` does."""
    config = run.config
    torch.set_num_threads(1)
    base = weights.read(run.data("base")["gguf"])
    model = learned_model(base, run.inputs[0].open("learned.safetensors"), config.rank, config.alpha)
    corpus, grammars = geoquery.read(run.data("geoquery")), Grammars(base.tokenizer)
    tables = corpus.schemas[geoquery.SCHEMA]
    questions = [each.text for each in corpus.splits[config.split][: config.asked]]
    found: list[Answer] = []
    for i in range(0, len(questions), config.side_by_side):
        part = questions[i : i + config.side_by_side]
        writers = [grammars.writer(of_schema(tables, text)) for text in part] if config.constrained else []
        found += answers(model, base.tokenizer, tables, part, writers)
        run.progress(len(found), len(questions))
    return keep(run, found, publish=False)  # what follows the questions of a dataset without a licence stays here


def score_geoquery(run: Run) -> list[dict[str, Any]]:
    """Exact match and execution, in percent. Where the gold query cannot be run, no answer counts as right."""
    config, arrays = run.config, run.data("geoquery")
    gold = geoquery.read(arrays).splits[config.split][: config.asked]
    written = [answer.sql for answer in read_kept(run.inputs[0].open("answers.jsonl"))]
    with closing(geoquery.connect(arrays)) as database:
        live = live_schema(database)
        readable = set(live.real_tables.values())
        returned = [rows(database, sql, readable) for sql in written]
        expected = [rows(database, each.sql, readable) for each in gold]
    return [
        {
            "exact": 100 * share(a == b.sql for a, b in zip(written, gold, strict=True)),
            "execution": 100 * share(a is not None and a == b for a, b in zip(returned, expected, strict=True)),
            "runs": 100 * share(each is not None for each in returned),
        }
    ]


def rows(database: sqlite3.Connection, sql: str, readable: set[str]) -> Counter[tuple[Any, ...]] | None:
    """What a query returns, in no order; None where it is refused. Names need no change: they are plain as they are."""
    try:
        return Counter(run_real(database, sql, readable, PATIENT).rows)
    except Refused:
        return None


def sheet_sample(config: Any, arrays: Any) -> list[SheetQuestion]:
    """The questions of unseen tables that are asked: a fixed sample."""
    import random

    questions = sheet_questions(arrays, "test" if config.split == "test" else "training")
    return random.Random(EVALUATION_SEED).sample(questions, min(config.asked, len(questions)))


def write_sheets(run: Run) -> list[dict[str, Any]]:
    """Answers to questions of real tables; returns and keeps what `posts.asksql.evaluate.write` does."""
    config, arrays = run.config, run.data("sheets")
    torch.set_num_threads(1)
    base = weights.read(run.data("base")["gguf"])
    model = learned_model(base, run.inputs[0].open("learned.safetensors"), config.rank, config.alpha)
    grammars = Grammars(base.tokenizer)
    contents = {name: (header, body) for name, header, body in sheets(arrays)}
    found: list[Answer] = []
    questions = sheet_sample(config, arrays)
    for question in questions:
        with closing(database_of(*contents[question.table], NAME)) as database:
            (table,) = live_schema(database).tables
        writer = grammars.writer(of_table(table, question.text))
        found += answers(model, base.tokenizer, [table], [question.text], [writer])
        run.progress(len(found), len(questions))
    return keep(run, found)


def score_sheets(run: Run) -> list[dict[str, Any]]:
    """Share of right answers, and of queries that run, in percent."""
    arrays = run.data("sheets")
    contents = {name: (header, body) for name, header, body in sheets(arrays)}
    right, ran = [], []
    written = read_answers(run.inputs[0])
    for question, answer in zip(sheet_sample(run.config, arrays), written, strict=True):
        with closing(database_of(*contents[question.table], NAME)) as database:
            try:
                found = execute(database, answer.sql, live_schema(database), PATIENT).rows
            except Refused:
                found = None
        ran.append(found is not None)
        right.append(found is not None and same_answer([cell for row in found for cell in row], question.answers))
    return [{"denotation": 100 * share(right), "runs": 100 * share(ran)}]


def same_answer(found: Sequence[Any], expected: Sequence[str]) -> bool:
    """The same values in any order: numbers as numbers, text without case, outer blanks and quotation marks."""
    return Counter(map(_comparable, found)) == Counter(map(_comparable, expected))


def _comparable(cell: Any) -> str | float:
    text = str(cell if cell is not None else "").strip().strip('"“”').strip().rstrip(".").lower()
    value = number(text)
    return float(value) if value is not None else " ".join(text.split())
