"""Three ways in which an offline number misleads, each with the number beside the honest one.

Sampled negatives: the target is ranked among a hundred items and not among all. Ties: a scorer that gives every item
the same number is called perfect by a rank that counts what scores more. Per-user splits: leaving out each user's last
item lets a model count what others took afterwards. The first two are shown on validation items; the third on the last
films of each user, which no selection reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from posts.recommender.compare import BOOTSTRAP_SEED, CUT, fit
from posts.recommender.data import Events, Floats, Histories, Ints, events_of, histories_of, leave_last_out
from posts.recommender.metrics import BATCH, Ranks, Reals, Scorer, bootstrap, place, rank_all
from posts.recommender.tuning import Settings

if TYPE_CHECKING:
    from lockstep.run import Run

SETTINGS: dict[str, Settings] = {  # fixed: what is compared here is ways to measure, not models
    "popularity": {},
    "item-knn": {"neighbours": 100, "shrink": 0.0},
    "counting": {"decay": 0.7, "cosine": 0.5, "window": 3, "exponent": 0.5},
    "ials": {"factors": 64, "penalty": 0.05, "alpha": 10.0, "iterations": 10},
}


def among_sampled(
    scorer: Scorer, histories: Histories, targets: Ints, weights: Reals, count: int, rng: np.random.Generator
) -> Ranks:
    """Ranks among `count` items drawn by weights (I,) without those that the user has, and the target itself.

    Draws with repeats are taken once; a user may end up with a few less than `count`.
    """
    cumulated = np.cumsum(weights / weights.sum())
    parts = []
    for start in range(0, len(histories), BATCH):
        some, own = histories.part(start, start + BATCH), targets[start : start + BATCH]
        scores = scorer(some)
        drawn = np.minimum(np.searchsorted(cumulated, rng.random((len(some), count))), len(weights) - 1)
        open_ = np.zeros(scores.shape, bool)
        np.put_along_axis(open_, drawn, True, axis=1)
        open_[some.users, some.items] = False
        open_[np.arange(len(own)), own] = True
        parts.append(place(np.where(open_, scores, -np.inf).astype(np.float32), own))
    return Ranks(np.concatenate([p.above for p in parts]), np.concatenate([p.tied for p in parts]))


def sampled(run: Run) -> list[dict[str, Any]]:
    """Four models under full ranking and under two kinds of sampled negatives: NDCG@10, and the order they come in.

    `order` is 1 for the best. Models are fitted with fixed settings; a seed draws negatives and starts the factors.
    """
    config = run.config
    split = leave_last_out(histories_of(run.data(config.dataset)))
    counts = np.bincount(split.train.items, minlength=split.train.item_count).astype(np.float64)
    protocols = {"uniform": np.ones_like(counts), "by popularity": counts}
    found: dict[str, dict[str, float]] = {name: {} for name in ("full", *protocols)}
    for model, settings in SETTINGS.items():
        scorer = fit(model, split.train, settings, run.seed)
        found["full"][model] = float(rank_all(scorer, split.train, split.validation).ndcg(CUT).mean())
        for name, weights in protocols.items():
            rng = np.random.default_rng([run.seed, len(name)])
            ranks = among_sampled(scorer, split.train, split.validation, weights, config.negatives_sampled, rng)
            found[name][model] = float(ranks.ndcg(CUT).mean())
    rows = []
    for name, values in found.items():
        order = sorted(values, key=lambda model: -values[model])
        rows += [
            {"protocol": name, "model": model, "ndcg": value, "order": float(order.index(model) + 1)}
            for model, value in values.items()
        ]
    return rows


def ties(run: Run) -> list[dict[str, Any]]:
    """A scorer that says nothing, by three ways to count ties: NDCG@10."""
    split = leave_last_out(histories_of(run.data(run.config.dataset)))

    def constant(histories: Histories) -> Floats:
        return np.zeros((len(histories), histories.item_count), np.float32)

    ranks = rank_all(constant, split.train, split.validation)
    ones = np.ones_like(ranks.tied)
    ways = {
        "optimistic": Ranks(ranks.above, ones),
        "expected": ranks,
        "pessimistic": Ranks(ranks.above + ranks.tied - 1, ones),
    }
    return [{"ties": name, "ndcg": float(way.ndcg(CUT).mean())} for name, way in ways.items()]


def counts_before(events: Events, moments: Ints) -> Floats:
    """(M, I): how often each item was taken before each moment, for moments in any order."""
    order = np.argsort(moments, kind="stable")
    counts, at = np.zeros(len(events.item_ids), np.float32), 0
    table = np.empty((len(moments), len(counts)), np.float32)
    for row in order:
        end = int(np.searchsorted(events.times, moments[row], side="left"))
        counts += np.bincount(events.items[at:end], minlength=len(counts)).astype(np.float32)
        table[row], at = counts, end
    return table


def leak(run: Run) -> list[dict[str, Any]]:
    """The most popular items for each user's last event, counted over all training events, and over past ones only.

    The first is what a per-user split hands to a model: what others took after the moment of the recommendation.
    """
    events = events_of(run.data(run.config.movies))
    histories = events.histories()
    targets, known = histories.last(), histories.without_last(1)
    by_user = np.argsort(events.users, kind="stable")
    moments = events.times[by_user][histories.starts[1:] - 1]
    everything = np.tile(np.bincount(known.items, minlength=known.item_count).astype(np.float32), (len(known), 1))
    ways = {"with the future": everything, "past only": counts_before(events, moments)}
    seen = known.matrix()
    ranks = {name: place(counts, targets, seen) for name, counts in ways.items()}
    rows: list[dict[str, Any]] = [
        {"counted": name, "ndcg": float(own.ndcg(CUT).mean()), "recall": float(own.recall(CUT).mean())}
        for name, own in ranks.items()
    ]
    gap = ranks["with the future"].recall(CUT) - ranks["past only"].recall(CUT)
    low, high = bootstrap(gap, run.config.bootstrap_draws, np.random.default_rng(BOOTSTRAP_SEED))
    rows.append({"counted": "difference", "gap": float(gap.mean()), "gap_low": low, "gap_high": high})
    return [row | {"users": len(known)} for row in rows]
