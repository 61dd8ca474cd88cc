"""Tries edits on the real command line: reads trials as lines of JSON, answers each with a line.

Every command runs in a process of its own, forked from this one, which has imported the engine and what it imports
from elsewhere and has run nothing. `adversary.py` starts it and judges what it found.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from lockstep import cli

for needed in (
    "lockstep.build",
    "lockstep.report.check",
    "rich.console",
    "rich.table",
):  # once, and not in each process
    import_module(needed)
np.random.seed(0)
TIMEOUT = 60
ENGINE = str(Path(cli.__file__).parents[1])
FROM_THE_START = {
    "PYTHONHASHSEED",
    "TZ",
    "DRIFT_APART",
}  # the last asks for addresses that differ as those of programs do
PASSED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
Answer = dict[str, Any]


class Place:
    """Where a trial happens: a project, a home and a folder for temporary files, all its own."""

    def __init__(self, folder: Path, slug: str):
        self.folder, self.slug = folder, slug
        self.project, self.home, self.temp = folder / "project", folder / "home", folder / "temp"
        for path in (self.project, self.home, self.temp):
            path.mkdir(parents=True)
        self.variables: dict[str, str] = {}
        self.laid: dict[str, list[str]] = {}

    def path(self, name: str) -> Path:
        place, _, rest = name.partition(":")
        return {"home": self.home / rest, "temp": self.temp / rest, "project": self.project / rest}.get(
            place, self.project / name
        )

    def lay(self, entries: dict[str, list[str]]) -> None:
        """Make the files those of `entries`: [text, codec, target] by name. What is the same stays untouched."""
        for name in [name for name in self.laid if name not in entries]:
            if not name.startswith("env:"):
                self.path(name).unlink()
        for name, entry in entries.items():
            if self.laid.get(name) != entry and not name.startswith("env:"):
                write(self.path(name), entry, self)
        self.laid = entries
        self.variables = {name[4:]: entry[0].strip() for name, entry in entries.items() if name.startswith("env:")}

    def environment(self) -> dict[str, str]:
        own = {"HOME": str(self.home), "TMPDIR": str(self.temp), "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}
        own["PYTHONPATH"] = os.pathsep.join([str(self.project / "code"), ENGINE])
        own["OPENBLAS_NUM_THREADS"] = own["OMP_NUM_THREADS"] = "1"
        return {name: os.environ[name] for name in PASSED if name in os.environ} | own | self.variables

    def rows(self) -> dict[str, Any]:
        """What the ledger has: rows and digests of what was made, by stage and keys."""
        found = {}
        for path in sorted((self.project / "content" / self.slug / "results").glob("*.jsonl")):
            for line in map(json.loads, path.read_text().splitlines()):
                name = f"{line['stage']} {json.dumps(line['keys'])}"
                found[name] = {key: line[key] for key in ("rows", "artefacts", "outputs", "status", "reason")}
        return found

    def wipe(self) -> None:
        """As if nothing had ever run."""
        for path in (self.project / ".lockstep", self.project / "content" / self.slug / "results"):
            shutil.rmtree(path, ignore_errors=True)
        self.forget()

    def forget(self) -> None:
        """Remove what runs left outside the project."""
        for path in (self.home, self.temp):
            shutil.rmtree(path)
            path.mkdir()
        kept, self.laid = self.laid, {n: e for n, e in self.laid.items() if n.partition(":")[0] not in ("home", "temp")}
        self.lay(kept)

    def command(self, *arguments: str) -> tuple[int, str]:
        """Run a command of lockstep in a process of its own; returns its code and what it said."""
        if FROM_THE_START & {*self.variables}:
            return self._started(arguments)
        said = self.folder / "said.txt"
        if (child := os.fork()) == 0:
            self._become(said, arguments)
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status), said.read_text(errors="replace")

    def _started(self, arguments: tuple[str, ...]) -> tuple[int, str]:
        """In a process that does not come from this one: some variables count from its start."""
        command = [sys.executable, "-m", "lockstep", *arguments]
        told: Any = {"cwd": self.project, "env": self.environment(), "capture_output": True, "text": True}
        done = subprocess.run(command, check=False, timeout=TIMEOUT, **told)
        return done.returncode, done.stdout + done.stderr

    def _become(self, said: Path, arguments: tuple[str, ...]) -> None:
        """In the forked process: run the command and end."""
        code = 70
        try:
            signal.alarm(TIMEOUT)
            with said.open("w") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            os.chdir(self.project)
            os.environ.clear()
            os.environ.update(self.environment())
            tempfile.tempdir = None
            sys.dont_write_bytecode = True
            sys.path[:] = [str(self.project), str(self.project / "code"), *sys.path]
            sys.argv = ["lockstep", *arguments]
            code = cli.main(arguments)
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        except BaseException:  # what a user would see
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def write(path: Path, entry: list[str], place: Place) -> None:
    """Write a file of text in a codec, a database from its statements, or a link."""
    text, codec, target = entry
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if target:
        path.symlink_to(place.path(target))
    elif codec == "sqlite":
        with sqlite3.connect(path) as base:
            base.executescript(text)
        base.close()
    else:
        path.write_bytes(text.encode(codec))


def tried(trial: dict[str, Any], folder: Path) -> Answer:
    """Build the project, edit it, check it, and run it from scratch, each run in a process of its own."""
    place = Place(folder, trial["slug"])
    place.lay(trial["before"])
    answer: Answer = {"name": trial["name"], "build": place.command("build", "--no-render"), "before": place.rows()}
    if answer["build"][0] != 0:
        return answer
    place.lay(trial["after"])
    answer["check"] = place.command("check")
    if answer["check"][0] == 0:
        shutil.rmtree(place.project / ".lockstep" / "cache", ignore_errors=True)
        answer["check again"] = place.command("check")
    place.wipe()
    truth = []
    for seed in trial["seeds"]:
        place.forget()
        truth.append(place.command("run", f"{trial['slug']}.train", "--seed", str(seed)))
    answer["truth"] = max(truth)
    answer["after"] = place.rows()
    return answer


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="adversary-") as top:
        for number, line in enumerate(sys.stdin):
            trial, began = json.loads(line), time.process_time() + sum(os.times()[2:4])
            folder = Path(top, str(number))
            try:
                answer = tried(trial, folder)
            except Exception:
                answer = {"name": trial["name"], "error": traceback.format_exc()}
            answer["seconds"] = time.process_time() + sum(os.times()[2:4]) - began
            shutil.rmtree(folder, ignore_errors=True)
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
