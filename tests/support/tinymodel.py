"""A Transformer of the smallest sizes at which every part of it matters."""

from __future__ import annotations

from typing import Any

import torch
from posts.transformer.model import Transformer

WIDTH, HEADS, D_K, INNER = 16, 4, 4, 24


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tiny(vocabulary: int = 12, **settings: Any) -> Transformer:
    sizes = {"layers": 2, "d_model": WIDTH, "d_ff": INNER, "heads": HEADS, "d_k": D_K, "rate": 0.0}
    return Transformer(vocabulary, rng(), **{**sizes, **settings})
