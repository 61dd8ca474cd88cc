"""The whole path of the post on small real data, and fingerprints tried against code that executed."""

import ast
import inspect
import random
import shutil
import sys
from contextlib import nullcontext
from itertools import islice
from pathlib import Path

import pytest
from lockstep import build, guard, runner
from lockstep.project import Project
from lockstep.reach import reach
from lockstep.source import Source

ROOT = Path(__file__).parents[2]
STAGES = tuple(Project.find(ROOT).post("gan").experiment.stages)
IMPORT = "while importing"
MUTANTS = 100


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """Every stage once, and for each the lines that its functions executed; those of imports, which defining a
    function that nobody calls belongs to, apart."""
    post = Project.find(ROOT).post("gan")
    inside, lines = str(ROOT / "code/posts/gan"), {name: set() for name in (*STAGES, IMPORT)}
    running, call = [""], runner.call

    def tell(profile, stage, *rest):
        running[0] = stage.name
        return call(profile, stage, *rest)

    def trace(frame, event, arg):
        if not frame.f_code.co_filename.startswith(inside) or not running[0]:
            return None
        in_function = frame.f_code.co_flags & inspect.CO_OPTIMIZED
        lines[running[0] if in_function else IMPORT].add((Path(frame.f_code.co_filename).name, frame.f_lineno))
        return trace

    previous = sys.gettrace()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "call", tell)
        sys.settrace(trace)
        try:
            done = build.smoke(post, folder=tmp_path_factory.mktemp("smoke"))
        finally:
            sys.settrace(previous)
    return done, lines


def test_the_whole_path_runs_on_small_data_and_leaves_the_content_alone(smoke):
    done, _ = smoke
    assert list(dict.fromkeys(line.stage for line in done)) == list(STAGES)
    assert all(line.status == "done" for line in done)
    assert {row["source"] for line in done for row in line.rows if "source" in row} == {"gan", "training", "kmeans"}
    figures = [place for line in done for place in line.outputs if place.startswith("figures/")]
    assert len(figures) == len(set(figures))
    assert len([place for place in figures if place.endswith(".svg")]) == 13
    assert len([place for place in figures if place.endswith(".csv")]) == 9, "pictures have no table"


def test_two_smoke_runs_give_the_same_rows_and_figures(smoke, tmp_path, monkeypatch):
    """The second is not traced: that changes nothing, and takes half the time."""
    done, _ = smoke
    monkeypatch.setattr(guard, "traced", lambda source: nullcontext(set()))
    again = build.smoke(Project.find(ROOT).post("gan"), folder=tmp_path)
    assert [(line.rows, line.artefacts, line.outputs) for line in again] == [
        (line.rows, line.artefacts, line.outputs) for line in done
    ]


def codes(root: Path) -> dict[str, str]:
    """The code digest of every stage, of a copy of the code."""
    source, stages = Source(root, engine=ROOT / "code"), Project.find(ROOT).post("gan").experiment.stages
    return {name: reach(source, f"posts.gan.{stages[name].module}", stages[name].function).digest for name in STAGES}


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
    """Every stage whose functions executed the line must see the change; of a line of an import, some stage."""
    lines, before = smoke[1], codes(copy)
    assert all(len(of_stage) >= 5 for of_stage in lines.values())
    for file, text, line in islice(mutants(set().union(*lines.values()), random.Random(0)), MUTANTS):
        path = copy / "posts/gan" / file
        original = path.read_text()
        path.write_text(text)
        after = codes(copy)
        path.write_text(original)
        assert after != before, f"{file}:{line} was changed and every stage stayed fresh"
        for stage in STAGES:
            if (file, line) in lines[stage]:
                assert after[stage] != before[stage], f"{file}:{line} was changed and {stage} stayed fresh"
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
