"""The whole path of the post on small real data: every stage runs; and the grid that is declared."""

from pathlib import Path

import pytest
from lockstep.execute import running
from lockstep.project.project import Project
from posts.resnet.experiment import Config, resnet

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return running.smoke(Project.find(ROOT).post("resnet"), folder=tmp_path_factory.mktemp("smoke"))


def test_every_stage_runs_on_small_data_and_leaves_the_content_alone(done):
    assert list(dict.fromkeys(line.stage for line in done)) == list(resnet.stages)
    assert all(line.status == "done" for line in done)
    assert not (ROOT / "content/resnet/results/smoke").exists()


def test_figures_curves_and_the_demo_come_out_of_the_smoke_run(done):
    made = {place for line in done for place in line.outputs}
    assert {f"figures/{name}.svg" for name in ("glance", "card", "curves", "training", "gradients", "lesions")} <= made
    assert {"demo/network.safetensors", "demo/examples.safetensors", "demo/switches.svg"} <= made
    curves = [line for line in done if any(place.endswith("curve.csv") for place in line.outputs)]
    assert {line.stage for line in curves} >= {"train", "degradation", "scaled", "zeroed", "watched", "whole"}
    assert all("weights.safetensors" in line.artefacts for line in curves)


def test_every_claim_and_table_can_be_asked_of_rows_like_these(done):
    """Every metric that claims and tables name is declared, and every declared one but published values has rows."""
    found = {name for line in done for row in line.rows for name in row}
    declared = {metric.name for metric in resnet.metrics}
    assert declared - found == {"other_test_error"}
    assert len(resnet.claims) == len({claim.statement for claim in resnet.claims.values()}) >= 20


def test_the_published_grid_is_the_papers_protocol_and_the_degradation_in_small():
    train, grid = resnet.stages["train"], resnet.stages["degradation"]
    assert [point["seed"] for point in train.points()] == [0]
    assert resnet.config_at({"setting": "paper", "seed": 0}) == Config()
    points = list(grid.points())
    assert len(points) == 2 * 4 * 5
    small = resnet.config_at(points[0])
    assert (small.side, small.width, small.drops) == (16, 8, (small.updates // 2, small.updates * 3 // 4))
    assert {resnet.config_at(point).alpha for point in points} == {0.0, 1.0}
    assert (Config().drops[0] / Config().updates, Config().drops[1] / Config().updates) == (1 / 2, 3 / 4)
