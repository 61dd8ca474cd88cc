"""Forgetting and robustness: perplexity of a known model, and changes that leave every question answerable."""

from __future__ import annotations

import math

import pytest
import torch
from posts.asksql import experiment, weights, wikisql
from posts.asksql.data import Question, some
from posts.asksql.evaluate import EVALUATION_SEED
from posts.asksql.forgetting import perplexity
from posts.asksql.made import made_base, made_wikisql
from posts.asksql.model import load
from posts.asksql.prompt import Table
from posts.asksql.robustness import CHANGES, gold, is_right, numbered, with_typos

QUESTION = Question(
    "Which skipper sails the Northern Light?", "t", "SELECT skipper FROM t WHERE boat = 'Northern Light'"
)
TABLE = Table("t", ("boat", "skipper", "home_harbour"))


@pytest.fixture(scope="module")
def base():
    return weights.read(made_base.load()["gguf"])


def test_a_model_without_opinion_has_the_perplexity_of_its_vocabulary(base):
    flat = load(base.shape, base.weights | {"norm.weight": torch.zeros(base.shape.d_model)})
    assert perplexity(flat, list(range(40)), 16) == pytest.approx(base.shape.vocabulary, rel=1e-4)


def test_every_token_but_the_first_counts_once_whatever_the_window(base):
    model, tokens = load(base.shape, base.weights), [3, 9, 30, 4, 50, 7, 8, 90, 12, 40]
    seen = model.logits(model(torch.tensor([tokens[:-1]])))[0].log_softmax(-1).detach()
    expected = math.exp(-float(seen[torch.arange(9), torch.tensor(tokens[1:])].mean()))
    assert perplexity(model, tokens, 9) == pytest.approx(expected, rel=1e-5)
    assert perplexity(model, tokens, 4) != pytest.approx(expected, rel=1e-5)  # less is seen before
    with pytest.raises(ValueError, match="needs 2 tokens"):
        perplexity(model, [3])


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_question_keeps_its_values_and_its_query_names_the_new_columns(change):
    corpus = wikisql.read(made_wikisql.load())
    for question in [each for split in corpus.splits.values() for each in split]:
        table = corpus.schemas[question.schema][0]
        new, renamed = CHANGES[change](question, table)
        query, before = gold(new), gold(question)
        assert [value for _, _, value in query.conditions] == [value for _, _, value in before.conditions]
        assert all(value in new.text for _, _, value in query.conditions if value in question.text)
        assert {query.column, *(column for column, _, _ in query.conditions)} <= set(renamed.columns)
        assert (new, renamed) != (question, table), "something changed"
        assert CHANGES[change](question, table) == (new, renamed), "the same every time"
        assert is_right(new, new.sql)


def test_typos_are_swaps_outside_of_values():
    new, _ = with_typos(QUESTION, TABLE)
    assert new.text != QUESTION.text and sorted(new.text) == sorted(QUESTION.text)
    assert "Northern Light" in new.text and new.sql == QUESTION.sql


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Does feet look bigger?", "Does feet look bgiger?"), ("Is it on a book?", "Is it on a book?")],
)
def test_a_typo_is_seen_and_leaves_the_ends_of_a_word(text, expected):
    """Of "feet", "look" and "book" the two inner letters are the same, and of "Does" they are not."""
    seen = {with_typos(Question(text + " " * n, "t", "SELECT boat FROM t"), TABLE)[0].text.strip() for n in range(40)}
    assert expected in seen
    assert all(len(found) == len(text) and found[0] == text[0] and found.endswith(text[-2:]) for found in seen)
    assert (text in seen) == (text == expected), "unchanged only where nothing can change"


def test_a_value_is_kept_whatever_its_case():
    text = "Who sails the NORTHERN LIGHT?"
    for n in range(40):
        found = with_typos(Question(text + " " * n, "t", "SELECT skipper FROM t WHERE boat = 'Northern Light'"), TABLE)
        assert "NORTHERN LIGHT" in found[0].text and "Who sails" not in found[0].text


def test_an_answer_over_the_old_names_is_wrong_once_columns_are_renamed():
    new, table = numbered(QUESTION, TABLE)
    assert table.columns == ("c1", "c2", "c3") and new.sql == "SELECT c2 FROM t WHERE c1 = 'Northern Light'"
    assert is_right(new, new.sql) and not is_right(new, QUESTION.sql)


def test_every_change_is_declared():
    assert list(CHANGES) == experiment.CHANGES


def test_what_was_asked_unchanged_begins_with_what_is_asked_changed():
    """The scores compare the first answers of a longer list with the answers to changed questions."""
    questions = wikisql.read(made_wikisql.load()).splits["train"]
    few, more = (some(questions, count, EVALUATION_SEED, most=2) for count in (4, 9))
    assert len(few) == 4 and more[:4] == few
