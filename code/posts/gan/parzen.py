"""Gaussian Parzen-window log-likelihood: how probable are held-out images under a kernel density of samples?

Breuleux, Bengio and Vincent, 2011; used by Goodfellow et al., 2014, section 5. With N centres in D dimensions,

    log p(x) = logsumexp_i(-‖x - c_i‖² / 2σ²) - log N - D/2 · log(2πσ²)

Shape legend: T points to score, N centres, X pixels, S widths.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

CHUNK = 500  # rows of distances at a time: 500 × 10,000 floats are 20 MB


def log_likelihood(points_TX: Tensor, centres_NX: Tensor, widths_S: Tensor) -> Tensor:
    """The log-density (S, T), in nats, of each point under each width σ."""
    chunks = [_chunk(chunk_TX, centres_NX, widths_S) for chunk_TX in points_TX.split(CHUNK)]
    return torch.cat(chunks, dim=1)


def _chunk(points_TX: Tensor, centres_NX: Tensor, widths_S: Tensor) -> Tensor:
    squares_TN = torch.cdist(points_TX, centres_NX, compute_mode="use_mm_for_euclid_dist").square_()
    count, dimensions = centres_NX.shape
    rows = []
    for width in widths_S.tolist():
        kernel_T = torch.logsumexp(squares_TN * (-0.5 / width**2), dim=1).double()
        rows.append(kernel_T - math.log(count) - dimensions / 2 * math.log(2 * math.pi * width**2))
    return torch.stack(rows)


def widths(count: int = 10) -> Tensor:
    """The candidates for σ: log-spaced in [0.1, 1], as in the authors' evaluation."""
    return torch.logspace(-1, 0, count)


def choose_width(validation_VX: Tensor, centres_NX: Tensor) -> float:
    """The candidate under which the validation images are most probable. Knows nothing of the test images."""
    candidates_S = widths()
    means_S = log_likelihood(validation_VX, centres_NX, candidates_S).mean(dim=1)
    return float(candidates_S[means_S.argmax()])


def score(points_TX: Tensor, centres_NX: Tensor, width: float) -> tuple[float, float]:
    """Mean log-likelihood in nats, and its standard error over the points: deviation / √T."""
    values_T = log_likelihood(points_TX, centres_NX, torch.tensor([width]))[0]
    return float(values_T.mean()), float(values_T.std() / math.sqrt(len(values_T)))
