"""The whole path of the post on made data, and what the page says of it."""

from pathlib import Path

import pytest
from lockstep.execute import running
from lockstep.project.project import Project

ROOT = Path(__file__).parents[2]
POST = Project.find(ROOT).post("recommender")
STAGES = tuple(POST.experiment.stages)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    return running.smoke(POST, folder=tmp_path_factory.mktemp("smoke"))


def rows(smoke, stage: str) -> list[dict]:
    return [row for line in smoke if line.stage == stage for row in line.rows]


def test_the_whole_path_runs_on_made_data(smoke):
    assert list(dict.fromkeys(line.stage for line in smoke)) == list(STAGES)
    assert all(line.status == "done" for line in smoke)
    figures = [place for line in smoke for place in line.outputs if place.endswith(".svg")]
    names = ("architecture", "offline", "protocols", "overlap", "loop", "indexes", "rerank", "card")
    assert sorted(figures) == sorted(f"figures/{name}.svg" for name in names)


def test_every_drill_ends_as_it_should_in_the_run(smoke):
    assert {row["as_expected"] for row in rows(smoke, "drills")} == {100.0}


def test_the_constant_scorer_is_perfect_for_those_who_count_ties_wrongly(smoke):
    found = {row["ties"]: row["ndcg"] for row in rows(smoke, "ties")}
    assert found["optimistic"] == 1.0 > found["expected"] > found["pessimistic"] == 0.0


def test_counting_knows_the_order_of_made_sessions_and_neighbours_do_not(smoke):
    found = {row["model"]: row["ndcg"] for row in rows(smoke, "searched")}
    assert found["counting"] > found["item-knn"] > rows(smoke, "baselines")[0]["ndcg"]


def test_the_demo_loads_less_than_a_megabyte(smoke):
    assert 0 < rows(smoke, "demo")[0]["megabytes"] < 1


def test_no_two_sources_give_one_published_value():
    reported = [(entry.metric, tuple(sorted(entry.keys.items()))) for entry in POST.paper.reported]
    assert len(reported) == len(set(reported)) == 20
