"""The whole path of the post drift on few edits and small projects, its figures, and what makes its runs stale."""

import re
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import lockstep
import pytest
from lockstep.execute import running
from lockstep.execute.plan import Selection
from lockstep.figures import DARK
from lockstep.figures import diagram as drawn_by_graphviz
from lockstep.project.project import Project
from posts.drift import diagram, figures
from posts.drift.engine import Engine

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"
MEASURED = frozenset({"matrix", "adversary", "times", "figures"})
needs_graphviz = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz draws the architecture: not here")


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smoke")
    return running.smoke(Project.find(ROOT).post("drift"), Selection(MEASURED), folder), folder


def test_the_whole_path_runs_with_lockstep_alone(smoke):
    lines, _ = smoke
    assert {line.stage: line.status for line in lines} == dict.fromkeys(MEASURED, "done")
    rows = [row for line in lines for row in line.rows]
    (counts,) = [row for row in rows if row.get("edits") == "all"]
    assert counts["right"] + counts["missed"] + counts["needless"] == counts["expressible"] == 5
    (counts,) = [row for row in rows if row.get("edits") == "adversary"]
    assert sum(counts[name] for name in ("right", "missed", "needless", "refused")) == counts["expressible"] == 16
    assert {row["asked"] for row in rows if "asked" in row} == {"lockstep", "lockstep-first"}
    assert {row["cpu_ratio"] for row in rows if row.get("asked") == "lockstep"} == {1.0}


def test_the_engine_counts_for_its_own_column_and_versions_only_where_they_are_used(smoke):
    lines = {line.stage: line for line in smoke[0]}
    assert set(lines["matrix"].data) == set(lines["adversary"].data) == {"engine"}
    assert not {"snakemake", "dvc", "pytask"} & set(lines["matrix"].config)
    assert lines["times"].config["lockstep"] == "0.0.1"


def test_the_matrix_has_a_mark_for_every_cell(smoke):
    folder = smoke[1] / "content/figures"
    drawn = ElementTree.parse(folder / "matrix.svg").getroot()
    texts = ["".join(text.itertext()).strip() for text in drawn.iter(f"{SVG}text")]
    assert {"a comment", "an annotation", "wording and layout", "lockstep", *figures.MARKS} <= set(texts)
    uses = [use for group in drawn.iter(f"{SVG}g") if group.get("id", "").startswith("PathC") for use in group.iter()]
    assert len([use for use in uses if use.tag == f"{SVG}use"]) >= 5


def test_where_seeds_disagree_the_worst_is_drawn():
    assert figures.worst(["right", "missed", "needless"]) == "missed"
    assert figures.worst(["right", "needless", "right"]) == "needless"
    assert figures.worst(["right", "right"]) == "right"


def test_cells_are_collected_by_edit_and_arrangement_in_the_order_of_the_file():
    row = {"group": "wording", "edit": "a comment", "arrangement": "lockstep", "verdict": "right"}
    cells, groups = figures.collect([[row], [{**row, "verdict": "missed"}, {**row, "edit": "layout"}]])
    assert cells[("a comment", "lockstep")] == ["right", "missed"]
    assert groups == {"wording": ["a comment", "layout"]}


def test_the_diagram_has_no_colour_but_those_of_the_other_figures():
    text = diagram.read()["dot"].tobytes().decode()
    assert not re.findall(r"#[0-9a-fA-F]{3,8}", text)
    assert set(re.findall(r"@\w+", text.split("digraph")[1])) == set(diagram.COLOURS)
    assert set(diagram.COLOURS.values()) <= set(DARK)


@needs_graphviz
def test_the_diagram_names_what_the_page_speaks_of():
    drawn = drawn_by_graphviz(diagram.read()["dot"].tobytes(), diagram.COLOURS)
    texts = {"".join(text.itertext()) for text in ElementTree.fromstring(drawn.encode()).iter(f"{SVG}text")}
    assert {"fingerprint", "ledger", "code of the post"} <= texts


def test_the_engine_counts_by_symbol(tmp_path):
    shutil.copytree(Path(lockstep.__path__[0]), tmp_path / "lockstep", ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "lockstep/judge/freshness.py"
    text = path.read_text()

    def digest() -> str:
        return Engine((("lockstep.execute.runner", "run_stages"),), tmp_path).digest

    before = digest()
    path.write_text("# a comment\n" + text)
    assert digest() == before
    path.write_text(text.replace('"it has never run"', '"it has not run"'))
    assert digest() != before
    path.write_text(text)
    (tmp_path / "lockstep/site/feeds.py").write_text("FEEDS = 1\n")
    assert digest() == before
