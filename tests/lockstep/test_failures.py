"""Every way to fail, through the real commands: the exit code, and a message that says where, what and the way out."""

import re
import shutil
from pathlib import Path

import pytest
from mini import edit, lockstep

PROSE = "content/mini/index.md"
PAPER = "content/mini/paper.toml"
POST = "code/posts/mini/experiment.py"


def add(project: Path, text: str) -> None:
    path = project / PROSE
    path.write_text(path.read_text() + "\n" + text + "\n")


FAILURES = {
    # what: (a line added to the prose, a part of the message)
    "unknown metric": ("[1](measured:scor)", 'there is no metric "scor"; did you mean "score"?'),
    "unknown key": ("[1](measured:score?sed=1)", 'has a key "sed"; did you mean "seed"?'),
    "no such row": ("[1](measured:score?seed=9)", 'no row of "score" has seed=9; known: 0, 1, 2'),
    "a misspelt value": (
        "[1](measured:score?stage=evaluat)",
        'no row of "score" has stage=evaluat; did you mean "evaluate"?',
    ),
    "unknown post": ("[1](measured:minu/score)", 'there is no post "minu"; did you mean "mini"?'),
    "stale snapshot": ("[1.0](config:scale)", 'stale snapshot: the prose says "1.0", scale is "2"'),
    "unknown field": ("[1](config:scal)", 'no field "scal"; did you mean "scale"?'),
    "a misspelt scheme": (
        "[1](mesured:score)",
        'begins with "mesured:", which binds nothing; did you mean "measured"?',
    ),
    "a reason without quotation marks": ("[5](given: seeds in all)", "or a reason in quotation marks"),
    "a target with a space": ("[1](measured:score?row=no dropout)", '"measured:" is one word without spaces'),
    "a note without text": ("So it is.[^why]", "the note [^why] has no text"),
    "an unknown citation": ("As shown [@goodfelow2014].", 'references.bib has no "goodfelow2014"'),
    "unknown claim": ("[so](claim:scores_are_negative)", 'there is no claim "scores_are_negative"'),
    "a number in a claim's phrase": ("[over 9 points](claim:scores_are_positive)", "holds a number"),
    "given without reason": ("[5](given:)", "needs its reason"),
    "missing alt text": ("![](figures/x.svg)", "has no alt text"),
    "missing figure": ("![A curve.](figures/x.svg)", "there is no figure figures/x.svg"),
    "unknown table": ("[Scores.](table:score)", 'there is no table "score"; did you mean "scores"?'),
    "missing symbol": ("[Net.](code:layers.py#Nett)", 'no symbol "Nett"; did you mean "Net"?'),
    "uncovered symbol": ("[Unused.](code:helpers.py#unused)", "no fresh run of the post covers helpers.py#unused"),
    "nested binding": ("[it is [1](measured:score)](claim:scores_are_positive)", "is nested in another binding"),
    "binding in a heading": ("## Score [1](measured:score)", "stands in a heading"),
    "binding in raw HTML": ("<div>\n[1](measured:score)\n</div>", "stands in raw HTML"),
    "a table within a sentence": ("See [Scores.](table:scores) here.", "must stand alone in its paragraph"),
    "an unbound decimal": ("It took 3.7 of them.", '"3.7" is a decimal that nothing binds'),
    "an unbound percentage": ("That is 12 % more.", '"12 %" is a percentage'),
    "an unbound multiple": ("It is twice as good.", '"twice" is a multiple in words'),
    "an unbound integer that the page shows": ("The paper says 225 here.", '"225" is an integer that a binding'),
}


@pytest.mark.parametrize("what", FAILURES)
def test_a_failure_in_prose_names_file_line_and_way_out(project, what):
    text, message = FAILURES[what]
    add(project, text)
    line = (project / PROSE).read_text().splitlines().index(text.splitlines()[-1 if text[0] != "<" else 0]) + 1
    done = lockstep(project, "build", "--frozen", "--no-render")
    assert done.returncode == 1
    assert message in done.stderr
    assert any(f"{PROSE}:{n}: " in done.stderr for n in (line, line + 1))
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "text", ["## Section 4.2", "In 2014, on 28×28 pixels, see Table 1 and section 3.1 of Python 3.11.", "`3.7`"]
)
def test_numbers_in_names_years_shapes_sections_and_code_pass(project, text):
    add(project, text)
    done = lockstep(project, "check")
    assert done.returncode == 0, done.stderr


EDITS = {
    # what: (file, old, new, a part of the message)
    "a claim with another verdict": (POST, 'claim("greater")', 'claim("less")', "says less, the data say greater"),
    "a vacuous claim": (POST, 'measured("score"), 0\n', 'measured("score"), measured("score")\n', "is vacuous"),
    "a claim that reads nothing": (
        POST,
        'return measured("score"), 0\n',
        "return 1, 0\n",
        "it reads no measured value",
    ),
    "a claim that asks for what is not there": (
        POST,
        'measured("score"), 0\n',
        'measured("scor"), 0\n',
        'the claim "scores_are_positive": there is no metric "scor"; did you mean "score"?',
    ),
    "a claim that asks a value for its truth": (
        POST,
        'measured("score"), 0\n',
        '0 if measured("score") else 1, 0\n',
        "no truth",
    ),
    "a deviation that is not declared": (POST, "unread: int = 7", "unread: int = 8", "declare it as a [[deviation]]"),
    "a field without source": (
        PAPER,
        '[config.unread]\nvalue = 7\nwhere = "section 3"\n',
        "",
        "neither [config.unread]",
    ),
    "a paper.toml that does not parse": (PAPER, "value = 225", "value = ", "paper.toml:3: not valid TOML"),
    "a paper.toml of another shape": (
        PAPER,
        "value = 225",
        'value = "much"',
        "paper.toml:1: value of [[reported]] is a number, not 'much'",
    ),
    "a name that paper.toml does not know": (PAPER, "value = 225", "vlaue = 225", 'has no "vlaue"; did you'),
    "a reported value without its place": (PAPER, 'where = "Table 1"\n', "", "paper.toml:1: [[reported]] needs where"),
    "a reported value that no reference describes": (
        PAPER,
        "someone2014",
        "somone2014",
        'paper.toml:1: [[reported]] cites "somone2014": references.bib has none; did you mean "someone2014"?',
    ),
    "a table that paper.toml does not know": (PAPER, "[[reported]]", "[[reportd]]", 'there is no "reportd"; did you'),
    "an article without title": (PROSE, "Title: Mini\n", "", "the header has no Title: Pelican would drop"),
    "an article with a wrong date": (PROSE, "2026-01-02", "2nd of May", 'index.md:2: "2nd of May" is no date'),
    "a binding in the title": (
        PROSE,
        "Title: Mini",
        "Title: Mini [1](measured:score)",
        "only summary and headline may",
    ),
    "a declaration with a syntax error": (
        POST,
        "class Config:",
        "class Config",
        "code/posts/mini/experiment.py:9: expected",
    ),
    "a grid key that is no field": (POST, "seed=range(3)", "sed=range(3)", 'grid key "sed" is no field'),
    "a stage by its name": (
        POST,
        "each=train)",
        'each="train")',
        """: stage "evaluate": each takes a declared stage, as in each=train, not 'train'""",
    ),
    "a stage in place of a list": (POST, "over=[score]", "over=score", "over takes a list of declared stages"),
    "a number in place of a list": (
        POST,
        "seed=range(3)",
        "seed=3",
        "seed takes a list of values, as in seed=[…], not 3",
    ),
    "a stage function that is not there": (
        POST,
        '"train:fit"',
        '"train:fitt"',
        'no function "fitt"; did you mean "fit"?',
    ),
    "code that does not parse": ("code/posts/mini/deep.py", "FACTOR = 2", "FACTOR = = 2", "deep.py:1"),
}


@pytest.mark.parametrize("what", EDITS)
def test_a_failure_elsewhere_says_what_is_wrong(project, what):
    file, old, new, message = EDITS[what]
    edit(project, file, old, new)
    for command in (("build", "--frozen", "--no-render"), ("check",)):
        done = lockstep(project, *command)
        assert done.returncode == 1
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_a_stage_that_never_ran_is_no_misspelt_one(project):
    stage = 'score = mini.stage("evaluate:score", each=train)\n'
    edit(project, POST, stage, stage + stage.replace("score =", "second =").replace("each", 'name="second", each'))
    add(project, "[1](measured:score?stage=second)")
    done = lockstep(project, "check")
    assert done.returncode == 1
    assert ": second has not run yet: run lockstep build" in done.stderr


def test_of_many_kinds_of_rows_the_nearest_are_listed(project):
    fold = '{"fold": fold, "part": "early" if fold < 4 else "late", "score": 1.0}'
    source = project / "code/posts/mini/evaluate.py"
    source.write_text(
        f"def score(run):\n    return [{fold} for fold in range(8)]\n" + source.read_text().split("\n\n")[-1]
    )
    add(project, "[1](measured:score?fold=6&part=early)")
    done = lockstep(project, "build", "--no-render")
    assert done.returncode == 1
    assert 'no row of "score" matches; there are: fold=0&part=early; fold=1&part=early; ' in done.stderr
    assert "; fold=6&part=late; fold=4&part=late; 2 more\n" in done.stderr
    assert '"score" is ambiguous, it matches different kinds of rows: fold=0&part=early; ' in done.stderr


OPEN = """@mini.claim("undecided", margin="score")
def open_question(measured):
    \"\"\"Open.\"\"\"
    return measured("score"), 250


@mini.table"""


def test_an_undecided_claim_with_a_margin_is_no_vacuous_one(project):
    """Equal sides would make it equivalent, so data can refute it."""
    edit(project, POST, "@mini.table", OPEN)
    (project / PAPER).write_text((project / PAPER).read_text() + '\n[margin.score]\nvalue = 0.5\nreason = "small"\n')
    add(project, "[It is open](claim:open_question).")
    done = lockstep(project, "check")
    assert done.returncode == 0, done.stderr


def ledger(project: Path) -> Path:
    return project / "content/mini/results/evaluate.jsonl"


def test_a_tampered_line_is_named(project):
    path = ledger(project)
    path.write_text(path.read_text().replace('"score":', '"score":1', 1))
    done = lockstep(project, "check")
    assert done.returncode == 1
    assert "evaluate.jsonl:1: the line of evaluate (seed=0) was edited after it was recorded" in done.stderr


def test_a_duplicate_run_is_named(project):
    path = ledger(project)
    path.write_text(path.read_text() + path.read_text().splitlines()[0] + "\n")
    done = lockstep(project, "check")
    assert done.returncode == 1
    assert "evaluate.jsonl:4: the run evaluate (seed=0) is recorded twice" in done.stderr


def test_half_a_line_is_named_and_the_rest_is_read(project):
    path = ledger(project)
    path.write_text(path.read_text()[:-40])
    done = lockstep(project, "check")
    assert done.returncode == 1
    assert "evaluate.jsonl:3: not a whole ledger line" in done.stderr
    assert "evaluate (seed=2): missing" in done.stderr


def test_a_ledger_of_another_version_is_named(project):
    path = ledger(project)
    path.write_text(path.read_text().replace('"v":2', '"v":3', 1))
    assert "written in version 3 of the ledger" in lockstep(project, "check").stderr


def test_an_edited_output_is_named(project):
    (project / "content/mini/results/train/seed=0/curve.csv").write_text("step,value\n1,2\n")
    assert "curve.csv is not what the run made" in lockstep(project, "check").stderr


def test_an_ambiguous_selection_lists_the_candidates(project):
    edit(project, "code/posts/mini/evaluate.py", 'return {"score":', 'return {"part": "a", "total": 1.0} | {"score":')
    edit(
        project,
        "code/posts/mini/evaluate.py",
        "def total",
        'def more(run):\n    return {"part": "b", "score": 1.0}\n\n\ndef total',
    )
    edit(project, POST, "total = mini", 'more = mini.stage("evaluate:more", name="more")\ntotal = mini')
    done = lockstep(project, "build", "--no-render")
    assert done.returncode == 1
    assert (
        '"score" is ambiguous, it matches different kinds of rows: stage=evaluate&part=a; stage=more&part=b'
        in done.stderr
    )


def test_several_failures_are_reported_together(project):
    add(project, "It took 3.7 of them, [1](measured:scor).")
    edit(project, "code/posts/mini/deep.py", "FACTOR = 2", "FACTOR = 3")
    done = lockstep(project, "build", "--frozen", "--no-render")
    assert '"3.7" is a decimal' in done.stderr
    assert 'no metric "scor"' in done.stderr
    assert "deep:FACTOR changed" in done.stderr


def test_a_broken_post_disables_only_itself(project):
    shutil.copytree(project / "code/posts/mini", project / "code/posts/other")
    shutil.copytree(project / "content/mini", project / "content/other")
    (project / "code/posts/other/experiment.py").write_text("1 / 0\n")
    done = lockstep(project, "status")
    assert done.returncode == 0
    assert re.search(r"mini +train +3 fresh", done.stdout)
    assert re.search(r"other +does not load", done.stdout)
    assert "other: code/posts/other/experiment.py:1: ZeroDivisionError" in done.stderr


def test_a_stage_that_raises_shows_its_own_line_and_records_nothing(project):
    edit(project, "code/posts/mini/helpers.py", "return x**3 * FACTOR", "return x / 0")
    done = lockstep(project, "build", "--no-render")
    assert done.returncode == 1
    assert "raised ZeroDivisionError" in done.stderr
    assert "code/posts/mini/helpers.py:9: return x / 0" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "code, message",
    [
        ("run.config.sclae", 'no field "sclae"'),
        ("run.write_csv('curve.csv', [])", "write_csv('curve.csv') was given no rows"),
        ("open('README.md')", "which it did not declare"),
    ],
)
def test_a_mistake_in_a_stage_says_where_it_was_made(project, code, message):
    (project / "README.md").write_text("words")
    edit(project, "code/posts/mini/train.py", "# a comment", code)
    done = lockstep(project, "build", "--no-render")
    assert done.returncode == 1 and message in done.stderr
    lines = (project / "code/posts/mini/train.py").read_text().splitlines()
    (number,) = [number for number, line in enumerate(lines, start=1) if code in line]
    assert f"  code/posts/mini/train.py:{number}: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_that_fails_is_recorded_and_never_rolled_again(project):
    edit(
        project,
        "code/posts/mini/train.py",
        "# a comment",
        "if run.seed == 1:\n        run.fail('the loss is not finite')",
    )
    done = lockstep(project, "build", "--no-render")
    assert done.returncode == 1
    assert "train (seed=1), which failed: the loss is not finite" in done.stderr
    assert "[1/" not in lockstep(project, "run", "mini.train").stderr


def test_a_frozen_build_and_a_check_write_nothing(project):
    edit(project, "code/posts/mini/deep.py", "FACTOR = 2", "FACTOR = 3")
    before = {
        path: path.read_bytes() for path in project.rglob("*") if path.is_file() and ".lockstep" not in path.parts
    }
    lockstep(project, "build", "--frozen", "--no-render")
    lockstep(project, "check")
    after = {path: path.read_bytes() for path in project.rglob("*") if path.is_file() and ".lockstep" not in path.parts}
    assert after == before


def test_a_stage_that_fails_stops_what_depends_on_it_and_nothing_else(project):
    edit(project, "code/posts/mini/train.py", "# a comment", "raise OSError('no disk')")
    edit(project, POST, "total = mini", 'alone = mini.stage("evaluate:alone", name="alone")\ntotal = mini')
    edit(project, "code/posts/mini/evaluate.py", "def total", "def alone(run):\n    return {}\n\n\ndef total")
    done = lockstep(project, "build", "--no-render")
    assert done.returncode == 1
    assert "train (seed=0) raised OSError: no disk" in done.stderr
    assert "mini.evaluate" not in [line.split()[1] for line in done.stderr.splitlines() if line.startswith("[")]
    assert (project / "content/mini/results/alone.jsonl").exists()


def test_rows_that_cannot_be_recorded_leave_the_earlier_outputs(project):
    curve = project / "content/mini/results/train/seed=0/curve.csv"
    before = curve.read_bytes()
    edit(project, "code/posts/mini/train.py", "    return {}\n", "    return {'undeclared': 1.0}\n")
    edit(project, "code/posts/mini/train.py", '"value": total}', '"value": -total}')
    done = lockstep(project, "build", "--no-render")
    assert '"undeclared", which is no declared Metric' in done.stderr
    assert curve.read_bytes() == before


def test_two_runs_may_not_make_one_figure(project):
    edit(project, "code/posts/mini/train.py", "# a comment", "run.figure('same.svg').write_text('<svg/>')")
    done = lockstep(project, "build", "--no-render")
    assert done.returncode == 1
    assert "train (seed=0) and train (seed=1) both make figures/same.svg" in done.stderr


def test_missing_provenance_is_named(project):
    (project / "content/mini/results/provenance/total.json").unlink()
    done = lockstep(project, "check")
    assert done.returncode == 1
    assert "total.jsonl:1: total has no provenance" in done.stderr


def test_why_knows_the_nearest_stage(project):
    done = lockstep(project, "why", "mini.trian")
    assert done.returncode == 1
    assert 'the post "mini" has no stage "trian"; did you mean "train"?' in done.stderr


def test_a_project_that_cannot_be_written_is_checked_all_the_same(project):
    for path in (project / ".lockstep/cache").iterdir():
        path.unlink()
    (project / ".lockstep/cache").rmdir()
    (project / ".lockstep/cache").write_text("in the way")
    done = lockstep(project, "check")
    assert done.returncode == 0, done.stderr
