"""A model, one row at a time: LightGBM's single-row call of its C interface, and rules for when there is none.

`Booster.predict` checks and converts its input each time, which costs more than the trees. The C interface has a call
that is set up once and then only reads a row from a buffer. The buffer belongs to one caller at a time, so a lock
guards it.
"""

from __future__ import annotations

import ctypes
import hashlib
import threading
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from lockstep.errors import LockstepError

from posts.fraud.features import LARGE, NAMES

Array = np.ndarray[Any, Any]
FLOAT64, ROW_MAJOR, NORMAL = 1, 1, 0  # constants of LightGBM's c_api.h
RULES = "rules"  # what a decision names as its model when no model made it


class Scorer:
    """A LightGBM model over the features of the post. Raises LockstepError for a model over other ones."""

    def __init__(self, path: Path):
        text = path.read_bytes()
        self.digest = hashlib.sha256(text).hexdigest()
        try:
            self.booster = lightgbm.Booster(model_str=text.decode())
        except (lightgbm.basic.LightGBMError, UnicodeDecodeError) as error:
            raise LockstepError(f"{path} is no LightGBM model: {error}") from None
        names = tuple(self.booster.feature_name())
        if names != NAMES[: len(names)] or not names:
            odd = next((name for name, ours in zip(names, NAMES, strict=False) if name != ours), names[-1:])
            raise LockstepError(f"{path} was trained on other features than this code makes: {odd} is out of place")
        self.width = len(names)
        self._library: Any = lightgbm.basic._LIB  # pyright: ignore[reportPrivateImportUsage]  (with `_handle`, the one private name)
        self._handle, self._length = ctypes.c_void_p(), ctypes.c_int64()
        self._row, self._out = np.zeros(self.width), (ctypes.c_double * 1)()
        self._lock = threading.Lock()
        done = self._library.LGBM_BoosterPredictForMatSingleRowFastInit(
            self.booster._handle, NORMAL, 0, -1, FLOAT64, self.width, b"num_threads=1", ctypes.byref(self._handle)
        )
        if done != 0:
            raise LockstepError(f"{path}: LightGBM has no single-row call for it")
        self._where = self._row.ctypes.data_as(ctypes.c_void_p)

    def score(self, features: Array) -> float:
        """Probability of fraud for features (F,) or more. Raises ValueError where one is not finite.

        Training saw finite numbers only, so LightGBM would take a missing one for zero and say nothing.
        """
        if not np.isfinite(features).all():
            bad = NAMES[int(np.flatnonzero(~np.isfinite(features))[0])]
            raise ValueError(f"the feature {bad} is not a finite number")
        with self._lock:
            self._row[:] = features[: self.width]
            call = self._library.LGBM_BoosterPredictForMatSingleRowFast
            if call(self._handle, self._where, ctypes.byref(self._length), self._out) != 0:
                raise ValueError("LightGBM refused the row")
            return self._out[0]

    def close(self) -> None:
        self._library.LGBM_FastConfigFree(self._handle)


def by_rules(cents: int) -> float:
    """A score without model and without state: what remains when the rest is gone."""
    return 1.0 if cents > LARGE else 0.0
