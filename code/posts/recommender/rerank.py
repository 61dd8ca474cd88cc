"""From a ranked list to the list that is shown: less of the same, and genres in the shares that a person takes them.

Both are greedy, place by place, and deterministic: equal values by the candidate's place in the ranking.
"""

from __future__ import annotations

import numpy as np

from posts.recommender.data import Floats, Ints
from posts.recommender.metrics import Reals

BLEND = 0.01  # of the wanted shares into the list's, so that a missing genre costs much and not infinitely much


def unit(features: Floats) -> Reals:
    norms = np.linalg.norm(features, axis=1, keepdims=True).astype(np.float64)
    return features / np.where(norms == 0, 1, norms)


def scaled(scores: Reals) -> Reals:
    """Scores as 0 to 1; all 0 where they are the same."""
    spread = scores.max() - scores.min()
    return (scores - scores.min()) / spread if spread else np.zeros(len(scores))


def diversify(scores: Reals, features: Floats, k: int, trade: float) -> Ints:
    """(k,) places in the candidates (C,): maximal marginal relevance (Carbonell and Goldstein 1998).

    Next is the one with the most (1 − trade) · score − trade · largest cosine to what is listed.
    """
    relevance, similar = scaled(scores), unit(features) @ unit(features).T
    listed: list[int] = []
    nearest = np.zeros(len(scores))
    for _ in range(min(k, len(scores))):
        value = (1 - trade) * relevance - trade * nearest
        value[listed] = -np.inf
        listed.append(int(np.argmax(value)))
        nearest = np.maximum(nearest, similar[listed[-1]])
    return np.array(listed)


def calibrate(scores: Reals, genres: Floats, wanted: Reals, k: int, trade: float) -> Ints:
    """(k,) places in the candidates (C,): calibrated recommendations (Steck 2018, equation 7).

    Next is the one that makes (1 − trade) · Σ score − trade · KL(wanted ‖ list) largest; genres (C, G) has rows that
    sum to 1, wanted (G,) sums to 1.
    """
    relevance = scaled(scores)
    listed: list[int] = []
    sums = np.zeros(genres.shape[1])
    positive = wanted > 0
    for place in range(min(k, len(scores))):
        shares = (1 - BLEND) * (sums + genres) / (place + 1) + BLEND * wanted  # (C, G), with each candidate added
        divergence = (wanted[positive] * np.log(wanted[positive] / shares[:, positive])).sum(1)
        value = (1 - trade) * relevance - trade * divergence
        value[listed] = -np.inf
        listed.append(int(np.argmax(value)))
        sums += genres[listed[-1]]
    return np.array(listed)
