"""What it costs that runs leave evidence, `invoke bench --overhead`; recorded in docs/benchmarks/overhead.json.

A call of a function, with the mark that notes it and without, on each Python that is given; a step of the posts'
trainings at the paper's sizes, its modules marked or not, in turns; and runs that do nothing, which is what a process
for each costs. Times are of the processor.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lockstep.record.machine import hardware

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "docs" / "benchmarks" / "overhead.json"
CALL = """
import ast, sys, time
from lockstep.depend.seen import Compiler, Text
text = "def act(x):\\n    return x\\n"
plain, marked = {}, {}
exec(compile(text, "plain", "exec"), plain)
exec(Compiler().compiled(Text("marked", "marked", text, False)).code, marked)
def seconds(act, count=1_000_000):
    begun = time.process_time()
    for _ in range(count):
        act(1)
    return time.process_time() - begun
pairs = [(seconds(plain["act"]), seconds(marked["act"])) for _ in range(7)]
print(min(b for _, b in pairs) * 1000 - min(a for a, _ in pairs) * 1000)
"""
NOTHING = """
from dataclasses import dataclass
from lockstep.experiment import Experiment, Metric


@dataclass(frozen=True)
class Config:
    size: int = 3


idle = Experiment(Config, metrics=[Metric("value")])
rest = idle.stage("work:rest", seed=range(150))
"""


def ran(*command: str, folder: Path = ROOT) -> str:
    """What a command prints, with this engine. Raises CalledProcessError."""
    variables = os.environ | {"PYTHONPATH": str(ROOT / "code"), "OMP_NUM_THREADS": "1"}
    variables.pop("LOCKSTEP_STORE", None)
    return subprocess.run(command, cwd=folder, env=variables, check=True, capture_output=True, text=True).stdout


def calls(pythons: list[str]) -> list[dict[str, object]]:
    """Nanoseconds that the mark of a call costs."""
    found: list[dict[str, object]] = []
    for python in pythons:
        version = ran(python, "-c", "import platform; print(platform.python_version())").strip()
        found.append({"python": version, "nanoseconds": round(float(ran(python, "-c", CALL)), 1)})
    return found


def steps(name: str, rounds: int) -> dict[str, object]:
    """A step, marked over plain, in turns: the median of the ratios and their range."""
    script, pairs = str(Path(__file__).with_name("overhead_step.py")), []
    for _ in range(rounds):
        plain, marked = (float(ran(sys.executable, script, name, how)) for how in ("plain", "marked"))
        pairs.append((plain, marked))
    ratios = sorted(marked / plain for plain, marked in pairs)
    return {
        "step": name,
        "seconds": round(statistics.median(plain for plain, _ in pairs), 4),
        "ratio": round(statistics.median(ratios), 4),
        "lowest": round(ratios[0], 4),
        "highest": round(ratios[-1], 4),
        "rounds": rounds,
    }


def nothing() -> dict[str, object]:
    """Runs that do nothing: planned, made in a process each, recorded."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "code/posts/idle").mkdir(parents=True)
        (folder / "content/idle").mkdir(parents=True)
        (folder / "code/posts/idle/experiment.py").write_text(NOTHING)
        (folder / "code/posts/idle/work.py").write_text('def rest(run):\n    return {"value": 1.0}\n')
        (folder / "content/idle/index.md").write_text("Title: Idle\nDate: 2026-01-02\nSummary: Nothing.\n\nNothing.\n")
        (folder / "content/idle/paper.toml").write_text('[config.size]\nvalue = 3\nwhere = "here"\n')
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        ran(sys.executable, "-m", "lockstep", "run", "idle", folder=folder)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"runs": 150, "cpu_seconds": round(cpu, 2), "wall_seconds": round(time.monotonic() - begun, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--python", action="append", default=[], help="a further interpreter, with NumPy (repeatable)")
    given = parser.parse_args()
    record = {
        "python": platform.python_version(),
        "hardware": hardware(),
        "calls": calls([sys.executable, *given.python]),
        "steps": [steps(name, given.rounds) for name in ("gan", "transformer")],
        "nothing": nothing(),
    }
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
