"""Train a bundle from a log of who took what: vectors by factorising the counting model, and a ranker on top.

The counting model's matrix S (I, I) is factorised, S ≈ Q Vᵀ, so that a history's scores are one product of a query
with item vectors, which an index can search. The ranker (LightGBM, LambdaMART) learns to order what retrieval finds,
from questions that retrieval has not seen answered: parts fitted without the last items of each history are asked for
those items one after the other. How many trees it keeps is chosen on validation items.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse.linalg

from posts.recommender.compare import CUT
from posts.recommender.counting import Counting
from posts.recommender.data import Floats, Histories, Ints, Sparse, events_of, genre_matrix, leave_last_out, movies_of
from posts.recommender.metrics import Ranks
from posts.recommender.retrieval import Exact
from posts.recommender.service.bundle import Pipeline, write_manifest
from posts.recommender.service.pipeline import features_of, query_of

if TYPE_CHECKING:
    from lockstep.run import Run

COUNTING = {"decay": 0.9, "cosine": 0.5, "window": 5, "exponent": 0.5}
TREES: dict[str, Any] = {"objective": "lambdarank", "num_leaves": 15, "learning_rate": 0.05, "min_data_in_leaf": 20}
TREES |= {"verbose": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True, "seed": 0}
ROUNDS = (5, 10, 20, 40, 80)  # numbers of trees that validation chooses among


def factorised(similar: Sparse, width: int) -> tuple[Floats, Floats]:
    """Q (I, D) and V (I, D) with Q Vᵀ ≈ S, by truncated singular values; the same every time."""
    width = min(width, min(similar.shape) - 1)
    start = np.random.default_rng(0).normal(size=min(similar.shape))
    found: Any = scipy.sparse.linalg.svds(similar.astype(np.float64), k=width, v0=start)
    u, s, vt = found
    root = np.sqrt(s)
    return (u * root).astype(np.float32), (vt.T * root).astype(np.float32)


def tables(
    histories: Histories, targets: Ints, parts: dict[str, Floats], pipeline: Pipeline
) -> tuple[Floats, Ints, Ints]:
    """Candidates of every user: features (N, F), whether each is the target (N,), and how many a user (U,)."""
    index, rows, labels, sizes = Exact(parts["vectors"]), [], [], []
    for user in range(len(histories)):
        history = histories.of(user)
        query = query_of(parts["queries"], history, pipeline.decay)
        found, scores = index.search(query, pipeline.candidates + len(history))
        open_ = ~np.isin(found, history)
        found, scores = found[open_][: pipeline.candidates], scores[open_][: pipeline.candidates]
        rows.append(features_of(found, scores, history, **parts))
        labels.append((found == targets[user]).astype(np.int64))
        sizes.append(len(found))
    return np.concatenate(rows).astype(np.float32), np.concatenate(labels), np.array(sizes)


def place_among(order_scores: Floats, labels: Ints, sizes: Ints) -> Ranks:
    """Ranks of targets among the candidates of each user; a target that was not retrieved has no place."""
    ends = np.cumsum(sizes)
    above, tied = np.full(len(sizes), 10**6), np.ones(len(sizes), np.int64)
    for user, (low, high) in enumerate(zip(ends - sizes, ends, strict=True)):
        own, scores = np.flatnonzero(labels[low:high]), order_scores[low:high]
        if len(own):
            above[user] = (scores > scores[own[0]]).sum()
            tied[user] = (scores == scores[own[0]]).sum()
    return Ranks(above, tied)


def fitted(histories: Histories, genres: Floats, width: int) -> dict[str, Floats]:
    """What retrieval and the ranker's features need, from histories."""
    queries, vectors = factorised(Counting(histories, **COUNTING).similar_II, width)  # type: ignore[arg-type]
    people = np.asarray(histories.matrix().sum(0), np.float32).ravel()
    return {"queries": queries, "vectors": vectors, "popularity": people, "genres": genres}


def train_ranker(train: Histories, genres: Floats, pipeline: Pipeline, width: int, held: int) -> Any:
    """Trees over the candidates for the last `held` items of each history, retrieval fitted without them."""
    import lightgbm

    earlier = fitted(train.without_last(held), genres, width)
    asked = [tables(train.without_last(held - n), train.last(held - n), earlier, pipeline) for n in range(held)]
    table, labels, sizes = (np.concatenate(part) for part in zip(*asked, strict=True))
    return lightgbm.train(TREES, lightgbm.Dataset(table, labels, group=sizes), num_boost_round=ROUNDS[-1])


def choose_rounds(ranker: Any, asked: tuple[Floats, Ints, Ints]) -> int:
    """The number of trees with the best NDCG@10 on validation items, the fewest of equals."""
    table, labels, sizes = asked

    def ndcg(rounds: int) -> float:
        scores = np.asarray(ranker.predict(table, num_iteration=rounds, num_threads=1))
        return float(place_among(scores, labels, sizes).ndcg(CUT).mean())

    return max(ROUNDS, key=lambda rounds: (ndcg(rounds), -rounds))


def build(run: Run) -> list[dict[str, Any]]:
    """Train and write a bundle; a row for each stage: recall of retrieval, and NDCG@10 before and after the ranker.

    The numbers are of test items, asked with the parts fitted without each user's last two items. Artefacts: the files
    of bundle.py.
    """
    import lightgbm

    config = run.config
    events = events_of(run.data(config.movies))
    split = leave_last_out(events.histories())
    pipeline = Pipeline(COUNTING["decay"], config.candidates, config.trade, config.explore_slot, config.pool)
    genres, _ = genre_matrix(movies_of(run.data(config.movies), events.item_ids)[1])
    parts = fitted(split.train, genres, config.dimensions)
    grown = train_ranker(split.train, genres, pipeline, config.dimensions, config.ranker_targets)
    rounds = choose_rounds(grown, tables(split.train, split.validation, parts, pipeline))
    text = grown.model_to_string(num_iteration=rounds)
    paths: dict[str, Path] = {f"{name}.npy": run.artefact(f"{name}.npy") for name in (*parts, "item_ids")}
    for name, array in (parts | {"item_ids": events.item_ids}).items():
        with paths[f"{name}.npy"].open("wb") as file:
            np.save(file, array)
    paths["ranker.txt"] = run.artefact("ranker.txt")
    paths["ranker.txt"].write_text(text, encoding="utf-8")
    write_manifest(paths, pipeline, run.artefact("manifest.json"))
    rows = measured(split.known, split.test, parts, pipeline, lightgbm.Booster(model_str=text))
    return [row | {"trees": rounds} for row in rows]


def measured(
    histories: Histories, targets: Ints, parts: dict[str, Floats], pipeline: Pipeline, ranker: Any
) -> list[dict[str, Any]]:
    """How often retrieval holds the target at all, and NDCG@10 in retrieval's order and in the ranker's."""
    table, labels, sizes = tables(histories, targets, parts, pipeline)
    held = {"candidate_recall": 100 * float(labels.sum() / len(targets)), "users": len(targets)}
    rows = []
    for name, scores in (("retrieval", table[:, 0]), ("ranker", np.asarray(ranker.predict(table, num_threads=1)))):
        ranks = place_among(scores, labels, sizes)
        rows.append({"stage_of_service": name, "ndcg": float(ranks.ndcg(CUT).mean())} | held)
    return rows
