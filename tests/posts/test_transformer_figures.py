"""Figures of the rows show the values of the rows: read back from the tables that are written beside them."""

from __future__ import annotations

import csv
from types import SimpleNamespace

import pytest
from posts.transformer import figures_rows

CHANGES = {"heads-1": [-1.0, -2.0, -3.0], "untied": [0.5, 0.25, 0.0]}
GROWTH = {"row-growth": [[10.0, 20.0], [12.0, 22.0]], "recurrent-growth": [[5.0, 6.0], [7.0, 8.0]]}


def inputs() -> list[SimpleNamespace]:
    rows = [{"row": row, "seed": i, "bleu_change": x} for row, values in CHANGES.items() for i, x in enumerate(values)]
    rows += [{"row": "heads-1", "seed": 0, "length": "1–8", "change_of_length": 99.0}]  # not what is drawn
    made = [SimpleNamespace(stage="ablation", keys={}, rows=rows)]
    for row, cost in (("base", 40.0), ("heads-1", 30.0)):
        costs = [{"model": "transformer", "update_cost": cost}, {"model": "recurrent", "update_cost": 20.0}]
        made.append(SimpleNamespace(stage="cost", keys={"row": row}, rows=[*costs, {"padding": 6.0}]))
    for stage, curves in GROWTH.items():
        for seed, curve in enumerate(curves):
            table = [{"update": 500.0 * (i + 1), "validation_bleu": height} for i, height in enumerate(curve)]
            keys = {"row": "base", "seed": seed}
            made.append(SimpleNamespace(stage=stage, keys=keys, csv=lambda name, table=table: table))
    other = SimpleNamespace(stage="row-growth", keys={"row": "heads-1", "seed": 0}, csv=lambda name: [])
    return [*made, other]


FIGURES = ("rows", "quality")


def points(line: dict[str, str]) -> tuple[str, float, float]:
    return line["series"], round(float(line["x"]), 6), round(float(line["y"]), 6)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    run = SimpleNamespace(
        inputs=inputs(),
        figure=lambda name: folder / name,
        reported=lambda metric, row: SimpleNamespace(value={"heads-1": -0.9}[row]),
    )
    figures_rows.draw(run)  # pyright: ignore
    figures_rows.draw_costs(run)  # pyright: ignore
    return {name: list(csv.DictReader((folder / f"{name}.csv").read_text().splitlines())) for name in FIGURES}


def test_rows_have_their_means_and_what_the_paper_has_of_them(drawn):
    assert [line["row"] for line in drawn["rows"]] == ["heads-1", "untied"]  # from the worst to the best
    assert [float(line["here"]) for line in drawn["rows"]] == [-2.0, 0.25]
    assert [line["paper"] for line in drawn["rows"]] == ["-0.9", ""]
    assert all(float(line["low"]) < float(line["here"]) < float(line["high"]) for line in drawn["rows"])


def test_quality_stands_over_the_operations_spent_by_the_base_alone(drawn):
    found = set(map(points, drawn["quality"]))
    assert {("Transformer, seed 0", 20.0, 10.0), ("Transformer, mean", 40.0, 21.0)} <= found  # 40 GFLOP an update
    assert {("recurrent, seed 1", 10.0, 7.0), ("recurrent, mean", 20.0, 7.0)} <= found
