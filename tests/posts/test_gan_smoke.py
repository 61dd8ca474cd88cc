"""The whole path of the post on small real data, and fingerprints tried against code that executed."""

import ast
import random
import shutil
import sys
from pathlib import Path

import pytest
from lockstep import build
from lockstep.freshness import Freshness
from lockstep.project import Project
from lockstep.source import Source

ROOT = Path(__file__).parents[2]
STAGES = ("train", "evaluate", "baselines", "figures")
MUTANTS = 60


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """Every stage once, with the lines of the post that executed."""
    post = Project.find(ROOT).post("gan")
    inside, lines = str(ROOT / "code/posts/gan"), set()

    def trace(frame, event, arg):
        if not frame.f_code.co_filename.startswith(inside):
            return None
        lines.add((Path(frame.f_code.co_filename).name, frame.f_lineno))
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        done = build.smoke(post, folder=tmp_path_factory.mktemp("smoke"))
    finally:
        sys.settrace(previous)
    return done, lines


def test_the_whole_path_runs_on_small_data_and_leaves_the_content_alone(smoke):
    done, _ = smoke
    assert [line.stage for line in done] == list(STAGES)
    assert all(line.status == "done" for line in done)
    assert {row["source"] for line in done for row in line.rows if "source" in row} == {"gan", "training", "kmeans"}
    assert len(done[-1].outputs) == 4


def test_two_smoke_runs_give_the_same_rows_and_figures(smoke, tmp_path):
    done, _ = smoke
    again = build.smoke(Project.find(ROOT).post("gan"), folder=tmp_path)
    assert [(line.rows, line.artefacts, line.outputs) for line in again] == [
        (line.rows, line.artefacts, line.outputs) for line in done
    ]


def codes(root: Path) -> tuple[str, ...]:
    """The code digest of every stage, of a copy of the code."""
    project = Project.find(ROOT)
    project.source = Source(root, engine=ROOT / "code")
    freshness = Freshness(project.post("gan"), Project.find(ROOT).post("gan").experiment)
    return tuple(freshness.reach(freshness.experiment.stages[name]).digest for name in STAGES)


def mutants(lines: set[tuple[str, int]], choose: random.Random):
    """Random nodes on executed lines, changed: a constant, an operator, a comparison, a name of an attribute."""
    files = sorted({file for file, _ in lines} - {"experiment.py", "__init__.py"})
    while True:
        file = choose.choice(files)
        tree = ast.parse((ROOT / "code/posts/gan" / file).read_text())
        nodes = [node for node in ast.walk(tree) if (file, getattr(node, "lineno", 0)) in lines]
        node = choose.choice(nodes)
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            node.value = node.value + 1
        elif isinstance(node, ast.BinOp):
            node.op = ast.Sub() if not isinstance(node.op, ast.Sub) else ast.Add()
        elif isinstance(node, ast.Compare):
            node.ops[0] = ast.Is() if not isinstance(node.ops[0], ast.Is) else ast.IsNot()
        elif isinstance(node, ast.Attribute):
            node.attr += "_"
        elif isinstance(node, ast.Call) and node.args:
            node.args.pop()
        elif isinstance(node, ast.Return) and node.value:
            node.value = ast.Constant(None)
        else:
            continue
        yield file, ast.unparse(tree), getattr(node, "lineno", 0)


@pytest.fixture
def copy(tmp_path) -> Path:
    shutil.copytree(ROOT / "code/posts", tmp_path / "posts")
    return tmp_path


def test_no_mutation_of_a_line_that_executed_stays_fresh(smoke, copy):
    lines, before = smoke[1], codes(copy)
    assert len(lines) > 100
    for _, (file, text, line) in zip(range(MUTANTS), mutants(lines, random.Random(0)), strict=False):
        path = copy / "posts/gan" / file
        original = path.read_text()
        path.write_text(text)
        assert codes(copy) != before, f"{file}:{line} was changed and every stage stayed fresh"
        path.write_text(original)
    assert codes(copy) == before


def test_no_change_of_comments_docstrings_and_layout_goes_stale(copy):
    before = codes(copy)
    for path in sorted((copy / "posts/gan").glob("*.py")):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)) and ast.get_docstring(node):
                node.body[0] = ast.Expr(ast.Constant("Other words."))
        path.write_text("# a new comment\n\n\n" + ast.unparse(tree).replace("\n\n", "\n\n\n# and another\n"))
        assert codes(copy) == before, path.name
