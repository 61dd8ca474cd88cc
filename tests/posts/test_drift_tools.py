"""How each tool is driven: its version, its log, its results; and that a check would notice a change."""

import json
import tomllib
from pathlib import Path

import pytest
from lockstep.errors import LockstepError
from posts.drift import many, sample, times, tools
from posts.drift.arrangements import arrangement
from posts.drift.edits import selected
from posts.drift.experiment import TOOLS, Config
from posts.drift.matrix import Project, Truth
from posts.drift.tools import Command, environment

ROOT = Path(__file__).parents[2]


def test_the_pinned_versions_are_those_that_the_settings_name():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line)
    assert {tool: pinned[tool] for tool in TOOLS} == {tool: getattr(Config(), tool) for tool in TOOLS}
    assert project["version"] == Config().lockstep


@pytest.mark.parametrize("tool", ["lockstep", *TOOLS])
def test_another_version_than_the_declared_is_an_error_that_says_how_to_mend_it(tool):
    assert tools.version_of(tool, getattr(Config(), tool)) == getattr(Config(), tool)
    with pytest.raises(LockstepError, match=r'the settings name 0\.0\.0: pip install -e ".\[compare\]"'):
        tools.version_of(tool, "0.0.0")


def test_a_tool_that_is_not_installed_is_an_error():
    with pytest.raises(LockstepError, match="tup 1 is not installed here"):
        tools.version_of("tup", "1")


def test_the_log_tells_each_step_as_often_as_it_ran(tmp_path):
    log = tmp_path / "steps.log"
    assert tools.ran(log) == []
    log.write_text("train 1\ntotal\ntrain 0\ntrain 1\n")
    assert tools.ran(log) == ["total", "train 0", "train 1", "train 1"]


def test_results_are_read_from_text_files_and_from_a_ledger(tmp_path):
    for name, text in {"weights/0.txt": "1.5", "scores/0.txt": "3.0\n", "total.txt": "3.0"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    results = tmp_path / "content/mini/results"
    results.mkdir(parents=True)
    for stage, keys, row in (
        ("train", {"seed": 0}, {"weight": 1.5}),
        ("score", {"seed": 0}, {"score": 3}),
        ("total", {}, {"total": 3.0}),
    ):
        (results / f"{stage}.jsonl").write_text(json.dumps({"keys": keys, "rows": [row]}) + "\n")
    assert tools.texts(tmp_path) == tools.ledger(tmp_path) == {"train 0": "1.5", "score 0": "3.0", "total": "3.0"}


def test_a_command_that_fails_says_what_it_said(tmp_path):
    (tmp_path / "broken.py").write_text("raise SystemExit('no such thing')")
    with pytest.raises(LockstepError, match="broken --now ended with 1: no such thing"):
        tools.start(Command("broken", ("--now",)), tmp_path, environment(tmp_path))


def test_a_tool_is_started_without_the_callers_variables(tmp_path, monkeypatch):
    monkeypatch.setenv("CI", "1")
    monkeypatch.setenv("LOCKSTEP_STORE", "/nowhere")
    assert not {"CI", "LOCKSTEP_STORE"} & set(environment(tmp_path))


def test_the_processor_seconds_are_those_of_the_command(tmp_path):
    (tmp_path / "busy.py").write_text("import time\nwhile time.process_time() < 0.3: pass")
    (tmp_path / "idle.py").write_text("")
    busy, idle = (tools.timed(Command(name), tmp_path, environment(tmp_path)) for name in ("busy", "idle"))
    assert busy.cpu >= 0.3
    assert busy.cpu > idle.cpu


def test_a_folder_is_removed_with_its_links_and_not_what_they_point_to(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_text("")
    with tools.temporary() as folder:
        (folder / "a/b").mkdir(parents=True)
        (folder / "a/b/file").write_text("")
        (folder / "a/link").symlink_to(tmp_path / "kept")
    assert not folder.exists()
    assert (tmp_path / "kept/file").exists()


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("setting, verdict", [("plain", "missed"), ("careful", "right")])
def test_a_module_that_is_not_listed_is_missed_and_one_that_is_listed_is_seen(tool, setting, verdict, tmp_path):
    chosen = sample.words(0)
    truth = Truth(tmp_path / "truth", chosen)
    project = Project(tmp_path / tool, arrangement(f"{tool}-{setting}"), chosen)
    assert project.built == truth.before
    assert project.steps(project.arranged.build) == []
    (edit,) = selected(("a class attribute",))
    outcome = project.outcome(edit, truth)
    assert (outcome.verdict, outcome.needless) == (verdict, 0)


@pytest.mark.parametrize("edit", selected(("a stage at the end", "an artefact retrained to other bytes", "prose")))
def test_lockstep_runs_what_depends_on_an_edit(edit, tmp_path):
    truth = Truth(tmp_path / "truth", sample.words(1))
    project = Project(tmp_path / "tool", arrangement("lockstep"), sample.words(1))
    assert project.built == truth.before
    assert project.outcome(edit, truth).verdict == "right"


CHANGES = {"lockstep": "code/posts/post1/helpers.py", **dict.fromkeys(TOOLS, "post1/helpers.py")}


def steps_of(folder: Path) -> int:
    """Steps that have run: files that they wrote, or lines of a ledger."""
    ledgers = [path.read_text().splitlines() for path in folder.glob("content/*/results/*.jsonl")]
    return sum(map(len, ledgers)) or len([*folder.glob("post*/score*.txt"), *folder.glob("post*/total.txt")])


@pytest.mark.parametrize("tool", CHANGES)
def test_the_check_that_is_timed_sees_a_change(tool, tmp_path):
    check = many.CHECKS[tool]
    folder = times.set_up(check, 2, tmp_path / "project")
    assert steps_of(folder) == 2 * many.STEPS_PER_POST
    path = folder / CHANGES[tool]
    path.write_text(path.read_text().replace("x * x", "x + x"))
    try:
        said = tools.start(check.check, folder, environment(folder))
    except LockstepError as error:
        said = str(error)
    assert check.says not in said
    assert "post1" in said or "1 " in said


@pytest.mark.parametrize("posts, commands", [(10, 1), (100, 1), (1000, 10)])
def test_a_large_project_is_built_in_parts_that_cover_it(posts, commands):
    built = many.batches(posts)
    assert len(built) == commands
    parts = [argument for command in built for argument in command.arguments if argument.startswith("all=")]
    assert parts == [f"all={part}/{commands}" for part in range(1, commands + 1)][: len(parts)]
