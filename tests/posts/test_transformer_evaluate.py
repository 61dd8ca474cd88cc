"""Scores: against numbers worked out by hand, by the field's tools, and by the data set's own count of tokens."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lockstep.catalogue import multi30k
from posts.transformer.data import sentences
from posts.transformer.evaluate import SPLITS, bleu, bleu4, by_length, chrf, load, moses, scores_of
from posts.transformer.experiment import Config
from posts.transformer.train import build, halved
from safetensors.torch import save_file


def test_bleu_is_the_geometric_mean_of_clipped_precisions():
    found, wanted = ["the cat sat on the mat today"], ["the cat sat on the mat"]
    precisions = 6 / 7 * 5 / 6 * 4 / 5 * 3 / 4
    assert bleu(found, wanted) == pytest.approx(100 * precisions**0.25)
    assert bleu4(["The cat sat on the mat today"], wanted) == pytest.approx(100 * precisions**0.25)  # case is ignored
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


def test_there_is_a_split_to_choose_by_and_three_to_report():
    assert SPLITS[0] == "val" and all(split.startswith("test_") for split in SPLITS[1:])
