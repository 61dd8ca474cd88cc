"""The whole path of the post asksql on a tiny random model: every stage, what it publishes, what the figures show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lockstep.execute import running
from lockstep.execute.plan import Selection
from lockstep.project.project import Project
from posts.asksql.ask import merged
from posts.asksql.confidence import Calibration
from posts.asksql.data import Question
from posts.asksql.decode import Answer
from posts.asksql.figures import chosen

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    post, folder = Project.find(ROOT).post("asksql"), tmp_path_factory.mktemp("smoke")
    return post, running.smoke(post, Selection(frozenset(post.experiment.stages)), folder), folder


def test_every_stage_runs_on_a_tiny_model(smoke):
    post, lines, _ = smoke
    assert {line.stage: line.status for line in lines} == dict.fromkeys(post.experiment.stages, "done")


def test_what_ships_is_what_the_command_line_reads(smoke):
    post, _, folder = smoke
    adapter = next(folder.rglob("demo/adapter.safetensors"))
    with adapter.open("rb") as file:
        head = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    about = head.pop("__metadata__")
    config = post.experiment.smoked().base
    assert float(about["scale"]) == config.alpha / config.rank
    assert {entry["dtype"] for entry in head.values()} == {"F16"}
    assert 0 <= Calibration.read(adapter.with_name("calibration.json")).threshold <= 1.01  # above 1: nothing is given
    with pytest.raises(Exception, match="there is no adapter at"):
        merged(None, adapter.with_name("none.safetensors"))  # pyright: ignore[reportArgumentType]


def test_answers_are_published_where_they_may_be(smoke):
    _, lines, _ = smoke
    answering = {line.stage for line in lines if any(path.endswith("answers.csv") for path in line.outputs)}
    assert answering >= {"answers", "test-answers", "test-free", "test-base", "test-template", "cut-answers"}


def row(text: str, sure: float) -> tuple[Question, Answer, float, bool]:
    return Question(text, "t", "SELECT a FROM t"), Answer("SELECT a FROM t", -1.0, -1.0, 5, True), sure, True


def test_questions_are_shown_by_their_rank_and_none_twice():
    rows = [row(f"question {n}", 1 - n / 100) for n in range(101)]
    assert [shown[2] for shown in chosen(rows, (1.0, 0.5, 0.0), 20)] == [1.0, 0.5, 0.0]
    assert [shown[2] for shown in chosen(rows, (1.0, 1.0), 20)] == [1.0, 0.99]
    long = [row("a question that is much too long to show", 1.0), *rows[1:]]
    assert chosen(long, (1.0,), 20)[0][2] == 0.99
