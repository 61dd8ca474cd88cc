"""What a table's verdicts mean, and that tables name everything that is declared."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from posts.transformer.experiment import transformer
from posts.transformer.speed.training import LABELS
from posts.transformer.studies.ablation import BASE, IN_THE_PAPER, ROWS, ROWS_RUN, SAID
from posts.transformer.tables import (
    PARTS,
    TABLES,
    changed,
    reported_and_reproduced,
    rows_not_run,
    rows_of_the_paper,
    rows_of_the_recipe,
)


@dataclass
class Values:
    values: dict[int, float]


@dataclass
class Published:
    value: float


@dataclass
class Reported:
    """Published values by row, and one margin."""

    margins: float = 0.5
    rows: dict[str, float] = field(default_factory=dict)
    bleu4: float = 41.0

    def __call__(self, metric: str, **where: str) -> Published:
        return Published(self.bleu4 if metric == "bleu4" else self.rows.get(where["row"], -1.0))

    def margin(self, metric: str) -> float:
        return self.margins


def seeds(*values: float) -> Values:
    return Values(dict(enumerate(values)))


@pytest.mark.parametrize(
    "ours, side, more",
    [
        ((41.1, 41.0, 40.9), "undecided", "no"),
        ((41.21, 41.2, 41.19), "above", "no"),  # surely above, and surely by less than the margin
        ((38.1, 38.0, 37.9), "below", "yes"),
        ((43.1, 43.0, 42.9), "above", "yes"),
        ((41.6, 41.5, 41.4), "above", "open"),  # on the margin's edge
        ((45.0, 41.0, 37.0), "undecided", "open"),
    ],
)
def test_a_number_has_a_side_and_is_off_by_more_than_the_margin_or_not(ours, side, more):
    others = seeds(41.0, 41.0, 41.1, 41.0)
    by_stage = {"lowered-scores": seeds(*ours), "scores": seeds(31.0, 31.1), "lengths": others}
    row, running, longer = reported_and_reproduced(lambda metric, stage, **where: by_stage[stage], Reported())
    assert (row["verdict"], row["by more than 0.5"], row["n"]) == (side, more, "3")
    assert (running["verdict"], running["by more than 0.5"]) == ("below", "yes"), "a row is judged by its own runs"
    assert (longer["by more than 0.5"], longer["n"]) == ("no", "4")


def test_differences_are_written_out_with_what_one_more_run_may_differ():
    for row in reported_and_reproduced(lambda metric, **where: seeds(38.1, 38.0, 37.9), Reported()):
        assert row["difference"] == "−3.00"
        assert row["one more run"] == "± 0.50"  # 4.303 · 0.1 · √(1 + 1/3)


@pytest.mark.parametrize(
    "values, verdict",
    [
        ((0.1, 0.0, -0.1), "equivalent"),
        ((-2.1, -2.0, -1.9), "less"),
        ((2.1, 2.0, 1.9), "greater"),
        ((-0.21, -0.2, -0.19), "equivalent"),  # surely below zero, and surely within the margin
        ((3.0, 0.0, -3.0), "undecided"),
    ],
)
def test_a_change_within_the_margin_is_none(values, verdict):
    assert changed(seeds(*values), 0.5) == verdict  # pyright: ignore


@pytest.mark.parametrize(
    "paper, here, verdict",
    [
        (-2.1, (-2.1, -2.0, -1.9), "as in the paper"),
        (-2.1, (2.1, 2.0, 1.9), "otherwise"),
        (-2.1, (0.1, 0.0, -0.1), "otherwise"),
        (-0.3, (0.1, 0.0, -0.1), "as in the paper"),  # both within the margin
        (-0.3, (-2.1, -2.0, -1.9), "otherwise"),
        (-2.1, (3.0, 0.0, -3.0), "undecided"),
    ],
)
def test_a_row_is_as_in_the_paper_or_otherwise_or_undecided(paper, here, verdict):
    published = Reported(rows=dict.fromkeys(ROWS, paper))
    found = rows_of_the_paper(lambda metric, **where: seeds(*here), published)
    assert {row["verdict"] for row in found} == {verdict}
    assert len(found) == len([row for row in ROWS_RUN if row in IN_THE_PAPER])


def test_every_row_that_is_declared_stands_in_one_table():
    def measured(metric: str, **where: str) -> Values:
        return seeds(1.0, 2.0, 3.0)

    tables = rows_of_the_paper, rows_of_the_recipe, rows_not_run
    said = [row["what is changed"] for table in tables for row in table(measured, Reported())]
    assert sorted(said) == sorted(SAID[row] for row in {*ROWS, "recurrent"} - {BASE})


def test_the_cost_of_a_row_is_given_over_the_bases():
    costs = {row: seeds(10.0 if row == BASE else 25.0) for row in ROWS}
    found = rows_not_run(lambda metric, **where: costs[where["row"]], Reported())
    assert {row["times the base’s"] for row in found} == {"2.50"}


def test_every_part_of_a_step_is_shown():
    assert set(PARTS) == {*LABELS, "other"}


def test_the_experiment_has_these_tables():
    assert [table.rows for table in transformer.tables.values()] == list(TABLES)
