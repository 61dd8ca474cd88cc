"""What goes wrong outside the rules: odd characters, broken files, edits and kills in between."""

import json
import re
import subprocess

import pytest
from lockstep.errors import LockstepError
from lockstep.execute import deliver
from lockstep.project.project import Project
from lockstep.record import ledger
from lockstep.site.citations import Bibliography
from mini import edit, lockstep

PROSE, PAPER = "content/mini/index.md", "content/mini/paper.toml"
POST, TRAIN, EVALUATE = (f"code/posts/mini/{name}.py" for name in ("experiment", "train", "evaluate"))
COMMENT = "# a comment"
SCORE = 'return {"score": float(made.open("weights.txt").read_text())}'

MISTAKES = {
    # what: (file, text, its replacement, a part of the message)
    "a figure without place": (PROSE, "Code is", "![A curve.]()\n\nCode is", f"{PROSE}:8: there is no figure"),
    "code that is none": (
        PROSE,
        "Code is",
        "So.\n\n[So.](code:../../../theme/style.css#x)\n\nCode is",
        "there is no code file",
    ),
    "keys that are no table": (PAPER, "value = 225", 'keys = "ours"\nvalue = 225', "keys of [[reported]] is a table"),
    "a margin that is no table": (
        PAPER,
        "[[reported]]",
        "margin = 3\n[[reported]]",
        "paper.toml:1: margin is a table of",
    ),
    "a single reported": (PAPER, "[[reported]]", "[reported]", "paper.toml:1: there may be several of reported"),
    "the second of two": (
        PAPER,
        "[config.scale]",
        '  [[reported]]\n  metric = "score"\n  value = "much"\n\n[config.scale]',
        "paper.toml:8: value of [[reported]] is a number",
    ),
    "the line of a setting": (
        PAPER,
        "[config.scale]\nvalue = 2.0",
        '# config.scale\n[config.scale]\nnote = "scale"\nvalue = 3.0',
        "paper.toml:9: the config has scale = 2.0",
    ),
    "a table of nothing": (
        POST,
        'return [{"what": "ours"',
        'return {"what": 3} or [{"what": "ours"',
        "expected a list of",
    ),
    "a list as a key": (POST, "seed=range(3)", "scale=[(1.0, 2.0)]", "a key is a text or a finite number"),
    "a key twice": (POST, "each=train)", "each=train, seed=[5])", 'once for each seed of "train": leave seed out'),
    "a smoke grid of a number": (
        POST,
        "Experiment(Config,",
        'Experiment(Config, smoke={"grid": {"seed": 0}},',
        "a list of values",
    ),
    "an endless setting": (POST, "scale: float = 2.0", 'scale: float = float("inf")', "the config has scale = inf"),
    "data that cannot be made": (
        POST,
        "import numpy as np",
        "import numpyy as np",
        'the dataset "line" cannot be made',
    ),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_told_with_its_place_and_without_traceback(project, what):
    file, old, new, message = MISTAKES[what]
    edit(project, file, old, new)
    done = lockstep(project, "check")
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", [PROSE, PAPER, "README.md"])
def test_a_file_of_another_encoding_is_told_with_its_line(project, name):
    (project / "pyproject.toml").write_text('[tool.lockstep]\ndocuments = ["README.md"]\n')
    (project / "README.md").write_text("We score [250.8 ± 0.2 points](measured:mini/score).\n")
    path = project / name
    path.write_bytes(path.read_bytes() + "\nCaf\u00e9\n".encode("latin-1"))
    line = path.read_bytes().count(b"\n")
    for command in ("check", "build"):
        done = lockstep(project, command, *(["--no-render"] if command == "build" else []))
        assert done.returncode == 1
        assert f"{name}:{line}: the byte 0xe9 is no UTF-8" in done.stderr
        assert "Traceback" not in done.stderr


RETURNED = {
    "a number": (
        EVALUATE,
        SCORE,
        "return 3.0",
        "mini.evaluate (seed=0): it returns 3.0: expected a row, a list of rows, or None",
    ),
    "a list of texts": (EVALUATE, SCORE, 'return ["x"]', "it returns ['x']: expected a row"),
    "a folder": (TRAIN, COMMENT, "run.artefact('d').mkdir()", "train made artefacts/d, which is no file"),
}


@pytest.mark.parametrize("what", RETURNED)
def test_what_a_stage_may_not_return_is_told(project, what):
    file, old, new, message = RETURNED[what]
    edit(project, file, old, new)
    done = lockstep(project, "run", "mini", "--seed", "0")
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_setting_that_no_link_can_hold_leaves_the_prose_as_it_was(project):
    edit(project, POST, "unread: int = 7", 'unread: str = "a]b"')
    edit(project, PAPER, "value = 7", 'value = "a]b"')
    edit(project, PROSE, "Code is", "Called [so](config:unread). Code is")
    before = (project / PROSE).read_bytes()
    done = lockstep(project, "build", "--no-render")
    assert done.returncode == 1
    assert f'{PROSE}:8: unread is "a]b", whose brackets no link can hold: name it in words' in done.stderr
    assert (project / PROSE).read_bytes() == before


def test_a_line_separator_in_a_row_is_a_character_like_any_other(project):
    edit(project, EVALUATE, 'return {"score"', 'return {"said": "a\\u2028b\\x85c", "score"')
    assert lockstep(project, "build", "--no-render").returncode == 0
    assert lockstep(project, "run", "mini.evaluate", "--seed", "1", "--force").returncode == 0
    done = lockstep(project, "check")
    assert done.returncode == 0, done.stderr


def test_a_selection_of_a_reported_value_may_hold_any_character(project):
    (project / PAPER).write_text((project / PAPER).read_text() + ANOTHER)
    edit(project, TRAIN, COMMENT, 'run.reported("score", by="A&B 100% =")')
    assert lockstep(project, "run", "mini.train").returncode == 0
    edit(project, PAPER, "value = 9", "value = 8")
    told = lockstep(project, "why", "mini.train").stdout
    assert "config: reported:score?by=A%26B 100%25 = was [9.0, None], is [8.0, None]" in told


ANOTHER = (
    '\n[[reported]]\nmetric = "score"\nkeys = {by = "A&B 100% ="}\nvalue = 9\nwhere = "T"\nsource = "someone2014"\n'
)


def test_a_run_is_recorded_though_its_declaration_was_broken_while_it_ran(project):
    edit(project, POST, '"train:fit", seed', '"train:fit", programs=["echo"], seed')
    edit(project, TRAIN, COMMENT, '__import__("os").system("echo \'(\' >> code/posts/mini/experiment.py")')
    done = lockstep(project, "run", "mini.train", "--seed", "0")
    assert "done after" in done.stderr
    text = (project / POST).read_text()
    assert text.endswith("\n(\n")
    (project / POST).write_text(text.removesuffix("(\n"))
    assert re.search(r"train +1 fresh +2 stale", lockstep(project, "status").stdout)


def test_a_commit_made_while_something_runs_is_not_the_one_that_it_ran(project):
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], cwd=project, check=True)
    first = subprocess.run([*git, "rev-parse", "HEAD"], cwd=project, check=True, capture_output=True, text=True).stdout
    command = " ".join([*git, "commit", "-q", "--allow-empty", "-m", "second"])
    edit(project, POST, '"train:fit", seed', '"train:fit", programs=["git"], seed')
    edit(project, TRAIN, COMMENT, f"__import__('os').system({command!r})")
    assert lockstep(project, "run", "mini.train", "--seed", "0").returncode == 0
    kept = json.loads((project / "content/mini/results/provenance/train-seed=0.json").read_text())
    assert (kept["commit"], kept["dirty"]) == (first.strip(), True)


def test_symbols_of_a_run_that_another_process_recorded_stay(project):
    post = Project(project).post("mini")
    assert len(post.ledger.lines) == 7, "as it was before the other process"
    edit(project, TRAIN, "x * 2", "x * 3")
    assert lockstep(project, "run", "mini.train", "--seed", "0").returncode == 0
    deliver.tidy(post, None)
    found = ledger.read(post.results)
    for line in found.lines.values():
        assert (post.results / "code" / f"{line.code}.json").is_file()


@pytest.mark.parametrize("damage", [('"score":2', '"score":NaN,"was":2'), ('"keys":{', '"keys":[0],"were":{')])
def test_a_ledger_line_that_is_no_record_is_named(project, damage):
    path = project / "content/mini/results/evaluate.jsonl"
    first, rest = path.read_text().split("\n", 1)
    assert damage[0] in first
    path.write_text(first.replace(*damage, 1) + "\n" + rest)
    done = lockstep(project, "check")
    assert done.returncode == 1
    assert "evaluate.jsonl:1: not a whole ledger line" in done.stderr
    assert "Traceback" not in done.stderr


def test_symbols_that_were_damaged_count_as_not_kept(project):
    for path in (project / "content/mini/results/code").iterdir():
        path.write_text("{")
    edit(project, TRAIN, "x * 2", "x * 3")
    assert "the symbols of the recorded run were not kept" in lockstep(project, "check").stderr


def test_a_process_that_is_killed_is_told_and_the_rest_is_kept(project):
    kill = "__import__('os').kill(__import__('os').getpid(), 9) if run.seed == 1 else None"
    edit(project, TRAIN, COMMENT, kill)
    done = lockstep(project, "run", "mini.train", "--on", "local:2")
    assert done.returncode == 1
    assert "mini.train (seed=1): its process was ended from outside" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_post_does_not_hide_what_is_stale_in_others(project):
    (project / "code/posts/broken").mkdir()
    (project / "code/posts/broken/experiment.py").write_text("1 / 0\n")
    edit(project, TRAIN, "x * 2", "x * 3")
    done = lockstep(project, "why")
    assert done.returncode == 1
    assert "code: train:decorated changed" in done.stdout
    assert "broken: code/posts/broken/experiment.py:1: ZeroDivisionError" in done.stderr


def test_a_document_that_is_gone_does_not_hide_other_problems(project):
    (project / "pyproject.toml").write_text('[tool.lockstep]\ndocuments = ["GONE.md"]\n')
    edit(project, TRAIN, "x * 2", "x * 3")
    done = lockstep(project, "check")
    assert "pyproject.toml:1: documents: there is no file GONE.md" in done.stderr
    assert "train:decorated changed" in done.stderr


def runs(stderr: str) -> list[str]:
    return [line.partition("mini.")[2] for line in stderr.splitlines() if line.startswith("[")]


def test_forced_runs_keep_to_their_seed(project):
    forced = ["train (seed=0)", "evaluate (seed=0)", "total"]
    assert runs(lockstep(project, "run", "mini", "--seed", "0", "--force").stderr) == forced
    assert runs(lockstep(project, "reproduce", "mini", "--seed", "0").stderr) == forced
    done = lockstep(project, "reproduce", "mini", "--seed", "99")
    assert done.returncode == 1
    assert "mini has no seed 99: there are 0, 1, 2" in done.stderr


def test_a_budget_counts_the_runs_that_were_asked_for(project):
    for path in (project / "content/mini/results/provenance").glob("evaluate-*.json"):
        path.write_text(re.sub(r'"seconds": [\d.]+', '"seconds": 9.0', path.read_text()))
    edit(project, EVALUATE, "float(made", "1 + float(made")
    assert "do not fit" not in lockstep(project, "run", "mini.train", "--force", "--budget", "1h").stderr
    assert "3 runs do not fit" in lockstep(project, "run", "mini.evaluate", "--budget", "5s").stderr


@pytest.mark.parametrize("option", ["--seed=0", "--budget=1h", "--on=local:2", "--out=there", "--where=seed=1"])
def test_the_smoke_profile_refuses_what_it_would_ignore(project, option):
    done = lockstep(project, "run", "mini", "--profile", "smoke", option)
    assert done.returncode == 1
    assert "only --force goes with it" in done.stderr


def test_citations_of_two_pages_have_places_of_their_own(tmp_path):
    (tmp_path / "references.bib").write_text("@misc{one2014,\n author = {Ann One},\n title = {T},\n year = {2014}\n}\n")
    works = Bibliography.read(tmp_path / "references.bib")
    first, second = (works.cite(["one2014"], [], page) for page in ("here-{}".format, "there-{}".format))
    assert 'interestfor="here-one2014"' in first
    assert 'interestfor="there-one2014"' in second
    assert "interestfor" not in works.cite(["one2014"], [])


@pytest.mark.parametrize("missing", ["author", "year"])
def test_a_reference_without_author_or_year_is_named(tmp_path, missing):
    lines = {"author": "author = {Ann One}", "title": "title = {T}", "year": "year = {2014}"}
    kept = ",\n ".join(line for name, line in lines.items() if name != missing)
    (tmp_path / "references.bib").write_text(f"@misc{{one2014,\n {kept}\n}}\n")
    with pytest.raises(LockstepError, match=f'"one2014" in references.bib has no {missing}'):
        Bibliography.read(tmp_path / "references.bib").cite(["one2014"], [])


def test_a_form_feed_does_not_end_a_line_of_an_excerpt(project):
    edit(project, "code/posts/mini/layers.py", "\n\n\nclass Net", "\n\x0c\n\nclass Net")
    code = "from lockstep.project.project import Project; from lockstep.prose.resolve import Resolver\n"
    code += "from lockstep.prose.excerpts import excerpt; post = Project.find().post('mini')\n"
    code += "print(excerpt(post, Resolver.of(post).freshness, 'layers.py#Net')['source'])"
    assert lockstep(project, code=code).stdout.startswith("class Net(Base):\n    bias = 0.5\n")
