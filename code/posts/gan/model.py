"""The two players of a generative adversarial net: a generator and a maxout discriminator.

Goodfellow et al., "Generative Adversarial Nets", 2014, section 3; sizes from the authors' released MNIST
configuration. Maxout: Goodfellow et al., "Maxout Networks", 2013, section 2.

Shape legend: B batch, Z noise inputs, H hidden units of the generator, U maxout units, P pieces of a unit, X pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def uniform_linear(inputs: int, outputs: int, spread: float, rng: torch.Generator) -> nn.Linear:
    """A linear layer with weights uniform in ±`spread` and zero biases, drawn from `rng`."""
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs)
    with torch.no_grad():
        layer.weight.uniform_(-spread, spread, generator=rng)  # pyright: ignore[reportCallIssue]
        layer.bias.zero_()  # pyright: ignore[reportCallIssue]
    return layer  # pyright: ignore[reportReturnType]


def dropout_BX(x_BX: Tensor, keep: float, rng: torch.Generator) -> Tensor:
    """Keep each input with probability `keep` and scale the kept ones by 1/keep, so that the mean is unchanged."""
    mask_BX = torch.rand(x_BX.shape, generator=rng) < keep
    return x_BX * mask_BX / keep


class Maxout(nn.Module):
    """Each unit is the largest of `pieces` linear functions of the input: a learned convex activation."""

    def __init__(self, inputs: int, units: int, pieces: int, spread: float, rng: torch.Generator):
        super().__init__()
        self.pieces = pieces
        self.linear = uniform_linear(inputs, units * pieces, spread, rng)

    def forward(self, x_BX: Tensor) -> Tensor:
        z_BUP = self.linear(x_BX).unflatten(1, (-1, self.pieces))  # (B, U·P) -> (B, U, P)
        return z_BUP.amax(dim=2)  # (B, U)


class Generator(nn.Module):
    """Noise (B, Z), uniform on ±√3 so that its variance is one, to images (B, X) in (0, 1)."""

    def __init__(self, noise: int, hidden: int, mean_X: Tensor, rng: torch.Generator, spread: float = 0.05):
        super().__init__()
        self.noise = noise
        self.first = uniform_linear(noise, hidden, spread, rng)
        self.second = uniform_linear(hidden, hidden, spread, rng)
        self.output = uniform_linear(hidden, mean_X.numel(), spread, rng)
        with torch.no_grad():  # sigmoid(bias) is each pixel's mean: the first samples already have the data's marginals
            self.output.bias.copy_(torch.logit(mean_X, eps=1e-7))

    def forward(self, z_BZ: Tensor) -> Tensor:
        h_BH = self.second(self.first(z_BZ).relu()).relu()
        return self.output(h_BH).sigmoid()

    def sample_noise(self, count: int, rng: torch.Generator) -> Tensor:
        """`count` noise vectors (count, Z), uniform on ±√3."""
        return (torch.rand(count, self.noise, generator=rng) * 2 - 1) * 3**0.5


class Discriminator(nn.Module):
    """Images (B, X) to the logit (B,) of "this one is real": two maxout layers under dropout."""

    def __init__(self, pixels: int, units: int, pieces: int, rng: torch.Generator, spread: float = 0.005):
        super().__init__()
        self.first = Maxout(pixels, units, pieces, spread, rng)
        self.second = Maxout(units, units, pieces, spread, rng)
        self.output = uniform_linear(units, 1, spread, rng)

    def forward(self, x_BX: Tensor, dropout: torch.Generator | None = None) -> Tensor:
        """With a `dropout` generator, keep 0.8 of the pixels and half of the hidden units; without, keep all."""
        if dropout is None:
            return self.output(self.second(self.first(x_BX)))[:, 0]
        h_BU = self.first(dropout_BX(x_BX, 0.8, dropout))
        h_BU = self.second(dropout_BX(h_BU, 0.5, dropout))
        return self.output(dropout_BX(h_BU, 0.5, dropout))[:, 0]  # (B, 1) -> (B,)
