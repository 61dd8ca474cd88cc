"""An update of ours beside one of torchvision's building blocks arranged as the same network, and where the time goes.

torchvision's own ResNets are for ImageNet: other widths, a first convolution of 7 × 7 and a pooling that would leave
little of 32 × 32 pixels. Its basic block fits, with option A given to it as its `downsample`. Both networks have the
same weights and take turns on the same batches, so that what disturbs the machine disturbs both.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import torch
from torch import nn
from torch.profiler import profile

from posts.resnet.data import read_images
from posts.resnet.model import CLASSES, Block, PaddedIdentity, ResNet
from posts.resnet.train import Training, descent, learn

if TYPE_CHECKING:
    from lockstep.run import Run

    from posts.resnet.data import Images
    from posts.resnet.experiment import Config

WARM = 2  # updates of each before the clock counts
PARTS = {  # by patterns in the names of PyTorch's operators; the first that fits counts
    "convolutions": r"[Cc]onvolution",
    "norms": r"[Bb]atch_?[Nn]orm",
    "rectifiers": r"[Rr]elu|threshold|clamp",
    "optimiser": r"Optimizer|_fused_sgd",
    "shortcuts and sums": r"aten::(add_?|constant_pad_nd|pad)$",
    "crops": r"aten::(index|flip|where|randint|random_|randperm|cat)$",
}


def their_block() -> Callable[..., nn.Module]:
    """torchvision's BasicBlock. Its compiled operators, which no network here needs, may belong to another build of
    torch, and registering what it knows of their shapes would fail: that is left out."""
    with patch.object(torch.library, "register_fake", lambda *_, **__: lambda kernel: kernel):
        from torchvision.models.resnet import BasicBlock
    return BasicBlock


class Peer(nn.Module):
    """The same network from torchvision's blocks, with the weights of `ours`."""

    def __init__(self, ours: ResNet):
        super().__init__()
        block, width = their_block(), ours.conv.out_channels
        first = nn.Conv2d(ours.conv.in_channels, width, 3, padding=1, bias=False)
        self.stem = nn.Sequential(first, nn.BatchNorm2d(width), nn.ReLU(inplace=True))
        self.blocks = nn.Sequential()
        for own in ours.blocks:
            assert isinstance(own, Block)
            sizes = own.conv1.in_channels, own.conv1.out_channels, own.conv1.stride[0]
            self.blocks.append(block(*sizes, downsample=PaddedIdentity(*sizes) if sizes[2] > 1 else None))
        self.pool, self.flatten = nn.AdaptiveAvgPool2d(1), nn.Flatten()
        self.classify = nn.Linear(ours.classify.in_features, CLASSES)
        theirs, mine = self.state_dict(), ours.state_dict()  # the same modules in the same order, other names
        self.load_state_dict(dict(zip(theirs, mine.values(), strict=True)))
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def forward(self, x_BCHW: torch.Tensor) -> torch.Tensor:
        return self.classify(self.flatten(self.pool(self.blocks(self.stem(x_BCHW)))))


def opponents(config: Config, seed: int, images: int) -> tuple[Training, Training]:
    """Ours and theirs at the same point, before the same batches."""
    ours, theirs = (Training.begun(config, seed, images) for _ in range(2))
    peer: Any = Peer(theirs.model)
    theirs.model, theirs.optimiser = peer, descent(peer, config)
    return ours, theirs


def seconds(trainings: tuple[Training, ...], images: Images, config: Config) -> list[list[float]]:
    """Of each one's updates after the first `WARM`; who is first changes from update to update."""
    found: list[list[float]] = [[] for _ in trainings]
    for i in range(WARM + config.timed_updates):
        for number in sorted(range(len(trainings)), key=lambda n: (n + i) % len(trainings)):
            started = time.perf_counter()
            learn(trainings[number], images, config)
            if i >= WARM:
                found[number].append(time.perf_counter() - started)
    return found


def part_of(operator: str) -> str:
    """Which of `PARTS` an operator belongs to."""
    return next((part for part, pattern in PARTS.items() if re.search(pattern, operator)), "everything else")


def shares(training: Training, images: Images, config: Config) -> dict[str, float]:
    """Where the time of an update of ours goes, in per cent of what PyTorch's operators take themselves."""
    with profile() as profiler:
        for _ in range(2):
            learn(training, images, config)
    spent = dict.fromkeys([*PARTS, "everything else"], 0.0)
    for event in profiler.key_averages():
        spent[part_of(event.key)] += event.self_cpu_time_total
    return {part: 100 * time / sum(spent.values()) for part, time in spent.items()}


def measure(run: Run) -> list[dict[str, Any]]:
    """Median seconds of an update of each, and the median ratio of theirs to ours on the same batch: above 1, ours is
    faster. Then a row for each part of ours, with its share of the time."""
    config = run.config
    torch.set_num_threads(1)
    images, _ = read_images(run)
    ours, theirs = opponents(config, run.seed, len(images))
    own, other = seconds((ours, theirs), images, config)
    ratio = statistics.median(b / a for a, b in zip(own, other, strict=True))
    row = {"speed_ratio": ratio, "step_seconds": statistics.median(own)}
    return [row, *({"part": part, "share": share} for part, share in shares(ours, images, config).items())]
