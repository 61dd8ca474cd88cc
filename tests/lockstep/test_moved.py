"""Runs are carried over a move of their code where both trees prove that it was no more, and over nothing else."""

import json
import subprocess
from pathlib import Path

import pytest
from lockstep.record import ledger
from mini import create, edit, lockstep

GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
POST = "code/posts/mini"
TRAIN, HELPERS, EVALUATE = f"{POST}/train.py", f"{POST}/helpers.py", f"{POST}/evaluate.py"
CUBE = "def cube(x):\n    return x**3 * FACTOR\n\n\n"


def git(root: Path, *arguments: str) -> str:
    return subprocess.run([*GIT, *arguments], cwd=root, check=True, capture_output=True, text=True).stdout


def lines(root: Path) -> dict:
    return ledger.read(root / "content/mini/results").lines


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture(scope="module")
def committed(tmp_path_factory) -> Path:
    """The project, which names each of its imports, built and committed."""
    root = create(tmp_path_factory.mktemp("moved"))
    edit(root, TRAIN, "from posts.mini.starred import *", "from posts.mini.starred import starred_value")
    git(root, "init", "-q")
    git(root, "add", "code")
    git(root, "commit", "-qm", "code")
    done = lockstep(root, "build", "--no-render")
    assert done.returncode == 0, done.stderr
    git(root, "add", "content")
    git(root, "commit", "-qm", "results")
    return root


@pytest.fixture
def tree(committed, tmp_path) -> Path:
    git(tmp_path, "clone", "-q", str(committed), "tree")
    return tmp_path / "tree"


def cube_to(root: Path, name: str, text: str = CUBE) -> None:
    """Move `cube`, with the constant that it uses, from the helpers into another module."""
    edit(root, HELPERS, text if text in (root / HELPERS).read_text() else CUBE, "")
    edit(root, HELPERS, "from posts.mini.deep import FACTOR\n\n\n", "")
    write(root, f"{POST}/{name}.py", f"from posts.mini import deep\n\n\n{text.replace('FACTOR', 'deep.FACTOR')}")
    edit(root, TRAIN, '"cube": helpers.cube', '"cube": cube')
    edit(
        root,
        TRAIN,
        "from posts.mini import helpers, patched",
        f"from posts.mini import helpers, patched\nfrom posts.mini.{name} import cube",
    )


def train_to(root: Path, name: str) -> None:
    """Move the module of the training, and its stage with it."""
    text = (root / TRAIN).read_text()
    (root / TRAIN).unlink()
    write(root, f"{POST}/{name}.py", text)
    edit(root, f"{POST}/experiment.py", '"train:fit"', f'"{name.replace("/", ".")}:fit", name="train"')


def another_fit(root: Path) -> None:
    """Commit a function of the training's name in another module."""
    write(root, f"{POST}/other.py", "def fit(run):\n    return []\n")
    git(root, "add", "code")
    git(root, "commit", "-qm", "another function of that name")


def carried(root: Path, *arguments: str, runs: int) -> None:
    """The move carries so many runs, with their results, and everything is fresh."""
    before = lines(root)
    assert lockstep(root, "check").returncode == 1
    done = lockstep(root, "moved", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"mini: {runs} runs carried over" in done.stdout
    assert {key: line.rows for key, line in lines(root).items()} == {key: line.rows for key, line in before.items()}
    assert lockstep(root, "check").returncode == 0, lockstep(root, "check").stderr


def refused(root: Path, words: str, *arguments: str) -> None:
    before = git(root, "diff", "--", "content")
    done = lockstep(root, "moved", *arguments)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert git(root, "diff", "--", "content") == before


def test_a_function_moves_to_a_new_module_with_everything_that_rests_on_it(tree):
    cube_to(tree, "powers")
    carried(tree, runs=7)
    told = json.loads((tree / "content/mini/results/provenance/train-seed=0.json").read_text())
    assert [entry["commit"] for entry in told["moved"]] == [git(tree, "rev-parse", "HEAD").strip()]
    assert lockstep(tree, "accept", "mini", "--reason", "no").returncode == 1  # no reader sees a mark


def test_a_stage_moves_into_a_package(tree):
    train_to(tree, "studies/train")
    carried(tree, runs=7)


def test_of_two_homes_the_file_that_only_changed_its_folder_is_meant(tree):
    another_fit(tree)
    train_to(tree, "studies/train")
    carried(tree, runs=7)


def test_of_two_homes_neither_of_that_file_name_one_must_be_said(tree):
    another_fit(tree)
    train_to(tree, "learn")
    refused(tree, "posts.mini.learn:fit is new, and more than one (posts.mini.other, posts.mini.train)")
    carried(tree, "mini.train:fit", "mini.learn:fit", runs=7)


def test_what_has_another_name_needs_to_be_told(tree):
    edit(tree, HELPERS, "def cube(x)", "def third_power(x)")
    edit(tree, TRAIN, "helpers.cube", "helpers.third_power")
    refused(tree, "helpers:cube is gone, and nothing of its name is new")
    carried(tree, "mini.helpers:cube", "mini.helpers:third_power", runs=7)


def test_a_change_in_passing_is_no_move(tree):
    cube_to(tree, "powers", CUBE.replace("x**3", "x**2"))
    refused(tree, "posts.mini.powers:cube is not what it was")


def test_another_thing_of_the_same_name_is_no_move(tree):
    write(tree, f"{POST}/other.py", "FACTOR = 3\n")
    edit(tree, HELPERS, "from posts.mini.deep import FACTOR", "from posts.mini.other import FACTOR")
    refused(tree, "posts.mini.other:FACTOR is not what it was")


def test_effects_in_another_order_are_no_move(tree):
    edit(tree, TRAIN, "import posts.mini.effects\n", "")
    edit(
        tree,
        TRAIN,
        "from posts.mini import helpers, patched\n",
        "import posts.mini.effects\nfrom posts.mini import helpers, patched\n",
    )
    refused(tree, "order that gives their effects another order")


def test_code_that_knows_where_it_lies_is_no_move(tree):
    edit(tree, HELPERS, "x**3 * FACTOR", 'x**3 * FACTOR * len(__name__.partition(".")[0]) / 5')
    assert lockstep(tree, "build", "--no-render").returncode == 0
    git(tree, "commit", "-qam", "a name")
    text = (tree / HELPERS).read_text()
    (tree / HELPERS).unlink()
    write(tree, f"{POST}/powers.py", text)
    edit(tree, TRAIN, "from posts.mini import helpers,", "from posts.mini import powers as helpers,")
    refused(tree, "__name__.partition tells code where it lies")


def test_the_name_of_a_class_is_no_place_and_a_file_that_stays_knows_where_it_is(tree):
    edit(tree, HELPERS, "x**3 * FACTOR", "x**3 * FACTOR * len(type(x).__name__) / len(type(x).__name__)")
    edit(tree, TRAIN, "halve = lambda x: x / 2", "HERE = len(__file__) > 0\nhalve = lambda x: x / 2 * HERE")
    assert lockstep(tree, "build", "--no-render").returncode == 0
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "names")
    _, head, rest = (tree / HELPERS).read_text().partition("def cube")
    cube_to(tree, "powers", head + rest.partition("def unused")[0])
    carried(tree, runs=7)


def test_a_second_move_begins_where_the_first_was_committed(tree):
    edit(tree, HELPERS, "def cube(", "def power(")
    edit(tree, TRAIN, "helpers.cube", "helpers.power")
    carried(tree, "mini.helpers:cube", "mini.helpers:power", runs=7)
    edit(tree, HELPERS, "def power(", "def third(")
    edit(tree, TRAIN, "helpers.power", "helpers.third")
    git(tree, "add", "content")  # the code of the first move was never committed: HEAD is still the origin
    refused(tree, "it was stale before the move", "mini.helpers:cube", "mini.helpers:third")


def test_a_run_that_was_stale_before_stays_so(tree):
    edit(tree, HELPERS, "x**3", "x**3 + 0")
    git(tree, "commit", "-qam", "a change")
    cube_to(tree, "powers", CUBE.replace("x**3", "x**3 + 0")) if False else edit(
        tree, HELPERS, "def cube(", "def power("
    )
    edit(tree, TRAIN, "helpers.cube", "helpers.power")
    refused(tree, "it was stale before the move", "mini.helpers:cube", "mini.helpers:power")


def test_what_was_accepted_stays_accepted_with_its_reason(tree):
    edit(tree, HELPERS, "x**3", "x**3 + 0")
    assert lockstep(tree, "accept", "mini.train", "--reason", "adds nothing").returncode == 0
    git(tree, "add", "-A")
    git(tree, "commit", "-qam", "a change that is accepted")
    edit(tree, HELPERS, "def cube(", "def power(")
    edit(tree, TRAIN, "helpers.cube", "helpers.power")
    carried(tree, "mini.helpers:cube", "mini.helpers:power", runs=3)
    kept = [json.loads(text) for text in (tree / "content/mini/accepted.jsonl").read_text().splitlines()]
    assert {entry["reason"] for entry in kept} == {"adds nothing"}
    assert len(kept) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["mini.helpers:cub", "mini.helpers:cube"],
            'posts.mini.helpers has no cub at that commit; did you mean "cube"',
        ),
        (["mini.helper", "mini.helpers"], "there is no module posts.mini.helper at that commit"),
        (["mini.helpers:cube", "mini.helpers"], "name a module and a module, or a symbol and a symbol"),
        (["mini.helpers"], "moved takes pairs"),
        (["--since", "nowhere"], 'git knows no commit "nowhere"'),
        (["min.helpers:cube", "min.helpers:square"], 'there is no post "min"'),
    ],
)
def test_a_mistaken_name_is_told(tree, arguments, words):
    refused(tree, words, *arguments)
