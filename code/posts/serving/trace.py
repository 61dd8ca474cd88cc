"""What the demo in the page replays: an engine's own schedule of a fixed arrival of requests, step by step.

Arrivals are counted in steps and not in seconds, so the schedule is the same on every machine. The page's simulator
(demo/scheduler.js) does the same from the arrivals alone; a test holds it against this record, row by row.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from posts.serving import calibration
from posts.serving.engine import Engine, Limits, Request
from posts.serving.model import PAGE
from posts.serving.sampling import Sampling
from posts.serving.weights import random_model

if TYPE_CHECKING:
    from lockstep.run import Run

LIMITS = Limits(pages=48, sequences=8, budget=48, chunk=32, context=512)
COUNTED = ("decoded", "prefilled", "waiting", "running", "pages_used", "admitted", "finished", "preempted")


def arrivals(seed: int, requests: int, every: float) -> list[dict[str, int]]:
    """Requests by the step at which they come: group of the prompt (whose first pages are alike), its and its own
    length."""
    rng = np.random.default_rng(seed)
    steps = np.floor(np.cumsum(rng.exponential(every, requests))).astype(int)
    return [
        {
            "step": int(step),
            "group": int(rng.integers(0, 3)),
            "shared": int(rng.integers(0, 4)) * PAGE,
            "own": int(rng.integers(4, 60)),
            "written": int(rng.integers(4, 40)),
        }
        for step in steps
    ]


def prompt(number: int, arrival: dict[str, int]) -> tuple[int, ...]:
    """Tokens of which the first `shared` are those of the group, and the next ones tell the request apart."""
    common = [(7 * arrival["group"] + 3 * at) % 200 for at in range(arrival["shared"])]
    own = [201 + number % 50, 201 + number // 50, *((at * 11 + number) % 200 for at in range(arrival["own"] - 2))]
    return (*common, *own)


def record(seed: int, requests: int, every: float, limits: Limits = LIMITS) -> dict[str, Any]:
    """The engine's rows, and the arrivals that led to them. The model is the random one: no schedule looks at its
    words."""
    base = random_model(0)
    engine = Engine(calibration.model(base, "float32"), base, limits)
    asked, rows = arrivals(seed, requests, every), []
    waiting = list(enumerate(asked))
    for step in range(100_000):
        while waiting and waiting[0][1]["step"] <= step:
            number, arrival = waiting.pop(0)
            chosen = Sampling(arrival["written"], ignore_eos=True)
            engine.submit(Request(str(number), prompt(number, arrival), chosen))
        if engine.idle and not waiting:
            break
        engine.step()
        row = engine.rows[-1]
        chunks = [[int(id), take] for id, take in row.chunks]
        rows.append({name: getattr(row, name) for name in COUNTED} | {"chunks": chunks})
    told = {"pages": limits.pages, "sequences": limits.sequences, "budget": limits.budget, "chunk": limits.chunk}
    return {"page": PAGE, "limits": told, "arrivals": asked, "rows": rows}


def publish(run: Run) -> list[dict[str, Any]]:
    """Demo: trace.json, schedule.svg."""
    made = record(run.config.trace_seed, run.config.traced, run.config.trace_every)
    content = json.dumps(made, separators=(",", ":"))
    run.demo("trace.json").write_text(content, encoding="utf-8")
    run.demo("schedule.svg").write_text(poster(made), encoding="utf-8")
    return [{"bytes": len(content) / 1000, "steps": float(len(made["rows"]))}]


def poster(made: dict[str, Any]) -> str:
    """What stands in the page until the demo starts: tokens of each step, those of prompts above those written."""
    rows, bars = made["rows"], []
    width, tall = 620 / len(rows), 150 / made["limits"]["budget"]
    for n, row in enumerate(rows):
        low, high = row["decoded"] * tall, row["prefilled"] * tall
        x = f"{10 + n * width:.1f}"
        bars.append(f'<rect x="{x}" y="{160 - low:.1f}" width="{width:.1f}" height="{low:.1f}"/>')
        bars.append(
            f'<rect x="{x}" y="{160 - low - high:.1f}" width="{width:.1f}" height="{high:.1f}" opacity="0.35"/>'
        )
    style = "<style>rect{fill:#1d1b18}@media(prefers-color-scheme:dark){rect{fill:#e7e2d8}}</style>"
    size = 'width="640" height="170" viewBox="0 0 640 170"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{style}{"".join(bars)}</svg>\n'
