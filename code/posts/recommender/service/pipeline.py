"""A list for a person: retrieval, ranker, rerank, and one place to explore, each a function of its inputs alone.

Nothing here reads a clock or a shared random state. The place to explore is drawn from a generator seeded by the
request, so that the same bundle, state and request make the same list, now and in a replay.

Exploration: the last place of the list shows the best item left with probability 1 − ε, and with ε one of the `pool`
best left, all alike. An item there has propensity (1 − ε)[it is the best] + ε / pool; every other place follows from
the state and has propensity 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from posts.recommender.data import Floats, Ints
from posts.recommender.metrics import Reals
from posts.recommender.rerank import calibrate
from posts.recommender.service.bundle import Bundle
from posts.recommender.service.events import State, read

FEATURES = ("score", "place", "log_popularity", "genre_match", "last_similarity", "history_length")


@dataclass(frozen=True)
class Served:
    """A list as rows of the bundle, best first, with propensities, and where it came from."""

    items: list[int]
    propensities: list[float]
    source: str  # "ranked", or "popularity" where retrieval could not answer

    def event(self, request: str, user: str, bundle: Bundle, at: float) -> dict[str, Any]:
        """As the log holds it. `at` is told and decides nothing."""
        lists = {"items": self.items, "propensities": self.propensities, "source": self.source}
        return {"type": "served", "request": request, "user": user, "bundle": bundle.digest, "at": at} | lists


def known_items(bundle: Bundle, history: Sequence[int]) -> Ints:
    """The history's items that this bundle has: items newer than the bundle are left out."""
    return np.array([item for item in history if 0 <= item < len(bundle.popularity)], np.int64)


def query_of(queries: Floats, history: Ints, decay: float) -> Floats:
    """(D,): what a history asks for, newest items most."""
    weights = (decay ** np.arange(len(history) - 1, -1, -1.0)).astype(np.float32)
    return weights @ queries[history]


def features_of(
    found: Ints, scores: Floats, history: Ints, queries: Floats, vectors: Floats, popularity: Floats, genres: Floats
) -> Reals:
    """(C, F): what the ranker sees of each candidate, in the order of FEATURES."""
    profile = genres[history].mean(0)
    match = genres[found] @ profile / max(float(np.linalg.norm(profile)), 1e-9)
    last = vectors[found] @ queries[history[-1]]
    columns = [scores, np.arange(len(found)), np.log1p(popularity[found]), match, last]
    return np.column_stack([*columns, np.full(len(found), len(history))]).astype(np.float64)


def rank(bundle: Bundle, history: Ints, removed: set[int], k: int) -> tuple[Ints, Reals]:
    """Candidates that may be shown, best first, with the ranker's scores; may be empty."""
    assert bundle.index is not None
    settings = bundle.pipeline
    hidden = set(history.tolist()) | removed
    query = query_of(bundle.queries, history, settings.decay)
    found, scores = bundle.index.search(query, settings.candidates + len(hidden))
    open_ = np.array([item not in hidden for item in found.tolist()], bool)
    found, scores = found[open_][: settings.candidates], scores[open_][: settings.candidates]
    if len(found) < k:
        return found[:0], np.zeros(0)
    table = features_of(found, scores, history, bundle.queries, bundle.vectors, bundle.popularity, bundle.genres)
    ranked = np.asarray(bundle.ranker.predict(table, num_threads=1))
    order = np.lexsort((found, -ranked))
    return found[order], ranked[order]


def popular(bundle: Bundle, hidden: set[int], count: int) -> Ints:
    """The most popular items that are not hidden; equal ones by their row."""
    order = np.argsort(-bundle.popularity, kind="stable")
    return np.array([item for item in order.tolist() if item not in hidden][:count], np.int64)


def request_rng(request: str) -> np.random.Generator:
    """The same for the same request, on any machine."""
    return np.random.default_rng(np.frombuffer(hashlib.sha256(request.encode()).digest()[:16], np.uint32))


def recommend(bundle: Bundle, state: State, user: str, request: str, k: int) -> Served:
    """A list of k items, fewer only where the shop has fewer. Raises nothing for an unknown user or item."""
    settings = bundle.pipeline
    taken = state.histories.get(user, [])
    history, source = known_items(bundle, taken), "ranked"
    hidden = set(taken) | state.removed
    if bundle.index is not None and len(history):
        ranked, scores = rank(bundle, history, state.removed, k + settings.pool)
        if len(ranked):
            wanted = bundle.genres[history].mean(0).astype(np.float64)
            wanted /= max(wanted.sum(), 1e-12)
            places = calibrate(scores, bundle.genres[ranked], wanted, k - 1, settings.trade)
            left = np.delete(ranked, places)
            return explored(ranked[places], left, settings.explore, settings.pool, request, source)
    ranked, source = popular(bundle, hidden, k - 1 + settings.pool), "popularity"
    return explored(ranked[: k - 1], ranked[k - 1 :], settings.explore, settings.pool, request, source)


def explored(fixed: Ints, left: Ints, explore: float, pool: int, request: str, source: str) -> Served:
    """The list with its last place drawn from the best items left, and every propensity."""
    some = left[:pool]
    items, propensities = fixed.tolist(), [1.0] * len(fixed)
    if len(some):
        rng = request_rng(request)
        at = int(rng.integers(len(some))) if rng.random() < explore else 0
        items.append(int(some[at]))
        propensities.append((1 - explore) * (at == 0) + explore / len(some))
    return Served(items, propensities, source)


def replay(path: Path, bundles: dict[str, Bundle]) -> tuple[int, list[str]]:
    """Make every list of a log again from the events before it: how many, and the requests whose list differs.

    A list made by a bundle that is not at hand counts as different: nobody can say what it was.
    """
    state, count, different = State(), 0, []
    for event in read(path):
        if event["type"] == "served":
            count += 1
            bundle = bundles.get(event["bundle"])
            again = bundle and recommend(bundle, state, event["user"], event["request"], len(event["items"]))
            same = again and again.event(event["request"], event["user"], bundle, event["at"]) == event  # type: ignore[arg-type]
            if not same:
                different.append(event["request"])
        state.apply(event)
    return count, different
