"""The model: gradient-boosted trees by LightGBM, with the settings that validation weeks chose."""

from __future__ import annotations

from typing import Any, NamedTuple

import lightgbm
import numpy as np

from posts.fraud.features import NAMES

Array = np.ndarray[Any, Any]


class Settings(NamedTuple):
    """What studies vary. The rest stands in `fit`."""

    trees: int
    leaves: int
    learning_rate: float
    smallest_leaf: int


def settings_of(config: Any) -> Settings:
    """Those of a run's config."""
    return Settings(config.trees, config.leaves, config.learning_rate, config.smallest_leaf)


def fit(features_NF: Array, fraud_N: Array, settings: Settings, seed: int) -> str:
    """Train on the first F features; the model as LightGBM writes it. The same input gives the same text."""
    parameters = {
        "objective": "binary",
        "num_leaves": settings.leaves,
        "learning_rate": settings.learning_rate,
        "min_data_in_leaf": settings.smallest_leaf,
        "feature_fraction": 0.7,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "use_missing": False,  # features are finite, and the scorer refuses what is not
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    names = list(NAMES[: features_NF.shape[1]])
    data = lightgbm.Dataset(features_NF, fraud_N, feature_name=names, free_raw_data=True)
    return lightgbm.train(parameters, data, settings.trees).model_to_string()


def predict(model: str, features_NF: Array) -> Array:
    """Probabilities of fraud (N,)."""
    booster = lightgbm.Booster(model_str=model)
    return np.asarray(booster.predict(features_NF[:, : booster.num_feature()], num_threads=1))
