"""Every edit under every tool: build the small project once, apply one edit, run the tool, see what ran.

The verdict is not declared but measured, against the same experiment computed from scratch by a plain script:

    missed      a result on disk is not what the edited code computes: a wrong number stays
    needless    every result is right, and a step ran whose result the edit does not change
    right       every result is right, and exactly the steps ran whose results it changes
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockstep.errors import LockstepError

from posts.drift.arrangements import arrangement
from posts.drift.edits import GROUPS, Change, Edit, apply, placed, selected
from posts.drift.own import SCRATCH_DECLARED, scratch_files
from posts.drift.sample import words
from posts.drift.tools import (
    Arrangement,
    Command,
    Results,
    environment,
    planned,
    ran,
    remove,
    start,
    temporary,
    version_of,
)

if TYPE_CHECKING:
    from lockstep.run import Run

INEXPRESSIBLE = "not expressible"
VERDICTS = ("right", "missed", "needless", INEXPRESSIBLE)
ENGINE = "engine"  # the dataset that stands for the code of lockstep


@dataclass(frozen=True)
class Outcome:
    """What one edit did under one tool: steps whose result is now wrong, and steps that ran for nothing."""

    edit: Edit
    verdict: str
    missed: int = 0
    needless: int = 0


def judge(edit: Edit, before: Results, after: Results, found: Results, steps: Sequence[str]) -> Outcome:
    """`before` and `after` the edit from scratch, `found` on disk, and the steps that ran.

    Results of steps that are no longer part of the experiment may lie about on disk; nobody reads them.
    """
    changed = {step for step in after if before.get(step) != after[step]}
    missed = [step for step in after if found.get(step) != after[step]]
    needless = [step for number, step in enumerate(steps) if step not in changed or step in steps[:number]]
    return Outcome(edit, "missed" if missed else "needless" if needless else "right", len(missed), len(needless))


class Bench:
    """One project in a folder of its own, which goes back to its first state before each edit.

    It always lies at the same path, since tools remember paths; times of files are kept, since some compare them.
    """

    def __init__(self, folder: Path, files: Mapping[str, str], home: str, moved: Mapping[str, str]):
        self.folder, self.kept = folder / "project", folder / "kept"
        self.home, self.moved = home, moved
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def keep(self) -> None:
        """This is the state to go back to."""
        shutil.copytree(self.folder, self.kept, symlinks=True)

    def restore(self) -> None:
        remove(self.folder)
        shutil.copytree(self.kept, self.folder, symlinks=True)

    def edit(self, changes: list[Change], chosen: Mapping[str, str]) -> None:
        apply(changes, self.folder, self.home, self.moved, chosen)


class Truth:
    """The experiment from scratch, without any tool, before and after an edit."""

    def __init__(self, folder: Path, chosen: Mapping[str, str]):
        self.chosen = chosen
        self.bench = Bench(folder, scratch_files(chosen), "mini", {})
        self.bench.keep()
        self.before = self._compute(0.0)

    def after(self, edit: Edit) -> Results:
        """Edits of a page leave the experiment as it is."""
        self.bench.restore()
        here = [change for change in edit.changes if SCRATCH_DECLARED.get(change.file, change)]
        self.bench.edit(placed(Edit(edit.name, edit.group, tuple(here)), SCRATCH_DECLARED) or [], self.chosen)
        return self._compute(edit.force or 0.0)

    def _compute(self, noise: float) -> Results:
        said = start(Command("scratch", (repr(noise),)), self.bench.folder, environment(self.bench.folder))
        return json.loads(said)


class Project:
    """The experiment as a project of one tool, built once."""

    def __init__(self, folder: Path, arranged: Arrangement, chosen: Mapping[str, str]):
        self.arranged, self.chosen, self.log = arranged, chosen, folder / "steps.log"
        self.bench = Bench(folder, arranged.files(chosen), arranged.home, arranged.moved)
        for name in arranged.folders:
            (self.bench.folder / name).mkdir()
        self.steps([*arranged.prepare, *arranged.build])
        self.built = arranged.results(self.bench.folder)
        self.bench.keep()

    def steps(self, commands: Sequence[Command], noise: float = 0.0) -> list[str]:
        """Run commands; returns the steps that ran."""
        self.log.unlink(missing_ok=True)
        said = ""
        for command in commands:
            said += start(command, self.bench.folder, environment(self.bench.folder, self.log, noise))
        return sorted(planned(said)) if self.arranged.tool == "lockstep" else ran(self.log)

    def outcome(self, edit: Edit, truth: Truth) -> Outcome:
        """Apply an edit to the project as it was built, run the tool's ordinary command, and judge."""
        changes = placed(edit, self.arranged.declared)
        if changes is None:
            return Outcome(edit, INEXPRESSIBLE)
        self.bench.restore()
        self.bench.edit(changes, self.chosen)
        forced = self.steps(self.arranged.force, edit.force) if edit.force is not None else []
        steps = self.steps(self.arranged.build)
        expected = [step for step in truth.before if step.startswith("train")] if edit.force is not None else []
        if not set(expected) <= set(forced):
            raise LockstepError(f'"{edit.name}": {self.arranged.force} ran {forced}, not {expected}')
        # what was forced may have run on into later steps, in the same command
        steps = sorted([*steps, *(step for step in forced if step not in expected)])
        return judge(edit, truth.before, truth.after(edit), self.arranged.results(self.bench.folder), steps)


def measure(run: Run) -> list[dict[str, Any]]:
    """Every edit under one arrangement. Output: matrix.csv, a line an edit; rows count verdicts by group."""
    config = run.config
    arranged, chosen, edits = arrangement(config.arrangement), words(run.seed), selected(config.edits)
    version_of(arranged.tool, getattr(config, arranged.tool))
    if arranged.tool == "lockstep":
        run.data(ENGINE)  # its code is what is measured: a change of it makes this run stale
    outcomes = []
    with temporary() as folder:
        truth = Truth(Path(folder, "truth"), chosen)
        project = Project(Path(folder, "tool"), arranged, chosen)
        if project.built != truth.before:
            raise LockstepError(f"{config.arrangement} computes {project.built}, from scratch it is {truth.before}")
        if rebuilt := project.steps(arranged.build):
            raise LockstepError(f"{config.arrangement} runs {rebuilt} again where nothing has changed")
        for number, edit in enumerate(edits, start=1):
            outcomes.append(project.outcome(edit, truth))
            run.progress(number, len(edits))
    run.write_csv("matrix.csv", [line(config.arrangement, outcome) for outcome in outcomes])
    return list(counted(arranged, outcomes))


def line(arrangement: str, outcome: Outcome) -> dict[str, Any]:
    """An edit as matrix.csv has it."""
    edit = outcome.edit
    row = {"arrangement": arrangement, "group": edit.group, "edit": edit.name, "verdict": outcome.verdict}
    return row | {"steps_missed": outcome.missed, "steps_needless": outcome.needless}


def counted(arranged: Arrangement, outcomes: Sequence[Outcome]) -> Iterator[dict[str, Any]]:
    """How many edits of each group, and of all, got which verdict."""
    for group in (*GROUPS, "all"):
        of_group = [outcome for outcome in outcomes if group in ("all", outcome.edit.group)]
        if of_group:
            row = {"tool": arranged.tool, "setting": arranged.setting, "edits": group}
            counts = {name: [outcome.verdict for outcome in of_group].count(name) for name in VERDICTS}
            expressible = len(of_group) - counts.pop(INEXPRESSIBLE)
            yield row | {name: float(count) for name, count in counts.items()} | {"expressible": float(expressible)}
