"""Residual and plain networks for small images: He et al., 2016, section 4.2 and figure 3.

A first convolution, three groups of n blocks with W, 2W and 4W channels, an average over all pixels, a linear layer:
6n + 2 layers with weights. A plain network is the same network whose shortcuts carry nothing.

Shapes: B images, C channels in, D channels out, H × W pixels, K classes. Memory is channels-last throughout.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CLASSES = 10


class PaddedIdentity(nn.Module):
    """Option A: x itself, every second pixel of it, with channels of zeros behind its own. No parameters."""

    def __init__(self, channels_in: int, channels_out: int, stride: int):
        super().__init__()
        self.stride, self.missing = stride, channels_out - channels_in

    def forward(self, x_BCHW: Tensor) -> Tensor:
        if self.stride == 1 and not self.missing:
            return x_BCHW
        sampled = x_BCHW[:, :, :: self.stride, :: self.stride]
        return F.pad(sampled, (0, 0, 0, 0, 0, self.missing))  # (B, D, H / stride, W / stride)


class Projection(nn.Module):
    """Option B where the shape changes: a 1 × 1 convolution with that stride, and a norm."""

    def __init__(self, channels_in: int, channels_out: int, stride: int):
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        # The stride comes first: given to a 1 × 1 convolution of 4 channels, its gradient in PyTorch 2.13 on a CPU
        # writes beyond its memory.
        return self.norm(self.conv(x_BCHW[:, :, :: self.stride, :: self.stride]))


def shortcut(option: str, channels_in: int, channels_out: int, stride: int) -> nn.Module:
    """What leads around a block: the identity wherever shapes allow it, else as `option` (A or B) says."""
    if option == "B" and (stride > 1 or channels_in != channels_out):
        return Projection(channels_in, channels_out, stride)
    return PaddedIdentity(channels_in, channels_out, stride)


class Block(nn.Module):
    """Equation 1: relu(F(x) + α x), where F is two 3 × 3 convolutions, each with its norm.

    α is 1 in a residual network and 0 in a plain one, which has the same parameters under the same names.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int, alpha: float = 1.0, option: str = "A"):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.shortcut = shortcut(option, channels_in, channels_out, stride)
        self.alpha = alpha

    def residual(self, x_BCHW: Tensor) -> Tensor:
        """F(x), (B, D, H / stride, W / stride)."""
        inner = F.relu(self.norm1(self.conv1(x_BCHW)), inplace=True)
        return self.norm2(self.conv2(inner))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        y_BDHW = self.residual(x_BCHW)
        if self.alpha:
            y_BDHW.add_(self.shortcut(x_BCHW), alpha=self.alpha)  # in place: no norm's gradient needs its output
        return F.relu(y_BDHW, inplace=True)


class ResNet(nn.Module):
    """`depth` layers of `width`, 2·`width` and 4·`width` channels; table 6 has depths 20 to 110 and width 16.

    Raises ValueError for a depth that is not 6n + 2.
    """

    def __init__(self, depth: int, width: int = 16, alpha: float = 1.0, option: str = "A", channels: int = 3):
        super().__init__()
        n, rest = divmod(depth - 2, 6)
        if rest or n < 1:
            raise ValueError(f"depth {depth} is not 6n + 2: the nearest is {6 * max(1, round((depth - 2) / 6)) + 2}")
        self.conv = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.blocks = nn.Sequential(*_blocks(n, width, alpha, option))
        self.classify = nn.Linear(4 * width, CLASSES)
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def features(self, x_BCHW: Tensor) -> Tensor:
        """What the last block leaves, (B, 4·width, H / 4, W / 4)."""
        return self.blocks(F.relu(self.norm(self.conv(x_BCHW)), inplace=True))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Logits (B, K)."""
        return self.classify(self.features(x_BCHW).mean(dim=(2, 3)))


def _blocks(n: int, width: int, alpha: float, option: str) -> Iterator[Block]:
    """Three groups of n blocks; the second and third begin by halving the picture and doubling the channels."""
    channels = width
    for group in range(3):
        for number in range(n):
            wide, stride = width << group, 2 if group and number == 0 else 1
            yield Block(channels, wide, stride, alpha, option)
            channels = wide


@torch.no_grad()
def initialise(model: ResNet, rng: torch.Generator, zero_last: bool = False) -> ResNet:
    """Weights from N(0, 2 / fan-in) (He et al., 2015), biases 0, norms 1 and 0; with `zero_last`, each F begins as 0.

    Draws in the order of the blocks, shortcuts last, so that networks with other shortcuts begin with the same weights.
    """
    modules = dict(model.named_modules())
    for name in sorted(modules, key=lambda name: "shortcut" in name):
        if isinstance(module := modules[name], (nn.Conv2d, nn.Linear)):
            fan_in = module.weight[0].numel()
            drawn = torch.randn(module.weight.shape, generator=rng) * math.sqrt(2 / fan_in)
            module.weight.copy_(drawn)
            if module.bias is not None:
                module.bias.zero_()
    for block in model.blocks if zero_last else ():
        assert isinstance(block, Block)
        block.norm2.weight.zero_()
    return model
