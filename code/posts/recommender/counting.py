"""Models that count: popularity, item neighbours by cosine, and cosine plus transitions with recency.

Each is fitted on histories and scores every item for any histories, (B, I). Nothing here is trained by gradients;
fitting takes about a second.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from posts.recommender.data import Floats, Histories, Sparse


def popularity_counts(histories: Histories) -> Floats:
    """(I,): how many events each item has."""
    return np.bincount(histories.items, minlength=histories.item_count).astype(np.float32)


class Popularity:
    """The same list for everybody: items by how often they were taken."""

    def __init__(self, histories: Histories):
        self.counts_I = popularity_counts(histories)

    def __call__(self, histories: Histories) -> Floats:
        return np.tile(self.counts_I, (len(histories), 1))


def co_occurrence(histories: Histories) -> Sparse:
    """(I, I): in how many histories two items are together; 0 on the diagonal."""
    taken_UI = histories.matrix()
    together = (taken_UI.T @ taken_UI).tocoo()
    apart = together.row != together.col
    pairs = (together.row[apart], together.col[apart])
    return sp.csr_matrix((together.data[apart], pairs), shape=together.shape)


def transitions(histories: Histories, window: int) -> Sparse:
    """(I, I): the sum of 1/k over events of j that came k places after one of i in the same history, k ≤ window."""
    items, ages = histories.items, histories.ages
    rows, columns, weights = [], [], []
    for k in range(1, window + 1):
        before = np.flatnonzero(ages >= k)  # events with another k places on
        rows.append(items[before])
        columns.append(items[before + k])
        weights.append(np.full(len(before), 1 / k, np.float32))
    shape = (histories.item_count, histories.item_count)
    pairs = (np.concatenate(rows), np.concatenate(columns))
    found = sp.csr_matrix((np.concatenate(weights), pairs), shape=shape)
    found.setdiag(0)
    return found


def normalised(counts: Sparse, popularity: Floats, exponent: float) -> Sparse:
    """counts[i, j] / (popularity[i] · popularity[j])^exponent: one half makes a cosine of co-occurrence."""
    inverse = sp.diags(np.maximum(popularity, 1) ** np.float32(-exponent))
    return (inverse @ counts @ inverse).tocsr().astype(np.float32)


def nearest_only(similar: Sparse, count: int) -> Sparse:
    """The `count` largest entries of each row; equal ones by the column's number."""
    similar = similar.tocsr()
    rows = np.repeat(np.arange(similar.shape[0]), np.diff(similar.indptr))
    order = np.lexsort((similar.indices, -similar.data, rows))
    place = np.arange(len(order)) - np.repeat(similar.indptr[:-1], np.diff(similar.indptr))
    kept = order[place < count]
    return sp.csr_matrix((similar.data[kept], (rows[kept], similar.indices[kept])), shape=similar.shape)


class ItemKNN:
    """Items like those taken: the sum of cosines to a user's items, of the `neighbours` nearest of each."""

    def __init__(self, histories: Histories, neighbours: int, shrink: float):
        together = co_occurrence(histories)
        cosine = normalised(together, popularity_counts(histories), 0.5)
        cosine.data *= together.data / (together.data + np.float32(shrink))
        self.similar_II = nearest_only(cosine, neighbours)

    def __call__(self, histories: Histories) -> Floats:
        return (histories.matrix() @ self.similar_II).toarray()


class Counting:
    """Cosine of co-occurrence plus transitions, asked with a history whose weights fall with age.

    score = Σ_i decay^age(i) · (T[i, j] + cosine · C[i, j]),  T and C normalised by popularity^exponent
    """

    def __init__(self, histories: Histories, decay: float, cosine: float, window: int, exponent: float):
        self.decay = decay
        popularity = popularity_counts(histories)
        after = normalised(transitions(histories, window), popularity, exponent)
        together = normalised(co_occurrence(histories), popularity, exponent)
        self.similar_II = (after + np.float32(cosine) * together).tocsr()

    def __call__(self, histories: Histories) -> Floats:
        return (histories.matrix(self.decay) @ self.similar_II).toarray()
