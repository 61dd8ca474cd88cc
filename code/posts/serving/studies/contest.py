"""Speed of engines on the same weights, measured in turns: each engine is a process, and each round asks all of them.

What counts is tokens per second of CPU time of one thread: it tells the work of an engine even where others use the
machine. The order of engines changes from round to round. A seed is a round.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lockstep
import numpy as np
from lockstep.errors import LockstepError

from posts.serving.studies import rivals

if TYPE_CHECKING:
    from lockstep.run import Run

ROOT = Path(lockstep.__path__[0]).parent


class Contestant:
    """An engine in a process of its own."""

    def __init__(self, name: str, data: str):
        engine, _, weights = name.partition(", ")
        command = [sys.executable, "-m", "posts.serving.studies.rivals", engine, weights, data]
        pipe = subprocess.PIPE
        self.name = name
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def __enter__(self) -> Contestant:
        self._read()
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout and self.process.stderr
        while line := self.process.stdout.readline():
            if line.startswith("{"):
                return json.loads(line)
        told = self.process.stderr.read().strip().splitlines()
        raise LockstepError(f"{self.name}: {told[-1] if told else 'it ended without a word'}")

    def speed(self, what: str, number: int) -> float:
        """Tokens per CPU second."""
        assert self.process.stdin
        self.process.stdin.write(f"{what} {number}\n")
        self.process.stdin.flush()
        told = self._read()
        return told["tokens"] / max(told["seconds"], 1e-9)


def race(run: Run) -> list[dict[str, Any]]:
    """Every engine at every batch, and a prompt; the first round of each is not counted."""
    config, arrays = run.config, run.data("base")
    if any(name.startswith("llama.cpp") for name in config.engines):
        rivals.llama_server()  # before anything is measured
    data = "tiny"
    if "gguf" in arrays:
        path = run.scratch / "model.gguf"
        arrays["gguf"].tofile(path)
        data = str(path)
    asked = [("decode", batch) for batch in config.batches] + [("prefill", config.prompt)]
    rows = []
    with ExitStack() as stack:
        engines = [stack.enter_context(Contestant(name, data)) for name in config.engines]
        order = np.random.default_rng(run.seed)
        for what, number in asked:
            for engine in engines:
                engine.speed(what, number)
            speeds: dict[str, list[float]] = {engine.name: [] for engine in engines}
            for _ in range(config.repeats):
                for place in order.permutation(len(engines)):
                    speeds[engines[place].name].append(engines[place].speed(what, number))
            rows += [
                {"engine": name, "what": what, "batch": number, "speed": float(np.median(found))}
                | {"relative": float(np.median(found) / np.median(speeds[config.engines[0]]))}
                for name, found in speeds.items()
            ]
            run.progress(len(rows) // len(engines), len(asked))
    return rows
