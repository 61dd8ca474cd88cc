"""A change is tested by all tests that it can fail, and a post that it cannot touch is left alone."""

import subprocess
from pathlib import Path

import pytest
from lanes import changed, wanted

ROOT = Path(__file__).parents[2]
GAN, ENGINE = "tests/posts/test_gan_smoke.py", "tests/lockstep/test_run.py"


@pytest.mark.parametrize(
    "name",
    [
        "code/posts/gan/model.py",
        "content/gan/index.md",
        "content/gan/results/train.jsonl",
        "tests/posts/test_gan_page.py",
        "tests/support/fakerun.py",
        "code/lockstep/figures.py",
        "code/lockstep/execute/worker.py",
        "theme/templates/article.html",
        "constraints.txt",
    ],
)
def test_a_post_is_tested_where_it_can_have_changed(name):
    assert wanted(GAN, {"README.md", name})


@pytest.mark.parametrize(
    "name",
    [
        "code/posts/transformer/model.py",
        "content/ganymede/index.md",
        "tests/posts/test_ganymede.py",
        "code/lockstep/site/feeds.py",
        "code/lockstep/report/why.py",
        "docs/writing.md",
    ],
)
def test_a_post_is_left_alone_by_what_it_does_not_rest_on(name):
    assert not wanted(GAN, {name})
    assert wanted(ENGINE, {name})


def test_every_test_of_a_post_names_its_post():
    slugs = {path.name for path in (ROOT / "code/posts").iterdir() if path.is_dir()}
    for path in (ROOT / "tests/posts").glob("test_*.py"):
        assert any(wanted(f"tests/posts/{path.name}", {f"code/posts/{slug}/x.py"}) for slug in slugs), path.name


def test_what_git_does_not_know_yet_counts_and_an_unknown_commit_tells_nothing(tmp_path):
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    (tmp_path / "kept").write_text("a\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    (tmp_path / "kept").write_text("b\n")
    (tmp_path / "new").write_text("")
    assert changed(tmp_path, "HEAD") == {"kept", "new"}
    assert changed(tmp_path, "no-such-commit") is None
