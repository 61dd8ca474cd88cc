"""How a tool is driven: its commands, its version, what it ran, and the results that it leaves.

Each step of the small experiment appends its name to a log outside the project, so what ran is counted in the same way
for every tool, and not read from what the tool says of itself.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import lockstep
from lockstep.errors import LockstepError

from posts.drift.edits import Change

LOG, NOISE = "DRIFT_LOG", "DRIFT_NOISE"
INSTALL = 'pip install -e ".[compare]"'
PLANNED = re.compile(r"^\[\d+/\d+\] \w+\.(\w+)(?: \(seed=(\d+)\))?$", re.MULTILINE)
PASSED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "VIRTUAL_ENV")
Results = dict[str, str]  # the value of each step, such as "score 1", as its text


@contextmanager
def temporary() -> Iterator[Path]:
    """A new folder, gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="drift-"))
    try:
        yield folder
    finally:
        remove(folder)


def remove(folder: Path) -> None:
    """A folder and all that is in it. By whole paths: shutil.rmtree opens folders by their last names alone, which the
    engine's guard takes for files of the project."""
    for where, folders, files in os.walk(folder, topdown=False):
        for name in files:
            Path(where, name).unlink()
        for name in folders:
            path = Path(where, name)
            path.unlink() if path.is_symlink() else path.rmdir()
    folder.rmdir()


@dataclass(frozen=True)
class Command:
    """A module of Python's, with arguments."""

    module: str
    arguments: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.module, *self.arguments))


@dataclass(frozen=True)
class Arrangement:
    """The small experiment as a project of one tool, in one setting.

    `home` is where the package lies and `moved` which of its files have other names there; `declared` places edits of
    settings, grid, data and page; `results` reads what the project holds on disk; `folders` are made first.
    """

    tool: str
    setting: str
    home: str
    files: Callable[[Mapping[str, str]], dict[str, str]]
    prepare: tuple[Command, ...]
    build: tuple[Command, ...]
    force: tuple[Command, ...]
    results: Callable[[Path], Results]
    declared: Mapping[str, Change]
    moved: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()


def version_of(tool: str, expected: str) -> str:
    """Raises LockstepError where the installed tool is not of the version that the settings name.

    Asked in a process of its own: looking for packages opens folders that a stage has not declared.
    """
    told = f"from importlib import metadata as m; print(m.version(m.packages_distributions()[{tool!r}][0]))"
    ask = [sys.executable, "-c", told]
    installed = subprocess.run(ask, capture_output=True, text=True, check=False).stdout.strip()
    if installed != expected:
        has = f"{tool} {installed} is installed here, the settings name {expected}"
        raise LockstepError(f"{has if installed else f'{tool} {expected} is not installed here'}: {INSTALL}")
    return installed


def environment(folder: Path, log: Path | None = None, noise: float = 0.0) -> dict[str, str]:
    """What a tool is started with: nothing of the caller's but where programs lie, and caches of its own.

    Byte code is not kept: Python tells by whole seconds and sizes whether it is of date, and edits are faster.
    """
    caches = str(folder.parent / "caches")
    passed = {name: os.environ[name] for name in PASSED if name in os.environ}
    passed["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), passed.get("PATH", os.defpath)])
    passed |= {"HOME": caches, "XDG_CACHE_HOME": caches, "DVC_SITE_CACHE_DIR": caches, "DVC_NO_ANALYTICS": "1"}
    passed |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", NOISE: repr(noise), "COLUMNS": "200"}
    passed |= {"LANGUAGE": repr(noise)} if noise else {}
    engine = str(Path(lockstep.__path__[0]).parent)  # this one, wherever another may be installed
    return passed | {"PYTHONPATH": os.pathsep.join([str(folder), engine]), LOG: str(log or os.devnull)}


def start(command: Command, folder: Path, variables: Mapping[str, str]) -> str:
    """Run a command in a project to its end; returns all that it said. Raises LockstepError where it fails."""
    done = subprocess.run(
        [sys.executable, "-m", command.module, *command.arguments],
        cwd=folder,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    if done.returncode:
        raise LockstepError(f"{command} ended with {done.returncode}: {said[-1500:]}")
    return said


@dataclass(frozen=True)
class Cost:
    """Seconds that a command took: of the processor, user and system, its children included; and on the clock."""

    cpu: float
    wall: float


def timed(command: Command, folder: Path, variables: Mapping[str, str]) -> Cost:
    """What a command costs. Start nothing else meanwhile: the processor's seconds are those of all children."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    start(command, folder, variables)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall)


def ran(log: Path) -> list[str]:
    """The steps that ran since the log was cleared, each as often as it ran."""
    return sorted(log.read_text(encoding="utf-8").splitlines()) if log.exists() else []


def planned(said: str) -> list[str]:
    """The steps that lockstep says it runs."""
    return [" ".join(part for part in found if part) for found in PLANNED.findall(said)]


def texts(folder: Path) -> Results:
    """Results that lie in text files: weights/SEED.txt, scores/SEED.txt and total.txt."""
    found = {f"train {path.stem}": path.read_text().strip() for path in (folder / "weights").glob("*.txt")}
    found |= {f"score {path.stem}": path.read_text().strip() for path in (folder / "scores").glob("*.txt")}
    total = folder / "total.txt"
    return found | ({"total": total.read_text().strip()} if total.exists() else {})


def ledger(folder: Path) -> Results:
    """Results in a ledger of lockstep's: one line a run, with its keys and rows."""
    metrics, found = {"train": "weight", "score": "score", "total": "total"}, {}
    for stage, metric in metrics.items():
        for text in (folder / f"content/mini/results/{stage}.jsonl").read_text(encoding="utf-8").splitlines():
            line = json.loads(text)
            name = f"{stage} {line['keys']['seed']}" if "seed" in line["keys"] else stage
            found[name] = repr(float(line["rows"][0][metric]))
    return found


def commands(module: str, *lines: Sequence[str]) -> tuple[Command, ...]:
    return tuple(Command(module, tuple(line)) for line in lines)
