"""Differences are paired over seeds, and only the declared score is compared."""

import pytest
from posts.transformer.ablation import SCORE, changes, order, score


class Made:
    def __init__(self, rows):
        self.rows = rows


def test_a_change_is_the_difference_from_the_base_of_the_same_seed():
    scores = {("base", 0): 30.0, ("base", 1): 32.0, ("heads-1", 0): 29.0, ("heads-1", 1): 32.5, ("learned", 5): 31.0}
    assert changes(scores) == [
        {"row": "heads-1", "seed": 0, "bleu_change": -1.0},
        {"row": "heads-1", "seed": 1, "bleu_change": 0.5},
    ]  # no base with seed 5: nothing to pair


def test_the_score_is_the_last_checkpoints_on_validation_sentences():
    right = SCORE | {"bleu": 1.0}
    others = [SCORE | change | {"bleu": 2.0} for change in ({"split": "test_2016_flickr"}, {"weights": "averaged"})]
    assert score(Made([*others, right])) == 1.0  # pyright: ignore
    with pytest.raises(ValueError):
        score(Made(others))  # pyright: ignore


def test_rows_go_from_the_worst_to_the_best():
    assert order(["a", "b", "c"], {"a": [0.0, 1.0], "b": [-3.0], "c": [2.0, 2.0]}) == ["b", "a", "c"]
