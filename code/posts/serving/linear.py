"""Products with weights in int8: rows of activations are rounded as they come, but for the few columns that need more.

Rounding whole rows to 8 bits (dynamic quantisation) is ruinous for this model: a few columns of its activations are
hundreds of times larger than the others and take all the range. Two known remedies, both decided by a calibration:
those columns stay in float32 and are multiplied apart (Dettmers et al., 2022, LLM.int8), and what unevenness is left
moves in part from the activations to the weights (Xiao et al., 2023, SmoothQuant). Both are one factor a column, so
they cost a product with a vector, and a small product with a thin matrix.

The int8 product itself is oneDNN's, by two private names of PyTorch, and this is the one place that names them. Its own
format of weights is twice as fast for sixteen rows as `torch._int_mm`, which arranges them anew in each call
(studies/kernels.py), but takes unsigned rows; a processor that multiplies unsigned by signed bytes and saturates the
sum of two gets them wrong, so `exact` is asked first, and `torch._int_mm` is the way where it says no.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from posts.serving.model import Float32, KVCache, Linear, Model, whole

STEPS = 127.0
PARTS = ("qkv", "o", "gate_up", "down")
ZERO = 128  # of unsigned bytes
int8_product = torch._int_mm  # pyright: ignore[reportPrivateImportUsage]
Sizes = dict[str, dict[str, Tensor]]  # by product, and by how they are told


def rounded(x_NI: Tensor) -> tuple[Tensor, Tensor]:
    """Rows as whole numbers of −127 to 127, and the scale (N, 1) of each: x ≈ q · scale."""
    scale_N1 = x_NI.abs().amax(dim=-1, keepdim=True).clamp_min_(1e-12).div_(STEPS)
    return (x_NI / scale_N1).round_(), scale_N1


class Packed:
    """The product (N, O) in float32 of int8 rows (N, I) with int8 rows of weights (O, I), scaled by columns (O)."""

    def __init__(self, q_OI: Tensor, scale_O: Tensor):
        self.packed, self.scale_O = torch.ops.onednn.qlinear_prepack(q_OI, None), scale_O
        self.zeros_O = torch.zeros(len(scale_O), dtype=torch.int64)

    def __call__(self, q_NI: Tensor) -> Tensor:
        """`q_NI`: whole numbers of −127 to 127, as float32, which it overwrites."""
        return torch.ops.onednn.qlinear_pointwise(
            q_NI.add_(ZERO).to(torch.uint8),
            *(1.0, ZERO, self.packed, self.scale_O, self.zeros_O),
            *(None, 1.0, 0, torch.float32, "none", [], ""),
        )


class Plain:
    """The same product by `torch._int_mm`, with its weight as the transpose of (O, I)."""

    def __init__(self, q_OI: Tensor, scale_O: Tensor):
        self.q_IO, self.scale_O = q_OI.contiguous().t(), scale_O

    def __call__(self, q_NI: Tensor) -> Tensor:
        return int8_product(q_NI.to(torch.int8), self.q_IO) * self.scale_O


@cache
def exact() -> bool:
    """Does this processor sum products of unsigned and signed bytes without saturation?"""
    q_NI, q_OI = torch.full((2, 64), STEPS), torch.full((16, 64), int(STEPS), dtype=torch.int8)
    return bool((Packed(q_OI, torch.ones(16))(q_NI) == 64 * STEPS**2).all())


class Int8:
    """A product whose weight and input are int8, but for `kept` columns of the input, which stay float32.

    `factor_I` is 0 for those, and 1 / s for the others, where s is what the weight's column was multiplied by.
    """

    def __init__(self, w_OI: Tensor, size_I: Tensor, kept: int, smooth: float):
        columns = torch.topk(size_I, kept).indices.sort().values
        left_I = torch.ones_like(size_I).index_fill_(0, columns, 0.0)
        s_I = smoothing(w_OI, size_I, smooth)
        self.factor_I = left_I / s_I
        q_OI, scale_O1 = rounded(w_OI * s_I * left_I)
        self.product = (Packed if exact() else Plain)(q_OI.to(torch.int8), scale_O1[:, 0].contiguous())
        self.columns = columns
        self.kept_KO = w_OI.index_select(1, columns).t().contiguous()

    def __call__(self, x_NI: Tensor) -> Tensor:
        q_NI, scale_N1 = rounded(x_NI * self.factor_I)
        y_NO = self.product(q_NI).mul_(scale_N1)
        return y_NO.addmm_(x_NI.index_select(1, self.columns), self.kept_KO) if len(self.columns) else y_NO


def smoothing(w_OI: Tensor, size_I: Tensor, alpha: float) -> Tensor:
    """What each column of the weight is multiplied by: size^α / max|w|^(1 − α). All 1 where α is 0."""
    if alpha == 0:
        return torch.ones_like(size_I)
    w_I = w_OI.abs().amax(dim=0).clamp_min(1e-6)
    s_I = size_I.clamp_min(1e-6) ** alpha / w_I ** (1 - alpha)
    return s_I / s_I.log().mean().exp()


class Watching:
    """A product that remembers how large each column of its input is: at most, and typically.

    Typically: the mean of the fourth power of |x| / rms of the row, to the power of a quarter. Each row is rounded by a
    scale of its own, so what matters is a column beside the others of its row; and a few tokens, the first of a text
    among them, have rows a hundred times larger than all others (Sun et al., 2024), which a maximum is blind behind.
    """

    def __init__(self, linear: Linear, inputs: int):
        self.linear, self.rows = linear, 0
        self.largest_I, self.fourth_I = torch.zeros(inputs), torch.zeros(inputs)

    def __call__(self, x_NI: Tensor) -> Tensor:
        size_NI = x_NI.abs()
        torch.maximum(self.largest_I, size_NI.amax(dim=0), out=self.largest_I)
        self.fourth_I += (
            (size_NI / size_NI.square().mean(dim=-1, keepdim=True).sqrt().clamp_min(1e-9)).pow(4).sum(dim=0)
        )
        self.rows += len(x_NI)
        return self.linear(x_NI)

    def sizes(self) -> dict[str, Tensor]:
        return {"largest": self.largest_I, "typical": (self.fourth_I / self.rows) ** 0.25}


@dataclass(frozen=True)
class Recipe:
    """How a model becomes int8: float32 columns of each input, the exponent of smoothing, whether the head too, and by
    which size of the columns ("typical" or "largest") they are told apart."""

    kept: int = 16
    smooth: float = 0.5
    head: bool = True
    size: str = "typical"


def linears(model: Model) -> Iterator[tuple[str, Linear]]:
    """Every product of a model, by the name that its statistics have."""
    for i, layer in enumerate(model.layers):
        yield from ((f"{i}.{part}", getattr(layer, part)) for part in PARTS)
    yield "head", model.head


def with_linears(model: Model, made: dict[str, Linear]) -> Model:
    """The same model with these products in place of its own."""
    layers = [replace(layer, **{part: made[f"{i}.{part}"] for part in PARTS}) for i, layer in enumerate(model.layers)]
    return Model(model.shape, model.embedding_VE, layers, model.norm_E, made["head"], model.name)


def plain(linear: Linear) -> Tensor:
    """The weight (O, I) of a float32 product. Raises TypeError for another."""
    if not isinstance(linear, Float32):
        raise TypeError(f"only a float32 product can be quantised, not {type(linear).__name__}")
    return linear.w_OI


def calibrate(model: Model, texts: Sequence[Sequence[int]]) -> Sizes:
    """How large each column of each product's input is, over token sequences."""
    watched: dict[str, Watching] = {name: Watching(linear, plain(linear).shape[1]) for name, linear in linears(model)}
    watching = with_linears(model, dict(watched))
    for tokens in texts:
        step, pages = whole(model.shape, tokens)
        watching.forward(step, KVCache(model.shape, pages))
    return {name: watch.sizes() for name, watch in watched.items()}


def quantised(model: Model, sizes: Sizes, recipe: Recipe) -> Model:
    """The model in int8 by a recipe. Adapters, norms, embedding and attention stay float32."""
    made: dict[str, Linear] = {}
    for name, linear in linears(model):
        if name == "head" and not recipe.head:
            made[name] = linear
            continue
        w_OI = plain(linear)
        made[name] = Int8(w_OI, sizes[name][recipe.size], min(recipe.kept, w_OI.shape[1] // 4), recipe.smooth)
    return with_linears(model, made)
