"""Low-rank adaptation (Hu et al., 2022): W stays, and (α / r) · B A is learned beside it.

Shapes: I inputs, O outputs, R rank.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TARGETS = ("q", "k", "v", "o", "gate", "up", "down")


class LoRA(nn.Module):
    """A linear layer without bias, W (O, I), and its adapter. B begins at 0, so the layer begins as it was."""

    def __init__(self, linear: nn.Linear, rank: int, alpha: float, rng: torch.Generator):
        super().__init__()
        self.scale = alpha / rank
        self.weight = nn.Parameter(linear.weight.detach(), requires_grad=False)
        bound = 1 / math.sqrt(linear.in_features)  # as nn.Linear begins
        self.a = nn.Parameter(torch.empty(rank, linear.in_features).uniform_(-bound, bound, generator=rng))
        self.b = nn.Parameter(torch.zeros(linear.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight) + F.linear(F.linear(x, self.a), self.b) * self.scale

    def merged(self) -> nn.Linear:
        """The adapted layer as an ordinary one: W + s B A."""
        return _linear(torch.addmm(self.weight.detach(), self.b.detach(), self.a.detach(), alpha=self.scale))


def _linear(w_OI: Tensor) -> nn.Linear:
    linear = nn.Linear(w_OI.shape[1], w_OI.shape[0], bias=False, device="meta")
    linear.weight = nn.Parameter(w_OI)
    return linear


def adapt(model: nn.Module, rank: int, alpha: float, rng: torch.Generator) -> nn.Module:
    """Freeze the model and put an adapter beside every linear layer of its blocks, in place."""
    model.requires_grad_(False)
    for parent, name, linear in list(_targets(model, nn.Linear)):
        setattr(parent, name, LoRA(linear, rank, alpha, rng))
    return model


def merge(model: nn.Module) -> nn.Module:
    """Every adapted layer becomes an ordinary one, in place: nothing is slower than the base for it."""
    for parent, name, layer in list(_targets(model, LoRA)):
        setattr(parent, name, layer.merged())
    return model


def adapters(model: nn.Module) -> dict[str, Tensor]:
    """A and B of every layer, by name."""
    return {name: p.detach() for name, p in model.named_parameters() if name.endswith((".a", ".b"))}


@torch.no_grad()
def add(weights: dict[str, Tensor], learned: dict[str, Tensor], scale: float) -> dict[str, Tensor]:
    """Weights of a base with an adapter merged in; the base's own tensors stay as they are. Minus `scale` unmerges."""
    changed = dict(weights)
    for name in learned:
        if name.endswith(".a"):
            layer = name.removesuffix(".a")
            w_OI = weights[f"{layer}.weight"]
            a_RI, b_OR = learned[name].to(w_OI.dtype), learned[f"{layer}.b"].to(w_OI.dtype)
            changed[f"{layer}.weight"] = torch.addmm(w_OI, b_OR, a_RI, alpha=scale)
    return changed


@torch.no_grad()
def truncated(learned: dict[str, Tensor], rank: int) -> dict[str, Tensor]:
    """The best approximation of every B A by one of a lower rank (Eckart and Young, 1936), by QR and a small SVD."""
    smaller: dict[str, Tensor] = {}
    for name in learned:
        if name.endswith(".a"):
            layer = name.removesuffix(".a")
            q_OR, r_RR = torch.linalg.qr(learned[f"{layer}.b"].float())
            p_IR, t_RR = torch.linalg.qr(learned[name].float().T)
            u, s, v = torch.linalg.svd(r_RR @ t_RR.T)
            root = s[:rank].sqrt()
            smaller[f"{layer}.a"] = (root[:, None] * v[:rank]) @ p_IR.T
            smaller[f"{layer}.b"] = q_OR @ (u[:, :rank] * root)
    return smaller


def _targets(model: nn.Module, kind: type[nn.Module]) -> Iterator[tuple[nn.Module, str, Any]]:
    for parent in model.modules():
        for name, child in parent.named_children():
            if name in TARGETS and isinstance(child, kind):
                yield parent, name, child
