"""LoRA adapters (Hu et al., 2022): small additions to the products, chosen per row, so that one step serves many of
them.

An adapter is a safetensors file with, for each adapted product of each layer, `{layer}.{part}.a` (R, I) and
`{layer}.{part}.b` (O, R), parts as in linear.PARTS, and α in the metadata. Everything is checked before any of it is
used: a file that does not fit the model changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from lockstep.errors import LockstepError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from posts.serving.linear import PARTS
from posts.serving.model import Shape

Pair = tuple[Tensor, Tensor]


class BadAdapter(LockstepError):
    """An adapter that cannot be used."""


@dataclass(frozen=True)
class Adapter:
    """Pairs a (I, R), b (R, O) by (layer, part), already scaled by α / R. `digest` is of the file's bytes."""

    name: str
    digest: str
    pairs: Mapping[tuple[int, str], Pair]


def sizes(shape: Shape) -> dict[str, tuple[int, int]]:
    """Inputs and outputs of each product."""
    inner = (shape.heads + 2 * shape.kv_heads) * shape.d_head
    return {
        "qkv": (shape.d_model, inner),
        "o": (shape.heads * shape.d_head, shape.d_model),
        "gate_up": (shape.d_model, 2 * shape.d_ff),
        "down": (shape.d_ff, shape.d_model),
    }


def read(name: str, content: bytes, shape: Shape) -> Adapter:
    """An adapter out of the bytes of a file. Raises BadAdapter where it does not fit the model."""
    try:
        tensors = load(content)
        alpha = float(tensors.pop("alpha"))
    except (SafetensorError, KeyError, RuntimeError, ValueError) as error:
        raise BadAdapter(f"adapter {name}: no safetensors file with an alpha ({error})") from None
    pairs: dict[tuple[int, str], Pair] = {}
    fits = sizes(shape)
    for key in sorted({each.rpartition(".")[0] for each in tensors}):
        layer, _, part = key.partition(".")
        if not layer.isdigit() or int(layer) >= shape.layers or part not in PARTS:
            raise BadAdapter(f"adapter {name}: {key} is no product of {shape.layers} layers with {', '.join(PARTS)}")
        if f"{key}.a" not in tensors or f"{key}.b" not in tensors:
            raise BadAdapter(f"adapter {name}: {key} needs both .a and .b")
        a_RI, b_OR = tensors[f"{key}.a"].float(), tensors[f"{key}.b"].float()
        inputs, outputs = fits[part]
        rank = a_RI.shape[0]
        if a_RI.shape != (rank, inputs) or b_OR.shape != (outputs, rank):
            told = f"{tuple(a_RI.shape)} and {tuple(b_OR.shape)}, expected (R, {inputs}) and ({outputs}, R)"
            raise BadAdapter(f"adapter {name}: {key} has the sizes {told}")
        if not (a_RI.isfinite().all() and b_OR.isfinite().all()):
            raise BadAdapter(f"adapter {name}: {key} holds a number that is not finite")
        pairs[int(layer), part] = (a_RI.t().contiguous(), (b_OR.t() * (alpha / rank)).contiguous())
    if not pairs:
        raise BadAdapter(f"adapter {name}: it adapts nothing")
    return Adapter(name, hashlib.sha256(content).hexdigest(), pairs)


def read_file(name: str, path: Path, shape: Shape) -> Adapter:
    """As `read`. Raises BadAdapter where the file cannot be read."""
    try:
        return read(name, path.read_bytes(), shape)
    except OSError as error:
        raise BadAdapter(f"adapter {name}: {path}: {error.strerror}") from None


def random_adapter(shape: Shape, seed: int, rank: int = 4, strength: float = 1.0) -> bytes:
    """The bytes of an adapter of random numbers, for drills and tests."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {"alpha": torch.tensor(float(rank) * strength)}
    for layer in range(shape.layers):
        for part, (inputs, outputs) in sizes(shape).items():
            tensors[f"{layer}.{part}.a"] = torch.randn(rank, inputs, generator=generator) * inputs**-0.5
            tensors[f"{layer}.{part}.b"] = torch.randn(outputs, rank, generator=generator) * rank**-0.5
    return save(tensors)


class Mixed:
    """The adapters of one step: which rows each is for. Rows of none are in no list."""

    def __init__(self, rows: Sequence[tuple[Adapter, Tensor]]):
        self.rows = rows

    def add(self, layer: int, name: str, x_NI: Tensor, y_NO: Tensor) -> None:
        for adapter, rows in self.rows:
            if (pair := adapter.pairs.get((layer, name))) is not None:
                a_IR, b_RO = pair
                y_NO.index_add_(0, rows, x_NI.index_select(0, rows) @ a_IR @ b_RO)
