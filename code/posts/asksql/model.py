"""The Llama architecture (Touvron et al., 2023): RMSNorm, rotary positions, grouped-query attention, SwiGLU, tied head.

Shapes: B sequences, T positions now, S positions attended to, E width of the model, H query heads in K groups of
G = H / K that share a key and a value head, D width of a head, F inner width, V vocabulary.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """The hyperparameters that determine the sizes of all weights, and the two that no weight shows."""

    layers: int
    d_model: int
    heads: int
    kv_heads: int
    d_ff: int
    vocabulary: int
    rope_base: float
    eps: float

    @property
    def d_head(self) -> int:
        return self.d_model // self.heads


class Cache:
    """Keys and values of positions seen before, one pair a layer, room for `length` positions of B sequences."""

    def __init__(self, shape: Shape, sequences: int, length: int):
        size = (shape.layers, sequences, shape.kv_heads, length, shape.d_head)
        self.keys_LBKSD, self.values_LBKSD = torch.zeros(size), torch.zeros(size)

    def store(self, layer: int, at_BT: Tensor, k_BKTD: Tensor, v_BKTD: Tensor) -> tuple[Tensor, Tensor]:
        """Put new keys and values at positions `at_BT` of each sequence; returns all (B, K, S, D)."""
        rows_B1 = torch.arange(len(at_BT))[:, None]
        for kept, new in ((self.keys_LBKSD, k_BKTD), (self.values_LBKSD, v_BKTD)):
            kept[layer][rows_B1, :, at_BT] = new.transpose(1, 2)
        return self.keys_LBKSD[layer], self.values_LBKSD[layer]

    def fill(self, other: Cache, length: int) -> None:
        """Begin every sequence with the first `length` positions of the one sequence of another cache."""
        self.keys_LBKSD[:, :, :, :length] = other.keys_LBKSD[:, :, :, :length]
        self.values_LBKSD[:, :, :, :length] = other.values_LBKSD[:, :, :, :length]


def rotation(shape: Shape, positions_BT: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines (B, 1, T, D / 2) of the angles position · base^(-2i / D) (Su et al., 2021)."""
    i = torch.arange(shape.d_head // 2, dtype=torch.float32)
    angles = positions_BT[:, None, :, None].float() * shape.rope_base ** (-2 * i / shape.d_head)
    return angles.cos(), angles.sin()


def rotated(x_BHTD: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Dimension i and dimension i + D / 2 of each head turned as one point of a plane."""
    a, b = x_BHTD.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


class Attention(nn.Module):
    """Grouped-query attention (Ainslie et al., 2023)."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.groups, self.d_head = shape.kv_heads, shape.d_head
        self.q = nn.Linear(shape.d_model, shape.heads * shape.d_head, bias=False)
        self.k = nn.Linear(shape.d_model, shape.kv_heads * shape.d_head, bias=False)
        self.v = nn.Linear(shape.d_model, shape.kv_heads * shape.d_head, bias=False)
        self.o = nn.Linear(shape.heads * shape.d_head, shape.d_model, bias=False)

    def forward(
        self,
        x_BTE: Tensor,
        turn: tuple[Tensor, Tensor],
        hidden_B1TS: Tensor,
        cache: Cache | None = None,
        layer: int = 0,
        at_BT: Tensor | None = None,
    ) -> Tensor:
        """`hidden_B1TS` is 0 where position t may look at s, and minus infinity where it may not."""
        b, t, _ = x_BTE.shape
        q_BHTD = rotated(self.q(x_BTE).view(b, t, -1, self.d_head).transpose(1, 2), *turn)
        k_BKSD = rotated(self.k(x_BTE).view(b, t, -1, self.d_head).transpose(1, 2), *turn)
        v_BKSD = self.v(x_BTE).view(b, t, -1, self.d_head).transpose(1, 2)
        if cache is not None:
            assert at_BT is not None
            k_BKSD, v_BKSD = cache.store(layer, at_BT, k_BKSD, v_BKSD)
        s = k_BKSD.shape[2]
        q_BKRD = q_BHTD.reshape(b, self.groups, -1, self.d_head)  # R = G·T rows that share a key head
        scores_BHTS = ((q_BKRD / math.sqrt(self.d_head)) @ k_BKSD.transpose(2, 3)).view(b, -1, t, s) + hidden_B1TS
        shares_BKRS = scores_BHTS.softmax(dim=-1).view(b, self.groups, -1, s)
        mixed_BTE = (shares_BKRS @ v_BKSD).view(b, -1, t, self.d_head).transpose(1, 2).reshape(b, t, -1)
        return self.o(mixed_BTE)


class SwiGLU(nn.Module):
    """A layer gated by another (Shazeer, 2020): down(silu(gate(x)) · up(x))."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.gate = nn.Linear(shape.d_model, shape.d_ff, bias=False)
        self.up = nn.Linear(shape.d_model, shape.d_ff, bias=False)
        self.down = nn.Linear(shape.d_ff, shape.d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.attention_norm = nn.RMSNorm(shape.d_model, eps=shape.eps)
        self.attention = Attention(shape)
        self.mlp_norm = nn.RMSNorm(shape.d_model, eps=shape.eps)
        self.mlp = SwiGLU(shape)

    def forward(self, x_BTE: Tensor, *context: object) -> Tensor:
        x_BTE = x_BTE + self.attention(self.attention_norm(x_BTE), *context)
        return x_BTE + self.mlp(self.mlp_norm(x_BTE))


class Llama(nn.Module):
    """A decoder. Its head is the transpose of its embedding, so it has no weights of its own."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.d_model)
        self.blocks = nn.ModuleList([Block(shape) for _ in range(shape.layers)])
        self.norm = nn.RMSNorm(shape.d_model, eps=shape.eps)

    def forward(
        self,
        x: Tensor,
        positions_BT: Tensor | None = None,
        mask_BTS: Tensor | None = None,
        cache: Cache | None = None,
        at_BT: Tensor | None = None,
    ) -> Tensor:
        """States (B, T, E), normalised, of token numbers (B, T) or of vectors (B, T, E) in their place.

        Positions count from 0 unless given. `mask_BTS` is true where position t may look at s; without one every
        position looks at itself and what stands before it. With a cache, `at_BT` says where in it the new positions
        go (their positions, unless given), and S is its length.
        """
        x_BTE = self.embedding(x) if x.dim() == 2 else x
        b, t, _ = x_BTE.shape
        if positions_BT is None:
            positions_BT = torch.arange(t).expand(b, t)
        if at_BT is None:
            at_BT = positions_BT
        if mask_BTS is None:
            before = torch.arange(t) if cache is None else torch.arange(cache.keys_LBKSD.shape[3])
            mask_BTS = (torch.arange(t).expand(1, t) if cache is None else at_BT)[:, :, None] >= before
        turn = rotation(self.shape, positions_BT)
        hidden_B1TS = torch.zeros(mask_BTS.shape, dtype=x_BTE.dtype).masked_fill_(~mask_BTS, -math.inf)[:, None]
        turn = (turn[0].to(x_BTE.dtype), turn[1].to(x_BTE.dtype))
        for i, block in enumerate(self.blocks):
            x_BTE = block(x_BTE, turn, hidden_B1TS, cache, i, at_BT)
        return self.norm(x_BTE)

    def logits(self, states: Tensor) -> Tensor:
        """Scores (…, V) of the next token from states (…, E)."""
        return F.linear(states, self.embedding.weight)


def load(shape: Shape, weights: dict[str, Tensor]) -> Llama:
    """A model that uses these very tensors as its weights: nothing is copied, every name must be there."""
    with torch.device("meta"):
        model = Llama(shape)
    model.load_state_dict(weights, assign=True)
    return model
