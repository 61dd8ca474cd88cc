"""Edits that try to leave a wrong result fresh, against the real command line. The truth is a run from scratch.

    python tests/support/adversary.py                   every case of posts.drift.adversary: a table, and what failed
    python tests/support/adversary.py -k "registries"   cases whose kind or name holds a text
    python tests/support/adversary.py -k "…" --said     with everything that the commands said
    python tests/support/adversary.py --keep DIR        write the project of each case, before and after its edit

Verdicts: *right*; *missed*, the result differs and `check` passed; *cached*, the same because of the cache of checked
posts alone; *needless*, `check` failed and the result is the same; *refused*, the project is not run at all, without
the message that the case allows; *crash*, a traceback.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from posts.drift.adversary.case import Case, Entry
from posts.drift.adversary.collected import CASES, KINDS
from posts.drift.adversary.own import DEFAULTS, project

VERDICTS = ("right", "missed", "cached", "needless", "refused", "crash", "broken")
STALE = re.compile(r": (stale|missing) \(")
RAISED = re.compile(r" raised (?!UndeclaredRead)\w+: ")  # an error of the stage's own is no refusal
ANNOUNCED = re.compile(r"^[ \[]|runs? to make")  # what is going to be done
WORKER = Path(__file__).with_name("adversary_worker.py")


@dataclass(frozen=True)
class Trial:
    """Two sides of a project, [text, codec, target] by path, and the seeds of its one stage."""

    name: str
    kind: str
    before: dict[str, Entry] = field(repr=False)
    after: dict[str, Entry] = field(repr=False)
    seeds: tuple[int, ...] = (0,)
    needs: str = ""
    slug: str = "mini"

    def line(self) -> str:
        sides = {
            name: {path: [entry.text, entry.codec, entry.target] for path, entry in side.items()}
            for name, side in (("before", self.before), ("after", self.after))
        }
        return json.dumps({"name": self.name, "slug": self.slug, "seeds": self.seeds, **sides})


@dataclass(frozen=True)
class Outcome:
    """What came of a trial: a verdict, the reason in a line, everything that was said, and seconds of the processor.

    `changes`: does the edit change a result, from scratch? None where that was not found out.
    """

    trial: Trial
    verdict: str
    reason: str
    said: str = ""
    seconds: float = 0.0
    changes: bool | None = None


def trial_of(case: Case) -> Trial:
    seeds = next((file.side(True)[1] for file in case.files if file.path == "@seeds"), DEFAULTS["@seeds"])  # type: ignore[index]
    return Trial(
        case.name, case.kind, project(case, False), project(case, True), tuple(map(int, seeds.split(","))), case.needs
    )


def judged(trial: Trial, answer: dict[str, Any]) -> Outcome:
    """The verdict on what a worker found."""
    said = json.dumps(answer, indent=1).replace("\\n", "\n")
    changes = answer["before"] != answer["after"] if answer.get("truth", [1])[0] == 0 else None

    def outcome(verdict: str, reason: str) -> Outcome:
        return Outcome(trial, verdict, reason, said, answer.get("seconds", 0.0), changes)

    if "error" in answer:
        return outcome("broken", answer["error"].strip().splitlines()[-1])
    texts = [answer[step][1] for step in ("build", "check", "check again", "truth") if step in answer]
    if crashed := next((text for text in texts if "Traceback (most recent call last)" in text), ""):
        return outcome("crash", crashed.strip().splitlines()[-1])
    if answer["build"][0] != 0:
        return outcome(*_refusal(trial, answer["build"][1], answer["before"]))
    noticed = answer["check"][0] != 0
    late = not noticed and answer["check again"][0] != 0
    if answer["truth"][0] != 0:
        verdict, reason = _refusal(trial, answer["truth"][1], {})
        return outcome(verdict if noticed else "missed", reason)
    if noticed:
        return outcome("right" if changes else "needless", _first(answer["check"][1]))
    if changes:
        values = f"{_values(answer['before'])} was recorded, {_values(answer['after'])} comes from scratch"
        return outcome("cached" if late else "missed", values)
    return outcome("needless", _first(answer["check again"][1])) if late else outcome("right", "same, and fresh")


def _refusal(trial: Trial, said: str, recorded: dict[str, Any]) -> tuple[str, str]:
    """A refusal is right where the case allows it and it names what is needed."""
    lines = said.strip().splitlines() or ["nothing was said"]
    if recorded:
        return "broken", f"recorded, and then: {lines[-1]}"
    told = [line for line in lines if not line.startswith(" ") and not RAISED.search(line)]
    if trial.needs.startswith("raises "):
        told = lines
    needs = trial.needs.replace("raises ", "raised ")
    named = [line for line in told if needs and needs in line]
    why = next((line for line in lines if not ANNOUNCED.search(line)), lines[0])
    return ("right", f"refused: {named[0]}") if named else ("refused", f"refused: {why}")


def _first(said: str) -> str:
    lines = said.strip().splitlines() or ["nothing was said"]
    return next((line for line in lines if STALE.search(line)), lines[0])


def _values(rows: dict[str, Any]) -> str:
    return ", ".join(str(row.get("value")) for line in rows.values() for row in line["rows"])


class Worker:
    """A process that tries what it is given, one trial after another."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def tried(self, trial: Trial) -> Outcome:
        assert self._process.stdin and self._process.stdout
        print(trial.line(), file=self._process.stdin, flush=True)
        return judged(trial, json.loads(self._process.stdout.readline()))

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


def tried(trials: Sequence[Trial], jobs: int = 1, told: Callable[[Outcome], None] | None = None) -> list[Outcome]:
    """Try each; `jobs` processes share them. Outcomes come in the order of the trials; `told` hears of each at once."""

    def share(number: int) -> list[Outcome]:
        found = []
        with Worker() as worker:
            for trial in trials[number::jobs]:
                found.append(worker.tried(trial))
                if told:
                    told(found[-1])
        return found

    with ThreadPoolExecutor(jobs) as pool:
        shares = list(pool.map(share, range(jobs)))
    return [shares[number % jobs][number // jobs] for number in range(len(trials))]


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """Kinds by verdicts."""
    shown = [verdict for verdict in VERDICTS if any(outcome.verdict == verdict for outcome in outcomes)]
    lines = [f"{'':36}" + "".join(f"{verdict:>10}" for verdict in ["cases", *shown])]
    for kind in [*dict.fromkeys(outcome.trial.kind for outcome in outcomes), "all"]:
        found = [outcome.verdict for outcome in outcomes if kind in ("all", outcome.trial.kind)]
        lines.append(f"{kind:36}{len(found):10}" + "".join(f"{found.count(verdict):10}" for verdict in shown))
    return lines


def keep(trial: Trial, folder: Path) -> None:
    """Write both sides of a project, to look at."""
    for name, entries in (("before", trial.before), ("after", trial.after)):
        for path, entry in entries.items():
            place = folder / re.sub(r"\W+", "-", f"{trial.kind}--{trial.name}") / name / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(f"link to {entry.target}" if entry.target else entry.text, newline="")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-k", default="", help=f"only cases whose kind or name holds this text; kinds: {KINDS}")
    parser.add_argument("-j", type=int, default=2, help="processes")
    parser.add_argument("--all", action="store_true", help="print the right ones as well")
    parser.add_argument("--said", action="store_true", help="print all that the commands said")
    parser.add_argument("--keep", type=Path, help="only write the projects there")
    asked = parser.parse_args()
    trials = [trial_of(case) for case in CASES if asked.k in f"{case.kind}: {case.name}"]
    if asked.keep:
        for trial in trials:
            keep(trial, asked.keep)
        return 0

    def told(outcome: Outcome) -> None:
        if asked.said or asked.all or outcome.verdict != "right":
            print(f"{outcome.verdict:8} {outcome.trial.kind}: {outcome.trial.name}\n           {outcome.reason[:300]}")
            print(outcome.said if asked.said else "", end="", flush=True)

    outcomes = tried(trials, asked.j, told)
    print("\n".join(table(outcomes)))
    seconds = sum(outcome.seconds for outcome in outcomes)
    print(f"{seconds:.1f} s of the processor, {seconds / max(len(outcomes), 1):.2f} s a case")
    return int(any(outcome.verdict != "right" for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
