"""Films at random: one in ten ratings held out for selection and one in ten for the test, by several models.

The protocol of the linear and factor models' own papers, on MovieLens 100k: any event may be held out, several a user,
so a list is scored by how many of them it holds. It ignores time, which studies/misleading.py looks at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from posts.recommender.compare import CUT, fit
from posts.recommender.data import Histories, events_of
from posts.recommender.metrics import Reals, recommend_all
from posts.recommender.tuning import draw, trials_of

if TYPE_CHECKING:
    from lockstep.run import Run


def holdout(histories: Histories, rng: np.random.Generator) -> tuple[Histories, sp.csr_matrix, sp.csr_matrix]:
    """Training histories, and matrices (U, I) of the events held out for validation and for the test.

    The first event of every user stays in training, so that nobody's history is empty.
    """
    chance = rng.random(len(histories.items))
    chance[histories.starts[:-1]] = 1.0
    users, shape = histories.users, (len(histories), histories.item_count)
    validation, test = (
        sp.csr_matrix((np.ones(part.sum()), (users[part], histories.items[part])), shape=shape)
        for part in (chance < 0.1, (chance >= 0.1) & (chance < 0.2))
    )
    kept = chance >= 0.2
    starts = np.concatenate([[0], np.cumsum(np.bincount(users[kept], minlength=len(histories)))])
    return Histories(histories.items[kept], starts, histories.item_count), validation, test


def list_metrics(lists: np.ndarray, targets: sp.csr_matrix) -> tuple[Reals, Reals]:
    """Recall and NDCG at k of lists (U, k) for the users who have targets: recall is of min(k, targets) possible."""
    counts = np.diff(targets.indptr)
    asked = np.flatnonzero(counts)
    hits = np.take_along_axis(targets.toarray(), lists, 1)[asked] > 0  # (asked, k)
    most = np.minimum(counts[asked], lists.shape[1])
    gain = 1 / np.log2(np.arange(lists.shape[1]) + 2)
    return hits.sum(1) / most, (hits @ gain) / np.cumsum(gain)[most - 1]


def hold_out(run: Run) -> dict[str, Any]:
    """One model on one random split: tuned on the validation events, then tested once."""
    config = run.config
    split_rng = np.random.default_rng(run.seed)
    train, validation, test = holdout(events_of(run.data("films-100k")).histories(), split_rng)
    best = None
    for trial in range(trials_of(config.model, config.trials)):
        settings = draw(config.model, trial, run.seed)
        scorer = fit(config.model, train, settings, run.seed)
        lists = recommend_all(scorer, train, CUT)
        _, ndcg = list_metrics(lists, validation)
        if best is None or ndcg.mean() > best[0]:
            best = (float(ndcg.mean()), scorer)
    assert best is not None
    shown = _without(recommend_all(best[1], train, min(10 * CUT, _most(train))), validation)
    recall, ndcg = list_metrics(shown, test)
    return {"recall": float(recall.mean()), "ndcg": float(ndcg.mean()), "validation_ndcg": best[0]}


def _most(histories: Histories) -> int:
    """How long a list everybody can be shown."""
    return histories.item_count - int(np.diff(histories.matrix().indptr).max())


def _without(lists: np.ndarray, taken: sp.csr_matrix) -> np.ndarray:
    """(U, CUT): the first of each list that the user's validation events do not hold; they are no candidates."""
    hidden = np.take_along_axis(taken.toarray(), lists, 1) > 0
    order = np.argsort(hidden, axis=1, kind="stable")[:, :CUT]
    return np.take_along_axis(lists, order, 1)
