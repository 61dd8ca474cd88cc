"""What breaks: the same questions with typing errors or more words around, or over a schema whose names say less.

Values stay as they are, so each changed question still has its answer. What is compared is the logical form on the
same questions, changed and not, by the same model.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from posts.asksql import weights, wikisql
from posts.asksql.data import Corpus, Question
from posts.asksql.decode import Answer, answers, by_schema
from posts.asksql.errors import kind
from posts.asksql.evaluate import asked, keep, learned_model, read_answers, share
from posts.asksql.grammar import Grammars, of_table
from posts.asksql.prompt import Table, distinct
from posts.asksql.sketch import Sketch, parse

if TYPE_CHECKING:
    from lockstep.run import Input, Run

Changed = tuple[Question, Table]
WORD = re.compile(r"[^\W\d_]{4,}")
WRAPPED = ("I would like to know this: {}", "{} Please look it up in the table.", "For a report I need to know: {}")
LETTERS = 4  # of each word of a column that `abbreviated` leaves


def gold(question: Question) -> Sketch:
    found = parse(question.sql)
    assert found is not None, question.sql
    return found


def with_typos(question: Question, table: Table) -> Changed:
    """Neighbouring letters swapped inside a fifth of the words of four letters and more, at least one, none in a value.

    The first and the last letter of a word stay; a question of which every such word is part of a value stays whole.
    """
    rng, text = random.Random(f"typos {question.text}"), question.text
    values = [value for _, _, value in gold(question).conditions if value]
    kept = [found.span() for value in values for found in re.finditer(re.escape(value), text, re.IGNORECASE)]
    words = [
        places
        for word in WORD.finditer(text)
        if not any(begin < word.end() and word.start() < end for begin, end in kept)
        if (places := [i for i in range(word.start() + 1, word.end() - 2) if text[i] != text[i + 1]])
    ]
    for places in rng.sample(words, min(len(words), max(1, len(words) // 5))):
        at = rng.choice(places)
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
    """The table under other names, made plain and distinct, and the query over these."""
    columns = distinct(names)
    new, query = dict(zip(table.columns, columns, strict=True)), gold(question)
    conditions = tuple((new[column], sign, value) for column, sign, value in query.conditions)
    sql = replace(query, column=new[query.column], conditions=conditions).sql(table.name)
    return replace(question, sql=sql), Table(table.name, tuple(columns))


CHANGES: dict[str, Callable[[Question, Table], Changed]] = {
    "typos": with_typos,
    "words around": wrapped,
    "columns cut short": abbreviated,
    "columns numbered": numbered,
}


def changed(config: Any, corpus: Corpus) -> Iterator[Changed]:
    """The questions that are asked, changed as `change` says. Tables of one schema stay the same among themselves."""
    for question in asked(config, corpus):
        yield CHANGES[config.change](question, corpus.schemas[question.schema][0])


def of_seed(inputs: Sequence[Input], seed: int) -> Input:
    """The one among runs of several seeds."""
    return next(each for each in inputs if each.keys["seed"] == seed)


def write(run: Run) -> list[dict[str, Any]]:
    """Answers to changed questions; returns and keeps what `posts.asksql.evaluate.write` does."""
    config = run.config
    torch.set_num_threads(1)
    base, corpus = weights.read(run.data("base")["gguf"]), wikisql.read(run.data("wikisql"))
    learned = of_seed(run.inputs, run.seed).open("learned.safetensors")
    model, grammars = learned_model(base, learned, config.rank, config.alpha), Grammars(base.tokenizer)
    every, found = list(changed(config, corpus)), dict[int, Answer]()
    for group in by_schema([(question.schema, question.text) for question, _ in every], config.side_by_side):
        table, texts = every[group[0]][1], [every[i][0].text for i in group]
        writers = [grammars.writer(of_table(table, text)) for text in texts]
        found |= dict(zip(group, answers(model, base.tokenizer, [table], texts, writers), strict=True))
        run.progress(len(found), len(every))
    return keep(run, [found[i] for i in range(len(every))])


def compare(run: Run) -> list[dict[str, Any]]:
    """Changed questions beside the same ones as they were, in percent: logical form of both, and its parts changed.

    Inputs: the answers to changed questions, then those of every training to the questions as they are.
    """
    answered, *others = run.inputs
    corpus = wikisql.read(run.data("wikisql"))
    goal = [gold(question) for question, _ in changed(run.config, corpus)]
    after = [(want, parse(answer.sql)) for want, answer in zip(goal, read_answers(answered), strict=True)]
    same = asked(run.config, corpus)
    before = read_answers(of_seed(others, run.seed))[: len(same)]  # more were asked, and these are the first of them
    written = [(want, found) for want, found in after if found is not None]
    return [
        {
            "logical_form": 100 * share(kind(*pair) == "right" for pair in after),
            "logical_form_before": 100 * share(is_right(q, a.sql) for q, a in zip(same, before, strict=True)),
            "aggregate_right": 100 * sum(want.aggregate == found.aggregate for want, found in written) / len(after),
            "column_right": 100 * sum(want.column == found.column for want, found in written) / len(after),
            "conditions_right": 100 * sum(want.form[2] == found.form[2] for want, found in written) / len(after),
        }
    ]


def is_right(question: Question, sql: str) -> bool:
    """Whether a query has the logical form that was asked for."""
    return kind(gold(question), parse(sql)) == "right"
