"""The whole path of the post on small real data, and fingerprints tried against code that executed."""

import ast
import random
import shutil
from itertools import islice
from pathlib import Path

import pytest
from lockstep.depend.reach import Start, reach
from lockstep.depend.source import Source
from lockstep.execute import runner, running
from lockstep.project.project import Project

ROOT = Path(__file__).parents[2]
STAGES = tuple(Project.find(ROOT).post("gan").experiment.stages)
MUTANTS = 40


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """Every stage once, and for each the lines of the functions and classes of the post that it was seen to execute."""
    post = Project.find(ROOT).post("gan")
    lines: dict[str, set[tuple[str, int]]] = {name: set() for name in STAGES}
    work = runner.work

    def tell(shared, stage, *rest):
        outcome = work(shared, stage, *rest)
        for name, line in outcome.seen["executed"]:
            module = post.project.source.module(name)
            statement = module.at_line(line) if module and name.startswith("posts.gan.") else None
            if statement:
                within = range(statement.node.lineno, (statement.node.end_lineno or line) + 1)
                lines[stage.name] |= {(module.path.name, number) for number in within}
        return outcome

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "work", tell)
        done = running.smoke(post, folder=tmp_path_factory.mktemp("smoke"))
    return done, lines


def test_the_whole_path_runs_on_small_data_and_leaves_the_content_alone(smoke):
    done, _ = smoke
    assert list(dict.fromkeys(line.stage for line in done)) == list(STAGES)
    assert all(line.status == "done" for line in done)
    assert {row["source"] for line in done for row in line.rows if "source" in row} == {"gan", "training", "kmeans"}
    figures = [place for line in done for place in line.outputs if place.startswith("figures/")]
    assert len(figures) == len(set(figures))
    assert len([place for place in figures if place.endswith(".svg")]) == 15
    assert len([place for place in figures if place.endswith(".csv")]) == 10, "pictures have no table"


def test_two_smoke_runs_give_the_same_rows_and_figures(smoke, tmp_path):
    done, _ = smoke
    again = running.smoke(Project.find(ROOT).post("gan"), folder=tmp_path)
    assert [(line.rows, line.artefacts, line.outputs) for line in again] == [
        (line.rows, line.artefacts, line.outputs) for line in done
    ]


def codes(root: Path) -> dict[str, str]:
    """The code digest of every stage, of a copy of the code."""
    source, stages = Source(root, engine=ROOT / "code"), Project.find(ROOT).post("gan").experiment.stages
    starts = {name: Start(f"posts.gan.{stage.module}", stage.function) for name, stage in stages.items()}
    return {name: reach(source, starts[name]).digest for name in STAGES}


def annotations(node: ast.AST) -> list[ast.expr]:
    """Of arguments, results and variables: nothing reads them, so they do not count."""
    return [given for name in ("annotation", "returns") if (given := getattr(node, name, None))]


def mutants(lines: set[tuple[str, int]], choose: random.Random):
    """Random nodes on executed lines, changed: a constant, an operator, a comparison, a name of an attribute."""
    files = sorted({file for file, _ in lines} - {"experiment.py", "__init__.py"})
    while True:
        file = choose.choice(files)
        tree = ast.parse((ROOT / "code/posts/gan" / file).read_text())
        idle = {id(inner) for node in ast.walk(tree) for given in annotations(node) for inner in ast.walk(given)}
        nodes = [n for n in ast.walk(tree) if (file, getattr(n, "lineno", 0)) in lines and id(n) not in idle]
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
    """Every stage that executed the function or class of the line must see the change."""
    lines, before = smoke[1], codes(copy)
    assert all(len(of_stage) >= 5 for of_stage in lines.values())
    for file, text, line in islice(mutants(set().union(*lines.values()), random.Random(0)), MUTANTS):
        path = copy / "posts/gan" / file
        original = path.read_text()
        path.write_text(text)
        after = codes(copy)
        path.write_text(original)
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
