"""The edits of the post drift: the engine's own, each in one place, and with the effect that is declared."""

import importlib.util
import inspect
from pathlib import Path

import pytest
from lockstep.errors import LockstepError
from posts.drift import sample
from posts.drift.arrangements import arrangement
from posts.drift.edits import EDITS, GROUPS, SAME, Edit, apply, placed, replace, selected
from posts.drift.experiment import ARRANGEMENTS, TOOLS
from posts.drift.matrix import Outcome, Truth, counted, judge

ROOT = Path(__file__).parents[2]
# edits that the engine's tests apply in a test of their own, beside their table
BESIDE = {
    "a symbol renamed everywhere": "test_a_symbol_renamed_everywhere_runs_again_and_says_so",
    "an artefact retrained to other bytes": "test_an_artefact_retrained_to_other_bytes_makes_its_readers_stale",
    "a stage that runs again to the same bytes": "test_a_stage_that_runs_again_to_the_same_bytes_leaves"
    "_its_readers_fresh",
}
# of the engine's tests: what another tool has no counterpart of
ALONE = {
    "test_an_edit_runs_again_exactly_what_depends_on_it",
    "test_an_undeclared_file_read_by_a_stage_is_an_error_and_records_nothing",
    "test_a_swallowed_undeclared_read_is_an_error_too",
    "test_an_edit_of_the_engine_runs_again_exactly_what_names_it",
    "test_a_stage_may_look_for_installed_packages",
    "test_a_stage_may_remove_folders_of_its_own_that_hold_folders",
    "test_code_that_no_name_leads_to_counts_once_it_was_seen_to_run",
}


def mutations():
    """The engine's mutation matrix, as a module."""
    spec = importlib.util.spec_from_file_location("mutations", ROOT / "tests/lockstep/test_mutations.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_edits_are_those_of_the_engines_own_tests():
    engine = mutations()
    assert {edit.name for edit in EDITS} == {*engine.MATRIX, *BESIDE}
    assert len(EDITS) == len({edit.name for edit in EDITS})
    tests = {name for name, _ in inspect.getmembers(engine, inspect.isfunction) if name.startswith("test_")}
    assert tests == {*BESIDE.values(), *ALONE}


def test_where_the_engines_tests_expect_no_run_no_result_changes():
    for name, (_, _, _, expected, _) in mutations().MATRIX.items():
        (edit,) = selected((name,))
        stages = {"train": "train", "evaluate": "score", "total": "total"}
        assert edit.group == SAME or {stages[stage] for stage in expected} == set(edit.changed), name


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ARRANGEMENTS)
def test_every_edit_changes_one_file_in_one_place(name, seed, tmp_path):
    arranged, chosen = arrangement(name), sample.words(seed)
    files = arranged.files(chosen)
    for edit in EDITS:
        changes = placed(edit, arranged.declared)
        if changes is None:
            continue
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        apply(changes, tmp_path, arranged.home, arranged.moved, chosen)  # raises where the text is not there just once
        changed = [path for path, text in files.items() if (tmp_path / path).read_text() != text]
        expected = 2 if edit.name == "a symbol renamed everywhere" else 0 if edit.force is not None else 1
        assert len(changed) == expected, edit.name


@pytest.mark.parametrize("tool", TOOLS)
def test_a_careful_project_lists_every_module_that_is_imported_and_a_plain_one_none(tool):
    chosen = sample.words(0)
    imported = {f"mini/{name}" for name in sample.imported({**chosen, "package": "mini"})}
    assert len(imported) == len(sample.MODULES) + 1  # and the package itself
    listed = {}
    for setting in ("plain", "careful"):
        declared = "".join(arrangement(f"{tool}-{setting}").files(chosen).values())
        listed[setting] = {name for name in imported if f'"{name}"' in declared}
    assert listed == {"plain": set(), "careful": imported}


def test_a_text_that_is_there_twice_or_not_at_all_is_not_replaced(tmp_path):
    path = tmp_path / "code.py"
    path.write_text("a = 1\na = 1\n")
    for old in ("a = 1", "b = 1"):
        with pytest.raises(LockstepError, match="an edit replaces one place"):
            replace(path, old, "c = 1")
    assert path.read_text() == "a = 1\na = 1\n"


@pytest.mark.parametrize("seed", range(3))
def test_from_scratch_every_edit_changes_the_results_that_it_declares(seed, tmp_path):
    truth = Truth(tmp_path, sample.words(seed))
    assert len(truth.before) == 2 * len(sample.SEEDS) + 1
    for edit in EDITS:
        after = truth.after(edit)
        changed = {step.split()[0] for step in after if truth.before.get(step) != after[step]}
        forced = {"train"} if edit.force else set()  # its own results carry the noise, and nobody edited it
        assert changed == set(edit.changed) | forced, edit.name


def test_what_the_grid_gains_and_loses_is_in_the_truth(tmp_path):
    truth = Truth(tmp_path, sample.words(0))
    added, removed = (truth.after(edit) for edit in selected(("a grid value added", "a grid value removed")))
    assert set(added) - set(truth.before) == {"train 3", "score 3"}
    assert set(truth.before) - set(removed) == {"train 2", "score 2"}
    assert {step for step in removed if removed[step] != truth.before[step]} == {"total"}


def test_seeds_give_other_names_and_numbers_and_the_same_seed_the_same():
    assert sample.words(1) == sample.words(1)
    assert [sample.words(0)[name] for name in sample.MODULES] != [sample.words(1)[name] for name in sample.MODULES]
    assert [sample.words(0)[name] for name in sample.NUMBERS] != [sample.words(1)[name] for name in sample.NUMBERS]
    for seed in range(3):
        chosen = sample.words(seed)
        assert len(set(chosen.values())) == len(chosen)
        for name, text in sample.package({**chosen, "package": "mini"}).items():
            compile(text, name, "exec")


EDIT = Edit("an edit", GROUPS[0], ())
BEFORE = {"train 0": "1", "score 0": "2", "total": "3"}
AFTER = {"train 0": "1", "score 0": "5", "total": "6"}


@pytest.mark.parametrize(
    "found, steps, verdict, missed, needless",
    [
        (AFTER, ["score 0", "total"], "right", 0, 0),
        (BEFORE, [], "missed", 2, 0),
        ({**AFTER, "total": "3"}, ["score 0"], "missed", 1, 0),
        (AFTER, ["score 0", "total", "train 0"], "needless", 0, 1),
        (AFTER, ["score 0", "score 0", "total"], "needless", 0, 1),
        ({**AFTER, "total": "3"}, ["score 0", "train 0"], "missed", 1, 1),
        ({**AFTER, "train 9": "7"}, ["score 0", "total"], "right", 0, 0),
        ({"train 0": "1", "score 0": "5"}, ["score 0"], "missed", 1, 0),
    ],
)
def test_a_verdict_is_what_lies_on_disk_and_what_ran_against_the_truth(found, steps, verdict, missed, needless):
    outcome = judge(EDIT, BEFORE, AFTER, found, steps)
    assert (outcome.verdict, outcome.missed, outcome.needless) == (verdict, missed, needless)


def test_counts_add_up_to_what_a_tool_can_express():
    outcomes = [
        Outcome(edit, verdict)
        for edit, verdict in zip(EDITS[:4], ("right", "missed", "needless", "right"), strict=True)
    ]
    outcomes.append(Outcome(EDITS[-1], "not expressible"))
    rows = {row["edits"]: row for row in counted(arrangement("dvc-plain"), outcomes)}
    assert rows["all"]["expressible"] == 4
    assert [rows["all"][name] for name in ("right", "missed", "needless")] == [2, 1, 1]
    assert rows[EDITS[-1].group]["expressible"] == 0
    assert {row["setting"] for row in rows.values()} == {"plain"}


def test_an_unknown_edit_or_arrangement_is_named_with_what_there_is():
    with pytest.raises(LockstepError, match="there are: a base class"):
        selected(("a coment",))
    with pytest.raises(LockstepError, match="no arrangement is named"):
        arrangement("make-careful")
