"""Cases as one project that belongs to no tool: a package for each, settings in one file, a step for one value.

A project holds many cases, since each belongs to a package of its own: all are edited at once, and one command of a
tool tells what it makes of every edit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from posts.drift.adversary.case import Case, Entry, numbers, side
from posts.drift.adversary.own import DEFAULTS

ROOTS = {"root:": "", "beside:": "", "project:": "", "home:": "home:", "temp:": "temp:", "env:": "env:"}
STEP = '''"""One value of one case: `python step.py CASE SEED`."""

import json
import os
import sys
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parent


def value(case, seed, scale, line):
    return repr(float(import_module(f"{case}.train").weigh(scale, line, seed)))


def note(step):
    with open(os.environ["DRIFT_LOG"], "a") as log:
        log.write(step + "\\n")


if __name__ == "__main__":
    case, seed = sys.argv[1], int(sys.argv[2])
    told = json.loads(Path("params.json").read_text())[case]
    note(f"{case} {seed}")
    Path(f"made/{case}-{seed}.txt").write_text(value(case, seed, told["scale"], told["line"]))
'''
# every value in a process of its own, which has imported nothing of the project: forked, since a start costs more;
# with a copy of the folder for temporary files, in which it may leave things
SCRATCH = """import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy  # once, and not in each process
from step import value

found = {}
for case, told in json.loads(Path("params.json").read_text()).items():
    for seed in told["seeds"]:
        read, write = os.pipe()
        if (child := os.fork()) == 0:
            os.environ["TMPDIR"] = shutil.copytree(os.environ["TMPDIR"], f"../temp-{case}-{seed}")
            tempfile.tempdir = None
            os.write(write, value(case, seed, told["scale"], told["line"]).encode())
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as pipe:
            found[f"{case} {seed}"] = pipe.read()
        os.waitpid(child, 0)
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Placed:
    """One side of a case in a project: its files by path, what a step is told, and what its author would list."""

    name: str
    files: Mapping[str, Entry]
    scale: float
    line: tuple[float, ...]
    seeds: tuple[int, ...]

    @property
    def script(self) -> str:
        """The step's own file."""
        return f"{self.name}/train.py"

    @property
    def modules(self) -> list[str]:
        """Every module beside the script, the packages around them included."""
        return [path for path, entry in self.files.items() if path.endswith(".py") and path != self.script]

    @property
    def inputs(self) -> list[str]:
        """Files that the step reads; of a folder that it looks through, each. Home and temporary files lie beside."""
        read = [
            path
            for path, entry in self.files.items()
            if not path.endswith(".py")
            and not path.startswith("env:")
            and not (entry.target and path.startswith(f"{self.name}/"))  # a package that is a link
        ]
        return [re.sub("^(home|temp):", r"../\1/", path) for path in read]

    @property
    def told(self) -> dict[str, object]:
        return {"scale": self.scale, "line": list(self.line), "seeds": list(self.seeds)}


def placed(case: Case, after: bool, name: str, seed: int) -> Placed:
    """One side of a case, under a name of its own."""
    words = {**numbers(seed), "package": name, "other": f"{name}other", "slug": name}
    files = side(case, after, words)
    told = {key: files[key].text.strip() if key in files else value for key, value in DEFAULTS.items()}
    own = {_path(path, name): entry for path, entry in files.items() if not path.startswith("@")}
    return Placed(
        name,
        {f"{name}/__init__.py": Entry("")} | own,
        float(told["@scale"]),
        tuple(float(text) for text in told["@line"].split(",")),
        tuple(int(text) for text in told["@seeds"].split(",")),
    )


def _path(path: str, name: str) -> str:
    for place, folder in ROOTS.items():
        if path.startswith(place):
            return folder + path.removeprefix(place)
    return f"{name}/{path}"


def params(cases: Sequence[Placed]) -> str:
    """What the steps are told, a line a case."""
    return json.dumps({case.name: case.told for case in cases}, indent=1) + "\n"


def files(cases: Sequence[Placed]) -> dict[str, Entry]:
    """A project of these cases for any tool, and for none."""
    shared = {"step.py": Entry(STEP), "scratch.py": Entry(SCRATCH), "params.json": Entry(params(cases))}
    return shared | {path: entry for case in cases for path, entry in case.files.items()}
