"""Counts: operations against torch's own counter, errors against sentences that anybody can read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from posts.transformer import train
from posts.transformer.experiment import Config
from posts.transformer.studies import recurrent
from posts.transformer.studies.cost import recurrent_operations, transformer_operations
from posts.transformer.studies.errors import COLOURS, NUMBERS, PLACES, agreeing, kept, recalled, show
from torch.utils.flop_counter import FlopCounterMode

CONFIG = replace(Config(), layers=2, d_model=16, d_ff=24, heads=2, d_k=4, units=12)


def counted(model, source: int, target: int, pairs: int) -> int:
    tokens = torch.full((pairs, max(source, target)), 5)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        states = model(tokens[:, :source], tokens[:, :target])
        model.logits(states[:, : target - 1].flatten(0, 1))  # one of the targets is padding
    return counter.get_total_flops()


def test_the_transformers_operations_are_those_that_torch_counts():
    model = train.build(CONFIG, 40, torch.Generator())
    found = transformer_operations(CONFIG, 40, pairs=3, source=7, target=5, real=3 * 4)
    assert found == counted(model, source=7, target=5, pairs=3)


def test_the_recurrent_models_operations_are_those_that_torch_counts():
    model = recurrent.build(CONFIG, 40, torch.Generator())
    found = recurrent_operations(CONFIG, 40, pairs=3, source=7, target=5, real=3 * 4)
    assert found == counted(model, source=7, target=5, pairs=3)


def test_a_colour_counts_wherever_a_word_begins_with_it():
    sources = ["A man in a red shirt and blue jeans.", "A red car.", "A dog."]
    assert kept(sources, ["Ein Mann in rotem Hemd.", "Ein Auto.", "Ein roter Hund."], COLOURS) == (1, 3)
    assert kept(["Two dogs and three cats."], ["Zwei Hunde und vier Katzen."], NUMBERS) == (1, 2)


def test_a_colour_counts_behind_a_shade_and_inside_no_other_word():
    sources = ["A light blue car.", "A brown dog.", "A black and white picture.", "Red bread."]
    translations = ["Ein hellblaues Auto.", "Ein rotbrauner Hund.", "Ein schwarzweißes Bild.", "Brot."]
    assert kept(sources, translations, COLOURS) == (4, 5)


def test_agreement_looks_at_the_first_word_and_the_first_verb():
    assert agreeing(["Ein Mann sitzt auf einer Bank."]) == (1, 1)
    assert agreeing(["Ein Mann sitzen auf einer Bank."]) == (0, 1)
    assert agreeing(["Zwei Hunde läuft am Strand."]) == (0, 1)
    assert agreeing(["Zwei Hunde laufen, der eine springt."]) == (1, 1)
    assert agreeing(["Ein Mann und eine Frau sitzen da.", "Am Strand sitzt ein Mann.", ""]) == (0, 0)


def test_what_looks_like_a_verb_that_disagrees_is_not_counted():
    assert agreeing(["Ein Mann versucht, einen Wagen zu fahren.", "Ein Mann versucht zu laufen."]) == (0, 0)
    assert agreeing(["Ein Junge hilft beim Spielen und lacht."]) == (0, 0)
    assert agreeing(["Ein Junge freut sich zu laufen und sitzt."]) == (0, 0)
    assert agreeing(["Ein paar Kinder spielen.", "Ein Paar sitzt auf einer Bank."]) == (2, 2)
    assert agreeing(["Ein paar Kinder spielt.", "Ein Paar sitzen auf einer Bank."]) == (0, 2)


def test_a_hyphen_joins_an_english_word_and_a_comma_ends_the_german_clause():
    assert kept(["A five-year-old and two dogs."], ["Ein Kind und Hunde."], NUMBERS) == (0, 1)
    assert agreeing(["Zwei Männer treten auf, umgeben von Leuten, das ist laut."]) == (0, 0)


ENGLISH = ["A red car.", "Two dogs.", "A man stands.", "A tent.", "A cat."]
HUMAN = ["Ein rotes Auto.", "Zwei Hunde.", "Ein Mann steht.", "Ein Zirkuszeltdach.", "Eine Katze."]
OURS = ["Ein Auto.", "Hunde.", "Ein Mann stehen.", "Ein Zelt.", "Eine Katze."]


class Translated:
    """A run whose captions are those above and whose input is one file of translations."""

    def __init__(self, ours: list[str]):
        self.ours, self.inputs = ours, [self]

    def csv(self, name: str, text: bool) -> list[dict[str, str]]:
        assert name == "test_2016_flickr.csv" and text
        return [{"averaged_beam": line} for line in self.ours]

    def data(self, name: str) -> dict[str, np.ndarray]:
        texts = {"test_2016_flickr_en": ENGLISH, "test_2016_flickr_de": HUMAN, "train_de": ["Ein Hund."]}
        return {
            at: np.frombuffer("".join(f"{line}\n" for line in lines).encode(), np.uint8) for at, lines in texts.items()
        }


def test_examples_are_picked_by_rank_and_by_the_first_failure_of_each_rule():
    found = {row["example"]: row for row in show(Translated(OURS))}  # pyright: ignore
    ranked = [found[name]["chrf_of_sentence"] for name in PLACES]
    assert ranked == sorted(ranked, reverse=True) and ranked[0] > ranked[-1]
    assert found["a colour is lost"]["ours"] == "Ein Auto."
    assert found["a number is lost"]["human"] == "Zwei Hunde."
    assert found["a long noun is missed"]["ours"] == "Ein Zelt."


def test_of_what_nothing_fails_there_is_no_example():
    assert {row["example"] for row in show(Translated(HUMAN))} == set(PLACES)  # pyright: ignore


def test_long_words_are_asked_of_the_reference_and_told_apart_by_training():
    references = ["Der Straßenmusiker und sein Hundeschlitten", "Ein Feuerwehrmann"]
    translations = ["Ein Straßenmusiker mit Schlitten", "Ein Mann"]
    training = {"straßenmusiker", "feuerwehrmann"}
    assert recalled(references, translations, training, seen=True) == (1, 2)
    assert recalled(references, translations, training, seen=False) == (0, 1)


def test_the_baseline_costs_about_as_much_as_the_transformer():
    sizes = {"pairs": 1, "source": 15, "target": 16, "real": 16}
    costs = [operations(Config(), 4000, **sizes) for operations in (transformer_operations, recurrent_operations)]
    assert costs[1] == pytest.approx(costs[0], rel=0.35)
