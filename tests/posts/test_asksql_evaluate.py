"""What counts as right: logical form, equivalence with its mutants, kinds of error, and McNemar's test."""

from __future__ import annotations

import itertools

import pytest
from posts.asksql import wikisql
from posts.asksql.equivalence import equivalent, mutants
from posts.asksql.errors import KINDS, kind, mcnemar
from posts.asksql.made import made_wikisql
from posts.asksql.prompt import Table
from posts.asksql.sketch import Sketch, parse

TABLE = Table("t", ("a", "b", "c", "d"))


def sketch(sql: str) -> Sketch:
    found = parse(sql)
    assert found is not None, sql
    return found


def test_gold_as_prediction_is_right_by_every_measure():
    corpus = wikisql.read(made_wikisql.load())
    for question in itertools.chain.from_iterable(corpus.splits.values()):
        gold = sketch(question.sql)
        assert kind(gold, sketch(question.sql)) == "right"
        assert equivalent(
            corpus.schemas[question.schema][0], gold, sketch(question.sql.lower().replace("select", "SELECT"))
        )


def test_mutants_of_gold_are_caught():
    corpus = wikisql.read(made_wikisql.load())
    killed, all_of_them, forms = 0, 0, 0
    for question in itertools.chain.from_iterable(corpus.splits.values()):
        gold, (table,) = sketch(question.sql), corpus.schemas[question.schema]
        for mutant in mutants(table, gold):
            assert mutant.form != gold.form or mutant.conditions != gold.conditions
            forms += kind(gold, mutant) != "right"
            killed += not equivalent(table, gold, mutant)
            all_of_them += 1
    assert forms == all_of_them >= 100
    assert killed / all_of_them > 0.95


def test_one_database_would_catch_fewer():
    corpus = wikisql.read(made_wikisql.load())
    pairs = [
        (corpus.schemas[question.schema][0], sketch(question.sql))
        for question in itertools.chain.from_iterable(corpus.splits.values())
    ]
    one, twelve = (
        sum(
            not equivalent(table, gold, mutant, count=count) for table, gold in pairs for mutant in mutants(table, gold)
        )
        for count in (1, 12)
    )
    assert one < twelve


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT a FROM t WHERE b = 'x' AND c > '5'", "SELECT a FROM t WHERE c > '5' AND b = 'x'"),
        ("SELECT a FROM t WHERE c > '5'", "SELECT a FROM t WHERE c > '5' AND c > '4'"),
        ("SELECT COUNT(a) FROM t WHERE b = 'x'", "SELECT COUNT(b) FROM t WHERE b = 'x'"),
    ],
)
def test_queries_that_mean_the_same_are_equivalent_though_written_otherwise(one, other):
    assert equivalent(TABLE, sketch(one), sketch(other))


@pytest.mark.parametrize("other", ["SELECT a FROM t WHERE z = 'x'", "SELECT a FROM t", "SELECT a FROM t WHERE b > 'x'"])
def test_queries_that_mean_another_thing_are_not(other):
    assert not equivalent(TABLE, sketch("SELECT a FROM t WHERE b = 'x'"), sketch(other))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("SELECT MAX(a) FROM t WHERE b = 'north gate'", "aggregate"),
        ("SELECT c FROM t WHERE b = 'north gate'", "selected column"),
        ("SELECT a FROM t", "condition missing"),
        ("SELECT a FROM t WHERE b = 'north gate' AND c = '1'", "condition too many"),
        ("SELECT a FROM t WHERE c = 'north gate'", "condition column"),
        ("SELECT a FROM t WHERE b > 'north gate'", "sign"),
        ("SELECT a FROM t WHERE b = 'gate'", "value cut or widened"),
        ("SELECT a FROM t WHERE b = 'south'", "value wrong"),
        ("SELECT a FROM t WHERE b = 'North Gate'", "right"),
        ("SELECT a, b FROM t", "no query"),
    ],
)
def test_errors_have_their_kind(written, expected):
    assert kind(sketch("SELECT a FROM t WHERE b = 'north gate'"), parse(written)) == expected
    assert expected in KINDS


def test_mcnemar_counts_only_what_differs():
    one, other = [True] * 20 + [False] * 6, [True] * 12 + [False] * 13 + [True]
    assert mcnemar(one, other) == (8, 1, pytest.approx(2 * (1 + 9) / 2**9))
    assert mcnemar(one, one) == (0, 0, 1.0)
    assert mcnemar([True, False], [False, True])[2] == 1.0
