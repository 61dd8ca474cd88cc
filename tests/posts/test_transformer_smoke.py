"""The whole path of the Transformer's post on captions that code makes."""

from pathlib import Path

import pytest
from lockstep.execute import running
from lockstep.project.project import Project

ROOT = Path(__file__).parents[2]
STAGES = tuple(Project.find(ROOT).post("transformer").experiment.stages)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smoke")
    return running.smoke(Project.find(ROOT).post("transformer"), folder=folder), folder / "content"


def test_the_whole_path_runs_on_made_captions(smoke):
    done, _ = smoke
    assert tuple(dict.fromkeys(line.stage for line in done)) == STAGES
    assert {line.status for line in done} == {"done"}


def test_every_way_is_scored_on_every_split(smoke):
    done, _ = smoke
    rows = [row for line in done if line.stage == "scores" for row in line.rows if "bleu" in row]
    ways = {(row["split"], row["weights"], row["search"]) for row in rows}
    assert len(ways) == len(rows) == 4 * 2 * 2
    assert all(0 <= row[score] <= 100 for row in rows for score in ("bleu", "bleu4", "chrf"))


def test_every_figure_comes_with_its_data(smoke):
    done, content = smoke
    drawn = {place for line in done for place in line.outputs if place.startswith("figures/")}
    pictures = {place for place in drawn if place.endswith(".svg")} - {"figures/card.svg"}  # which shows no new data
    assert len(pictures) >= 4 and {place.removesuffix(".svg") + ".csv" for place in pictures} <= drawn
    assert all((content / place).stat().st_size > 0 for place in drawn)


def test_a_training_costs_as_many_updates_as_it_has(smoke):
    done, _ = smoke
    (line,) = [line for line in done if line.stage == "recipe-cost"]
    costs = [row for row in line.rows if "training_cost" in row]
    assert {row["model"] for row in costs} == {"transformer", "recurrent"}
    for row in costs:
        assert row["training_cost"] == pytest.approx(24 * row["update_cost"] / 1000) and row["update_cost"] > 0
