"""Differences are paired over seeds, and only the declared score is compared."""

from types import SimpleNamespace

import pytest
from posts.transformer.evaluate import LENGTHS
from posts.transformer.studies.ablation import AVERAGED, SCORE, changes, differ, order, score


class Made:
    def __init__(self, rows):
        self.rows = rows


def test_a_change_is_the_difference_from_the_base_of_the_same_seed():
    scores = {("base", 0): 30.0, ("base", 1): 32.0, ("heads-1", 0): 29.0, ("heads-1", 1): 32.5, ("learned", 5): 31.0}
    assert changes(scores, "bleu_change") == [
        {"row": "heads-1", "seed": 0, "bleu_change": -1.0},
        {"row": "heads-1", "seed": 1, "bleu_change": 0.5},
    ]  # no base with seed 5: nothing to pair


def test_the_score_is_the_last_checkpoints_on_validation_sentences():
    right = SCORE | {"bleu": 1.0}
    others = [SCORE | change | {"bleu": 2.0} for change in ({"split": "test_2016_flickr"}, {"weights": "averaged"})]
    assert score(Made([*others, right]), SCORE, "bleu") == 1.0  # pyright: ignore
    with pytest.raises(ValueError):
        score(Made(others), SCORE, "bleu")  # pyright: ignore


def scored(row, seed, bleu, unpenalised, averaged, short):
    """A run with made-up scores, among others that do not count."""
    rows = [
        SCORE | {"bleu": bleu, "unpenalised_bleu4": unpenalised},
        AVERAGED | {"bleu": averaged, "unpenalised_bleu4": -1.0},
        *({"split": "val", "length": name, "bleu_of_length": short + i} for i, name in enumerate(LENGTHS)),
    ]
    stage = "recurrent-scores" if row == "recurrent" else "row-scores"
    return SimpleNamespace(stage=stage, keys={"row": "base" if row == "recurrent" else row, "seed": seed}, rows=rows)


def test_each_difference_is_of_its_own_score_and_lengths_are_kept_apart():
    made = [scored("base", 3, 20.0, 25.0, 22.0, 10.0), scored("recurrent", 3, 23.0, 25.5, 21.0, 14.0)]
    rows = differ(SimpleNamespace(inputs=made))  # pyright: ignore
    at = {"row": "recurrent", "seed": 3}
    expected = {"bleu_change": 3.0, "unpenalised_change": 0.5, "averaged_change": -1.0}
    assert rows[:3] == [at | {name: change} for name, change in expected.items()]
    assert rows[3:] == [at | {"length": name, "change_of_length": 4.0} for name in LENGTHS]


def test_rows_go_from_the_worst_to_the_best():
    assert order(["a", "b", "c"], {"a": [0.0, 1.0], "b": [-3.0], "c": [2.0, 2.0]}) == ["b", "a", "c"]
