"""The Transformer of Vaswani et al., "Attention Is All You Need", 2017: section 3, part by part, the whole last.

Residual blocks are normalised after the sum, as in the paper (section 3.1). Dropout is applied to the output of each
sub-layer and to the sums of embeddings and positions (section 5.4), and nowhere else.

Shape legend: B sentences, S source tokens, T target tokens, D model width, H heads, Q queries, K keys (as many values),
C width of a head, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

PAD, START, END, UNKNOWN = range(4)  # the first entries of every vocabulary


def linear(inputs: int, outputs: int, rng: torch.Generator) -> nn.Linear:
    """A linear layer with Glorot-uniform weights and zero biases, drawn from `rng`."""
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs)
    nn.init.xavier_uniform_(layer.weight, generator=rng)  # pyright: ignore[reportArgumentType]
    nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType]
    return layer  # pyright: ignore[reportReturnType]


def dropout(x: Tensor, rate: float, rng: torch.Generator | None) -> Tensor:
    """Zero each value with probability `rate`, rounded to 1/256, and scale the rest so that the mean is unchanged.

    One random byte decides on one value: eight times fewer random numbers than one draw each. Without `rng`, nothing.
    """
    dropped = round(rate * 256)
    if rng is None or not dropped:
        return x
    words = torch.empty((x.numel() + 7) // 8, dtype=torch.int64, device=x.device)
    bytes_ = words.random_(-(2**63), None, generator=rng).view(torch.uint8)[: x.numel()].view(x.shape)
    return x * bytes_.to(x.dtype).ge_(dropped).mul_(256 / (256 - dropped))  # every dtype holds 0 to 255 exactly


def padding_mask(tokens_BK: Tensor, dtype: torch.dtype) -> Tensor | None:
    """What is added to scores (B, H, Q, K): -∞ at padding, 0 elsewhere; None where nothing is padded."""
    padded_BK = tokens_BK == PAD
    if not padded_BK.any():
        return None
    return torch.zeros(tokens_BK.shape, dtype=dtype, device=tokens_BK.device).masked_fill(padded_BK, -math.inf)[
        :, None, None
    ]


def causal_mask(length: int, like: Tensor) -> Tensor:
    """What is added to scores (…, T, T): -∞ where the key is later than the query, 0 elsewhere."""
    return torch.full((length, length), -math.inf, dtype=like.dtype, device=like.device).triu(1)


def attention_weights(q_BHQC: Tensor, k_BHKC: Tensor, mask: Tensor | None) -> Tensor:
    """softmax(QKᵀ/√d_k), equation 1 without the values: (B, H, Q, K), each row a distribution over the keys."""
    scores_BHQK = (q_BHQC * q_BHQC.shape[-1] ** -0.5) @ k_BHKC.mT
    return (scores_BHQK if mask is None else scores_BHQK + mask).softmax(dim=-1)


class MultiHeadAttention(nn.Module):
    """Section 3.2.2: `heads` attentions side by side on projections to `d_k`, joined and projected back.

    `watch`, where it is set, is called with the weights (B, H, Q, K) of every call: how the maps are drawn.
    """

    def __init__(self, d_model: int, heads: int, d_k: int, rng: torch.Generator):
        super().__init__()
        self.heads, self.d_k = heads, d_k
        self.output = linear(heads * d_k, d_model, rng)
        self.watch: Callable[[Tensor], None] | None = None

    def split(self, x_BLX: Tensor, parts: int) -> tuple[Tensor, ...]:
        """(B, L, parts·H·C) to `parts` tensors (B, H, L, C)."""
        return x_BLX.unflatten(-1, (parts, self.heads, self.d_k)).permute(2, 0, 3, 1, 4).unbind()

    def attend(self, q_BHQC: Tensor, k_BHKC: Tensor, v_BHKC: Tensor, mask: Tensor | None) -> Tensor:
        """The heads' weighted means of the values, joined and projected: (B, Q, D). The mask is added to the scores."""
        weights_BHQK = attention_weights(q_BHQC, k_BHKC, mask)
        if self.watch:
            self.watch(weights_BHQK.detach())
        return self.output((weights_BHQK @ v_BHKC).transpose(1, 2).flatten(2))  # (B, Q, H·C) -> (B, Q, D)


class SelfAttention(MultiHeadAttention):
    """Queries, keys and values from the same sequence, by one matrix product."""

    def __init__(self, d_model: int, heads: int, d_k: int, rng: torch.Generator):
        super().__init__(d_model, heads, d_k, rng)
        self.project = linear(d_model, 3 * heads * d_k, rng)

    def forward(self, x_BLD: Tensor, mask: Tensor | None, past: Past | None = None) -> Tensor:
        """With a `past`, `x` holds only the newest positions, and the keys and values before them come from there."""
        q, k, v = self.split(self.project(x_BLD), 3)
        if past is not None:
            k, v = past.append(k, v)
        return self.attend(q, k, v, mask)


class CrossAttention(MultiHeadAttention):
    """Queries from the decoder, keys and values from the encoder's output."""

    def __init__(self, d_model: int, heads: int, d_k: int, rng: torch.Generator):
        super().__init__(d_model, heads, d_k, rng)
        self.queries = linear(d_model, heads * d_k, rng)
        self.memory = linear(d_model, 2 * heads * d_k, rng)

    def keys_and_values(self, memory_BSD: Tensor) -> tuple[Tensor, ...]:
        """The part that depends on the source alone, computed once a sentence: two tensors (B, H, S, C)."""
        return self.split(self.memory(memory_BSD), 2)

    def forward(self, x_BTD: Tensor, k_BHSC: Tensor, v_BHSC: Tensor, mask: Tensor | None) -> Tensor:
        """What each target position finds in the source, (B, T, D); the keys and values are `keys_and_values`."""
        (q_BHTC,) = self.split(self.queries(x_BTD), 1)
        return self.attend(q_BHTC, k_BHSC, v_BHSC, mask)


class Past:
    """Keys and values (B, H, T, C) of the positions that one self-attention has seen."""

    def __init__(self) -> None:
        self.k: Tensor | None = None
        self.v: Tensor | None = None

    def append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Those of the newest positions, (B, H, T', C), to those of all so far."""
        self.k = k if self.k is None else torch.cat([self.k, k], dim=2)
        self.v = v if self.v is None else torch.cat([self.v, v], dim=2)
        return self.k, self.v

    def reorder(self, rows_B: Tensor) -> None:
        """Row i goes on from what was row `rows_B[i]`."""
        if self.k is not None and self.v is not None:
            self.k, self.v = self.k[rows_B], self.v[rows_B]


class FeedForward(nn.Module):
    """Section 3.3: max(0, xW₁ + b₁)W₂ + b₂, at each position alone."""

    def __init__(self, d_model: int, d_ff: int, rng: torch.Generator):
        super().__init__()
        self.inner = linear(d_model, d_ff, rng)
        self.outer = linear(d_ff, d_model, rng)

    def forward(self, x_BLD: Tensor) -> Tensor:
        return self.outer(self.inner(x_BLD).relu())


class Residual(nn.Module):
    """LayerNorm(x + Dropout(sub-layer's output)), section 3.1: normalised after the sum."""

    def __init__(self, d_model: int, rate: float):
        super().__init__()
        self.norm = nn.LayerNorm(d_model)
        self.rate = rate

    def forward(self, x_BLD: Tensor, sublayer_BLD: Tensor, rng: torch.Generator | None) -> Tensor:
        return self.norm(x_BLD + dropout(sublayer_BLD, self.rate, rng))


class EncoderLayer(nn.Module):
    """Self-attention, then the feed-forward network."""

    def __init__(self, d_model: int, heads: int, d_k: int, d_ff: int, rate: float, rng: torch.Generator):
        super().__init__()
        self.attention = SelfAttention(d_model, heads, d_k, rng)
        self.feed_forward = FeedForward(d_model, d_ff, rng)
        self.add_attention, self.add_feed_forward = Residual(d_model, rate), Residual(d_model, rate)

    def forward(self, x_BSD: Tensor, mask: Tensor | None, rng: torch.Generator | None = None) -> Tensor:
        """(B, S, D) to as much. `mask` hides padding; `rng` draws the dropout, and without it there is none."""
        x_BSD = self.add_attention(x_BSD, self.attention(x_BSD, mask), rng)
        return self.add_feed_forward(x_BSD, self.feed_forward(x_BSD), rng)


class DecoderLayer(nn.Module):
    """Self-attention over what is written so far, attention to the source, then the feed-forward network."""

    def __init__(self, d_model: int, heads: int, d_k: int, d_ff: int, rate: float, rng: torch.Generator):
        super().__init__()
        self.attention = SelfAttention(d_model, heads, d_k, rng)
        self.cross = CrossAttention(d_model, heads, d_k, rng)
        self.feed_forward = FeedForward(d_model, d_ff, rng)
        self.add_attention, self.add_cross = Residual(d_model, rate), Residual(d_model, rate)
        self.add_feed_forward = Residual(d_model, rate)

    def forward(
        self,
        x_BTD: Tensor,
        memory: tuple[Tensor, ...],
        source_mask: Tensor | None,
        causal: Tensor | None,
        rng: torch.Generator | None = None,
        past: Past | None = None,
    ) -> Tensor:
        """(B, T, D) to as much. `memory` holds the keys and values of the source, (B, H, S, C) each, and `source_mask`
        hides its padding. With a `past`, `x` is the newest position alone and needs no causal mask."""
        x_BTD = self.add_attention(x_BTD, self.attention(x_BTD, causal, past), rng)
        x_BTD = self.add_cross(x_BTD, self.cross(x_BTD, *memory, source_mask), rng)
        return self.add_feed_forward(x_BTD, self.feed_forward(x_BTD), rng)


def sinusoids(length: int, d_model: int) -> Tensor:
    """Section 3.5: sin(pos / 10000^(2i/d)) in the even columns and the cosine in the odd ones, (length, d_model)."""
    rates = torch.exp(-math.log(10_000) * torch.arange(0, d_model, 2) / d_model)
    angles = torch.arange(length)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


class Positions(nn.Module):
    """What is added to embeddings (B, L, D) to say where each token stands: fixed sinusoids, or a learned table."""

    def __init__(self, kind: str, longest: int, d_model: int, rng: torch.Generator):
        super().__init__()
        if kind == "sinusoidal":
            self.register_buffer("table", sinusoids(longest, d_model), persistent=False)
        elif kind == "learned":
            self.table = nn.Parameter(torch.empty(longest, d_model).normal_(std=d_model**-0.5, generator=rng))
        else:
            raise ValueError(f'positions are "sinusoidal" or "learned", not "{kind}"')

    def forward(self, x_BLD: Tensor, first: int = 0) -> Tensor:
        return x_BLD + self.table[first : first + x_BLD.shape[1]].to(x_BLD.dtype)


class Embedding(nn.Module):
    """Tokens to vectors scaled by √d_model (section 3.4), with positions added and dropout on the sum."""

    def __init__(self, weight: nn.Parameter, positions: Positions, rate: float):
        super().__init__()
        self.weight, self.positions, self.rate = weight, positions, rate

    def forward(self, tokens_BL: Tensor, rng: torch.Generator | None = None, first: int = 0) -> Tensor:
        x_BLD = nn.functional.embedding(tokens_BL, self.weight) * self.weight.shape[1] ** 0.5
        return dropout(self.positions(x_BLD, first), self.rate, rng)


class Transformer(nn.Module):
    """Encoder, decoder, and the map from the decoder's states to logits over the vocabulary.

    Tied, one matrix (V, D) embeds source and target and maps to the logits (section 3.4); untied, there are three.
    """

    def __init__(
        self,
        vocabulary: int,
        rng: torch.Generator,
        *,
        layers: int = 6,
        d_model: int = 512,
        d_ff: int = 2048,
        heads: int = 8,
        d_k: int = 64,
        rate: float = 0.1,
        positions: str = "sinusoidal",
        tied: bool = True,
        longest: int = 256,
    ):
        super().__init__()
        weights = [
            nn.Parameter(torch.empty(vocabulary, d_model).normal_(std=d_model**-0.5, generator=rng))
            for _ in range(1 if tied else 3)
        ]
        self.source = Embedding(weights[0], Positions(positions, longest, d_model, rng), rate)
        self.target = Embedding(weights[-1], Positions(positions, longest, d_model, rng), rate)
        self.logits_weight = weights[len(weights) // 2]
        sizes = d_model, heads, d_k, d_ff, rate, rng
        self.encoder = nn.ModuleList(EncoderLayer(*sizes) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderLayer(*sizes) for _ in range(layers))

    def encode(self, source_BS: Tensor, rng: torch.Generator | None = None) -> tuple[Tensor, Tensor | None]:
        """Source tokens (B, S) to the encoder's output (B, S, D) and the mask of its padding."""
        x_BSD = self.source(source_BS, rng)
        mask = padding_mask(source_BS, x_BSD.dtype)
        for layer in self.encoder:
            x_BSD = layer(x_BSD, mask, rng)
        return x_BSD, mask

    def memories(self, memory_BSD: Tensor) -> list[tuple[Tensor, ...]]:
        """Each decoder layer's keys and values of the source."""
        return [layer.cross.keys_and_values(memory_BSD) for layer in self.decoder]  # pyright: ignore

    def decode(
        self,
        target_BT: Tensor,
        memories: list[tuple[Tensor, ...]],
        source_mask: Tensor | None,
        rng: torch.Generator | None = None,
        pasts: list[Past] | None = None,
        first: int = 0,
    ) -> Tensor:
        """Target tokens (B, T) to states (B, T, D): the state at t sees the source and the tokens up to t.

        With `pasts`, the tokens are one new position each, at `first`; the pasts hold the ones before and grow.
        """
        x_BTD = self.target(target_BT, rng, first)
        causal = causal_mask(target_BT.shape[1], x_BTD) if pasts is None else None
        for i, layer in enumerate(self.decoder):
            x_BTD = layer(x_BTD, memories[i], source_mask, causal, rng, pasts[i] if pasts else None)
        return x_BTD

    def logits(self, states: Tensor) -> Tensor:
        """States (…, D) to logits (…, V)."""
        return states @ self.logits_weight.T

    def forward(self, source_BS: Tensor, target_BT: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Source and shifted target tokens to the states (B, T, D) that predict each next token."""
        memory_BSD, mask = self.encode(source_BS, rng)
        return self.decode(target_BT, self.memories(memory_BSD), mask, rng)
