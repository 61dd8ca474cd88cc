"""Beyond accuracy: what lists are made of, who is served badly, and what diversity and calibration cost.

Lists are for MovieLens, where items have genres; cold start is looked at in the Amazon data. Everything is asked of
validation items. There is no seed in most of it: intervals are bootstraps over users.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from posts.recommender.compare import BOOTSTRAP_SEED, CUT, fit
from posts.recommender.data import Histories, events_of, genre_matrix, histories_of, leave_last_out, movies_of
from posts.recommender.metrics import (
    Reals,
    bootstrap,
    coverage,
    diversity,
    gini,
    miscalibration,
    popularity_lift,
    rank_all,
    recommend_all,
    top,
)
from posts.recommender.rerank import calibrate, diversify
from posts.recommender.tuning import Settings

if TYPE_CHECKING:
    from lockstep.run import Run

SETTINGS: dict[str, Settings] = {  # fixed, for lists of films
    "popularity": {},
    "item-knn": {"neighbours": 100, "shrink": 5.0},
    "counting": {"decay": 0.95, "cosine": 0.5, "window": 5, "exponent": 0.5},
    "ease": {"penalty": 300.0},
}
CANDIDATES = 100
TRADES = (0.0, 0.3, 0.6, 0.9)
BUCKETS = {"3–4": (3, 5), "5–9": (5, 10), "10 or more": (10, 10**9)}
ITEM_BUCKETS = {"0": (0, 1), "1–4": (1, 5), "5–19": (5, 20), "20 or more": (20, 10**9)}


def with_interval(name: str, values: Reals, draws: int) -> dict[str, float]:
    """`name`, `name_low` and `name_high`: the mean over users and its bootstrap interval."""
    low, high = bootstrap(values, draws, np.random.default_rng(BOOTSTRAP_SEED))
    return {name: float(values.mean()), f"{name}_low": low, f"{name}_high": high}


def lists(run: Run) -> list[dict[str, Any]]:
    """A row a model: accuracy beside coverage, exposure, diversity, calibration and lean to the popular."""
    config = run.config
    events = events_of(run.data(config.movies))
    split = leave_last_out(events.histories())
    genres, _ = genre_matrix(movies_of(run.data(config.movies), events.item_ids)[1])
    rows = []
    for model, settings in SETTINGS.items():
        scorer = fit(model, split.train, settings)
        shown = recommend_all(scorer, split.train, CUT)
        exposure = np.bincount(shown.ravel(), minlength=split.train.item_count)
        row: dict[str, Any] = {"model": model, "users": len(shown)}
        row |= {"coverage": 100 * coverage(shown, split.train.item_count), "exposure_gini": gini(exposure)}
        ndcg = rank_all(scorer, split.train, split.validation).ndcg(CUT)
        per_user = {"ndcg": ndcg, "diversity": diversity(shown, genres)}
        per_user["miscalibration"] = miscalibration(shown, split.train, genres)
        per_user["popularity_lift"] = popularity_lift(shown, split.train)
        for name, values in per_user.items():
            row |= with_interval(name, values, config.bootstrap_draws)
        rows.append(row)
    return rows


def reranked(run: Run) -> list[dict[str, Any]]:
    """EASE's hundred best films, reranked: what a step towards diversity or calibration costs in recall of the target.

    A row for each kind and weight; weight 0 is the ranking as it was.
    """
    config = run.config
    events = events_of(run.data(config.movies))
    split = leave_last_out(events.histories())
    genres, _ = genre_matrix(movies_of(run.data(config.movies), events.item_ids)[1])
    scores = fit("ease", split.train, SETTINGS["ease"])(split.train)
    count = min(CANDIDATES, split.train.item_count - int(split.train.lengths.max()))
    candidates = top(scores, count, split.train.matrix())
    rows = []
    for kind in ("diversity", "calibration"):
        for trade in TRADES:
            shown = np.stack(
                [
                    own[rerank_one(kind, scores[user, own], genres[own], split.train, user, genres, trade)]
                    for user, own in enumerate(candidates)
                ]
            )
            hits = (shown == split.validation[:, None]).any(1).astype(np.float64)
            row = {"rerank": kind, "trade": str(trade)} | with_interval("recall", hits, config.bootstrap_draws)
            row |= {"diversity": float(diversity(shown, genres).mean())}
            rows.append(row | {"miscalibration": float(miscalibration(shown, split.train, genres).mean())})
    return rows


def rerank_one(kind: str, scores: Any, own: Any, histories: Histories, user: int, genres: Any, trade: float) -> Any:
    """Places of the list of one user, by either rule."""
    if kind == "diversity":
        return diversify(scores, own, CUT, trade)
    return calibrate(scores, own, genres[histories.of(user)].mean(0).astype(np.float64), CUT, trade)


def cold(run: Run) -> list[dict[str, Any]]:
    """The counting model by how much it knows of the user, and of the item: NDCG@10 on validation items."""
    config = run.config
    split = leave_last_out(histories_of(run.data(config.dataset)))
    scorer = fit("counting", split.train, {"decay": 0.7, "cosine": 0.5, "window": 3, "exponent": 0.5})
    ndcg = rank_all(scorer, split.train, split.validation).ndcg(CUT)
    taken = np.bincount(split.train.items, minlength=split.train.item_count)[split.validation]
    rows = []
    for who, sizes, buckets in (("user", split.train.lengths, BUCKETS), ("item", taken, ITEM_BUCKETS)):
        for name, (low, high) in buckets.items():
            inside = (sizes >= low) & (sizes < high)
            if inside.sum() > 1:
                row = {"of": who, "events": name, "users": int(inside.sum())}
                rows.append(row | with_interval("ndcg", ndcg[inside], config.bootstrap_draws))
    return rows
