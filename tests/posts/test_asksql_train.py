"""Both trainings: schedule, learning, legs that resume bit for bit, and what the small model can write."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from legs import LegsRun
from lockstep.errors import RunFailed
from posts.asksql import train, train_geoquery, train_small, weights
from posts.asksql.data import Corpus
from posts.asksql.experiment import FULL, GEOQUERY, Config, asksql
from posts.asksql.lora import adapt
from posts.asksql.made import made_base, made_geoquery, made_wikisql
from posts.asksql.model import load
from posts.asksql.packing import encode, packs
from posts.asksql.sketch import Sketch, parse
from posts.asksql.small import (
    COLUMN,
    END,
    KEYWORDS,
    MOST_CONDITIONS,
    actions,
    allowed,
    sketch,
    source,
    train_pieces,
    write,
)
from posts.asksql.wikisql import read
from safetensors.torch import load_file

DATA = {"base": made_base.load(), "wikisql": made_wikisql.load(), "geoquery": made_geoquery.load()}
SMALL = replace(Config(), **asksql.smoke["config"])


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return read(DATA["wikisql"])


def legs(folder: Path, fit: Any, config: Config, count: int, **more: Any) -> LegsRun:
    """All legs of a training, each as a run of its own; only the last returns rows."""
    run = LegsRun(folder, config, DATA, **more)
    for leg in range(count):
        run = LegsRun(folder, config, DATA, leg=leg, legs=count, **more)
        rows = fit(run)
        assert (rows is None) == (leg < count - 1)
        run.keys["rows"] = rows
    return run


def same(a: LegsRun, b: LegsRun, name: str) -> bool:
    one, two = load_file(a.artefact(name)), load_file(b.artefact(name))
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def test_the_rate_rises_to_its_peak_and_falls_along_half_a_cosine_to_its_floor():
    rates = [train.learning_rate(2e-3, 0.1, 0.1, update, 100) for update in range(101)]
    assert max(rates) == rates[10] == rates[9] == 2e-3 and rates[0] == pytest.approx(2e-4)
    assert rates[10:] == sorted(rates[10:], reverse=True) and rates[100] == pytest.approx(2e-4)
    assert rates[55] == pytest.approx((2e-3 + 2e-4) / 2)


VARIANTS = {
    "lora": (train.fit, SMALL, "learned.safetensors"),
    "full": (train.fit, replace(SMALL, **FULL), "learned.safetensors"),
    "geoquery": (train_geoquery.fit, replace(SMALL, **GEOQUERY | {"questions": 3, "passes": 3}), "learned.safetensors"),
    "small": (train_small.fit, SMALL, "small.safetensors"),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_legs_and_a_killed_leg_end_in_the_very_weights_of_an_uninterrupted_training(variant, tmp_path):
    fit, config, name = VARIANTS[variant]
    whole = legs(tmp_path / "whole", fit, config, 1)
    in_three = legs(tmp_path / "three", fit, config, 3)
    assert same(whole, in_three, name)
    assert whole.keys["rows"] == in_three.keys["rows"] and whole.tables == in_three.tables
    stop = config.small_report_every if fit is train_small.fit else config.report_every
    killed = LegsRun(tmp_path / "killed", config, DATA, stop_after=stop)
    if variant != "geoquery":  # too short to report before its end
        with pytest.raises(KeyboardInterrupt):
            fit(killed)
        assert same(whole, legs(tmp_path / "killed", fit, config, 1), name)
    other = legs(tmp_path / "other", fit, config, 1, seed=1)
    assert not same(whole, other, name)


def test_a_checkpoint_without_the_moments_of_adam_would_be_noticed(tmp_path, monkeypatch):
    whole = legs(tmp_path / "whole", train.fit, SMALL, 1)
    restore = train.Learner.restore

    def forgetful(self: train.Learner, path: Path) -> train.Progress:
        progress = restore(self, path)
        self.adam.state.clear()
        return progress

    monkeypatch.setattr(train.Learner, "restore", forgetful)
    assert not same(whole, legs(tmp_path / "three", train.fit, SMALL, 3), "learned.safetensors")


def test_lora_keeps_a_and_b_and_full_keeps_every_weight(tmp_path):
    lora = legs(tmp_path / "lora", train.fit, SMALL, 1)
    full = legs(tmp_path / "full", train.fit, replace(SMALL, **FULL), 1)
    assert all(name.endswith((".a", ".b")) for name in load_file(lora.artefact("learned.safetensors")))
    assert set(load_file(full.artefact("learned.safetensors"))) == set(weights.read(DATA["base"]["gguf"]).weights)
    (row,) = full.keys["rows"]
    assert row["questions"] == 12 and row["parameters"] == 80_192 > lora.keys["rows"][0]["parameters"]


def test_a_loss_that_is_not_finite_fails_the_run(tmp_path):
    with pytest.raises(RunFailed, match="ends with losses"):
        train.fit(LegsRun(tmp_path, replace(SMALL, rate=1e30, clip=1e30, **{"rank": 0}), DATA))  # type: ignore[arg-type]


def test_the_questions_of_a_training_are_learned_by_heart(corpus):
    base = weights.read(DATA["base"]["gguf"])
    model = adapt(load(base.shape, base.weights), 16, 32.0, torch.Generator().manual_seed(0))
    asked = corpus.splits["train"][:3]
    (pack,) = packs([encode(base.tokenizer, corpus, asked)], 1000)
    learner = train.Learner(model, (0.9, 0.98), 1.0)
    loss, count = train.pack_loss(model, pack)  # type: ignore[arg-type]
    first = float(loss.detach()) / count
    for _ in range(120):
        loss, count = train.pack_loss(model, pack)  # type: ignore[arg-type]
        learner.step(loss / count, 5e-3)
    assert float(loss.detach()) / count < 0.1 < 3 < first


# --- the small model --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokenizer(corpus):
    return train_pieces([question.text for question in corpus.splits["train"]], 90)


def test_actions_write_the_query_that_they_were_made_from(corpus, tokenizer):
    for split in ("train", "validation", "test"):
        for question in corpus.splits[split]:
            query = parse(question.sql)
            assert query is not None
            at = source(tokenizer, question.text, corpus.schemas[question.schema][0].columns)
            taken = actions(at, query)
            assert taken is not None and sketch(at, taken) == query
            for n, action in enumerate(taken):
                assert allowed(at, taken[:n], len(at.pieces))[action], (question, n)


def test_a_value_that_the_question_does_not_have_cannot_be_written(tokenizer):
    at = source(tokenizer, "How tall is Sage?", ("plant", "height"))
    assert actions(at, Sketch("", "height", (("plant", "=", "Borage"),))) is None
    assert actions(at, Sketch("", "height", (("plant", "=", "ow"),))) is None, "it begins within a piece"
    assert actions(at, Sketch("", "height", (("plant", "=", "sage"),))) is not None


def test_nothing_but_a_whole_query_can_be_written():
    tokenizer = train_pieces(["How tall is Sage?"], 40)
    at = source(tokenizer, "How tall is Sage?", ("plant", "height"))
    assert [at.pieces[mark] for mark in at.marks] == [COLUMN, COLUMN]
    columns, pieces = {KEYWORDS + mark for mark in at.marks}, set(range(KEYWORDS, KEYWORDS + len(at.spans)))

    def free(*taken: int) -> set[int]:
        return {i for i, may in enumerate(allowed(at, taken, len(at.pieces))) if may}

    assert free() == set(range(END)) and free(0) == columns
    begun = (0, KEYWORDS + at.marks[0])
    assert free(*begun) == set(range(END, END + 4)) and free(*begun, END + 1) == columns
    condition = (END + 1, KEYWORDS + at.marks[1])
    assert free(*begun, *condition) == pieces
    assert free(*begun, *condition, KEYWORDS + 2) == {i for i in pieces if i >= KEYWORDS + 2}
    full = begun + (*condition, KEYWORDS + 2, KEYWORDS + 3) * MOST_CONDITIONS
    assert free(*full) == {END}, "it comes to an end"


def test_an_untrained_small_model_writes_whole_queries_and_a_trained_one_the_right_ones(corpus, tokenizer):
    config = replace(SMALL, small_width=48, small_inner=64)
    asked = corpus.splits["train"]
    found = train_small.items(tokenizer, corpus, asked)
    assert len(found) == len(asked)
    model = train_small.build(config, tokenizer.get_vocab_size(), torch.Generator().manual_seed(0))

    def right() -> int:
        written = [write(model, item.source) for item in found]
        assert all(parse(query.sql()) == query and log_p < 0 for query, log_p in written)
        return sum(query.form == parse(question.sql).form for (query, _), question in zip(written, asked, strict=True))  # type: ignore[union-attr]

    assert right() <= 2
    learner = train.Learner(model, (0.9, 0.98), 1.0)
    batch = train_small.batch_of(found)
    for _ in range(200):
        loss, count = train_small.batch_loss(model, batch)
        learner.step(loss / count, 4e-3)
    assert right() >= 11


def test_padding_changes_no_loss(corpus, tokenizer):
    found = train_small.items(tokenizer, corpus, corpus.splits["train"])
    model = train_small.build(SMALL, tokenizer.get_vocab_size(), torch.Generator().manual_seed(0)).double()
    together = float(train_small.batch_loss(model, train_small.batch_of(found))[0].detach())
    apart = sum(float(train_small.batch_loss(model, train_small.batch_of([item]))[0].detach()) for item in found)
    assert together == pytest.approx(apart, rel=1e-6)


def test_every_weight_of_the_small_model_learns(corpus, tokenizer):
    model = train_small.build(SMALL, tokenizer.get_vocab_size(), torch.Generator().manual_seed(0))
    batch = train_small.batch_of(train_small.items(tokenizer, corpus, corpus.splits["train"]))
    train_small.batch_loss(model, batch)[0].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
