"""What an adversary tried, under every tool: a project for each kind of case, all of its cases edited at once.

Each case is a package of its own, so that one command of a tool tells what it makes of every edit. The truth is each
value computed from scratch in a process of its own: without any tool, or by a run of lockstep in a project that holds
the case and nothing else. That is the truth for what only lockstep has, and for values that depend on where code lies
or on what lockstep fixes for every run, which are one time zone and one order of hashes.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockstep.errors import LockstepError

from posts.drift.adversary.case import Case, Entry
from posts.drift.adversary.collected import CASES, KINDS
from posts.drift.adversary.neutral import Placed, files, placed
from posts.drift.adversary.others import FILES
from posts.drift.adversary.own import project
from posts.drift.arrangements import PREPARE, arrangement
from posts.drift.edits import Edit
from posts.drift.matrix import ENGINE, INEXPRESSIBLE, Outcome, judge
from posts.drift.tools import Arrangement, Command, Results, environment, ran, temporary, version_of

if TYPE_CHECKING:
    from lockstep.run import Run

REFUSED = "refused"
VERDICTS = ("right", "missed", "needless", REFUSED, INEXPRESSIBLE)
ALL = "adversary"  # all cases, in the rows
GO_ON = {  # the everyday command, which goes on with other steps where one fails
    "lockstep": Command("lockstep", ("build", "--no-render")),
    "snakemake": Command("snakemake", ("--cores", "1", "--quiet", "--keep-going")),
    "dvc": Command("dvc", ("repro", "--quiet", "--keep-going")),
    "pytask": Command("pytask", ()),
}
PLANNED = re.compile(r"^\[\d+/\d+\] (\w+)\.train \(seed=(\d+)\)$", re.MULTILINE)


class Bench:
    """A project on disk, with a home and a folder for temporary files of its own."""

    def __init__(self, folder: Path):
        self.project, self.home, self.temp = folder / "project", folder / "home", folder / "temp"
        self.log, self.laid = folder / "steps.log", dict[str, Entry]()
        for path in (self.project / "made", self.home, self.temp):
            path.mkdir(parents=True)

    def lay(self, entries: Mapping[str, Entry]) -> None:
        """Make the files of the project those of `entries`; what is the same stays untouched."""
        for name in [name for name in self.laid if name not in entries and not name.startswith("env:")]:
            self.path(name).unlink()
        for name, entry in entries.items():
            if self.laid.get(name) != entry and not name.startswith("env:"):
                self._write(self.path(name), entry)
        self.laid = dict(entries)

    def path(self, name: str) -> Path:
        place, _, rest = name.partition(":")
        return {"home": self.home, "temp": self.temp}.get(place, self.project) / (rest or place)

    def _write(self, path: Path, entry: Entry) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if entry.target:
            path.symlink_to(self.project / entry.target.removeprefix("project:"))
        elif entry.codec == "sqlite":
            base = sqlite3.connect(path)
            base.executescript(entry.text)
            base.close()
        else:
            path.write_bytes(entry.text.encode(entry.codec))

    def start(self, command: Command, fails: bool = True) -> str:
        """Run a command to its end; returns what it said. Raises LockstepError where it fails, if that is an error."""
        variables = environment(self.project, self.log) | {"HOME": str(self.home), "TMPDIR": str(self.temp)}
        variables |= {name[4:]: entry.text.strip() for name, entry in self.laid.items() if name.startswith("env:")}
        if not fails:  # a project of lockstep has its code in a folder
            variables["PYTHONPATH"] = os.pathsep.join([str(self.project / "code"), variables["PYTHONPATH"]])
        told: Any = {"cwd": self.project, "env": variables, "stdin": subprocess.DEVNULL}
        started = [sys.executable, "-m", command.module, *command.arguments]
        done = subprocess.run(started, capture_output=True, text=True, check=False, **told)
        said = done.stdout + done.stderr
        if done.returncode and fails:
            raise LockstepError(f"{command} ended with {done.returncode}: {said[-1500:]}")
        return said


def recorded(folder: Path) -> Results:
    """The values in the ledgers of a project of lockstep."""
    found = {}
    for path in sorted(folder.glob("content/*/results/train.jsonl")):
        for line in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
            found[f"{path.parts[-3]} {line['keys']['seed']}"] = repr(line["rows"][0]["value"])
    return found


def made(folder: Path) -> Results:
    """The values in the files that steps write."""
    return {path.stem.replace("-", " "): path.read_text() for path in sorted((folder / "made").glob("*.txt"))}


class Project:
    """The cases of one kind as a project of one tool."""

    def __init__(self, folder: Path, arranged: Arrangement, cases: Mapping[str, Case], seed: int):
        self.bench, self.arranged, self.cases, self.seed = Bench(folder), arranged, cases, seed

    def entries(self, after: bool) -> dict[str, Entry]:
        if self.arranged.tool == "lockstep":
            sides = [project(case, after, name, self.seed) for name, case in self.cases.items()]
            return {path: entry for side in sides for path, entry in side.items()}
        sides = [placed(case, after, name, self.seed) for name, case in self.cases.items()]
        return FILES[self.arranged.tool](sides, self.arranged.setting == "careful")

    def built(self, after: bool) -> tuple[Results, list[str]]:
        """The values on disk after the everyday command, and the steps that ran."""
        self.bench.lay(self.entries(after))
        if not after:
            for command in PREPARE.get(self.arranged.tool, ()):
                self.bench.start(command)
        self.bench.log.unlink(missing_ok=True)
        said = self.bench.start(GO_ON[self.arranged.tool], fails=False)
        if self.arranged.tool == "lockstep":
            return recorded(self.bench.project), [" ".join(found) for found in PLANNED.findall(said)]
        return made(self.bench.project), ran(self.bench.log)


def truth(folder: Path, cases: Mapping[str, Case], after: bool, seed: int) -> Results:
    """Every value from scratch, each in a process of its own."""
    neutral: list[Placed] = [placed(case, after, name, seed) for name, case in cases.items() if not case.only_here]
    bench = Bench(folder / "neutral")
    bench.lay(files(neutral))
    found: Results = json.loads(bench.start(Command("scratch"))) if neutral else {}
    for name, case in cases.items():
        if case.only_here:
            found |= own_truth(folder / name, name, case, after, seed)
    return found


def own_truth(folder: Path, name: str, case: Case, after: bool, seed: int) -> Results:
    """The values of one case from scratch, by lockstep."""
    bench = Bench(folder)
    bench.lay(project(case, after, name, seed))
    bench.start(Command("lockstep", ("run", f"{name}.train")), fails=False)
    return recorded(bench.project)


def outcomes(folder: Path, arranged: Arrangement, kind: str, cases: Mapping[str, Case], seed: int) -> Iterator[Outcome]:
    """The verdict on every case of a kind."""
    own = {name: case for name, case in cases.items() if arranged.tool == "lockstep" or not case.only_here}
    tool = Project(folder / "tool", arranged, own, seed)
    built, _ = tool.built(False)
    found, steps = tool.built(True)
    before, after = (truth(folder / name, own, name == "after", seed) for name in ("before", "after"))
    for name, case in cases.items():
        edit = Edit(case.name, kind, ())
        if name not in own:
            yield Outcome(edit, INEXPRESSIBLE)
            continue
        truths, left = [of(name, before), of(name, after)], of(name, found)
        if not left and not of(name, built):
            yield Outcome(edit, REFUSED)
            continue
        if arranged.tool == "lockstep" and not case.only_here and left != truths[1]:
            truths = [own_truth(folder / f"{name}-{after}", name, case, after, seed) for after in (False, True)]
        yield judge(edit, truths[0], truths[1], left, [step for step in steps if step.split()[0] == name])


def of(name: str, results: Results) -> Results:
    """Those of one case."""
    return {step: value for step, value in results.items() if step.split()[0] == name}


def named(cases: Sequence[Case]) -> dict[str, dict[str, Case]]:
    """Cases by kind and by a short name each. Names are of one length, so that none begins another."""
    numbered = {f"c{CASES.index(case):03}": case for case in cases}
    return {kind: {name: case for name, case in numbered.items() if case.kind == kind} for kind in KINDS}


def measure(run: Run) -> list[dict[str, Any]]:
    """Every case under one arrangement. Output: tried.csv, a line a case; rows count verdicts by kind."""
    config = run.config
    arranged, chosen = arrangement(config.arrangement), [case for case in CASES if case.kind in (config.kinds or KINDS)]
    version_of(arranged.tool, getattr(config, arranged.tool))
    if arranged.tool == "lockstep":
        run.data(ENGINE)
    found: list[Outcome] = []
    for number, (kind, cases) in enumerate(named(chosen).items(), start=1):
        if cases:
            with temporary() as folder:
                found += outcomes(folder, arranged, kind, cases, run.seed)
        run.progress(number, len(KINDS))
    run.write_csv("tried.csv", [line(config.arrangement, outcome) for outcome in found])
    return list(counted(arranged, found))


def line(arrangement: str, outcome: Outcome) -> dict[str, Any]:
    """A case as tried.csv has it."""
    edit = outcome.edit
    return {"arrangement": arrangement, "kind": edit.group, "edit": edit.name, "verdict": outcome.verdict}


def counted(arranged: Arrangement, found: Sequence[Outcome]) -> Iterator[dict[str, Any]]:
    """How many cases of each kind, and of all, got which verdict."""
    for kind in (*KINDS, ALL):
        of_kind = [outcome.verdict for outcome in found if kind in (ALL, outcome.edit.group)]
        if of_kind:
            counts = {name: float(of_kind.count(name)) for name in VERDICTS}
            expressible = len(of_kind) - counts.pop(INEXPRESSIBLE)
            row = {"tool": arranged.tool, "setting": arranged.setting, "edits": kind}
            share = 100 * counts["needless"] / expressible if expressible else 0.0
            yield row | counts | {"expressible": float(expressible), "needless_share": share}
