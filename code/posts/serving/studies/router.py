"""Many replicas behind a router, simulated event by event: which replica should a request go to?

A replica computes up to `SLOTS` requests at once and keeps the prefixes that it met last. What a request takes comes
from the contest's measured speeds: a prompt's tokens that are not kept, one after another, and then its own tokens at
the speed that a batch of that size has. Simulated time, no machine: the same rows everywhere.

`turns`: one after another. `two`: of two at random the one with less to do. `least`: the one with the least to do.
`prefix`: the one whose hash is next on a ring, unless it has more than BOUND times its share (Mirrokni et al., 2018).
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

SLOTS, KEPT, BOUND, POINTS = 16, 12, 1.25, 32
PREFIX, OWN, WRITTEN = 512, 64, 64  # tokens shared by a group, of the request alone, and written
POLICIES = ("turns", "two", "least", "prefix")


@dataclass(frozen=True)
class Costs:
    """Seconds: of a token of a prompt, and of a token written at each size of the batch from 1."""

    prompt: float
    written: tuple[float, ...]


@dataclass
class Replica:
    running: int = 0
    queue: list[tuple[float, int]] = field(default_factory=list)
    free_at: float = 0.0  # when the prompts that it has begun are computed
    kept: OrderedDict[int, None] = field(default_factory=OrderedDict)

    @property
    def load(self) -> int:
        return self.running + len(self.queue)


class Router:
    """Chooses replicas by a policy."""

    def __init__(self, policy: str, replicas: list[Replica], rng: Any):
        self.policy, self.replicas, self.rng = policy, replicas, rng
        self.turn = self.total = 0
        points = [(_place(f"{n}:{k}"), n) for n in range(len(replicas)) for k in range(POINTS)]
        self.ring = sorted(points)
        self.loads: list[tuple[int, int, int]] = [(0, i, n) for i, n in enumerate(rng.permutation(len(replicas)))]
        self.stamp = len(replicas)

    def choose(self, group: int) -> int:
        replicas = self.replicas
        if self.policy == "turns":
            self.turn = (self.turn + 1) % len(replicas)
            return self.turn
        if self.policy == "two":
            a, b = self.rng.integers(0, len(replicas), 2)
            return int(a if replicas[a].load <= replicas[b].load else b)
        if self.policy == "least":
            return self._least()
        limit = BOUND * (self.total + 1) / len(replicas)
        at = bisect.bisect_left(self.ring, (_place(f"group {group}"), -1))
        for step in range(len(self.ring)):
            n = self.ring[(at + step) % len(self.ring)][1]
            if replicas[n].load < max(1.0, limit):
                return n
        return self._least()

    def changed(self, n: int) -> None:
        """The load of a replica is another now."""
        if self.policy in ("least", "prefix"):
            self.stamp += 1
            heapq.heappush(self.loads, (self.replicas[n].load, self.stamp, n))

    def _least(self) -> int:
        while self.loads[0][0] != self.replicas[self.loads[0][2]].load:  # told before it changed again
            heapq.heappop(self.loads)
        return self.loads[0][2]


def _place(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def simulate(
    policy: str, count: int, load: float, requests: int, groups: int, costs: Costs, seed: int
) -> dict[str, float]:
    """Percentiles of the time to the first token, and how many prefixes were found, at a load of so much of what full
    batches without any prefix found could do."""
    rng = np.random.default_rng(seed)
    slow = (PREFIX + OWN) * costs.prompt + WRITTEN * costs.written[-1] / SLOTS
    arrivals = np.cumsum(rng.exponential(slow / (load * count), requests))
    weights = 1 / np.arange(1, groups + 1) ** 0.9
    group_N = rng.choice(groups, requests, p=weights / weights.sum())
    replicas = [Replica() for _ in range(count)]
    router = Router(policy, replicas, np.random.default_rng(seed + 1))
    ends: list[tuple[float, int]] = []
    first_N, hits = np.zeros(requests), 0

    def begin(n: int, now: float) -> None:
        nonlocal hits
        replica = replicas[n]
        arrived, number = replica.queue.pop(0)
        group = int(group_N[number])
        found = group in replica.kept
        replica.kept[group] = None
        replica.kept.move_to_end(group)
        if len(replica.kept) > KEPT:
            replica.kept.popitem(last=False)
        hits += found
        replica.running += 1
        replica.free_at = max(now, replica.free_at) + (OWN + (0 if found else PREFIX)) * costs.prompt
        first_N[number] = replica.free_at - arrived
        heapq.heappush(ends, (replica.free_at + WRITTEN * costs.written[replica.running - 1], n))

    def finish(until: float) -> None:
        while ends and ends[0][0] <= until:
            now, n = heapq.heappop(ends)
            replicas[n].running -= 1
            router.total -= 1
            if replicas[n].queue:
                begin(n, now)
            router.changed(n)

    for number, now in enumerate(arrivals.tolist()):
        finish(now)
        n = router.choose(int(group_N[number]))
        replicas[n].queue.append((now, number))
        router.total += 1
        if replicas[n].running < SLOTS:
            begin(n, now)
        router.changed(n)
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
            made = simulate(
                policy, config.replicas, load, config.simulated * config.replicas, 20 * config.replicas, costs, run.seed
            )
            found.append({"policy": policy, "load": load} | made)
    return found
