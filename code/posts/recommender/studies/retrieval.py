"""Latency and recall of the three indexes at growing sizes, side by side on one thread; and what unequal lengths cost.

Vectors are made: clusters on a sphere, as embeddings of items tend to lie. Times are those of single queries, each
index asked in turn query by query, so that a slow minute of the machine hits all alike.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from posts.recommender.data import Floats
from posts.recommender.retrieval import KINDS, Graph, recall_of

if TYPE_CHECKING:
    from lockstep.run import Run

CLUSTERS, WARM = 200, 5


def made_vectors(count: int, queries: int, width: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """(count, width) items and (queries, width) queries of length one, around shared centres."""
    centres = rng.normal(size=(CLUSTERS, width))
    both = centres[rng.integers(CLUSTERS, size=count + queries)] + rng.normal(size=(count + queries, width))
    both = (both / np.linalg.norm(both, axis=1, keepdims=True)).astype(np.float32)
    return both[:count], both[count:]


def measure(run: Run) -> list[dict[str, Any]]:
    """A row for each kind: microseconds a query (median and 99th percentile), recall of the true k, seconds to build,
    and how many times as fast as exact search. Beyond `largest_graph` items there is no graph."""
    config = run.config
    kinds = {name: kind for name, kind in KINDS.items() if kind is not Graph or config.items <= config.largest_graph}
    vectors, queries = made_vectors(config.items, config.queries, config.dimensions, np.random.default_rng(run.seed))
    indexes, built = {}, {}
    for name, kind in kinds.items():
        started = time.perf_counter()
        indexes[name] = kind(vectors)
        built[name] = time.perf_counter() - started
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    found: dict[str, list[Any]] = {name: [] for name in kinds}
    for number, query in enumerate([*queries[:WARM], *queries]):
        for name, index in indexes.items():
            started = time.perf_counter_ns()
            numbers, _ = index.search(query, config.candidates)
            spent = time.perf_counter_ns() - started
            if number >= WARM:
                taken[name].append(spent / 1000)
                found[name].append(numbers)
    exact = float(np.median(taken["exact"]))
    rows = []
    for name in kinds:
        median, slowest = float(np.median(taken[name])), float(np.quantile(taken[name], 0.99))
        times = {"microseconds": median, "microseconds_p99": slowest, "speedup": exact / median}
        recall = 100 * recall_of(found[name], found["exact"])
        rows.append({"index": name, "index_recall": recall, "build_seconds": built[name]} | times)
    return rows


def stranded(run: Run) -> list[dict[str, Any]]:
    """A graph on raw inner products against the same graph on lengthened vectors, as lengths of items spread.

    Lengths are log-normal with the given spread: popular items have long vectors. A row for each spread and graph.
    """
    config, rng = run.config, np.random.default_rng(run.seed)
    unit, queries = made_vectors(config.stranded_items, config.queries, config.dimensions, rng)
    rows = []
    for spread in (0.0, 0.5, 1.0):
        vectors = unit * np.exp(spread * rng.normal(size=(len(unit), 1))).astype(np.float32)
        truth = [KINDS["exact"](vectors).search(query, config.candidates)[0] for query in queries]
        for name, lengthen in (("inner product", False), ("lengthened", True)):
            graph = Graph(vectors, lengthen=lengthen)
            found = [graph.search(query, config.candidates)[0] for query in queries]
            rows.append({"spread": str(spread), "graph": name, "index_recall": 100 * recall_of(found, truth)})
    return rows
