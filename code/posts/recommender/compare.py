"""Fit, tune on validation, and test once: the models that need no gradients, on the split of the literature.

A model is fitted on all but each user's last two items. Among the trials, the one with the best NDCG@10 on the
validation items is asked about the test items, with the validation item in the history and not in the fit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from posts.recommender.counting import Counting, ItemKNN, Popularity
from posts.recommender.data import Histories, Split, histories_of, leave_last_out
from posts.recommender.linear import Ease, Factors
from posts.recommender.metrics import Ranks, Scorer, bootstrap, rank_all
from posts.recommender.tuning import Settings, draw, spelled, trials_of

if TYPE_CHECKING:
    from lockstep.run import Run

CUT = 10
BOOTSTRAP_SEED = 20_26
MODELS: dict[str, Callable[..., Scorer]] = {
    "popularity": lambda histories, seed: Popularity(histories),
    "item-knn": lambda histories, seed, **settings: ItemKNN(histories, **settings),
    "counting": lambda histories, seed, **settings: Counting(histories, **settings),
    "ease": lambda histories, seed, **settings: Ease(histories, **settings),
    "ials": lambda histories, seed, **settings: Factors(histories, seed=seed, **settings),
}


def fit(model: str, histories: Histories, settings: Settings, seed: int = 0) -> Scorer:
    """A fitted model as a scorer."""
    return MODELS[model](histories, seed, **settings)


def search(run: Run, split: Split, model: str, seed: int) -> tuple[Scorer, list[dict[str, Any]]]:
    """The best of the trials by validation NDCG@10 (the first of equals), and a row for each trial."""
    total = trials_of(model, run.config.trials)
    best, trials = None, []
    for trial in range(total):
        settings, started = draw(model, trial, seed), time.process_time()
        scorer = fit(model, split.train, settings, seed)
        seconds = time.process_time() - started
        ranks = rank_all(scorer, split.train, split.validation)
        ndcg = float(ranks.ndcg(CUT).mean())
        trials.append({"trial": trial, "settings": spelled(settings), "validation_ndcg": ndcg, "seconds": seconds})
        if best is None or ndcg > best[0]:
            best = (ndcg, scorer)
        run.progress(trial + 1, total, ndcg=ndcg)
    assert best is not None
    return best[1], trials


def tune_and_test(run: Run) -> dict[str, Any]:
    """One model on one dataset: tuned on validation, then tested once. A seed draws the search, and starts factors.

    Returns recall and NDCG at 10 on the test items, bootstrap intervals over users, and the CPU seconds of one fit.
    Output: trials.csv, with the settings of each trial; artefact: ranks.npy (2, U), above and tied.
    """
    config, seed = run.config, run.keys.get("seed", 0)
    split = leave_last_out(histories_of(run.data(config.dataset)))
    scorer, trials = search(run, split, config.model, seed)
    run.write_csv("trials.csv", [{k: v for k, v in trial.items() if k != "seconds"} for trial in trials])
    test = rank_all(scorer, split.known, split.test)
    keep_ranks(run, test)
    best = max(trial["validation_ndcg"] for trial in trials)
    seconds = float(np.median([trial["seconds"] for trial in trials]))
    told = {"trials": len(trials), "validation_ndcg": best, "fit_seconds": seconds}
    return test_row(test, config.bootstrap_draws) | told


def keep_ranks(run: Run, ranks: Ranks) -> None:
    """Artefact: ranks.npy (2, U), for comparisons of two models over the same users."""
    with run.artefact("ranks.npy").open("wb") as file:
        np.save(file, np.stack([ranks.above, ranks.tied]).astype(np.int32))


def test_row(ranks: Ranks, draws: int) -> dict[str, Any]:
    """Recall@10 and NDCG@10 with 95 % bootstrap intervals over the test users."""
    row: dict[str, Any] = {"users": len(ranks.above)}
    for name, values in (("recall", ranks.recall(CUT)), ("ndcg", ranks.ndcg(CUT))):
        low, high = bootstrap(values, draws, np.random.default_rng(BOOTSTRAP_SEED))
        row |= {name: float(values.mean()), f"{name}_low": low, f"{name}_high": high}
    return row


def differ(run: Run) -> list[dict[str, Any]]:
    """How far apart two models are for the same users: paired bootstrap of the difference in NDCG@10.

    Reads the ranks of every run above; a model with seeds counts with its first. One row a dataset and rival.
    """
    ranks: dict[tuple[str, str], Ranks] = {}
    for made in run.inputs:
        if made.keys.get("seed", 0) == 0:
            above, tied = np.load(made.open("ranks.npy")).astype(np.int64)
            ranks[made.keys["dataset"], made.keys.get("model", "sasrec")] = Ranks(above, tied)
    rows = []
    for (dataset, rival), theirs in ranks.items():
        if rival == "counting":
            continue
        gap = ranks[dataset, "counting"].ndcg(CUT) - theirs.ndcg(CUT)
        low, high = bootstrap(gap, run.config.bootstrap_draws, np.random.default_rng(BOOTSTRAP_SEED))
        gaps = {"gap": float(gap.mean()), "gap_low": low, "gap_high": high}
        rows.append({"dataset": dataset, "rival": rival} | gaps)
    return rows
