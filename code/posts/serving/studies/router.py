"""Many replicas behind a router, simulated event by event: which replica should a request go to?

A replica computes up to `SLOTS` requests at once and keeps the prefixes that it met last. What a request takes comes
from the contest's measured speeds: a prompt's tokens that are not kept, one after another, and then its own tokens at
the speed that a batch of that size has. Simulated time, no machine: the same rows everywhere.

`turns`: one after another. `requests`: the one with the fewest requests. `tokens`: the one with the fewest tokens of
prompts to compute. `prefix`: the one whose hash is next on a ring, unless it has more than BOUND times its share to do
(Mirrokni et al., 2018).
"""

from __future__ import annotations

import bisect
import hashlib
import heapq
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from lockstep.run import Run

SLOTS, KEPT, GROUPS, BOUND, POINTS = 16, 12, 20, 1.25, 32
PREFIXES, OWN, WRITTEN = (128, 256, 512, 1024), 64, 64  # tokens of a prefix, own, written on average
POLICIES = ("turns", "requests", "tokens", "prefix")
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Costs:
    """Seconds: of a token of a prompt, and of a token written at each size of the batch from 1."""

    prompt: float
    written: tuple[float, ...]


@dataclass
class Replica:
    queue: list[tuple[float, int]] = field(default_factory=list)
    kept: OrderedDict[int, None] = field(default_factory=OrderedDict)


class Fleet:
    """The state of all replicas: `running_R` requests, `waiting_R` beside them, and when each is free."""

    def __init__(self, count: int, costs: Costs):
        self.replicas = [Replica() for _ in range(count)]
        self.running_R, self.waiting_R = np.zeros(count, int), np.zeros(count, int)
        self.free_R = np.zeros(count)
        self.whole = (sum(PREFIXES) / len(PREFIXES) + OWN) * costs.prompt

    def to_do(self, now: float) -> Array:
        """Seconds (R,) until a new request's prompt could begin, if no prefix were found."""
        return np.maximum(self.free_R - now, 0.0) + self.waiting_R * self.whole


class Router:
    """Chooses replicas by a policy. Among equals it tosses a coin: the first in a list would get them all."""

    def __init__(self, policy: str, fleet: Fleet, rng: Any):
        self.policy, self.fleet, self.rng = policy, fleet, rng
        self.turn, self.count = 0, len(fleet.replicas)
        self.ring = sorted((_place(f"{n}:{k}"), n) for n in range(self.count) for k in range(POINTS))

    def choose(self, group: int, now: float) -> int:
        fleet = self.fleet
        if self.policy == "turns":
            self.turn = (self.turn + 1) % self.count
            return self.turn
        if self.policy == "requests":
            return self._least(fleet.running_R + fleet.waiting_R)
        to_do_R = fleet.to_do(now)
        if self.policy == "prefix":
            limit = BOUND * max(float(to_do_R.mean()), fleet.whole)
            at = bisect.bisect_left(self.ring, (_place(f"group {group}"), -1))
            for step in range(len(self.ring)):
                n = self.ring[(at + step) % len(self.ring)][1]
                if to_do_R[n] <= limit:
                    return n
        return self._least(to_do_R)

    def _least(self, load_R: Array) -> int:
        return int(self.rng.choice(np.flatnonzero(load_R == load_R.min())))


def _place(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def simulate(policy: str, count: int, load: float, requests: int, costs: Costs, seed: int) -> dict[str, float]:
    """Percentiles of the time to the first token, and how many prefixes were found.

    At a load of so much of what full batches without any prefix found could do; there are GROUPS prefixes a replica.
    """
    rng = np.random.default_rng(seed)
    fleet = Fleet(count, costs)
    slow = fleet.whole + WRITTEN * costs.written[-1] / SLOTS
    arrivals = np.cumsum(rng.exponential(slow / (load * count), requests))
    weights = 1 / np.arange(1, GROUPS * count + 1) ** 0.9
    group_N = rng.choice(GROUPS * count, requests, p=weights / weights.sum())
    prefix_G, written_N = rng.choice(PREFIXES, GROUPS * count), rng.exponential(WRITTEN, requests)
    router = Router(policy, fleet, np.random.default_rng(seed + 1))
    ends: list[tuple[float, int]] = []
    first_N, hits = np.zeros(requests), 0

    def begin(n: int, now: float) -> None:
        nonlocal hits
        replica = fleet.replicas[n]
        arrived, number = replica.queue.pop(0)
        fleet.waiting_R[n] -= 1
        group = int(group_N[number])
        found = group in replica.kept
        replica.kept[group] = None
        replica.kept.move_to_end(group)
        if len(replica.kept) > KEPT:
            replica.kept.popitem(last=False)
        hits += found
        fleet.running_R[n] += 1
        fleet.free_R[n] = max(now, fleet.free_R[n]) + (OWN + (0 if found else int(prefix_G[group]))) * costs.prompt
        first_N[number] = fleet.free_R[n] - arrived
        each = costs.written[int(fleet.running_R[n]) - 1]
        heapq.heappush(ends, (float(fleet.free_R[n] + written_N[number] * each), n))

    def finish(until: float) -> None:
        while ends and ends[0][0] <= until:
            now, n = heapq.heappop(ends)
            fleet.running_R[n] -= 1
            if fleet.replicas[n].queue:
                begin(n, now)

    for number, now in enumerate(arrivals.tolist()):
        finish(now)
        n = router.choose(int(group_N[number]), now)
        fleet.replicas[n].queue.append((now, number))
        fleet.waiting_R[n] += 1
        if fleet.running_R[n] < SLOTS:
            begin(n, now)
    finish(float("inf"))
    counted = first_N[requests // 5 :]
    quantiles = {f"first_p{q}": float(np.quantile(counted, q / 100)) for q in (50, 99)}
    return quantiles | {"prefix_hits": 100 * hits / requests}


def costs_of(rows: list[dict[str, Any]]) -> Costs:
    """From the contest's rows of our engine: seconds a token at each measured batch, and between them in proportion."""
    ours = [row for row in rows if row["engine"] == "ours, int8"]
    speed = {row["batch"]: row["speed"] for row in ours if row["what"] == "decode"}
    prompt = float(np.mean([row["speed"] for row in ours if row["what"] == "prefill"]))
    sizes = sorted(speed)
    steps = [size / speed[size] for size in sizes]  # seconds of a step
    return Costs(1 / prompt, tuple(float(np.interp(n, sizes, steps)) for n in range(1, SLOTS + 1)))


def measure(run: Run) -> list[dict[str, Any]]:
    """Every policy at one number of replicas."""
    config = run.config
    rows = [row for made in run.inputs for row in made.rows]
    costs, found = costs_of(rows), []
    for policy in POLICIES:
        for load in config.loads:
            requests = config.simulated * config.replicas
            made = simulate(policy, config.replicas, load / 100, requests, costs, run.seed)
            found.append({"policy": policy, "load": load} | made)
    return found
