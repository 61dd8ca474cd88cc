"""The nearest items to a vector by inner product: exactly, through an inverted file, and through a navigable graph.

All three answer alike: (numbers, scores), best first, never a number that stands for nothing. Faiss fills a short
answer with −1, and its graph looks at `efSearch` candidates however many are asked for; here a short answer is short
and the graph looks at k candidates at least.

An inner product is no distance: long vectors are near to everything, and a vector is not nearest to itself. A graph
may be built on it all the same (Morozov and Babenko 2018), or `lengthened` adds a coordinate that makes all vectors
equally long, after which nearest by distance is largest by inner product (Bachrach et al. 2014). Which loses less is
measured in studies/retrieval.py; at equal lengths the two are one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lockstep.errors import LockstepError

from posts.recommender.data import Floats, Ints

GRAPH_LINKS, GRAPH_BUILD, GRAPH_LOOK = 16, 80, 200
PROBES = 8


def one_thread() -> None:
    """Faiss on one thread, so that timings compare and results do not depend on the machine's cores."""
    import faiss

    faiss.omp_set_num_threads(1)


def checked(vectors: Floats) -> Floats:
    """(N, D) as the indexes take it. Raises LockstepError for another shape, or numbers that are not finite."""
    if vectors.ndim != 2 or not len(vectors):
        raise LockstepError(f"an index is built of vectors (N, D), not of an array {vectors.shape}")
    if not np.isfinite(vectors).all():
        raise LockstepError("an index is built of finite numbers: train or export the item vectors again")
    return np.ascontiguousarray(vectors, np.float32)


def lengthened(vectors: Floats) -> Floats:
    """(N, D + 1): one coordinate more, so that every vector is as long as the longest."""
    squares = (vectors.astype(np.float64) ** 2).sum(1)
    return np.column_stack([vectors, np.sqrt(squares.max() - squares)]).astype(np.float32)


class Exact:
    """Every item is scored: k matrix products and a partial sort."""

    def __init__(self, vectors: Floats):
        self.vectors = checked(vectors)

    def search(self, query: Floats, k: int) -> tuple[Ints, Floats]:
        """(k,) numbers and scores for a query (D,), best first; equal scores by number."""
        scores = self.vectors @ query
        count = min(k, len(scores))
        some = np.argpartition(-scores, count - 1)[:count]
        order = np.lexsort((some, -scores[some]))
        return some[order], scores[some[order]]


class _Faiss:
    """What the two approximate indexes share: an answer without padding."""

    index: Any

    def _search(self, query: Floats, k: int) -> tuple[Ints, Floats]:
        scores, numbers = self.index.search(query[None, :], min(k, self.index.ntotal))
        found = numbers[0] >= 0
        return numbers[0][found], scores[0][found]


class InvertedFile(_Faiss):
    """Vectors by the nearest of 4√N centres, of which a query visits `probes` (Jégou et al. 2011)."""

    def __init__(self, vectors: Floats, probes: int = PROBES):
        import faiss

        one_thread()
        vectors = checked(vectors)
        count, width = vectors.shape
        lists = max(1, min(int(4 * np.sqrt(count)), count // 40))
        self.centres = faiss.IndexFlatIP(width)
        self.index = faiss.IndexIVFFlat(self.centres, width, lists, faiss.METRIC_INNER_PRODUCT)
        self.index.train(vectors[np.linspace(0, count - 1, min(count, 40 * lists)).astype(int)])
        self.index.add(vectors)
        self.index.nprobe = min(probes, lists)

    def search(self, query: Floats, k: int) -> tuple[Ints, Floats]:
        return self._search(query, k)


class Graph(_Faiss):
    """A hierarchical navigable small world (Malkov and Yashunin 2018), by inner product or by distance."""

    def __init__(self, vectors: Floats, look: int = GRAPH_LOOK, lengthen: bool = False):
        import faiss

        one_thread()
        vectors = checked(vectors)
        self.look, self.lengthen = look, lengthen
        stored = lengthened(vectors) if lengthen else vectors
        metric = faiss.METRIC_L2 if lengthen else faiss.METRIC_INNER_PRODUCT
        self.length = float((stored[0].astype(np.float64) ** 2).sum())
        self.index = faiss.IndexHNSWFlat(stored.shape[1], GRAPH_LINKS, metric)
        self.index.hnsw.efConstruction = GRAPH_BUILD
        self.index.add(stored)

    def search(self, query: Floats, k: int) -> tuple[Ints, Floats]:
        self.index.hnsw.efSearch = max(self.look, k)
        if not self.lengthen:
            return self._search(query, k)
        numbers, distances = self._search(np.append(query, np.float32(0)), k)
        return numbers, ((query @ query + self.length - distances) / 2).astype(np.float32)


KINDS = {"exact": Exact, "ivf": InvertedFile, "hnsw": Graph}


def recall_of(found: list[Ints], truth: list[Ints]) -> float:
    """The mean share of the true nearest that were found."""
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, truth, strict=True)]))
