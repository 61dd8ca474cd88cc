"""How a check grows, `invoke bench --linear`: CPU seconds over the number of bindings and of rows, and the exponent.

A generated post (tests/support/wide.py) with n bindings and ten n rows, a run a row; each size is checked in a fresh
process without any cache, the least of several rounds. The exponent is the slope of log seconds over log n by least
squares, after what a check of next to nothing costs is taken off. Recorded in docs/benchmarks/linear.json.
"""

from __future__ import annotations

import json
import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

import wide  # noqa: E402
from lockstep.record.machine import hardware, versions  # noqa: E402

RECORD = ROOT / "docs" / "benchmarks" / "linear.json"
SIZES, ROUNDS, NOTHING = (125, 250, 500, 1000), 2, 1
COMMANDS = {
    "check": ["check"],
    "refresh": ["build", "--no-render"],
}


def cpu(command: list[str], root: Path) -> float:
    """CPU seconds of a fresh process, user and system. Raises SystemExit where it fails."""
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "lockstep", *command], cwd=root, env=environment, capture_output=True, text=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"lockstep {' '.join(command)}: {done.stdout[-500:]} {done.stderr[-2000:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measured(size: int) -> dict[str, float]:
    """Of both commands at one size, the least of all rounds: a build that fills in every value, then a check."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        wide.create(root, size, size)
        prose = root / "content/wide/index.md"
        empty, best = prose.read_bytes(), dict.fromkeys(COMMANDS, math.inf)
        for _ in range(ROUNDS):
            prose.write_bytes(empty)
            for name in ("refresh", "check"):
                shutil.rmtree(root / ".lockstep" / "cache", ignore_errors=True)
                best[name] = min(best[name], cpu(COMMANDS[name], root))
        return best


def exponent(seconds: Mapping[int, float], nothing: float) -> float:
    """The slope of log(seconds - nothing) over log(size)."""
    points = [(math.log(size), math.log(max(took - nothing, 1e-3))) for size, took in seconds.items()]
    x, y = (sum(values) / len(points) for values in zip(*points, strict=True))
    return sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)


def main() -> None:
    nothing = measured(NOTHING)
    found: dict[str, dict[int, float]] = {name: {} for name in COMMANDS}
    print(f"{'bindings':>9}{'rows':>8}" + "".join(f"{name:>10}" for name in COMMANDS) + "   CPU seconds")
    for size in SIZES:
        for name, seconds in measured(size).items():
            found[name][size] = seconds
        print(
            f"{size:>9}{size * wide.SEEDS:>8}" + "".join(f"{found[name][size]:>10.2f}" for name in COMMANDS), flush=True
        )
    exponents = {name: exponent(seconds, nothing[name]) for name, seconds in found.items()}
    print("exponent" + " " * 9 + "".join(f"{exponents[name]:>10.2f}" for name in COMMANDS))
    record: dict[str, Any] = {
        "hardware": hardware(),
        "versions": versions([]),
        "rounds": ROUNDS,
        "rows a binding": wide.SEEDS,
        "seconds": {
            name: {str(size): round(took, 3) for size, took in seconds.items()} for name, seconds in found.items()
        },
        "seconds of next to nothing": {name: round(took, 3) for name, took in nothing.items()},
        "exponent": {name: round(value, 2) for name, value in exponents.items()},
    }
    RECORD.write_text(json.dumps(record, indent=2) + "\n")
    print(f"written to {RECORD.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
