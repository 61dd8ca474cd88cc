"""Scores: against numbers worked out by hand, by the field's tools, and by the data set's own count of tokens."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fakerun import FakeRun
from lockstep.catalogue import multi30k
from posts.transformer.captions import made_captions
from posts.transformer.data import read_subwords, sentences, train_subwords
from posts.transformer.decode import Search, steps_of, translate
from posts.transformer.evaluate import (
    SPLITS,
    bleu,
    bleu4,
    by_length,
    chrf,
    follow,
    load,
    moses,
    rates,
    scores_of,
    write,
)
from posts.transformer.experiment import Config
from posts.transformer.studies import lengths
from posts.transformer.studies.lengths import choose
from posts.transformer.tables import EXPONENTS
from posts.transformer.train import build, halved
from safetensors.torch import save_file


def test_bleu_is_the_geometric_mean_of_clipped_precisions():
    found, wanted = ["the cat sat on the mat today"], ["the cat sat on the mat"]
    precisions = 6 / 7 * 5 / 6 * 4 / 5 * 3 / 4
    assert bleu(found, wanted) == pytest.approx(100 * precisions**0.25)
    capital = bleu4(moses(["The cat sat on the mat today"], "de"), wanted)
    assert capital.score == pytest.approx(100 * precisions**0.25)  # case is ignored
    assert bleu(["The Cat sat on the mat today"], wanted) < bleu(found, wanted)  # and here it is not
    assert chrf(wanted, wanted) == 100 > chrf(found, wanted) > chrf(["dogs"], wanted)


def test_moses_prepares_text_as_the_data_sets_script_does():
    assert moses(["Ein „Mann“ geht, sagt der Hund's Herr."], "de") == [
        "ein &quot; mann &quot; geht , sagt der hund &apos; s herr ."
    ]


def at_hand() -> bool:
    folders = [Path(part) for part in os.environ.get("LOCKSTEP_DATA", "").split(os.pathsep) if part]
    return any((folder / "multi30k").is_dir() for folder in folders)


def test_the_real_texts_have_the_official_number_of_tokens():
    """README of the data set: words after lower-casing, normalising and tokenising."""
    if not at_hand():
        pytest.skip("no multi30k under LOCKSTEP_DATA: its files were not read")
    arrays = multi30k.load()
    official = {"val": (13_308, 12_828), "test_2016_flickr": (12_968, 12_103), "test_2017_flickr": (11_376, 10_758)}
    for split, counts in (official | {"test_2017_mscoco": (5_239, 5_158)}).items():
        for language, count in zip(("en", "de"), counts, strict=True):
            texts = moses(sentences(arrays, f"{split}_{language}"), language)
            assert sum(len(text.split()) for text in texts) == count, (split, language)
    assert len(sentences(arrays, "train_en")) == len(sentences(arrays, "train_de")) == 29_000


class Made:
    """Translations as `write` leaves them."""

    def __init__(self, lines: list[str]):
        self.lines = lines

    def csv(self, name: str, *, text: bool = False):
        assert text and name == "val.csv"
        ways = ("averaged_beam", "averaged_greedy", "last_beam", "last_greedy")
        return [dict.fromkeys(ways, line) | {"last_greedy": "nichts davon"} for line in self.lines]


def test_each_way_is_scored_by_itself_and_lengths_apart():
    wanted = ["ein Mann geht auf der Straße .", "zwei Hunde laufen am langen weißen Strand entlang ."]
    sources = ["a man walks on the street .", "two dogs run along the long white sandy beach together ."]
    made = Made([wanted[0], "etwas anderes steht hier ."])
    rows = {(row["weights"], row["search"]): row for row in scores_of(made, "val", wanted)}  # pyright: ignore
    assert rows["averaged", "beam"]["bleu"] == rows["last", "beam"]["bleu"] > rows["last", "greedy"]["bleu"]
    assert rows["averaged", "beam"]["relative_length"] == pytest.approx(100 * (7 + 5) / (7 + 9))
    whole, shorter = rows["averaged", "beam"], math.exp(1 - (7 + 9) / (7 + 5))  # the penalty: e^(1 - r/c)
    assert whole["brevity_penalty"] == pytest.approx(shorter)
    assert whole["unpenalised_bleu4"] == pytest.approx(whole["bleu4"] / shorter)
    short, long = by_length(made, "val", sources, wanted)  # pyright: ignore
    assert (short["length"], short["sentences"], short["bleu_of_length"]) == ("1–8", 1, pytest.approx(100))
    assert (long["length"], long["sentences"]) == ("9–11", 1) and long["bleu_of_length"] < 20


@pytest.mark.parametrize("tied", [True, False])
def test_a_kept_checkpoint_is_the_model_that_was_kept(tmp_path, tied):
    config = replace(Config(), layers=1, d_model=16, d_ff=16, heads=2, d_k=8, tied=tied, positions="learned")
    model = build(config, 30, torch.Generator().manual_seed(0))
    names = [name for name, _ in model.named_parameters()]
    save_file(halved(names, list(model.parameters())), tmp_path / "kept.safetensors")
    again = load(config, tmp_path / "kept.safetensors")
    source, target = torch.tensor([[5, 6, 2]]), torch.tensor([[1, 7]])
    states = again(source, target)
    torch.testing.assert_close(again.logits(states), model.logits(model(source, target)), rtol=1e-2, atol=1e-2)
    assert (again.source.weight is again.logits_weight) == tied


class Kept:
    """What a training has left in a folder."""

    def __init__(self, folder: Path):
        self.open = folder.joinpath


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run over kept weights, all of them random and each other ones, with made-up captions."""
    folder = tmp_path_factory.mktemp("trained")
    config = replace(Config(), vocabulary=120, layers=1, d_model=16, d_ff=16, heads=2, d_k=8, tied=False)
    config = replace(config, updates=12, keep_every=6, beam=3, longer=8, longest=64)
    run = FakeRun(folder, config, made_captions.load())
    texts = [text for language in ("en", "de") for text in sentences(run.arrays, f"train_{language}")]
    tokenizer = train_subwords(texts, config.vocabulary)
    (folder / "subwords.json").write_text(tokenizer.to_str(), encoding="utf-8")
    for seed, name in enumerate(("averaged", "last", "weights-6", "weights-12")):
        model = build(config, tokenizer.get_vocab_size(), torch.Generator().manual_seed(seed))
        named = dict(model.named_parameters())
        named["logits_weight"].detach().mul_(6)  # the next tokens differ much in probability
        save_file(halved(list(named), list(named.values())), folder / f"{name}.safetensors")
    run.inputs = [Kept(folder)]
    return run


def translated(run: FakeRun, weights: str, split: str, width: int) -> list[str]:
    tokenizer = read_subwords(run.directory / "subwords.json")
    begin = steps_of(load(run.config, run.directory / f"{weights}.safetensors"))
    search = Search(width, run.config.length_penalty, run.config.longer)
    return translate(begin, tokenizer, sentences(run.arrays, f"{split}_en"), search, rows=500, longest=64)


def test_each_column_holds_the_translations_of_its_own_weights_by_its_own_search(trained):
    assert write(trained) == []
    for split in SPLITS:
        lines, different = trained.tables[f"{split}.csv"], set()
        for way, (weights, width) in {
            "averaged_beam": ("averaged", 3),
            "averaged_greedy": ("averaged", 1),
            "last_beam": ("last", 3),
            "last_greedy": ("last", 1),
        }.items():
            expected = translated(trained, weights, split, width)
            assert [line[way] for line in lines] == expected
            different.add(tuple(expected))
        assert len(different) == 4, "else a column could hold another's"


def test_growth_follows_each_checkpoint_that_was_kept_by_greedy_search(trained):
    rows = follow(trained)
    references = sentences(trained.arrays, "val_de")
    assert (
        rows
        == trained.tables["growth.csv"]
        == [
            {"update": update, "validation_bleu": bleu(translated(trained, f"weights-{update}", "val", 1), references)}
            for update in (6, 12)
        ]
    )
    assert translated(trained, "weights-6", "val", 1) != translated(trained, "weights-12", "val", 1)


def test_there_is_a_split_to_choose_by_and_three_to_report():
    assert SPLITS[0] == "val" and all(split.startswith("test_") for split in SPLITS[1:])


def test_each_exponent_is_judged_on_validation_sentences_by_its_own_translations(trained):
    trained.config = replace(trained.config, exponents=(1.5, 1.0))
    rows = choose(trained)
    tried = {row["exponent"]: row for row in rows if row.get("split") == "val"}
    assert list(tried) == ["1", "1.5", "chosen"]
    tokenizer, begin = (
        read_subwords(trained.directory / "subwords.json"),
        steps_of(load(trained.config, trained.directory / "averaged.safetensors")),
    )
    source, wanted = (sentences(trained.arrays, f"val_{language}") for language in ("en", "de"))
    for exponent in (1.0, 1.5):
        found = translate(begin, tokenizer, source, Search(3, exponent, 8), rows=500, longest=64)
        row = tried[f"{exponent:g}"]
        assert {name: row[name] for name in rates(found, wanted)} == pytest.approx(rates(found, wanted))


def test_tests_are_translated_by_the_exponent_that_is_best_on_validation_and_by_no_other(trained, monkeypatch):
    trained.config = replace(trained.config, exponents=(2.0, 1.0, 3.0, 0.5))
    asked, scores = [], {0.5: 30.0, 1.0: 40.0, 2.0: 40.0, 3.0: 20.0}

    def translating(begin, tokenizer, texts, search, **sizes):
        asked.append((len(texts), search.alpha))
        return [f"{search.alpha}"] * len(texts)

    monkeypatch.setattr(lengths, "translate", translating)
    monkeypatch.setattr(lengths, "rates", lambda found, references: {"bleu4": scores[float(found[0])]})
    rows = choose(trained)
    assert rows[-1] == {"exponent": "chosen", "chosen_exponent": 1.0}, "of two that are as good the smaller"
    sizes = {split: len(sentences(trained.arrays, f"{split}_en")) for split in SPLITS}
    assert asked == [(sizes["val"], alpha) for alpha in sorted(scores)] + [(sizes[s], 1.0) for s in SPLITS[1:]]
    assert [row["split"] for row in rows if row["exponent"] == "chosen" and "split" in row] == list(SPLITS)


def test_the_table_of_exponents_has_all_that_are_tried():
    assert tuple(f"{exponent:g}" for exponent in Config().exponents) == EXPONENTS
