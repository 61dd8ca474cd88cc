"""Two linear models: EASE (Steck 2019), in closed form, and implicit-feedback matrix factorisation (Hu et al. 2008).

The factorisation is that of the library `implicit`, on one thread; users are folded in from their histories, so that
both models score people they were not fitted on.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from posts.recommender.data import Floats, Histories


def ease_weights(gram_II: NDArray[np.floating], penalty: float) -> Floats:
    """(I, I): the weights with zero diagonal that minimise ‖X − XB‖² + penalty ‖B‖², from XᵀX (Steck 2019, eq. 8).

    P = (XᵀX + penalty I)⁻¹;  B = −P / diag(P) by columns;  diag(B) = 0.  Raises LinAlgError where that is not
    positive definite.
    """
    regular = gram_II.astype(np.float32, order="F")  # a copy
    regular[np.diag_indices_from(regular)] += np.float32(penalty)
    factor = scipy.linalg.cholesky(regular, lower=True, overwrite_a=True, check_finite=False)
    (potri,) = scipy.linalg.get_lapack_funcs(("potri",), (factor,))
    inverse, failed = potri(factor, lower=1, overwrite_c=1)
    if failed:
        raise np.linalg.LinAlgError(f"the regularised Gram matrix has no inverse at row {failed}")
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    weights = -inverse / np.diag(inverse)[None, :]
    weights[np.diag_indices_from(weights)] = 0
    return weights


class Ease:
    """Each item predicted from all others by ridge regression without self-loops."""

    def __init__(self, histories: Histories, penalty: float):
        taken_UI = histories.matrix()
        self.weights_II = ease_weights((taken_UI.T @ taken_UI).toarray(), penalty)

    def __call__(self, histories: Histories) -> Floats:
        return np.asarray(histories.matrix() @ self.weights_II, np.float32)


class Factors:
    """Weighted alternating least squares on what was taken, unseen pairs counting as weak zeros."""

    def __init__(self, histories: Histories, factors: int, penalty: float, alpha: float, iterations: int, seed: int):
        from implicit.als import AlternatingLeastSquares

        self.model = AlternatingLeastSquares(
            factors,
            regularization=penalty,
            alpha=alpha,
            iterations=iterations,
            num_threads=1,
            random_state=seed,
            use_gpu=False,
        )
        self.model.fit(histories.matrix(), show_progress=False)

    def __call__(self, histories: Histories) -> Floats:
        users = np.arange(len(histories))
        folded = self.model.recalculate_user(users, histories.matrix())  # weighted by alpha there, as in fit
        return np.asarray(folded @ self.model.item_factors.T, np.float32)
