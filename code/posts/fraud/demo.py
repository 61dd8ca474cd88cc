"""What the demo in the page loads: the very trees of the service, packed, and a day of payments as counts.

The counts are the integers of windows.py; the page makes features of them by the same divisions. All frauds of the day
are there and a sample of the genuine payments, each of which stands for `weight` of them.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np

from posts.fraud.batch import counts
from posts.fraud.data import DAY, transactions
from posts.fraud.features import finish
from posts.fraud.protocol import split
from posts.fraud.trees import from_model, pack

if TYPE_CHECKING:
    from lockstep.run import Run

MAGIC = b"DAY1\0\0\0\0"
LIMIT = 300_000  # bytes of both files
ROWS = 700  # payments; with 200 trees of 31 leaves, what fits


def publish(run: Run) -> list[dict[str, Any]]:
    """Demo: trees.bin, day.bin, score.svg. Raises ValueError where they are too large for a page."""
    config = run.config
    model = run.inputs[0].open("model.txt").read_text(encoding="utf-8")
    trees = from_model(lightgbm.Booster(model_str=model).dump_model())
    world = transactions(run.data("transactions"))
    rows = split(world, config.weeks[0])
    day_N = np.flatnonzero(rows.test_N & (world.day_N == rows.first_day))
    fraud_N = world.fraud_N[day_N] == 1
    genuine = int((~fraud_N).sum())
    kept = min(genuine, ROWS - min(int(fraud_N.sum()), ROWS // 2))
    sample = np.random.default_rng(0).choice(day_N[~fraud_N], kept, replace=False)
    chosen = np.sort(np.concatenate([day_N[fraud_N][: ROWS // 2], sample]))
    counts_RF = counts(world, config.delay * DAY)[chosen]
    second_R, fraud_R = world.time_N[chosen] % DAY, world.fraud_N[chosen]
    score_R = np.array([trees.score(row) for row in finish(counts_RF).tolist()])
    head = MAGIC + struct.pack("<IId", len(chosen), counts_RF.shape[1], genuine / kept)
    columns = (score_R.astype("<f8"), counts_RF.astype("<i4"), second_R.astype("<i4"), fraud_R.astype("u1"))
    day, packed = head + b"".join(column.tobytes() for column in columns), pack(trees)
    if len(day) + len(packed) > LIMIT:
        raise ValueError(f"the demo would load {len(day) + len(packed)} bytes, at most {LIMIT} are meant")
    run.demo("trees.bin").write_bytes(packed)
    run.demo("day.bin").write_bytes(day)
    run.demo("score.svg").write_text(poster(second_R, score_R, fraud_R), encoding="utf-8")
    return [{"bytes": (len(day) + len(packed)) / 1000}]


def poster(second_R: Any, score_R: Any, fraud_R: Any) -> str:
    """What stands in the page until the demo starts: the day, a dot for each payment, frauds darker."""
    dots = [
        f'<circle cx="{10 + 620 * second / DAY:.1f}" cy="{190 - 180 * score:.1f}" r="{3 if fraud else 1.5}" '
        f'opacity="{1 if fraud else 0.3}"/>'
        for second, score, fraud in zip(second_R, score_R, fraud_R, strict=True)
    ]
    style = "<style>circle{fill:#1d1b18}@media(prefers-color-scheme:dark){circle{fill:#e7e2d8}}</style>"
    size = 'width="640" height="200" viewBox="0 0 640 200"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{style}{"".join(dots)}</svg>\n'
