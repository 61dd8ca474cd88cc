"""What one transaction costs, part by part, and ways to score a row, side by side in one run.

Thread CPU time a call, in microseconds, of the same model on the same rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np

from posts.fraud.batch import features
from posts.fraud.data import DAY, transactions
from posts.fraud.features import finish
from posts.fraud.service.scorer import Scorer
from posts.fraud.studies.ensemble import KINDS
from posts.fraud.studies.ensemble import scorer as by_onnx
from posts.fraud.trees import from_model
from posts.fraud.windows import Windows

if TYPE_CHECKING:
    from lockstep.run import Run

ROWS = 500
FIRST = "single row, C interface"


def cpu(call: Callable[[int], Any], calls: int) -> float:
    """Microseconds of CPU of this thread, a call; the first few calls are not counted."""
    for row in range(min(calls, 20)):
        call(row % ROWS)
    began = time.thread_time()
    for row in range(calls):
        call(row % ROWS)
    return (time.thread_time() - began) / calls * 1e6


def measure(run: Run) -> list[dict[str, Any]]:
    """Scorers, with their largest difference from `Booster.predict`, and the other parts of a decision."""
    config, path = run.config, run.inputs[0].open("model.txt")
    world = transactions(run.data("transactions"))
    x_NF = features(world, config.delay * DAY)[-ROWS:]
    scorer = Scorer(path)
    booster: lightgbm.Booster = scorer.booster
    expected = np.asarray(booster.predict(x_NF, num_threads=1))
    trees, rows = from_model(booster.dump_model()), x_NF.tolist()
    ways: dict[str, tuple[Callable[[int], Any], int]] = {
        FIRST: (lambda row: scorer.score(x_NF[row]), 8),
        "Booster.predict": (lambda row: booster.predict(x_NF[row : row + 1], num_threads=1)[0], 1),  # pyright: ignore
        "packed trees, Python": (lambda row: trees.score(rows[row]), 1),
        "SHAP, on demand": (lambda row: booster.predict(x_NF[row : row + 1], pred_contrib=True, num_threads=1), 1),
        "contributions, Python": (lambda row: trees.contributions(rows[row]), 1),
    }
    for kind in KINDS:
        run_onnx = by_onnx(trees, kind)
        ways[f"ONNX Runtime, {kind}"] = (lambda row, run_onnx=run_onnx: run_onnx(x_NF[row : row + 1])[0], 1)
    made = []
    for name, (call, times) in ways.items():
        row: dict[str, Any] = {"part": name, "cpu_time": cpu(call, config.calls * times)}
        if "SHAP" not in name and "contributions" not in name:
            row["error"] = float(max(abs(call(at) - expected[at]) for at in range(0, ROWS, 7)))
        made.append(row)
    first = made[0]["cpu_time"]
    made = [row | {"ratio": row["cpu_time"] / first} for row in made]
    windows, at = Windows(config.delay * DAY), [0]
    columns = (world.time_N, world.customer_N, world.terminal_N, world.cents_N)
    stream = list(zip(range(len(world)), *(column.tolist() for column in columns), strict=True))

    def observe(_: int) -> Any:
        at[0] += 1
        return windows.observe(*stream[at[0] - 1])

    counts = observe(0)
    made.append({"part": "windows", "cpu_time": cpu(observe, min(8 * config.calls, len(stream) - 100))})
    made.append({"part": "counts to features", "cpu_time": cpu(lambda _: finish(np.array(counts)), 8 * config.calls)})
    return made
