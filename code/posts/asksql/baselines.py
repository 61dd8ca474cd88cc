"""Two models that are not the large one: the small model of the page, and string match with a template."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from posts.asksql import wikisql
from posts.asksql.decode import Answer
from posts.asksql.evaluate import asked, keep
from posts.asksql.sketch import Sketch
from posts.asksql.small import source, spoken, write
from posts.asksql.train_small import build

if TYPE_CHECKING:
    from lockstep.run import Run

CUES = {  # the first that a question has decides the aggregate
    "COUNT": ("how many", "number of", "count"),
    "MAX": ("highest", "maximum", "most", "largest", "latest"),
    "MIN": ("lowest", "minimum", "least", "smallest", "earliest"),
    "SUM": ("total", "sum"),
    "AVG": ("average", "mean"),
}
VALUE = re.compile(r'"([^"]+)"|\b([A-Z][\w.\'-]*(?:\s+[A-Z][\w.\'-]*)*)|\b(\d[\d.,:-]*\d|\d)\b')


def write_small(run: Run) -> list[dict[str, Any]]:
    """The small model's answers; returns and keeps what `posts.asksql.evaluate.write` does."""
    torch.set_num_threads(1)
    (trained,) = run.inputs
    tokenizer = Tokenizer.from_str(trained.open("pieces.json").read_text(encoding="utf-8"))
    model = build(run.config, tokenizer.get_vocab_size(), torch.Generator())
    learned = load_file(trained.open("small.safetensors"))
    model.load_state_dict({name: w.float() for name, w in learned.items()})
    corpus = wikisql.read(run.data("wikisql"))
    found = []
    for question in asked(run.config, corpus):
        at = source(tokenizer, question.text, corpus.schemas[question.schema][0].columns)
        query, log_p = write(model, at)
        found.append(Answer(query.sql(), log_p, log_p, 2 + 4 * len(query.conditions) + 1, True))
    return keep(run, found)


def write_template(run: Run) -> list[dict[str, Any]]:
    """The template's answers; returns and keeps what `posts.asksql.evaluate.write` does."""
    corpus = wikisql.read(run.data("wikisql"))
    found = [
        Answer(template(question.text, corpus.schemas[question.schema][0].columns).sql(), 0.0, 0.0, 0, True)
        for question in asked(run.config, corpus)
    ]
    return keep(run, found)


def template(question: str, columns: Sequence[str]) -> Sketch:
    """The first column that the question names is selected; each value that it holds (between quotation marks, with
    capitals, or a number) goes to the named column nearest before it, else to the first that is left."""
    lowered = question.lower()
    places = {column: at for column in columns if (at := lowered.find(spoken(column))) >= 0}
    order = sorted(places, key=lambda column: places[column])
    selected = order[0] if order else columns[0]
    aggregate = next((name for name, cues in CUES.items() if any(cue in lowered for cue in cues)), "")
    left = [column for column in (*order, *columns) if column != selected]
    conditions: list[tuple[str, str, str]] = []
    for value in list(VALUE.finditer(question))[:4]:
        text = next(group for group in value.groups() if group)
        if value.start() == 0 or not left:
            continue  # the capital of the first word says nothing
        before = [column for column in left if column in places and places[column] < value.start()]
        column = max(before, key=lambda each: places[each]) if before else left[0]
        left = [each for each in left if each != column]
        words = lowered[max(0, value.start() - 20) : value.start()]
        sign = ">" if re.search(r"more than|larger than|greater than|over|after", words) else "="
        sign = "<" if re.search(r"less than|smaller than|fewer than|under|before", words) else sign
        conditions.append((column, sign, text))
    return Sketch(aggregate, selected, tuple(conditions))
