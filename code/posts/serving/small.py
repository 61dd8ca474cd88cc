"""What the smoke profile has in place of the real model and problems: a seed for random weights, and four sums."""

from __future__ import annotations

import json

import numpy as np
from lockstep.datasets import Arrays, Made

QUESTIONS = (  # for the smoke profile
    ("Ann has 3 apples and buys 4. How many has she?", "3 + 4 = 7 apples."),
    ("A book costs $8. What do 5 cost?", "5 * 8 = 40 dollars."),
    ("Tom runs 2 km a day. How far in a week?", "2 * 7 = 14 km."),
    ("Half of 18 eggs broke. How many are left?", "18 / 2 = 9 eggs."),
)


def written() -> Arrays:
    lines = "\n".join(json.dumps({"question": q, "answer": a}) for q, a in QUESTIONS)
    return {name: np.frombuffer(lines.encode(), np.uint8) for name in ("train", "test")}


small = Made("serving_problems", written, licence="MIT")
tiny = Made("serving_tiny", lambda: {"seed": np.array([0])}, licence="MIT")
