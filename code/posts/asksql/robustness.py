"""What breaks: the same questions with typing errors or in other words, or over a schema whose names say less.

Values are left as they are, so each changed question still has its answer. What is compared is the logical form on
the same questions, changed and not, by the same model.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from posts.asksql import weights, wikisql
from posts.asksql.data import Question
from posts.asksql.decode import answers
from posts.asksql.errors import kind, mcnemar
from posts.asksql.evaluate import asked, keep, learned_model, read_answers, share
from posts.asksql.grammar import Grammars, of_table
from posts.asksql.prompt import Table, distinct
from posts.asksql.sketch import Sketch, parse

if TYPE_CHECKING:
    from lockstep.run import Run

Changed = tuple[Question, Table]
WORD = re.compile(r"[^\W\d_]{4,}")
WRAPPED = ("I would like to know this: {}", "{} Please look it up in the table.", "For a report I need to know: {}")
LETTERS = 4  # of each word of a column that `abbreviated` leaves


def gold(question: Question) -> Sketch:
    found = parse(question.sql)
    assert found is not None, question.sql
    return found


def with_typos(question: Question, table: Table) -> Changed:
    """Two neighbouring letters within one word in five are swapped, at least one word, none of them in a value."""
    rng, text = random.Random(f"typos {question.text}"), question.text
    values = [value.lower() for _, _, value in gold(question).conditions]
    kept = [found.span() for value in values if value for found in re.finditer(re.escape(value), text.lower())]
    words = [
        found
        for found in WORD.finditer(text)
        if not any(begin < found.end() and found.start() < end for begin, end in kept)
    ]
    for found in rng.sample(words, min(len(words), max(1, len(words) // 5))):
        at = found.start() + rng.randrange(1, len(found[0]) - 2)  # neither the first letter nor the last
        text = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return replace(question, text=text), table


def wrapped(question: Question, table: Table) -> Changed:
    """The question within words that ask for nothing."""
    form = random.Random(f"wrapped {question.text}").choice(WRAPPED)
    return replace(question, text=form.format(question.text)), table


def abbreviated(question: Question, table: Table) -> Changed:
    """Every word of a column cut to its first letters."""
    return renamed(question, table, ["_".join(w[:LETTERS] for w in name.split("_")) for name in table.columns])


def numbered(question: Question, table: Table) -> Changed:
    """Columns called c1, c2, …: what is left is what the question's form and the values tell."""
    return renamed(question, table, [f"c{i + 1}" for i in range(len(table.columns))])


def renamed(question: Question, table: Table, names: Sequence[str]) -> Changed:
    """The table under other plain names, and the query over these."""
    names = distinct(names)
    new, query = dict(zip(table.columns, names, strict=True)), gold(question)
    conditions = tuple((new[column], sign, value) for column, sign, value in query.conditions)
    sql = replace(query, column=new[query.column], conditions=conditions).sql(table.name)
    return replace(question, sql=sql), Table(table.name, tuple(names))


CHANGES: dict[str, Callable[[Question, Table], Changed]] = {
    "typos": with_typos,
    "other words": wrapped,
    "columns cut short": abbreviated,
    "columns numbered": numbered,
}


def changed(config: Any, corpus: Any) -> Iterator[Changed]:
    """The questions that are asked, changed as `change` says."""
    for question in asked(config, corpus):
        yield CHANGES[config.change](question, corpus.schemas[question.schema][0])


def write(run: Run) -> list[dict[str, Any]]:
    """Answers to changed questions; returns and keeps what `posts.asksql.evaluate.write` does."""
    config = run.config
    torch.set_num_threads(1)
    base, corpus = weights.read(run.data("base")["gguf"]), wikisql.read(run.data("wikisql"))
    model = learned_model(base, run.inputs[0].open("learned.safetensors"), config.rank, config.alpha)
    grammars, found = Grammars(base.tokenizer), []
    every = list(changed(config, corpus))
    for question, table in every:
        writer = grammars.writer(of_table(table, question.text))
        found += answers(model, base.tokenizer, [table], [question.text], [writer])
        run.progress(len(found), len(every))
    return keep(run, found)


def compare(run: Run) -> list[dict[str, Any]]:
    """Logical form of changed questions and of the same ones as they were, in percent, with McNemar's probability.

    Inputs: the answers to changed questions, then those of the same training to the questions as they are.
    """
    after, *others = run.inputs
    before = next(each for each in others if each.keys.get("seed") == after.keys.get("seed"))
    corpus = wikisql.read(run.data("wikisql"))
    ours, same = list(changed(run.config, corpus)), asked(run.config, corpus)
    right_after = [is_right(q, a.sql) for (q, _), a in zip(ours, read_answers(after), strict=True)]
    right_before = [is_right(q, a.sql) for q, a in zip(same, read_answers(before), strict=False)]  # the first of more
    only_after, only_before, p = mcnemar(right_after, right_before)
    row = {"logical_form": 100 * share(right_after), "logical_form_before": 100 * share(right_before)}
    return [row | {"only_one": only_after, "only_other": only_before, "p": p}]


def is_right(question: Question, sql: str) -> bool:
    return kind(gold(question), parse(sql)) == "right"
