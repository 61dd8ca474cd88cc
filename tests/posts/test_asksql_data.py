"""Questions of every source in one form, and packs of them."""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lockstep import catalogue
from posts.asksql import geoquery, weights, wikisql
from posts.asksql.data import SPLITS, Corpus, Question, passes
from posts.asksql.made import made_base, made_geoquery, made_wikisql
from posts.asksql.model import Llama, load
from posts.asksql.packing import Coded, Pack, encode, packs
from posts.asksql.prompt import KEYWORDS, distinct, plain, question_text
from posts.asksql.sketch import parse
from posts.asksql.train import pack_loss


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return wikisql.read(made_wikisql.load())


def at_hand(dataset: catalogue.Dataset):
    """A real dataset where a folder has it; nothing is downloaded for a test."""
    if os.environ.get("LOCKSTEP_DATA") and all(any(dataset._at_hand(file)) for file in dataset.files):
        return dataset.load()
    print(f"not proven here: {dataset.name} is not at hand")
    return None


# --- names ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("School/Club Team", "school_club_team"),
        ("No.", "no"),
        ("% of vote", "percent_of_vote"),
        ("2013", "n_2013"),
        ("Order", "order_"),
        ("Équipe", "equipe"),
        ("日本", "unnamed"),
        ("player's name", "players_name"),
        ('x"; DROP TABLE t; --', "x_drop_table_t"),
    ],
)
def test_names_are_made_plain(name, expected):
    assert plain(name) == expected


@given(st.lists(st.text(max_size=30), max_size=12))
def test_plain_names_differ_and_need_no_quotation_marks(names):
    found = distinct(names)
    assert len(set(found)) == len(names)
    database = sqlite3.connect(":memory:")
    try:
        if found:
            database.execute(f"CREATE TABLE t ({', '.join(found)})")
            database.execute(f"SELECT {', '.join(found)} FROM t WHERE {found[0]} = '1'")
    finally:
        database.close()


def test_every_word_that_is_set_aside_is_a_word_of_sql_and_a_column_called_so_still_works():
    for word in sorted(KEYWORDS):
        assert plain(word) == f"{word}_" and plain(f"{word}_") == f"{word}_"


def test_a_question_stays_on_its_line():
    assert question_text("one\n-- two\r\n  three ") == "-- one -- two three\n"


# --- sources ----------------------------------------------------------------------------------------------------


def test_canonical_queries_are_read_and_written_with_the_questions_own_spelling(corpus):
    train = {question.text: question.sql for question in corpus.splits["train"]}
    assert train["Which skipper sails Aurora?"] == "SELECT skipper FROM t WHERE boat_name = 'Aurora'"
    several = train["Which loaf costs less than 3 and bakes more than 40?"]
    assert several == "SELECT loaf FROM t WHERE price < '3' AND minutes > '40'"
    query = wikisql.parse('SELECT TABLEalias0.NOTES_FIELD FROM TABLE AS TABLEalias0 WHERE PLACE_FIELD = "var0" ;')
    sentence = {"original": "notes for South Ridge?", "variables": {"var0": "SOUTH RIDGE"}}
    assert wikisql.values_of(query, sentence) == ["South Ridge"]
    assert wikisql.values_of(query, sentence | {"variables": {}}) is None, "left out, not guessed"


@pytest.mark.parametrize("sql", ["SELECT a, b FROM TABLE AS TABLEalias0 ;", "DELETE FROM t", "SELECT a FROM other ;"])
def test_other_queries_are_refused(sql):
    with pytest.raises(ValueError, match="canonical form"):
        wikisql.parse(sql)


def test_headers_hold_every_column_that_is_asked_for_and_others_in_known_order(corpus):
    for questions in corpus.splits.values():
        for question in questions:
            (table,) = corpus.schemas[question.schema]
            query = parse(question.sql)
            assert query and {query.column, *(name for name, _, _ in query.conditions)} <= set(table.columns)
            assert len(table.columns) >= wikisql.NARROWEST == 6
    known = {"a": {"x": 2, "y": 0, "z": None}, "b": {name: None for name in "xuvwpq"}}
    header = wikisql.complete(known, {"b"})["a"]
    assert header.index("y") < header.index("x") and set(header) <= set("xyzuvwpq") and len(header) == 6
    assert header == wikisql.complete(known, {"b"})["a"], "the same in every run"


def test_missing_columns_come_from_training_tables_alone():
    known = {name: dict.fromkeys([*"abcdefg", f"only in {name}"]) for name in ("train", "test")}
    known["short"] = {"a": None}
    for _ in range(20):
        assert "only in test" not in wikisql.complete(known, {"train"})["short"]


def test_no_table_is_in_two_splits_and_no_training_question_in_a_validation_pack(corpus):
    tables = {split: {question.schema for question in corpus.splits[split]} for split in SPLITS}
    assert all(tables.values())
    assert not tables["train"] & tables["validation"] and not (tables["train"] | tables["validation"]) & tables["test"]


def test_no_table_of_the_real_questions_is_in_two_splits():
    if (arrays := at_hand(catalogue.wikisql)) is not None:
        real = wikisql.read(arrays)
        assert {name: len(real.splits[name]) for name in SPLITS} == {"train": 55373, "validation": 8281, "test": 15573}
        assert real.left_out == 80_654 - 55373 - 8281 - 15573 == 1427
        tables = [{question.schema for question in real.splits[split]} for split in SPLITS]
        assert sum(map(len, tables)) == len(set.union(*tables))
        for question in real.splits["test"]:
            query = parse(question.sql)
            assert query is not None and query.sql() == question.sql, question.sql


def test_short_queries_select_the_rows_of_the_canonical_ones():
    arrays = [made_geoquery.load()]
    if (real := at_hand(catalogue.geoquery)) is not None:
        arrays.append(real)
    for each in arrays:
        database, failed = geoquery.connect(each), 0
        for entry in json.loads(each["questions"].tobytes()):
            for sentence in entry["sentences"]:
                sql = geoquery.filled(entry["sql"][0], sentence, entry["variables"])
                try:
                    expected = Counter(database.execute(sql).fetchall())
                except sqlite3.OperationalError:
                    failed += 1  # five of the source's own queries name a table that they do not read
                    continue
                assert Counter(database.execute(geoquery.shortened(sql)).fetchall()) == expected
        assert failed == (5 if each is real else 0)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            database.execute("DELETE FROM state" if each is real else "DELETE FROM staff")
        database.close()


def test_a_wrong_alias_would_be_noticed():
    """The short form must keep aliases that an inner query reads."""
    sql = (
        "SELECT STAFFalias0.STAFF_NAME FROM STAFF AS STAFFalias0 WHERE STAFFalias0.SALARY > ( SELECT AVG( "
        "STAFFalias1.SALARY ) FROM STAFF AS STAFFalias1 WHERE STAFFalias1.TOWN = STAFFalias0.TOWN ) ;"
    )
    database = geoquery.connect(made_geoquery.load())
    assert Counter(database.execute(geoquery.shortened(sql)).fetchall()) == Counter([("ada",)])
    database.close()


# --- samples and packs ------------------------------------------------------------------------------------------


def many(tables: int = 9, each: int = 5) -> list[Question]:
    return [Question(f"q{t}-{i}", f"t{t}", f"SELECT c{i} FROM t") for t in range(tables) for i in range(each)]


def test_fewer_questions_are_the_beginning_of_more_and_another_seed_takes_others():
    def taken(count: int, seed: int = 0) -> list[str]:
        return [question.text for group in passes(many(), count, 1, 3, seed) for question in group]

    assert taken(10) == taken(30)[:10] and len(set(taken(30))) == 30
    assert set(taken(10)) != set(taken(10, seed=1)) and taken(99) != [question.text for question in many()]


def test_every_pass_has_the_same_questions_in_another_order():
    groups = [[question.text for question in group] for group in passes(many(), 20, 3, 3, 0)]
    flat = [text for group in groups for text in group]
    a, b, c = flat[:20], flat[20:40], flat[40:]
    assert set(a) == set(b) == set(c) and len({*map(tuple, (a, b, c))}) == 3
    assert all(len({text[1] for text in group}) == 1 and len(group) <= 3 for group in groups)


@pytest.fixture(scope="module")
def model_and_groups(corpus):
    base = weights.read(made_base.load()["gguf"])
    groups = [encode(base.tokenizer, corpus, group) for group in passes(corpus.splits["train"], 12, 1, 3, 0)]
    return load(base.shape, {name: w.double() for name, w in base.weights.items()}), groups


def alone(model: Llama, coded: Coded) -> torch.Tensor:
    """The loss of each question by itself, by nothing but a causal model: no mask, no packing."""
    total = torch.zeros((), dtype=torch.float64)
    for question, answer in coded.asked:
        ids = torch.tensor([coded.schema + question + answer])
        log_p = model.logits(model(ids))[0].log_softmax(dim=-1)
        begin = len(coded.schema) + len(question)
        total -= log_p[torch.arange(begin - 1, begin + len(answer) - 1), torch.tensor(answer)].sum()
    return total


def test_packed_questions_have_the_losses_and_gradients_of_separate_ones(model_and_groups):
    model, groups = model_and_groups
    assert any(len(coded.asked) > 1 for coded in groups), "a schema is shared"
    (pack,) = packs(groups, 10_000)
    loss, count = pack_loss(model, pack)
    expected = sum((alone(model, coded) for coded in groups), torch.zeros(()))
    torch.testing.assert_close(loss, expected)
    assert count == sum(len(answer) for coded in groups for _, answer in coded.asked)
    weight = model.blocks[0].attention.k.weight
    ours, theirs = (torch.autograd.grad(each, weight)[0] for each in (loss, expected))
    torch.testing.assert_close(ours, theirs)


def test_a_pack_without_its_mask_would_be_noticed(model_and_groups):
    model, groups = model_and_groups
    (pack,) = packs(groups, 10_000)
    tokens, positions, _, predicting, target = pack.tensors()
    states = model(tokens, positions)[0, predicting]
    causal = torch.nn.functional.cross_entropy(model.logits(states), target, reduction="sum")
    assert abs(float(causal.detach()) - float(pack_loss(model, pack)[0].detach())) > 0.1


def test_there_is_no_loss_on_schema_and_question(model_and_groups):
    _, groups = model_and_groups
    for pack in packs(groups, 200):
        answers = [answer for coded in groups for _, answer in coded.asked]
        at = 0
        while at < len(pack.targets):
            whole = next(answer for answer in answers if pack.targets[at : at + len(answer)] == answer)
            first, rest = pack.predicting[at], pack.predicting[at + 1 : at + len(whole)]
            assert [pack.tokens[i] for i in rest] == whole[:-1], "the rest is predicted from the answer itself"
            assert pack.tokens[first] not in whole or pack.segments[first] == pack.segments[rest[0]]
            at += len(whole)


def test_packs_keep_order_and_size(model_and_groups):
    _, groups = model_and_groups
    found = packs(groups, 300)
    assert len(found) > 1 and sum(pack.questions for pack in found) == 12
    assert all(len(pack.tokens) <= 300 or len({s for s in pack.schemas if s >= 0}) == 1 for pack in found)
    whole: Pack = packs(groups, 10_000)[0]
    assert [token for pack in found for token in pack.tokens] == whole.tokens


# --- queries in parts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "same"),
    [
        ("SELECT a FROM t WHERE b = 'x' AND c > '5'", "select A from t where C > 5 and b = 'X';"),
        ("SELECT COUNT(a) FROM t", "SELECT COUNT ( a ) FROM t"),
        ("SELECT a FROM t WHERE b = 'it''s AND c > 5'", "SELECT a FROM t WHERE b = 'IT''S and c > 5'"),
    ],
)
def test_the_same_logical_form_is_recognised(sql, same):
    one, other = parse(sql), parse(same)
    assert one and other and one.form == other.form


@pytest.mark.parametrize(
    ("sql", "other"),
    [
        ("SELECT a FROM t", "SELECT b FROM t"),
        ("SELECT MAX(a) FROM t", "SELECT MIN(a) FROM t"),
        ("SELECT a FROM t WHERE b = 'x'", "SELECT a FROM t"),
        ("SELECT a FROM t WHERE b = 'x'", "SELECT a FROM t WHERE b > 'x'"),
        ("SELECT a FROM t WHERE b = 'x'", "SELECT a FROM t WHERE c = 'x'"),
        ("SELECT a FROM t WHERE b = 'x'", "SELECT a FROM t WHERE b = 'y'"),
    ],
)
def test_another_logical_form_is_told_apart(sql, other):
    one, two = parse(sql), parse(other)
    assert one and two and one.form != two.form


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "SELECT",
        "SELECT a, b FROM t",
        "SELECT a FROM t WHERE",
        "SELECT a FROM t WHERE b",
        "SELECT a FROM t; DROP TABLE t",
        "SELECT a FROM t WHERE b = 'x' OR 1",
        "SELECT a FROM t WHERE b = 'x",
        "SELECT a FROM t WHERE b = 'x' c = 'y'",
    ],
)
def test_what_is_no_such_query_is_none(sql):
    assert parse(sql) is None
