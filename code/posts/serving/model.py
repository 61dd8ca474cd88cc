"""A Llama decoder (Touvron et al., 2023) whose step takes the tokens of many sequences at once, over a paged KV cache.

Shapes: N tokens of this step, whatever sequence each belongs to; E width of the model, H query heads in K groups of
G = H / K that share a key and a value head (Ainslie et al., 2023), D width of a head, F inner width, V vocabulary,
L layers. A group of sequences that attend together has B sequences, T new tokens of each, and S positions to look at.

All products with weights take the N tokens as one matrix; only attention looks at sequences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

PAGE = 16  # positions of a page


@dataclass(frozen=True)
class Shape:
    """The hyperparameters that determine the sizes of all weights, and the three that no weight shows."""

    layers: int
    d_model: int
    heads: int
    kv_heads: int
    d_ff: int
    vocabulary: int
    rope_base: float
    eps: float
    context: int  # positions that it was trained on

    @property
    def d_head(self) -> int:
        return self.d_model // self.heads


class Linear(Protocol):
    """y (N, O) of x (N, I)."""

    def __call__(self, x_NI: Tensor) -> Tensor: ...


class Float32:
    """The plain product with a weight (O, I)."""

    def __init__(self, w_OI: Tensor):
        self.w_OI = w_OI

    def __call__(self, x_NI: Tensor) -> Tensor:
        return F.linear(x_NI, self.w_OI)


class Adapted(Protocol):
    """What adapters add to the product `name` of a layer, for the rows that use one; in place."""

    def add(self, layer: int, name: str, x_NI: Tensor, y_NO: Tensor) -> None: ...


@dataclass
class Layer:
    """The weights of a block. q, k and v are one product, gate and up another: fewer calls a step."""

    attention_norm_E: Tensor
    qkv: Linear
    o: Linear
    mlp_norm_E: Tensor
    gate_up: Linear
    down: Linear


@dataclass
class Group:
    """B sequences that attend together: rows `first` to `first` + B·T of the step are theirs, sequence by sequence.

    `pages_BP` are their pages in order, `hidden` (B, 1, T·G or 1, S) is 0 where a query may look and −inf where not, or
    None where it may look at all S = P·PAGE positions.
    """

    first: int
    sequences: int
    new: int
    pages_BP: Tensor
    hidden: Tensor | None


@dataclass
class Step:
    """The tokens of one step, where their keys and values go, and for which of them scores are wanted."""

    tokens_N: Tensor
    positions_N: Tensor
    slots_N: Tensor
    groups: Sequence[Group]
    wanted_W: Tensor
    adapted: Adapted | None = None


class KVCache:
    """Keys and values (L, pages, PAGE, K, D), in pages that `pages.Pages` hands out."""

    def __init__(self, shape: Shape, pages: int):
        size = (shape.layers, pages, PAGE, shape.kv_heads, shape.d_head)
        self.keys, self.values = torch.zeros(size), torch.zeros(size)
        self.row = PAGE * shape.kv_heads * shape.d_head

    def write(self, layer: int, slots_N: Tensor, k_NKD: Tensor, v_NKD: Tensor) -> None:
        for kept, new in ((self.keys, k_NKD), (self.values, v_NKD)):
            kept[layer].flatten(0, 1).index_copy_(0, slots_N, new)

    def read(self, layer: int, pages_BP: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (B, K, S, D) of these pages."""
        b, p = pages_BP.shape
        _, _, _, k, d = self.keys.shape
        found = []
        for kept in (self.keys, self.values):
            rows = kept[layer].view(-1, self.row).index_select(0, pages_BP.reshape(-1))
            found.append(rows.view(b, p * PAGE, k, d).transpose(1, 2))
        return found[0], found[1]


def hidden(shape: Shape, positions_BT: Tensor, pages: int) -> Tensor | None:
    """The mask of a group: a query at position p looks at positions 0 to p. None where that hides nothing."""
    s = torch.arange(pages * PAGE)
    unseen_BTS = s > positions_BT[:, :, None]
    if not unseen_BTS.any():
        return None
    b, t, _ = unseen_BTS.shape
    mask = torch.zeros(unseen_BTS.shape).masked_fill_(unseen_BTS, float("-inf"))
    if t == 1:
        return mask[:, None]  # (B, 1, 1, S): the G heads of a group look at the same
    rows = shape.heads // shape.kv_heads * t  # R = G·T, heads outermost
    return mask[:, None].expand(b, rows // t, t, -1).reshape(b, 1, rows, -1)


def rotated(x_NHD: Tensor, cos_N1D: Tensor, sin_N1D: Tensor) -> Tensor:
    """Dimension i and dimension i + D / 2 of each head turned as one point of a plane (Su et al., 2021)."""
    a, b = x_NHD.chunk(2, dim=-1)
    return torch.cat([a * cos_N1D - b * sin_N1D, b * cos_N1D + a * sin_N1D], dim=-1)


def attend(q_RHD: Tensor, group: Group, k_BKSD: Tensor, v_BKSD: Tensor) -> Tensor:
    """Mixed values (B·T, H·D) of a group. Query heads that share a key head are rows beside each other."""
    b, t = group.sequences, group.new
    k = k_BKSD.shape[1]
    _, h, d = q_RHD.shape
    q_BKRD = q_RHD.view(b, t, k, h // k, d).permute(0, 2, 3, 1, 4).reshape(b, k, -1, d)
    mask = group.hidden
    if mask is not None:
        mask = mask.expand(b, 1, q_BKRD.shape[2], mask.shape[3])
    mixed_BKRD = F.scaled_dot_product_attention(q_BKRD, k_BKSD, v_BKSD, attn_mask=mask)
    return mixed_BKRD.view(b, k, h // k, t, d).permute(0, 3, 1, 2, 4).reshape(b * t, h * d)


@dataclass
class Model:
    """Weights, and the tables of the rotation."""

    shape: Shape
    embedding_VE: Tensor
    layers: list[Layer]
    norm_E: Tensor
    head: Linear
    name: str = ""
    cos_SD: Tensor = field(init=False)
    sin_SD: Tensor = field(init=False)

    def __post_init__(self) -> None:
        shape = self.shape
        i = torch.arange(shape.d_head // 2, dtype=torch.float32)
        turns = torch.arange(shape.context, dtype=torch.float32)[:, None] * shape.rope_base ** (-2 * i / shape.d_head)
        self.cos_SD, self.sin_SD = turns.cos(), turns.sin()

    @torch.inference_mode()
    def forward(self, step: Step, cache: KVCache) -> Tensor:
        """Scores (W, V) of the token after each wanted one; keys and values of all N go into the cache."""
        shape, n = self.shape, len(step.tokens_N)
        h, k, d = shape.heads, shape.kv_heads, shape.d_head
        x_NE = self.embedding_VE.index_select(0, step.tokens_N)
        cos = self.cos_SD.index_select(0, step.positions_N)[:, None]
        sin = self.sin_SD.index_select(0, step.positions_N)[:, None]
        for number, layer in enumerate(self.layers):
            normed_NE = F.rms_norm(x_NE, (shape.d_model,), layer.attention_norm_E, shape.eps)
            qkv = self._product(step, number, "qkv", layer.qkv, normed_NE)
            heads_NHD = qkv.view(n, h + 2 * k, d)
            qk = rotated(heads_NHD[:, : h + k], cos, sin)
            cache.write(number, step.slots_N, qk[:, h:], heads_NHD[:, h + k :])
            parts = [
                attend(
                    qk[group.first : group.first + group.sequences * group.new, :h],
                    group,
                    *cache.read(number, group.pages_BP),
                )
                for group in step.groups
            ]
            mixed_NE = parts[0] if len(parts) == 1 else torch.cat(parts)
            x_NE = x_NE + self._product(step, number, "o", layer.o, mixed_NE)
            normed_NE = F.rms_norm(x_NE, (shape.d_model,), layer.mlp_norm_E, shape.eps)
            gate_NF, up_NF = self._product(step, number, "gate_up", layer.gate_up, normed_NE).chunk(2, dim=-1)
            inner_NF = F.silu(gate_NF).mul_(up_NF)
            x_NE = x_NE + self._product(step, number, "down", layer.down, inner_NF)
        wanted_WE = F.rms_norm(x_NE.index_select(0, step.wanted_W), (shape.d_model,), self.norm_E, shape.eps)
        return self.head(wanted_WE)

    def _product(self, step: Step, layer: int, name: str, linear: Linear, x_NI: Tensor) -> Tensor:
        y_NO = linear(x_NI)
        if step.adapted is not None:
            step.adapted.add(layer, name, x_NI, y_NO)
        return y_NO


def build(shape: Shape, weights: Mapping[str, Tensor], name: str = "") -> Model:
    """A float32 model of plain weights by name, as weights.py reads them. Raises KeyError for one that is missing."""
    layers = []
    for i in range(shape.layers):
        at = f"blocks.{i}."
        qkv = torch.cat([weights[f"{at}attention.{part}.weight"] for part in ("q", "k", "v")])
        gate_up = torch.cat([weights[f"{at}mlp.{part}.weight"] for part in ("gate", "up")])
        layers.append(
            Layer(
                weights[f"{at}attention_norm.weight"],
                Float32(qkv),
                Float32(weights[f"{at}attention.o.weight"]),
                weights[f"{at}mlp_norm.weight"],
                Float32(gate_up),
                Float32(weights[f"{at}mlp.down.weight"]),
            )
        )
    embedding = weights["embedding.weight"]
    return Model(shape, embedding, layers, weights["norm.weight"], Float32(embedding), name)


def whole(shape: Shape, tokens: Sequence[int]) -> tuple[Step, int]:
    """A step that takes one sequence whole, with scores for every token; and how many pages it needs."""
    n = len(tokens)
    pages = -(-n // PAGE)
    positions = torch.arange(n)
    group = Group(0, 1, n, torch.arange(pages)[None], hidden(shape, positions[None], pages))
    return Step(torch.tensor(tokens), positions, positions, [group], positions), pages
