"""Words that are cut anew: by the library's merges, with the library's chances, and alike where a training resumes."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from fakerun import FakeRun
from posts.transformer.captions import made_captions
from posts.transformer.data import Pairs, encode, epoch, train_subwords
from posts.transformer.experiment import Config
from posts.transformer.lowered import lowered
from posts.transformer.recut import Cutter, RecutPairs, fit, words_of
from safetensors.torch import load_file
from tokenizers import Tokenizer

ARRAYS = made_captions.load()
TEXTS = {of: lowered(ARRAYS, f"train_{of}") for of in ("en", "de")}
LONGEST = 256


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_subwords(TEXTS["en"] + TEXTS["de"], 150)


def recut_pairs(tokenizer: Tokenizer, dropout: float) -> RecutPairs:
    pairs = Pairs(*(encode(tokenizer, texts, LONGEST) for texts in TEXTS.values()))
    words = ([words_of(tokenizer, text) for text in texts] for texts in TEXTS.values())
    return RecutPairs(pairs.source, pairs.target, Cutter(tokenizer, dropout), *words, LONGEST)


def test_without_dropout_words_are_cut_as_the_tokenizer_cuts_them(tokenizer):
    cutter, rng = Cutter(tokenizer, 0.0), Random(0)
    for text in TEXTS["en"] + TEXTS["de"] + ["ein @ fremdes zeichen", "…"]:
        coded = cutter.encode(words_of(tokenizer, text), LONGEST, rng)
        assert coded == encode(tokenizer, [text], LONGEST)[0]
    assert coded[:-1] != [], "what is not in the vocabulary becomes a token for the unknown"
    assert cutter.encode(["▁ein", "▁mann"] * LONGEST, 5, rng) == encode(tokenizer, ["ein mann " * LONGEST], 5)[0]


def test_with_every_merge_left_out_letters_remain(tokenizer):
    assert Cutter(tokenizer, 1.0).cut("▁mann", Random(0)) == list("▁mann")


@pytest.mark.parametrize("word", ["▁kleines", "▁street"])
def test_cuts_are_as_frequent_as_in_the_library(tokenizer, word):
    described = json.loads(tokenizer.to_str())
    described["model"]["dropout"] = 0.3
    library = Tokenizer.from_str(json.dumps(described))
    draws, rng, cutter = 20_000, Random(0), Cutter(tokenizer, 0.3)
    ours = Counter(tuple(cutter.cut(word, rng)) for _ in range(draws))
    theirs = Counter(tuple(token.value for token in library.model.tokenize(word)) for _ in range(draws))
    assert len(ours) > 5
    for cut in {*ours, *theirs}:  # the library's draws have no seed: six standard deviations of the difference
        share = (ours[cut] + theirs[cut]) / (2 * draws)
        assert abs(ours[cut] - theirs[cut]) / draws < 6 * (2 * share * (1 - share) / draws) ** 0.5 + 1e-9, cut


def test_every_epoch_has_cuts_of_its_own_and_the_same_ones_when_it_comes_again(tokenizer):
    pairs, seen = recut_pairs(tokenizer, 0.2), []
    for number in (0, 1, 0):
        batches = epoch(pairs, 400, 7, number)
        assert sorted(i for batch in batches for i in batch) == list(range(len(pairs)))
        lengths = [len(pairs.source[i]) for batch in batches for i in batch]
        seen.append((batches, [*pairs.source], [*pairs.target]))
        assert max(lengths) > max(map(len, encode(tokenizer, TEXTS["en"], LONGEST)))
    assert seen[0] == seen[2] != seen[1]
    assert seen[0][1] != seen[1][1] and seen[0][2] != seen[1][2]
    for coded, texts in ((pairs.source, TEXTS["en"]), (pairs.target, TEXTS["de"])):
        assert [tokenizer.decode(row[:-1]) for row in coded] == texts, "the text is the same however it is cut"


SMALL = replace(Config(), vocabulary=120, layers=1, d_model=16, d_ff=16, heads=2, d_k=8, batch_tokens=400)
SMALL = replace(SMALL, updates=20, warmup=10, averaged=2, average_every=2, keep_every=10, report_every=3)


def trained(directory, config=SMALL, stop_after=None):
    directory.mkdir(exist_ok=True)
    row = fit(FakeRun(directory, config, ARRAYS, stop_after=stop_after))  # pyright: ignore
    return load_file(directory / "averaged.safetensors"), row


def same(a, b) -> bool:
    return all((tensor == b[name]).all() for name, tensor in a.items())


def test_a_training_resumed_within_an_epoch_is_the_uninterrupted_one(tmp_path):
    whole, row = trained(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "parts", stop_after=15)
    update, number, position, _ = load_file(tmp_path / "parts/checkpoint")["place"].tolist()
    assert (update, number > 0) == (15, True) and position > 0, "within an epoch, and not the first"
    parts, resumed = trained(tmp_path / "parts")
    assert same(whole, parts) and row == resumed


def test_cutting_anew_is_what_makes_the_difference(tmp_path):
    anew, _ = trained(tmp_path / "anew")
    alike, _ = trained(tmp_path / "alike", config=replace(SMALL, merge_dropout=0.0))
    assert anew.keys() == alike.keys() and not same(anew, alike)
