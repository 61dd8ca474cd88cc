"""Variants: settings that change together under one name, as rows of an ablation do."""

from dataclasses import dataclass

import pytest
from lockstep.errors import ProjectError
from lockstep.experiment import Experiment


@dataclass(frozen=True)
class Config:
    heads: int = 4
    width: int = 32
    updates: int = 8000


ROWS = {"base": {}, "one-head": {"heads": 1, "width": 128}}


def declared(**more) -> Experiment:
    return Experiment(Config, variants={"row": ROWS, "schedule": {"short": {"updates": 1000}}}, **more)


def test_a_variant_changes_its_settings_and_no_others():
    post = declared()
    assert post.config_at({"row": "one-head", "seed": 1}) == Config(heads=1, width=128)
    assert post.config_at({"row": "base"}) == Config()
    assert post.config_at({"row": "one-head", "schedule": "short"}) == Config(1, 128, 1000)


def test_a_field_that_is_a_key_stands_above_the_variant():
    assert declared().config_at({"row": "one-head", "width": 16}) == Config(heads=1, width=16)


def test_the_grid_runs_once_for_each_variant_and_seed():
    stage = declared().stage("train:fit", row=ROWS, seed=range(2))
    assert list(stage.points()) == [{"row": row, "seed": seed} for row in ROWS for seed in range(2)]


def test_smoke_keeps_variants_on_its_smaller_settings():
    post = declared(smoke={"config": {"updates": 5}, "grid": {"row": ["one-head"]}})
    post.stage("train:fit", row=ROWS, seed=range(2))
    small = post.smoked()
    (point,) = small.stages["train"].points()
    assert small.config_at(point) == Config(heads=1, width=128, updates=5)


def test_a_stage_keeps_to_its_own_values_where_the_smoke_grid_has_some_of_them():
    post = declared(smoke={"grid": {"row": list(ROWS), "width": [8]}})
    post.stage("train:fit", row=ROWS)
    post.stage("train:fit", name="baseline", row=["base"], width=[64])
    small = post.smoked()
    assert list(small.stages["train"].points()) == [{"row": row} for row in ROWS]
    assert list(small.stages["baseline"].points()) == [{"row": "base", "width": 8}]


def test_smoke_may_replace_what_a_variant_changes():
    smaller = {"row": {"base": {}, "one-head": {"heads": 1, "width": 8}}}
    post = declared(smoke={"variants": smaller})
    post.stage("train:fit", row=ROWS, seed=range(2))
    small = post.smoked()
    assert [small.config_at(point).width for point in small.stages["train"].points()] == [32, 8]
    assert small.config_at({"schedule": "short"}).updates == 1000  # what it does not name stays


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Experiment(Config, variants={"heads": {}}), '"heads", which is taken'),
        (
            lambda: Experiment(Config, variants={"row": {"wide": {"widht": 1}}}),
            'sets "widht", .*; did you mean "width"',
        ),
        (lambda: declared().stage("train:fit", row=["one-haed"]), 'no row "one-haed" is declared; did you mean "one-'),
        (lambda: declared().stage("train:fit", rwo=["base"]), 'grid key "rwo" .*; did you mean "row"'),
    ],
)
def test_a_mistake_names_what_was_meant(make, message):
    with pytest.raises(ProjectError, match=message):
        make()
