"""Results between commits, as a reviewer reads them: numbers with sentences, claims with their margin."""

import subprocess

import pytest
from mini import edit, lockstep


def git(root, *arguments):
    command = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", *arguments]
    subprocess.run(command, cwd=root, check=True, capture_output=True)


@pytest.fixture
def committed(project):
    (project / ".gitignore").write_text(".lockstep/\n__pycache__/\n")
    git(project, "init", "-q")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "first")
    return project


def test_nothing_changed_says_so(committed):
    done = lockstep(committed, "diff")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "# Results since HEAD\n\nNo result changed.\n"


def test_changed_numbers_come_with_their_sentences_and_claims_with_their_margin(committed):
    edit(committed, "code/posts/mini/deep.py", "FACTOR = 2", "FACTOR = 3")
    assert lockstep(committed, "build", "--no-render").returncode == 0
    shown = lockstep(committed, "diff", "--rev", "HEAD").stdout
    row = "| `measured:score` | 250.8 ± 0.2 points | 277.8 ± 0.2 points | It scores 277.8 ± 0.2 points.<br>"
    assert row + "We score 277.8 ± 0.2 points, the paper 225 ± 2 points, with scale 2. |" in shown
    assert "| scores_are_positive | greater, by 250.60 points | greater, by 277.60 points |" in shown
    assert "| evaluate" not in shown
    assert "Runs with other results: 4 (evaluate (seed=0), " in shown
    git(committed, "commit", "-qam", "second")
    assert "No result changed" in lockstep(committed, "diff").stdout
    assert "| `measured:score` | 250.8" in lockstep(committed, "diff", "--rev", "HEAD~1").stdout


def test_times_and_machines_are_no_results(committed):
    lockstep(committed, "run", "mini", "--force", LOCKSTEP_HOST="elsewhere")
    assert subprocess.run(["git", "diff", "--quiet"], cwd=committed, check=False).returncode == 1
    assert "No result changed" in lockstep(committed, "diff").stdout


def test_a_changed_setting_and_reported_value_are_results_too(committed):
    edit(committed, "content/mini/paper.toml", "value = 225", "value = 226")
    assert "| `reported:score` | 225 ± 2 points | 226 ± 2 points |" in lockstep(committed, "diff").stdout


def test_new_gone_and_broken_posts_are_told(committed):
    (committed / "content/other").mkdir()
    (committed / "content/other/index.md").write_text("Title: Other\nDate: 2026-01-02\nSummary: Words.\n\nWords.\n")
    assert "## other\n\nThe post is new." in lockstep(committed, "diff").stdout
    (committed / "code/posts/mini/experiment.py").write_text("1 / 0\n")
    shown = lockstep(committed, "diff").stdout
    assert "## mini\n\nIt does not load now: code/posts/mini/experiment.py:1: ZeroDivisionError" in shown


def test_an_unknown_revision_is_an_error_with_a_way_out(committed):
    done = lockstep(committed, "diff", "--rev", "nowhere")
    assert done.returncode == 1
    assert 'git has no revision "nowhere" of this project' in done.stderr
    assert "Traceback" not in done.stderr


def test_a_project_outside_git_is_an_error(project):
    done = lockstep(project, "diff", GIT_CEILING_DIRECTORIES=str(project.parent))
    assert done.returncode == 1
    assert "not a git repository" in done.stderr
