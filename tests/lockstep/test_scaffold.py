"""`new`: a post of each kind that passes everything at once, and every name that is refused."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lockstep import cli, scaffold
from lockstep.commands import COMMANDS
from lockstep.errors import LockstepError, ProjectError
from lockstep.project.project import Project
from mini import lockstep

ROOT = Path(__file__).parents[2]
POSTS = {"alpaca": "paper", "bison": "capstone", "chamois": "design"}
CODE = ["__init__", "data", "evaluate", "experiment", "figures", "model", "train"]
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def new(project: Path, slug: str, kind: str = "paper"):
    return lockstep(project, "new", slug, "--kind", kind)


def create(root: Path) -> Path:
    """A project with the real theme and settings, and no post."""
    for name in ("pelicanconf.py", "publishconf.py", "site.toml"):
        shutil.copy(ROOT / name, root / name)
    site = root / "site.toml"
    site.write_text(re.sub(r"(?m)^posts = .*\n", "", site.read_text()))  # it names posts that are not here
    shutil.copytree(ROOT / "theme", root / "theme")
    for name in ("code/posts/__init__.py", "content/pages/about.md", "tests/posts/.keep"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text("Title: About\nSlug: about\n\nWords.\n" if name.endswith(".md") else "")
    return root


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The three kinds side by side, as `new` leaves them."""
    root = create(tmp_path_factory.mktemp("site"))
    for slug, kind in POSTS.items():
        done = new(root, slug, kind)
        assert done.returncode == 0, done.stderr
        assert f"content/{slug}/index.md" in done.stdout
    return root


@pytest.fixture
def empty(tmp_path) -> Path:
    return create(tmp_path)


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("slug", POSTS)
def test_every_kind_has_the_files_of_every_post(site, slug):
    for name in CODE:
        assert (site / f"code/posts/{slug}/{name}.py").exists()
    for name in ("paper.toml", "index.md", "figures/descent.svg", "results/train.jsonl"):
        assert (site / f"content/{slug}/{name}").exists()
    assert (site / f"tests/posts/test_{slug}.py").exists()
    written = [path for path in site.rglob("*") if path.is_file() and path.suffix in (".py", ".md", ".toml")]
    assert not [path for path in written if re.search("SLUG|TODAY", path.read_text())]
    assert not list((site / ".lockstep").glob("new*"))


def test_check_passes_at_once(site):
    done = lockstep(site, "check")
    assert done.returncode == 0, done.stderr
    assert "3 posts checked" in done.stdout


def test_the_pages_build_and_show_the_numbers_that_were_filled_in_and_no_instruction(site):
    done = lockstep(site, "build", "--frozen")
    assert done.returncode == 0, done.stderr
    for slug in POSTS:
        prose = COMMENT.sub("", (site / f"content/{slug}/index.md").read_text())
        page = COMMENT.sub("", (site / f"output/{slug}/index.html").read_text())
        snapshots = re.findall(r"\[([^\]]*)\]\((?:measured|config):", prose)
        assert len(snapshots) >= 8
        assert all(text and f">{text}</data>" in page for text in snapshots)
        assert "AUTHOR" not in page


def test_the_generated_tests_pass_the_smoke_run_among_them(site):
    options = ["-q", "-Werror", "-pno:cacheprovider", "--import-mode=importlib", "tests/posts"]
    path = os.pathsep.join(filter(None, [str(site / "code"), os.environ.get("PYTHONPATH")]))
    done = lockstep(site, code=f"import sys, pytest; sys.exit(pytest.main({options}))", PYTHONPATH=path)
    assert done.returncode == 0, done.stdout
    assert "19 passed" in done.stdout


def test_the_generated_code_is_formatted_and_clean(site):
    for command in (["check"], ["format", "--check"]):
        config = ["--no-cache", "--config", str(ROOT / "pyproject.toml")]
        ruff = [sys.executable, "-m", "ruff", *command, *config, "code", "tests"]
        done = subprocess.run(ruff, cwd=site, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


REFUSED = {
    "Gan": "write one lower-case word",
    "two words": "write one lower-case word",
    "two_words": "write one lower-case word",
    "9lives": "write one lower-case word",
    "../up": "write one lower-case word",
    "": "write one lower-case word",
    "class": "a keyword of Python has that name",
    "build": "a task has that name",
    "livereload": "a task has that name",
    "code": "a module of Python has that name",
    "random": "a module of Python has that name",
    "posts": "a module of this project has that name",
    "lockstep": "a module of this project has that name",
    "about": "a page of the site has that name",
    "theme": "a folder of the site has that name",
    "pages": "content/pages exists",
}


@pytest.mark.parametrize("slug", REFUSED)
def test_a_name_that_cannot_be_a_posts_is_refused_and_nothing_written(empty, slug):
    before = tree(empty)
    with pytest.raises(ProjectError, match=f'"{re.escape(slug)}" cannot name .*{REFUSED[slug]}'):
        scaffold.create(Project(empty), slug, "paper")
    assert tree(empty) == before


@pytest.mark.parametrize(
    "there",
    [
        "code/posts/moa/model.py",
        "code/posts/moa.py",
        "content/moa/notes.md",
        "tests/posts/test_moa.py",
        "tests/posts/test_moa_estimate.py",
    ],
)
def test_what_exists_is_never_written_over(empty, there):
    (empty / there).parent.mkdir(exist_ok=True)
    (empty / there).write_text("mine\n")
    before = tree(empty)
    with pytest.raises(ProjectError, match=r'"moa" cannot name a new post: .*moa.* exists'):
        scaffold.create(Project(empty), "moa", "design")
    assert tree(empty) == before


def test_a_refusal_is_a_message_and_exit_code_1(empty):
    done = new(empty, "build")
    assert (done.returncode, done.stderr) == (1, '"build" cannot name a post: a task has that name\n')


def test_an_unknown_kind_names_the_nearest_and_writes_nothing(empty):
    before = tree(empty)
    with pytest.raises(ProjectError, match=re.escape('kind of post "papr"; did you mean "paper"?')):
        scaffold.create(Project(empty), "moa", "papr")
    done = new(empty, "moa", "papr")
    assert done.returncode != 0
    assert "papr" in done.stderr and "paper" in done.stderr
    assert tree(empty) == before


@pytest.mark.parametrize("error", [OSError("no space left"), KeyboardInterrupt()], ids=["error", "interrupt"])
@pytest.mark.parametrize("at", range(4))
def test_all_is_written_or_nothing(empty, monkeypatch, at, error):
    before, rename, calls = tree(empty), os.rename, []

    def failing(source, target):
        calls.append(target)
        if len(calls) == at + 1:
            raise error
        rename(source, target)

    monkeypatch.setattr(scaffold.os, "rename", failing)
    with pytest.raises(ProjectError if isinstance(error, OSError) else KeyboardInterrupt):
        scaffold.create(Project(empty), "moa", "design")
    assert len(calls) == at + 1
    assert tree(empty) == before


def test_a_run_that_fails_leaves_the_files_and_says_how_to_go_on(empty, monkeypatch):
    def broken(post):
        raise LockstepError("moa.figures raised ModuleNotFoundError: No module named 'matplotlib'")

    monkeypatch.setattr(scaffold, "make_runs", broken)
    with pytest.raises(
        ProjectError, match="'matplotlib'\nthe files of moa are in place: mend this, then run lockstep build"
    ):
        scaffold.create(Project(empty), "moa", "paper")
    assert Project(empty).slugs == ["moa"]


def test_every_task_and_command_is_a_reserved_name():
    told = subprocess.run([sys.executable, "-m", "invoke", "--list"], cwd=ROOT, capture_output=True, text=True)
    tasks = {name for name in re.findall(r"^  (\S+)", told.stdout, re.MULTILINE) if "." not in name}
    assert {command.name for command in COMMANDS} == set(cli.FUNCTIONS) < tasks
    assert tasks == scaffold.TASKS


def test_the_task_of_a_stage_has_the_options_of_run():
    options = {}
    for name in ("run", "gan.train"):
        told = subprocess.run(
            [sys.executable, "-m", "invoke", "--help", name], cwd=ROOT, capture_output=True, text=True
        )
        options[name] = set(re.findall(r"--[a-z]+", told.stdout))
    assert options["gan.train"] == options["run"] - {"--target"} > {"--seed", "--out", "--on", "--budget"}


@pytest.mark.parametrize("path", sorted((ROOT / ".github/workflows").iterdir()), ids=lambda path: path.stem)
def test_a_workflow_asks_for_tasks_and_options_that_there_are(path):
    asked = re.findall(r"\binvoke ([a-z]+)((?: --[a-z]+)*)", path.read_text())
    assert asked
    for task, options in asked:
        help = [sys.executable, "-m", "invoke", "--help", task]
        told = subprocess.run(help, cwd=ROOT, capture_output=True, text=True, check=True)
        offered = told.stdout.replace("--[no-]", "--")  # where CI is set, frozen is the default
        assert set(options.split()) <= set(re.findall(r"--[a-z]+", offered))


def test_a_first_project_is_told_what_git_should_not_keep_and_an_own_list_stays(site, empty):
    assert (site / ".gitignore").read_text().split() == ["__pycache__/", ".lockstep/", "output/"]
    (empty / ".gitignore").write_text("mine\n")
    assert new(empty, "alpaca").returncode == 0
    assert (empty / ".gitignore").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("module", "act", "told"),
    [
        ("matplotlib", lambda: cli.new("yak", "paper"), 'pip install "lockstep-blog[figures]"'),
        ("pelican", lambda: cli.build(True), 'pip install "lockstep-blog[site]", or lockstep build --no-render'),
    ],
)
def test_a_missing_extra_is_named_before_anything_is_written(empty, monkeypatch, module, act, told):
    monkeypatch.chdir(empty)
    monkeypatch.setitem(sys.modules, module, None)
    before = tree(empty)
    with pytest.raises(LockstepError) as error:
        act()
    assert told in str(error.value)
    assert tree(empty) == before


def test_a_project_without_a_site_says_so_before_it_runs_anything(empty, monkeypatch):
    monkeypatch.chdir(empty)
    (empty / "pelicanconf.py").unlink()
    with pytest.raises(LockstepError, match=r"pelicanconf\.py is not here, so there is no site to render"):
        cli.build(False)
