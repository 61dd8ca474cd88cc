"""What it costs to make runs elsewhere, `invoke bench --cluster`; recorded in docs/benchmarks/cluster.json.

Many runs of 10 ms and a few of a minute, made `here`, with `local:2`, and on a Dask cluster of two workers on this
machine. A run computes without a pause until its time on the clock is over, so two of them keep two cores busy, and
what else a loaded machine does changes its length little. Times are on the clock, from the start of the command to its
end: planning, connecting to the cluster and recording are in it; starting the cluster is told apart. The efficiency is
the time that runs would take on that many workers without any cost, over the time that they took.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lockstep.record.machine import hardware, versions

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "docs" / "benchmarks" / "cluster.json"
WORKERS = 2
EXPERIMENT = """
from dataclasses import dataclass
from lockstep.experiment import Experiment, Metric


@dataclass(frozen=True)
class Config:
    seconds: float = {seconds}


spin = Experiment(Config, metrics=[Metric("turns")])
work = spin.stage("work:spin", seed=range({runs}))
"""
WORK = """
import time


def spin(run):
    turns, end = 0, time.perf_counter() + run.config.seconds
    while time.perf_counter() < end:
        turns += 1
    return {"turns": float(turns)}
"""


def project(root: Path, runs: int, seconds: float) -> Path:
    """A post whose runs take that long each."""
    for name, text in {
        "code/posts/spin/experiment.py": EXPERIMENT.format(runs=runs, seconds=seconds),
        "code/posts/spin/work.py": WORK,
        "content/spin/index.md": "Title: Spin\nDate: 2026-01-02\nSummary: It spins.\n\nIt spins.\n",
        "content/spin/paper.toml": f'[config.seconds]\nvalue = {seconds}\nwhere = "here"\n',
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def measured(place: str, runs: int, seconds: float) -> dict[str, Any]:
    """All runs at one place. Raises SystemExit where the command fails or a run is missing."""
    with tempfile.TemporaryDirectory() as folder:
        root = project(Path(folder), runs, seconds)
        hidden = ("CI", "LOCKSTEP_STORE")
        environment = {name: value for name, value in os.environ.items() if name not in hidden}
        command = [sys.executable, "-m", "lockstep", "run", "spin", "--on", place]
        begun = time.perf_counter()
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
        taken = time.perf_counter() - begun
        ledger = root / "content/spin/results/work.jsonl"
        recorded = len(ledger.read_text().splitlines()) if ledger.exists() else 0
    if done.returncode or recorded != runs:
        raise SystemExit(f"{place}: {recorded} of {runs} runs are recorded: {done.stderr[-2000:]}")
    workers = 1 if place == "here" else WORKERS
    ideal = runs * seconds / workers
    return {
        "on": place.partition("://")[0],
        "runs": runs,
        "run_seconds": seconds,
        "workers": workers,
        "seconds": round(taken, 2),
        "overhead_ms_a_run": round((taken - ideal) / runs * 1000, 1),
        "efficiency": round(ideal / taken, 3),
    }


def main() -> None:
    from distributed import LocalCluster

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="50 runs of 10 ms and 4 of 2 s, shown and not recorded")
    small = parser.parse_args().small
    sizes = [(50, 0.01), (4, 2.0)] if small else [(1000, 0.01), (20, 60.0)]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as cache:
        os.environ["LOCKSTEP_CACHE"] = cache  # else snapshots of the bench stay
        os.environ["DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT"] = (
            "60s"  # a nanny may be slow to start on a loaded machine
        )
        begun = time.perf_counter()
        options = {"processes": True, "host": "127.0.0.1", "dashboard_address": None}
        with LocalCluster(n_workers=WORKERS, threads_per_worker=1, **options) as cluster:  # type: ignore[misc]
            started = time.perf_counter() - begun
            for runs, seconds in sizes:
                for place in ("here", f"local:{WORKERS}", cluster.scheduler_address):
                    rows.append(measured(place, runs, seconds))
                    print(json.dumps(rows[-1]), flush=True)
    record = {
        "python": platform.python_version(),
        "hardware": hardware(),
        "versions": versions(["distributed", "numpy"]),
        "cluster_start_seconds": round(started, 2),
        "rows": rows,
    }
    if not small:
        RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":  # workers are started by importing this file
    main()
