"""A verdict that is kept stands only while all that it was worked out from is what it was, wherever that lies."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from damage import command
from lockstep.project.project import Project
from lockstep.record import opened
from lockstep.report.check import is_clean
from mini import edit, lockstep

POST = "code/posts/mini/experiment.py"
MAKE = 'return {"x": np.arange(4, dtype=np.float64)}'
HERE = '__import__("pathlib").Path(__file__).parents[3]'
MADE = {
    "a text": ('np.loadtxt(ROOT / "line.csv")', lambda path: path.write_text("1\n2\n4\n")),
    "the names in a folder": (
        'np.array([float(len(list((ROOT / "many").iterdir())))])',
        lambda path: (path.parent / "many/more").write_text(""),
    ),
    "a database": (
        'np.array(__import__("sqlite3").connect(ROOT / "line.db").execute("select x from line").fetchall(), float)',
        lambda path: database(path.with_suffix(".db"), 9),
    ),
    "the environment": (
        'np.array([float(__import__("os").environ.get("LINE", "2"))])',
        lambda path: os.environ.update(LINE="3"),
    ),
}


def database(path: Path, value: int) -> None:
    import sqlite3

    connection = sqlite3.connect(path)
    connection.executescript(f"drop table if exists line; create table line (x); insert into line values ({value})")
    connection.close()


@pytest.mark.parametrize("source", MADE)
def test_data_that_code_makes_are_made_again(project, monkeypatch, source):
    expression, change = MADE[source]
    monkeypatch.setenv("LINE", "2")
    (project / "line.csv").write_text("1\n2\n3\n")
    (project / "many").mkdir()
    database(project / "line.db", 4)
    edit(project, POST, MAKE, f'ROOT = {HERE}\n    return {{"x": {expression}}}')
    done = command(project, "build", "--no-render")
    assert done.code == 0, done.err
    assert command(project, "check").code == 0
    assert is_clean(Project(project).post("mini")), "there is a verdict to go wrong with"
    change(project / "line.csv")
    for said in (["check"], ["build", "--frozen", "--no-render"]):
        done = command(project, *said)
        assert done.code == 1
        assert 'data: the digest of "line" was' in done.err
    assert "3 stale" in command(project, "status").out


READS: dict[str, Callable[[Path], None]] = {
    "a claim": lambda root: edit(
        root,
        POST,
        'return measured("score"), 0',
        f'return measured("score"), float(({HERE} / "bar.txt").read_text())',
    ),
    "a declaration": lambda root: (
        edit(
            root,
            POST,
            '@mini.claim("greater")',
            f'BAR = float(({HERE} / "bar.txt").read_text())\n\n\n@mini.claim("greater")',
        )
        or edit(root, POST, 'return measured("score"), 0', 'return measured("score"), BAR')
    ),
}


@pytest.mark.parametrize("reader", READS)
def test_a_file_that_a_declaration_or_a_claim_reads_counts(project, reader):
    (project / "bar.txt").write_text("0")
    READS[reader](project)
    assert command(project, "check").code == 0
    assert is_clean(Project(project).post("mini"))
    (project / "bar.txt").write_text("1e9")
    done = command(project, "check")
    assert done.code == 1
    assert 'the claim "scores_are_positive" says greater, the data say less' in done.err


def test_a_module_beside_the_posts_counts_for_every_post_that_may_share_it(project):
    """The second post of a process finds the module loaded, and opens nothing."""
    (project / "code/shared.py").write_text("BAR = 0\n")
    edit(project, POST, "from dataclasses", f"import sys\nsys.path.insert(0, str({HERE} / 'code'))\nfrom dataclasses")
    edit(project, POST, 'return measured("score"), 0', 'import shared\n    return measured("score"), shared.BAR')
    for name in ("code/posts", "content"):
        shutil.copytree(project / name / "mini", project / name / "twin")
    for path in [*(project / "code/posts/twin").rglob("*.py"), *(project / "content/twin").rglob("*.md")]:
        path.write_text(
            path.read_text().replace("posts.mini", "posts.twin").replace("from posts.mini", "from posts.twin")
        )
    shutil.rmtree(project / "content/twin/results")
    done = lockstep(project, "build", "--no-render")
    assert done.returncode == 0, done.stderr
    assert lockstep(project, "check").returncode == 0
    for slug in ("mini", "twin"):
        kept = json.loads((project / f".lockstep/cache/{slug}.clean.json").read_text())
        assert "code/shared.py" in kept["seen"], slug
    (project / "code/shared.py").write_text("BAR = 10**9\n")
    told = lockstep(project, "check").stderr
    assert told.count('the claim "scores_are_positive" says greater, the data say less') == 2


def test_what_is_opened_is_seen_by_all_who_watch_and_by_nobody_else(tmp_path):
    for name in ("before", "outer", "inner", "written"):
        (tmp_path / name).write_text(name)
    with opened.watching() as outer:
        (tmp_path / "outer").read_text()
        with opened.watching() as inner:
            (tmp_path / "inner").read_bytes()
            (tmp_path / "written").write_text("again")
    (tmp_path / "before").read_text()
    here = lambda found: {Path(path).name for path in found if path.startswith(str(tmp_path))}  # noqa: E731
    assert here(inner) == {"inner"}
    assert here(outer) == {"outer", "inner"}
    assert {"outer", "inner"} <= here(opened.ever()) and "before" not in here(opened.ever())


def test_an_untouched_project_stays_clean_and_its_data_are_all_that_is_made_again(project, monkeypatch):
    """The negative control: a key that held too much would never serve anything."""
    assert command(project, "check").code == 0
    post = Project(project).post("mini")
    assert is_clean(post)
    assert post._ledger is None, "nothing was read beside what the key is made of"


@pytest.mark.parametrize("ends", [b"\r\n", b"\n\n"])
def test_line_ends_of_another_system_are_no_edit_of_a_curve_and_other_bytes_are(project, ends):
    path = project / "content/mini/results/train/seed=1/curve.csv"
    path.write_bytes(path.read_bytes().replace(b"\n", ends))
    done = command(project, "check")
    if ends == b"\r\n":
        assert done.code == 0, done.err
    else:
        assert "results/train/seed=1/curve.csv is not what the run made (it was edited)" in done.err
