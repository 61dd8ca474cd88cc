"""The adversary's cases of the post drift: how they are written, laid out for each tool, and judged."""

import json
from collections import Counter

import pytest
from posts.drift import tried
from posts.drift.adversary.case import EDIT, cases, numbers, side
from posts.drift.adversary.collected import CASES, HARMFUL, HARMLESS, KINDS
from posts.drift.adversary.neutral import files, placed
from posts.drift.adversary.others import FILES, listed
from posts.drift.adversary.own import project
from posts.drift.arrangements import arrangement
from posts.drift.experiment import ARRANGEMENTS

TEXT = """
== one
needs: line.csv
-- train.py
X = «$a→1 + $a»
def weigh(scale, line, seed):
    return X
-- old«→er».py
-- new.py (added)
-- project:link -> project:«a→b»
== two
-- train.py
def fit(run):
    pass
"""
WORDS = {**numbers(0), "package": "mini", "other": "miniother", "slug": "mini"}
CROSSING, *_ = KINDS
UNEDITED = {case.name for case in CASES if case.kind == CROSSING}


def chosen(*names: str) -> dict:
    return {f"c{number:03}": case for number, case in enumerate(CASES) if case.name in names}


def test_a_case_is_read_with_its_edit_in_place():
    one, two = cases("a kind", TEXT)
    assert (one.name, one.needs, one.only_here) == ("one", "line.csv", False)
    assert two.only_here
    before, after = side(one, False, WORDS), side(one, True, WORDS)
    assert before["train.py"].text.startswith(f"X = {WORDS['a']}\n")
    assert after["train.py"].text.startswith(f"X = 1 + {WORDS['a']}\n")
    assert [*before] == ["train.py", "old.py", "project:link"]
    assert [*after] == ["train.py", "older.py", "new.py", "project:link"]
    assert (before["project:link"].target, after["project:link"].target) == ("project:a", "project:b")


@pytest.mark.parametrize(
    "text, told", [("== one\nwords\n-- a.py\n", "text before its first file"), ("== one\n-- a b c\n", "heads no file")]
)
def test_a_line_that_belongs_to_no_file_is_an_error(text, told):
    with pytest.raises(ValueError, match=told):
        cases("a kind", text)


def test_every_case_has_a_name_of_its_own_and_an_edit_where_its_kind_needs_one():
    assert not [name for name, times in Counter((case.kind, case.name) for case in CASES).items() if times > 1]
    assert len(CASES) >= 150
    assert not {case.kind for case in HARMFUL} & {case.kind for case in HARMLESS}
    for case in CASES:
        edited = project(case, False) != project(case, True)
        assert edited or case.name in UNEDITED, case.name
        assert not [file for file in case.files if "→" in EDIT.sub("", file.text)], case.name


@pytest.mark.parametrize("seed", range(2))
def test_every_side_of_every_case_is_code(seed):
    for number, case in enumerate(CASES):
        for after in (False, True):
            for name, entry in project(case, after, "mini", seed).items():
                if name.endswith(".py"):
                    compile(entry.text.removeprefix("\ufeff"), f"{number} {name}", "exec")


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_cases_of_a_kind_meet_in_a_file(kind):
    """But for a package that all posts lie in, and variables that have no other name."""
    owners: dict[str, str] = {"env:TZ": "any", "env:PYTHONHASHSEED": "any", "code/posts/__init__.py": "any"}
    for name, case in tried.named(CASES)[kind].items():
        sides = [project(case, after, name) for after in (False, True)]
        if not case.only_here:
            sides += [placed(case, after, name, 0).files for after in (False, True)]
        for path in {path for entries in sides for path in entries if name not in path}:
            assert owners.setdefault(path, name) in (name, "any"), path


def test_names_are_of_one_length():
    assert {len(name) for cases in tried.named(CASES).values() for name in cases} == {4}


def test_a_step_lists_its_script_and_what_it_reads_and_with_care_its_modules():
    (case,) = [case for case in CASES if case.name == "a module of a module, by a name in a text"]
    one = placed(case, False, "c001", 0)
    assert listed(one, careful=False) == ["c001/train.py"]
    assert {"c001/hub.py", "c001/layers/relu.py", "c001/__init__.py"} < {*listed(one, careful=True)}
    (case,) = [case for case in CASES if case.name == "a file in the user's home"]
    assert "../home/c001-line.csv" in listed(placed(case, False, "c001", 0), careful=False)


@pytest.mark.parametrize("tool", FILES)
def test_what_is_told_to_a_tool_names_every_case(tool):
    sides = [placed(case, False, name, 0) for name, case in chosen("exec", "a counter from itertools").items()]
    more = {*FILES[tool](sides, True)} - {*files(sides)}
    told = "".join(FILES[tool](sides, True)[name].text for name in more)
    assert all(one.name in told for one in sides)


def test_the_truth_of_a_run_beside_others_is_that_of_a_run_alone(tmp_path):
    ours = chosen("a counter from itertools", "a note in the folder for temporary files", "exec")
    before = tried.truth(tmp_path / "before", ours, False, 0)
    after = tried.truth(tmp_path / "after", ours, True, 0)
    alike = [name for name, case in ours.items() if case.kind == CROSSING]
    assert all(before[f"{name} {seed}"] == after[f"{name} {seed}"] for name in alike for seed in range(3))
    counter, note = alike
    assert len({before[f"{counter} {seed}"] for seed in range(3)}) == 1
    assert len({before[f"{note} {seed}"] for seed in range(3)}) == 3
    (other,) = {*ours} - {*alike}
    assert before[f"{other} 0"] != after[f"{other} 0"]


HIDDEN, SEEN = "a function of a closure", "a name that is deleted and bound again"


@pytest.mark.parametrize("name", [name for name in ARRANGEMENTS if name.endswith("-plain")])
def test_a_tool_sees_the_edit_of_a_script_and_misses_that_of_a_module(name, tmp_path):
    found = tried.outcomes(tmp_path, arrangement(name), "a kind", chosen(HIDDEN, SEEN), 0)
    assert {outcome.edit.name: outcome.verdict for outcome in found} == {HIDDEN: "missed", SEEN: "right"}


def test_lockstep_is_judged_by_its_ledger_and_its_plan(tmp_path):
    ours = chosen(HIDDEN, SEEN, "a file by open", "a default that a module computes", "a local variable renamed")
    found = tried.outcomes(tmp_path, arrangement("lockstep"), "a kind", ours, 0)
    assert {outcome.edit.name: outcome.verdict for outcome in found} == {
        **dict.fromkeys((HIDDEN, SEEN, "a default that a module computes"), "right"),
        "a file by open": "refused",
        "a local variable renamed": "needless",
    }


APART = ("the time zone", "the seed of hashes", "the name of a module")  # what lockstep's runs have their own of


def test_lockstep_is_held_to_what_it_gives_from_scratch_where_that_is_not_what_a_bare_process_gives(
    tmp_path, monkeypatch
):
    found = tried.outcomes(tmp_path / "right", arrangement("lockstep"), "a kind", chosen(*APART), 0)
    assert {outcome.edit.name: outcome.verdict for outcome in found} == dict.fromkeys(APART, "right")
    built = tried.Project.built
    monkeypatch.setattr(tried.Project, "built", lambda project, after: (built(project, False)[0], []))  # never edited
    stale = tried.outcomes(tmp_path / "stale", arrangement("lockstep"), "a kind", chosen(APART[-1]), 0)
    assert [outcome.verdict for outcome in stale] == ["missed"]


def test_counts_add_up_to_what_a_tool_can_be_told_of(tmp_path):
    found = [
        tried.Outcome(tried.Edit(case.name, case.kind, ()), verdict)
        for case, verdict in zip(CASES, (*tried.VERDICTS, *tried.VERDICTS), strict=False)
    ]
    rows = {row["edits"]: row for row in tried.counted(arrangement("dvc-plain"), found)}
    assert rows[tried.ALL]["expressible"] == 8
    assert [rows[tried.ALL][name] for name in ("right", "missed", "needless", "refused")] == [2, 2, 2, 2]
    assert rows[tried.ALL]["needless_share"] == 25
    assert json.loads(json.dumps(rows)) == rows
