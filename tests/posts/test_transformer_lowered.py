"""The recipe on lower-cased tokens: what goes in, and how what comes out is scored."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakerun import FakeRun
from posts.transformer.captions import made_captions
from posts.transformer.data import encode, sentences
from posts.transformer.evaluate import SPLITS, bleu4, moses, rates, token_rates
from posts.transformer.experiment import Config
from posts.transformer.studies import lowered as module
from posts.transformer.studies.lowered import lowered, score
from posts.transformer.train import prepare


def test_texts_are_lower_cased_tokens_of_their_own_language():
    arrays = made_captions.load()
    for name in ("train_en", "val_de"):
        texts = lowered(arrays, name)
        assert texts == moses(sentences(arrays, name), name[-2:])
        assert all(text == text.lower() for text in texts)
        assert any(text.endswith(" .") for text in texts)


def test_subwords_of_lowered_text_give_it_back(tmp_path):
    run = FakeRun(tmp_path, replace(Config(), vocabulary=120), made_captions.load())
    tokenizer, pairs, _ = prepare(run, lowered)  # pyright: ignore
    texts = lowered(run.arrays, "train_de")
    coded = encode(tokenizer, texts, 256)
    assert pairs.target == coded
    assert [tokenizer.decode(row[:-1]) for row in coded] == texts


def test_tokens_are_scored_as_running_text_is_once_it_is_prepared():
    found, wanted = ["Ein Mann, der „schläft“.", "Hunde"], ["Ein Mann, der hier schläft.", "Zwei Hunde rennen weit."]
    prepared = token_rates(moses(found, "de"), moses(wanted, "de"))
    assert prepared.items() <= rates(found, wanted).items()
    assert prepared["bleu4"] == bleu4(moses(found, "de"), moses(wanted, "de")).score > 0
    assert prepared["relative_length"] == pytest.approx(100 * (8 + 1) / (7 + 5))


def test_translations_of_each_split_are_scored_against_its_lowered_references(tmp_path, monkeypatch):
    run, asked = FakeRun(tmp_path, Config(), made_captions.load()), []
    run.inputs = [tmp_path]
    monkeypatch.setattr(type(tmp_path), "open", lambda self, name: self / name)
    monkeypatch.setattr(module, "read_subwords", lambda path: path.name)
    monkeypatch.setattr(module, "steps_from", lambda config, path: path.name)

    def translating(begin, tokenizer, texts, search, **sizes):
        asked.append((begin, tokenizer, search.width, search.alpha))
        split = next(split for split in SPLITS if lowered(run.arrays, f"{split}_en") == texts)
        return lowered(run.arrays, f"{split}_de")

    monkeypatch.setattr(module, "translate", translating)
    rows = score(run)  # pyright: ignore
    assert asked == [("averaged.safetensors", "subwords.json", 5, 1.0)] * 4
    assert [(row["split"], row["bleu4"], row["brevity_penalty"]) for row in rows] == [
        (split, pytest.approx(100), 1.0) for split in SPLITS
    ]
    assert run.tables["val.csv"][0] == {"translation": lowered(run.arrays, "val_de")[0]}
