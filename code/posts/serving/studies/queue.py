"""The queue of one server, foretold from the contest's speeds before any load is offered.

A step serves all that write and the prompts of those who wait, in order, up to the engine's budget of tokens; it takes
what a batch of that size takes plus the prompt's tokens at the speed of a prompt. Arrivals are the ones that load.py
offers. Capacity is where a second of requests takes a second of steps with all places taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from posts.serving.engine import Limits
from posts.serving.load import SETTLE, arrivals, bodies
from posts.serving.model import PAGE
from posts.serving.service.protocol import CHAT, JSON, prompt
from posts.serving.studies.router import Costs, costs_of
from posts.serving.weights import read

if TYPE_CHECKING:
    from lockstep.run import Run


def simulate(due_N: Any, own_N: Any, written: int, costs: Costs, limits: Limits) -> Any:
    """Seconds (N, 2) from when each was due to its first token and to its last; `own_N` tokens of prompt to compute."""
    now, coming, places = 0.0, 0, min(limits.sequences, len(costs.written))
    left: dict[int, float] = {}  # tokens of the prompt
    to_write: dict[int, int] = {}
    found_N2 = np.zeros((len(due_N), 2))
    while coming < len(due_N) or left or to_write:
        if not left and not to_write:
            now = max(now, float(due_N[coming]))
        while coming < len(due_N) and due_N[coming] <= now and len(left) + len(to_write) < places:
            left[coming], coming = float(own_N[coming]), coming + 1
        room, computed, ends = limits.budget - len(to_write), 0.0, []
        for number in list(left):
            take = min(left[number], limits.chunk, room - computed)
            computed, left[number] = computed + take, left[number] - take
            if left[number] <= 0:
                ends.append(number)
        now += computed * costs.prompt + (costs.written[len(to_write) - 1] if to_write else 0.0)
        for number in list(to_write):
            to_write[number] -= 1
            if not to_write[number]:
                found_N2[number, 1] = now - due_N[number]
                del to_write[number]
        for number in ends:
            found_N2[number, 0] = now - due_N[number]
            to_write[number] = max(1, written - 1)
            del left[number]
    return found_N2


def own_tokens(run: Run, number: int) -> Any:
    """Tokens (N,) of each prompt behind the pages that all share."""
    base = read(run.data("base"))
    base.tokenizer.encode_special_tokens = True
    decoded = [CHAT.decode(JSON.encode(content)) for content in bodies(run, number, run.config.written)]
    prompts = [prompt(each, base.tokenizer, base.shape.vocabulary) for each in decoded]
    shared = 0
    while all(len(each) > shared and each[shared] == prompts[0][shared] for each in prompts):
        shared += 1
    return np.array([len(each) for each in prompts]) - shared // PAGE * PAGE


def foretell(run: Run) -> list[dict[str, Any]]:
    """The row that load.py's measure should give at this rate, and the capacity; nothing of it was fitted to a load."""
    config = run.config
    costs = costs_of([row for made in run.inputs for row in made.rows])
    due_N = arrivals(config, run.seed)
    own_N = own_tokens(run, len(due_N))
    found_N2 = simulate(due_N, own_N, config.written, costs, Limits())
    counted = slice(int(SETTLE * len(due_N)), None)
    first_N, last_N = found_N2[counted, 0], found_N2[counted, 1]
    each_N = (last_N - first_N) / max(1, config.written - 1)
    good_N = (first_N <= config.slo_first) & (each_N <= config.slo_each)
    within = due_N[-1] - due_N[len(due_N) - len(good_N)] or 1.0
    request = float(own_N.mean()) * costs.prompt + config.written * costs.written[-1] / len(costs.written)
    row = {f"first_p{q}": float(np.quantile(first_N, q / 100)) for q in (50, 95, 99)}
    row |= {"each_p50": float(np.median(each_N)), "good": 100 * float(good_N.mean())}
    return [row | {"goodput": float(good_N.sum() / within), "capacity": 1 / request}]
