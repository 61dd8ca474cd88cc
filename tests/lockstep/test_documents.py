"""Any Markdown file can be kept in step: its bindings name the post that they read."""

import pytest
from mini import edit, lockstep

TEXT = (
    "# A project\n\nIt scores [](measured:mini/score) where the paper has [](reported:mini/score), with scale\n"
    "[](config:mini/scale), and [is positive](claim:mini/scores_are_positive). Works on Python 3.11, 3.12 and 3.13.\n\n"
    "```\nunchecked 3.7\n```\n"
)


@pytest.fixture
def documented(project):
    (project / "README.md").write_text(TEXT)
    (project / "pyproject.toml").write_text('[tool.lockstep]\ndocuments = ["README.md"]\n')
    assert lockstep(project, "build", "--no-render").returncode == 0
    return project


def test_build_fills_a_declared_document_and_check_compares_it(documented):
    text = (documented / "README.md").read_text()
    assert "scores [250.8 ± 0.2 points](measured:mini/score) where" in text
    assert "[225 ± 2 points](reported:mini/score), with scale\n[2](config:mini/scale)" in text
    edit(documented, "README.md", "[250.8", "[251.8")
    done = lockstep(documented, "check")
    assert done.returncode == 1
    assert 'README.md:3: stale snapshot: the prose says "251.8 ± 0.2 points"' in done.stderr


FAILURES = {
    "no post named": ("[1](measured:score)", "outside a post a binding names its post: measured:SLUG/score"),
    "an unknown post": ("[1](measured:minu/score)", 'there is no post "minu"; did you mean "mini"?'),
    "an unknown metric": ("[1](measured:mini/scor)", 'there is no metric "scor"; did you mean "score"?'),
    "a claim by another name": ("[so](claim:mini/scores)", 'there is no claim "scores"'),
    "a table": ("[Scores.](table:scores)", "stands in a file that is no post"),
    "an unbound number": ("It gains 12 %.", '"12 %" is a percentage that nothing binds'),
    "a missing picture": ("![A plot.](docs/plot.png)", "there is no figure docs/plot.png"),
}


@pytest.mark.parametrize("what", FAILURES)
def test_a_failure_in_any_markdown_file_names_its_line(project, what):
    text, message = FAILURES[what]
    (project / "notes.md").write_text(f"# Notes\n\n{text}\n")
    done = lockstep(project, "check", "notes.md")
    assert done.returncode == 1
    assert "notes.md:3: " in done.stderr
    assert message in done.stderr


def test_a_file_that_is_not_there_names_the_nearest(documented):
    done = lockstep(documented, "check", "READNE.md")
    assert done.returncode == 1
    assert 'there is no file READNE.md; did you mean "README.md"?' in done.stderr


def test_code_without_prose_passes_where_a_document_binds_it(documented):
    (documented / "content/mini/index.md").unlink()
    assert lockstep(documented, "check").returncode == 0
    (documented / "README.md").write_text("# A project\n")
    assert "the post has code and no prose" in lockstep(documented, "check").stderr


def test_one_post_may_read_every_kind_of_value_of_another(project):
    (project / "content/other").mkdir()
    body = TEXT.partition("\n\n")[2]
    (project / "content/other/index.md").write_text(f"Title: Other\nDate: 2026-01-02\nSummary: Words.\n\n{body}")
    assert lockstep(project, "build", "--no-render").returncode == 0
    edit(project, "content/mini/paper.toml", "value = 225", "value = 226")
    assert 'content/other/index.md:5: stale snapshot: the prose says "225' in lockstep(project, "check").stderr


def test_a_post_may_name_itself_so_that_sentences_can_move(project):
    prose = project / "content/mini/index.md"
    prose.write_text(prose.read_text() + "\nWith scale [](config:mini/scale): [](measured:mini/score).\n")
    done = lockstep(project, "build", "--no-render")
    assert done.returncode == 0, done.stderr
    assert "With scale [2](config:mini/scale): [" in prose.read_text()
    assert "[](measured:mini/score)" not in prose.read_text()


def test_a_setting_may_be_that_of_a_variant(documented):
    project, post = documented, "code/posts/mini/experiment.py"
    edit(project, post, "Experiment(Config, ", 'Experiment(Config, variants={"row": {"wide": {"scale": 3.5}}}, ')
    (project / "README.md").write_text("Scale [](config:mini/scale), and [](config:mini/scale?row=wide).\n")
    done = lockstep(project, "build", "--no-render")
    assert done.returncode == 0, done.stderr
    assert "[2](config:mini/scale), and [3.5](config:mini/scale?row=wide)" in (project / "README.md").read_text()
    edit(project, "README.md", "row=wide", "row=wid")
    refused = lockstep(project, "check", "README.md")
    assert refused.returncode == 1
    assert 'README.md:1: row has no variant "wid"; did you mean "wide"?' in refused.stderr


def test_the_text_of_a_post_is_checked_as_that_of_its_post(project):
    assert lockstep(project, "check", "content/mini/index.md").returncode == 0
    edit(project, "content/mini/index.md", "[2](config:scale)", "[3](config:scale)")
    done = lockstep(project, "check", "content/mini/index.md")
    assert done.returncode == 1
    assert 'content/mini/index.md:5: stale snapshot: the prose says "3", scale is "2"' in done.stderr
