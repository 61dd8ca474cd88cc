"""SASRec from scratch: self-attention over a history, and the score of an item as the product with its embedding.

Kang and McAuley (2018), sections III-B to III-D: learned positions, causal attention, a point-wise network of two
layers, residual connections with layer norms before them, shared item embeddings. Letters of shapes: B users,
T places, D width, H heads, I items.

Histories begin at place 0 and are padded at the end, where causal attention keeps padding out of sight. So the
position of an item depends on its own history and on nothing else in the batch.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from posts.recommender.data import Floats, Histories, Ints
from posts.recommender.metrics import BATCH

SPREAD = 0.02  # of initial embeddings


def dropout(x: Tensor, rate: float, rng: torch.Generator | None) -> Tensor:
    """Zero a share of the numbers and enlarge the others, while training; `rng` None is evaluation."""
    if rng is None or rate == 0:
        return x
    kept = torch.rand(x.shape, generator=rng) >= rate
    return x * kept / (1 - rate)


class Attention(nn.Module):
    """Causal multi-head attention: softmax(QKᵀ/√d + mask) V, place t seeing places up to t."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)

    def forward(self, x_BTD: Tensor, rate: float, rng: torch.Generator | None) -> Tensor:
        B, T, D = x_BTD.shape
        q, k, v = (
            part(x_BTD).view(B, T, self.heads, D // self.heads).transpose(1, 2)  # (B, H, T, D/H)
            for part in (self.query, self.key, self.value)
        )
        scores_BHTT = q @ k.transpose(2, 3) / math.sqrt(D // self.heads)
        future_TT = torch.ones(T, T, dtype=torch.bool).triu(1)
        weights_BHTT = scores_BHTT.masked_fill(future_TT, -math.inf).softmax(-1)
        mixed_BTD = (dropout(weights_BHTT, rate, rng) @ v).transpose(1, 2).reshape(B, T, D)
        return self.out(mixed_BTD)


class Block(nn.Module):
    """Attention, then a network on each place; each adds to its input (equation 7 of the paper)."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x_BTD: Tensor, rate: float, rng: torch.Generator | None) -> Tensor:
        x_BTD = x_BTD + dropout(self.attention(self.norm1(x_BTD), rate, rng), rate, rng)
        hidden_BTD = dropout(F.relu(self.first(self.norm2(x_BTD))), rate, rng)
        return x_BTD + dropout(self.second(hidden_BTD), rate, rng)


class SASRec(nn.Module):
    """States of histories (B, T, D); an item's score is the state's product with the item's embedding."""

    def __init__(self, item_count: int, longest: int, width: int, blocks: int, heads: int, rate: float, seed: int):
        super().__init__()
        self.longest, self.rate = longest, rate
        rng = torch.Generator().manual_seed(seed)
        self.items_ID = nn.Parameter(torch.randn(item_count, width, generator=rng) * SPREAD)
        self.positions_TD = nn.Parameter(torch.randn(longest, width, generator=rng) * SPREAD)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        for layer in [module for module in self.modules() if isinstance(module, nn.Linear)]:
            bound = math.sqrt(6 / sum(layer.weight.shape))
            with torch.no_grad():
                layer.weight.uniform_(-bound, bound, generator=rng)
                layer.bias.zero_()

    def forward(self, items_BT: Tensor, rng: torch.Generator | None = None) -> Tensor:
        width = self.items_ID.shape[1]
        x_BTD = self.items_ID[items_BT] * math.sqrt(width) + self.positions_TD[: items_BT.shape[1]]
        x_BTD = dropout(x_BTD, self.rate, rng)
        for block in self.blocks:
            x_BTD = block(x_BTD, self.rate, rng)
        return self.norm(x_BTD)


def padded(histories: Histories, longest: int) -> tuple[Tensor, Tensor]:
    """The last `longest` items of each history, from place 0, as (B, T) with zeros after; and lengths (B,)."""
    kept = histories.ages < longest
    lengths = np.minimum(histories.lengths, longest)
    items = np.zeros((len(histories), int(lengths.max())), np.int64)
    items[np.arange(items.shape[1]) < lengths[:, None]] = histories.items[kept]
    return torch.from_numpy(items), torch.from_numpy(lengths)


def softmax(states_ND: Tensor, targets_N: Tensor, items_ID: Tensor, negatives: int, rng: torch.Generator) -> Tensor:
    """Cross-entropy over all items; where there are more than `negatives`, over as many drawn for the whole batch.

    Drawn items stand for all others, so each counts (I − 1) / negatives times; a target among its own is left out.
    """
    others = len(items_ID) - 1
    if others <= negatives:
        return F.cross_entropy(states_ND @ items_ID.T, targets_N)
    drawn_M = torch.randint(len(items_ID), (negatives,), generator=rng)
    right_N1 = (states_ND * items_ID[targets_N]).sum(1, keepdim=True)
    wrong_NM = states_ND @ items_ID[drawn_M].T + math.log(others / negatives)
    wrong_NM = wrong_NM.masked_fill(drawn_M == targets_N[:, None], -math.inf)
    return F.cross_entropy(torch.cat([right_N1, wrong_NM], 1), torch.zeros_like(targets_N))


def binary(states_ND: Tensor, targets_N: Tensor, items_ID: Tensor, negatives: int, rng: torch.Generator) -> Tensor:
    """The paper's loss (its equation 8): the target against one item drawn at random, each a yes or no."""
    others_N = torch.randint(len(items_ID), targets_N.shape, generator=rng)
    right_N = (states_ND * items_ID[targets_N]).sum(1)
    wrong_N = (states_ND * items_ID[others_N]).sum(1)
    return (F.softplus(-right_N) + F.softplus(wrong_N)).mean()


LOSSES = {"softmax": softmax, "binary": binary}


def batches(histories: Histories, size: int, rng: np.random.Generator) -> list[Ints]:
    """Users in random batches of about the same length each, in random order, so that little is padding."""
    jitter = rng.random(len(histories)) * 2
    order = np.argsort(histories.lengths + jitter, kind="stable")
    cut = [order[start : start + size] for start in range(0, len(order), size)]
    return [cut[n] for n in rng.permutation(len(cut))]


def chosen(histories: Histories, users: Ints) -> Histories:
    """The histories of some users, in their order."""
    rows = [histories.of(user) for user in users]
    return Histories(np.concatenate(rows), np.cumsum([0, *map(len, rows)]), histories.item_count)


def loss_of(model: SASRec, histories: Histories, loss: str, negatives: int, rng: torch.Generator) -> Tensor:
    """Mean loss of predicting each item of B histories from those before it."""
    items_BT, lengths_B = padded(histories, model.longest + 1)
    states_BTD = model(items_BT[:, :-1], rng)
    real_BT = torch.arange(states_BTD.shape[1]) < (lengths_B - 1)[:, None]
    return LOSSES[loss](states_BTD[real_BT], items_BT[:, 1:][real_BT], model.items_ID, negatives, rng)


def score(model: SASRec, histories: Histories, batch: int = BATCH) -> Floats:
    """(B, I): the score of every item after each history."""
    parts = []
    with torch.no_grad():
        for start in range(0, len(histories), batch):
            items_BT, lengths_B = padded(histories.part(start, start + batch), model.longest)
            last_BD = model(items_BT)[torch.arange(len(lengths_B)), lengths_B - 1]
            parts.append((last_BD @ model.items_ID.T).numpy())
    return np.concatenate(parts)
