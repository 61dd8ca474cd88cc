"""What is timed is the same work: same weights, same batches, same translations; and what is reported adds up."""

from __future__ import annotations

import importlib
from dataclasses import replace

import pytest
import torch
from captioner import trained
from lockstep.errors import LockstepError
from posts.transformer.captions import made_captions
from posts.transformer.data import read_subwords, sentences, train_subwords
from posts.transformer.decode import Search, beam_search, steps_of
from posts.transformer.evaluate import load
from posts.transformer.experiment import Config, transformer
from posts.transformer.speed import decoding as speed_decoding
from posts.transformer.speed import training as speed_training
from posts.transformer.speed.measure import batches, compare, to_translate
from posts.transformer.speed.training import LABELS, agreement, compared, steppers
from posts.transformer.tables import PARTS
from posts.transformer.train import batch_loss, build

CONFIG = replace(Config(), **transformer.smoke["config"], precision="fp32")
ARRAYS = made_captions.load()
TOKENIZER = train_subwords(sentences(ARRAYS, "train_en") + sentences(ARRAYS, "train_de"), CONFIG.vocabulary)


def model(seed: int = 0):
    return build(CONFIG, TOKENIZER.get_vocab_size(), torch.Generator().manual_seed(seed)).eval()


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """A model that has something to say, its subwords, and settings that time it all: (config, model, tokenizer)."""
    folder = tmp_path_factory.mktemp("learnt")
    timed = {"timed_steps": 2, "timed_sentences": 8, "timed_rounds": 1, "batch_tokens": 512, "precision": "fp32"}
    config = replace(trained(folder), **timed, searches=("ours", "whole prefix", "generate", "CTranslate2"))
    return config, load(config, folder / "averaged.safetensors"), read_subwords(folder / "subwords.json")


@pytest.fixture(scope="module")
def rows(learnt):
    return compare(*learnt, ARRAYS)


def test_every_model_is_timed_in_both_precisions_and_ours_is_the_unit(rows):
    steps = {(row["dtype"], row["model"]): row for row in rows if "step_ratio" in row}
    assert len(steps) == 2 * 4 and all(row["step_seconds"] > 0 for row in steps.values())
    assert {steps[precision, "ours"]["step_ratio"] for precision in ("fp32", "bf16")} == {1.0}


def test_the_parts_of_a_step_are_all_of_it(rows):
    for precision in ("fp32", "bf16"):
        shares = {row["part"]: row["share"] for row in rows if row.get("dtype") == precision and "part" in row}
        assert sum(shares.values()) == pytest.approx(100) and set(shares) == {*LABELS, "other"} == set(PARTS)
        assert min(shares[part] for part in ("attention", "feed-forward", "logits and loss", "optimiser")) > 0
        assert shares["other"] < 5  # the backward pass as well is told apart


def test_what_is_searched_are_sentences_and_not_one_token_again_and_again(learnt):
    config, model, tokenizer = learnt
    for batch in to_translate(config, tokenizer, ARRAYS, config.timed_sentences):
        for tokens, source in zip(beam_search(steps_of(model), batch, Search(config.beam, 0.0)), batch, strict=True):
            assert len(set(tokens)) > 3 and len(tokens) < len(source) + 10, "it varies, and ends before a limit"


def test_every_search_finds_what_ours_finds(rows):
    found = {row["search"]: row for row in rows if "search" in row}
    assert list(found) == ["ours", "whole prefix", "generate", "CTranslate2"]
    assert {row["identical"] for row in found.values()} == {100.0} and found["ours"]["search_ratio"] == 1.0


def test_ratios_are_medians_over_the_same_batches():
    (ours, theirs) = compared({"ours": [1.0, 2.0, 4.0], "torch": [3.0, 2.0, 8.0]})
    assert (ours["step_seconds"], ours["step_ratio"]) == (2.0, 1.0)
    assert (theirs["step_seconds"], theirs["step_ratio"]) == (3.0, 2.0)  # of 3, 1 and 2


def test_all_models_start_as_the_same_one():
    (batch,) = batches(CONFIG, TOKENIZER, ARRAYS, 1)
    assert agreement(CONFIG, model(), batch) < 1e-6
    losses = [
        float(batch_loss(stepper.model.eval(), batch, CONFIG.smoothing).detach())
        for name, stepper in steppers(CONFIG, model(), "fp32").items()
        if name != "torch, its defaults"  # it has a normalisation more
    ]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)


def test_sentences_to_translate_are_sorted_and_cut_as_the_post_searches():
    found = to_translate(replace(CONFIG, decode_rows=6, beam=3), TOKENIZER, ARRAYS, 5)
    assert [len(batch) for batch in found] == [2, 2, 1]
    lengths = [int((row != 0).sum()) for batch in found for row in batch]
    assert lengths == sorted(lengths)


def test_other_translations_are_refused_with_their_share(monkeypatch):
    monkeypatch.setattr(speed_decoding, "whole_prefix_of", lambda _: speed_decoding.steps_of(model(1)))
    with pytest.raises(
        LockstepError, match=r"only \d.*% of the translations of whole prefix are ours, not 95% of them"
    ):
        compare(CONFIG, model(), TOKENIZER, ARRAYS)


def test_every_search_is_first_as_often_as_any_other_on_each_batch():
    """Four of them on four batches: a turn that went with the batch alone would always begin with the same."""
    called: list[tuple[str, int]] = []
    names = ("ours", "whole prefix", "generate", "CTranslate2")

    def noting(name: str):
        return lambda number: called.append((name, number)) or []

    times = speed_decoding.seconds({name: noting(name) for name in names}, batches=4, rounds=4)
    first = called[::4]
    assert sorted(first) == sorted((name, number) for name in names for number in range(4))
    assert {name: len(taken) for name, taken in times.items()} == dict.fromkeys(names, 4)
    assert [number for _, number in first] == [0, 1, 2, 3] * 4


def test_ratios_of_searches_are_of_whole_rounds(monkeypatch):
    times = {"ours": [1.0, 2.0, 4.0], "generate": [3.0, 2.0, 8.0]}
    monkeypatch.setattr(speed_decoding, "seconds", lambda *_: times)
    nothing = dict.fromkeys(times, lambda number: [[5]])
    ours, theirs = speed_decoding.measure(nothing, [torch.ones(6, 2)], 3)
    assert (ours["sentences_a_second"], ours["search_ratio"]) == (3.0, 1.0)
    assert (theirs["sentences_a_second"], theirs["search_ratio"]) == (2.0, 2.0)  # of 3, 1 and 2


def test_without_ours_there_is_nothing_to_compare_with():
    with pytest.raises(LockstepError, match='the searches whole prefix are compared with "ours": name it among them'):
        compare(replace(CONFIG, searches=("whole prefix",)), model(), TOKENIZER, ARRAYS)


def test_a_package_that_is_missing_is_told_before_anything_is_timed(monkeypatch):
    monkeypatch.setattr(speed_decoding, "marian", lambda _: importlib.import_module("no_such_package"))
    monkeypatch.setattr(speed_training, "measure", lambda *_: pytest.fail("timed before it was known"))
    with pytest.raises(LockstepError, match=r'needs no_such_package, not installed here: pip install -e "\.\[compar'):
        compare(replace(CONFIG, searches=("ours", "generate")), model(), TOKENIZER, ARRAYS)


def test_a_search_that_is_none_is_refused_with_the_nearest():
    with pytest.raises(LockstepError, match=r'no search is called "generat".*"generate"'):
        compare(replace(CONFIG, searches=("ours", "generat")), model(), TOKENIZER, ARRAYS)
