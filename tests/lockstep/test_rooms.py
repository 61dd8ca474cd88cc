"""The arrows between rooms, and how light the engine is."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGINE = sorted((ROOT / "code/lockstep").rglob("*.py"))
# Each room imports only from rooms to its left. What posts import stands at the top, and `wording` with it.
TOP = ("errors", "experiment", "statistics", "figures", "datasets", "packed", "catalogue", "run", "wording")
ROOMS = (
    "depend",
    "record",
    "project",
    "judge",
    "execute",
    "carry",
    "prose",
    "report",
    "build",
    "scaffold",
    "site",
    "cli",
)
APART = {("prose", "execute"), ("prose", "carry"), ("site", "execute"), ("site", "carry")}  # pages need no machine
HEAVY = ("torch", "scipy", "sklearn", "matplotlib")


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: path.stem)
def test_the_engine_imports_no_post_and_only_site_imports_pelican(path):
    tops = {name.partition(".")[0] for name in imported(path)}
    assert "posts" not in tops
    assert "pelican" not in tops or path.parent.name == "site"
    assert not {"torch", "scipy"} & tops
    if path.parent.name != "site" and path.name != "cli.py":
        assert not any(name.startswith("lockstep.site") for name in imported(path))


def rooms(path: Path) -> set[str]:
    """The rooms that a module imports from when it runs."""
    tree = ast.parse(path.read_text())
    typing = [n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    unread = {id(node) for block in typing for node in ast.walk(block)}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in unread:
            module = (node.module or "").split(".")
            if module[0] == "lockstep":
                found |= {module[1]} if len(module) > 1 else {alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: path.relative_to(ROOT / "code/lockstep").as_posix())
def test_rooms_import_one_way_only(path):
    own = path.relative_to(ROOT / "code/lockstep").parts[0].removesuffix(".py")
    if own in ("__init__", "__main__"):
        return
    for other in rooms(path) - {own}:
        assert other in TOP or own in ROOMS or other in ("depend", "record"), f"{own} imports {other}"
        if own in ROOMS and other in ROOMS:
            assert ROOMS.index(other) < ROOMS.index(own), f"{own} imports {other}"
            assert (own, other) not in APART, f"{own} imports {other}"


def test_what_a_post_imports_stands_at_the_top():
    for path in (ROOT / "code/posts").rglob("*.py"):
        if path.is_relative_to(ROOT / "code/posts/drift"):
            continue  # which measures the engine itself
        assert rooms(path) <= {"catalogue", "datasets", "errors", "experiment", "figures", "run", "statistics"}, path


def test_posts_do_not_import_each_other():
    for path in (ROOT / "code/posts").rglob("*.py"):
        slug = path.relative_to(ROOT / "code/posts").parts[0]
        others = [name for name in imported(path) if name.startswith("posts.") and name.split(".")[1] != slug]
        assert others == []


def test_a_check_and_a_frozen_build_import_neither_torch_nor_scipy():
    code = (
        "import sys; from lockstep.cli import main\n"
        "assert main(['check']) == 0 and main(['build', '--frozen', '--no-render']) == 0\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_file_of_the_engine_is_readable_in_one_sitting():
    assert {path.name: n for path in ENGINE if (n := len(path.read_text().splitlines())) > 350} == {}
    assert all(ast.get_docstring(ast.parse(path.read_text())) for path in ENGINE)
