"""Reported and reproduced: the book's three models on its fifteen features, by its protocol.

Its XGBoost is of 2021. Since then the library's defaults have changed twice: trees are grown on histograms instead of
exact splits, and the first prediction is estimated instead of one half. Both variants run here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from posts.fraud.batch import features
from posts.fraud.data import DAY, LARGE, transactions
from posts.fraud.features import SETS
from posts.fraud.protocol import measure, split

if TYPE_CHECKING:
    from lockstep.run import Run

AS_IN_2021 = {"tree_method": "exact", "base_score": 0.5}


def models(seed: int) -> dict[str, Any]:
    """The models of the section, with the book's settings: defaults."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from xgboost import XGBClassifier

    return {
        "logistic_regression": LogisticRegression(random_state=seed),
        "random_forest": RandomForestClassifier(random_state=seed, n_jobs=1),
        "xgboost_2021": XGBClassifier(random_state=seed, n_jobs=1, **AS_IN_2021),
        "xgboost_today": XGBClassifier(random_state=seed, n_jobs=1),
    }


def score(run: Run) -> list[dict[str, Any]]:
    """Train and test each model once, and score the same week by one rule and by a perfect ranking."""
    from sklearn.preprocessing import StandardScaler

    config = run.config
    world = transactions(run.data("transactions"))
    rows = split(world, config.weeks[0])
    x_NF, fraud_N = features(world, config.delay * DAY)[:, : SETS["handbook"]], world.fraud_N
    scaler = StandardScaler().fit(x_NF[rows.train_N])
    train_NF, test_MF = scaler.transform(x_NF[rows.train_N]), scaler.transform(x_NF[rows.test_N])
    made = []
    for name, model in models(run.seed).items():
        model.fit(train_NF, fraud_N[rows.train_N])
        score_M = np.asarray(model.predict_proba(test_MF)[:, 1], dtype=np.float64)
        made.append({"model": name} | measure(world, rows.test_N, score_M, config.top_cards))
        run.progress(len(made), 4)
    baselines = {"rules": world.cents_N > LARGE, "perfect": fraud_N == 1}
    for name, flag_N in baselines.items():
        score_M = flag_N[rows.test_N].astype(np.float64)
        made.append({"model": name} | measure(world, rows.test_N, score_M, config.top_cards))
    return made
