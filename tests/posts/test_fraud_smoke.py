"""The whole path of the post fraud on a small world, and the arithmetic of its studies."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from lockstep.execute import running
from lockstep.execute.plan import Selection
from lockstep.figures import diagram as drawn_by_graphviz
from lockstep.project.project import Project
from posts.fraud import diagram, estimate
from posts.fraud.studies import stalls
from posts.fraud.studies.power import paired, two_arms

ROOT = Path(__file__).parents[2]
needs_graphviz = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz draws the architecture: not here")


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    post = Project.find(ROOT).post("fraud")
    stages = frozenset(post.experiment.stages) - ({"architecture"} if shutil.which("dot") is None else set())
    return running.smoke(post, Selection(stages), tmp_path_factory.mktemp("smoke")), stages


def test_every_stage_runs_on_the_small_world(smoke):
    lines, stages = smoke
    assert {line.stage: line.status for line in lines} == dict.fromkeys(stages, "done")


def test_its_rows_are_what_the_page_binds(smoke):
    rows = {line.stage: line.rows for line in smoke[0]}
    (parity,) = rows["parity"]
    assert parity["differing"] == 0 < parity["compared"] < parity["values"]
    assert all(row["kept"] == 1 for row in rows["drills"])
    (load,) = rows["load"]
    assert load["failed"] == 0
    assert {row["features"] for row in rows["weeks"]} == {"handbook", "general", "all"}
    errors = {row["part"]: row["error"] for row in rows["scorers"] if "error" in row}
    assert 1e-15 < errors.pop("ONNX Runtime, float32") < 1e-3
    assert len(errors) == 4 and max(errors.values()) < 1e-15
    assert {row["ratio"] for row in rows["servers"] if row["server"] == "uvicorn"} == {1.0}
    assert all(0 < row["seen"] <= 100 for row in rows["stalls"])
    assert rows["fitted"][0]["recall"] > 0


def test_a_sleeper_sees_all_instants_but_those_in_the_late_part_of_a_gap():
    assert stalls.in_time(np.array([0.001] * 1000)) == 100
    assert stalls.in_time(np.array([0.001] * 890 + [0.110])) == pytest.approx(90)


def test_two_arms_need_what_the_textbook_says_and_pairs_need_less():
    assert two_arms(0.67, 0.70) == pytest.approx(3760, rel=0.02)
    assert paired(0.67, 0.70, 0.06) < two_arms(0.67, 0.70) / 5
    assert paired(0.67, 0.70, 0.12) > paired(0.67, 0.70, 0.06)


def test_the_estimate_is_the_arithmetic_that_it_says():
    from types import SimpleNamespace

    (row,) = estimate.size(SimpleNamespace(config=SimpleNamespace(payments=864_000)))  # pyright: ignore
    assert row["rate_needed"] == pytest.approx(17.2, abs=0.1)
    assert row["memory"] == pytest.approx(864_000 * 37 * 650 / 1e9)
    assert row["processes"] == 1


@needs_graphviz
def test_the_diagram_names_what_the_page_speaks_of():
    assert "journal" in drawn_by_graphviz(diagram.read()["dot"].tobytes(), diagram.COLOURS)
