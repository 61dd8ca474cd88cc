"""One post with as many rows and bindings as asked for, recorded without running each: what grows with their number."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from lockstep.execute.plan import Selection
from lockstep.execute.runner import Profile
from lockstep.execute.running import run
from lockstep.judge.freshness import Freshness
from lockstep.project.post import Post
from lockstep.project.project import Project
from lockstep.record.ledger import provenance_path

SEEDS = 10
EXPERIMENT = '''
from dataclasses import dataclass

from lockstep.experiment import Experiment, Metric


@dataclass(frozen=True)
class Config:
    point: int = 0


wide = Experiment(Config, metrics=[Metric("score", digits=3)])
work = wide.stage("work:work", point=range({points}), seed=range({seeds}))


@wide.claim("greater")
def positive(measured):
    """Scores are positive."""
    return measured("score", point=0), 0


@wide.table
def scores(measured, reported):
    """The first scores."""
    return [{{"point": point, "score": measured("score", point=point)}} for point in range({tabled})]
'''
WORK = '''
def work(run):
    """A score for each point and seed."""
    return {"score": 1.0 + run.config.point + run.seed / 8}
'''


def create(root: Path, points: int, bindings: int) -> Project:
    """A project whose ledger holds `points` times ten fresh runs of a row each, and whose prose binds so many values.

    Every binding selects the ten runs of one point. The prose is not refreshed yet.
    """
    post, content = root / "code/posts/wide", root / "content/wide"
    for folder in (post, content):
        folder.mkdir(parents=True)
    (post / "experiment.py").write_text(EXPERIMENT.format(points=points, seeds=SEEDS, tabled=min(points, bindings)))
    (post / "work.py").write_text(WORK)
    (content / "paper.toml").write_text('[config.point]\nvalue = 0\nwhere = "here"\n')
    bound = (f"Point {name(n % points)} scores [](measured:score?point={n % points})." for n in range(bindings))
    text = "Title: Wide\nDate: 2026-01-02\nSummary: Much of it.\n\n[All of it](claim:positive) scores.\n\n"
    (content / "index.md").write_text(text + "\n\n".join(bound) + "\n")
    project = Project(root)
    record(project.post("wide"))
    return Project(root)


def name(number: int) -> str:
    """A number as letters, which no lint takes for a value."""
    return "".join(chr(97 + int(digit)) for digit in str(number))


def record(post: Post) -> None:
    """One real run, and its line at every other point of the grid with the score that belongs there."""
    run(Profile.published(post), Selection(where=(("point", "0"),), seeds=frozenset({0})))
    stage, (first,) = post.stage("work"), post.ledger.lines.values()
    freshness, texts = Freshness.of(post), []
    explained = provenance_path(post.results, first)
    for keys in stage.points():
        config = {name: keys[name] for name in first.config}
        rows = [{**keys, "score": 1.0 + keys["point"] + keys["seed"] / 8}]
        line = dataclasses.replace(first, keys=keys, config=config, rows=rows)
        line = dataclasses.replace(line, fingerprint=freshness.fingerprint_of(stage, keys, line)).summed()
        texts.append(line.text())
        if (place := provenance_path(post.results, line)) != explained:
            shutil.copyfile(explained, place)
    (post.results / "work.jsonl").write_text("\n".join(texts) + "\n")
    post.forget()
