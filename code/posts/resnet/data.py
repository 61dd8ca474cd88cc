"""What a network sees: centred pictures, and in training random crops of them, half of them mirrored.

Section 4.2: 45,000 images to train on and 5,000 to validate on, the mean of each pixel subtracted; 4 pixels of padding
on each side, a random crop of the first size, or its mirror image; tests look at each image once, as it is. The paper
leaves open what the padding holds (here 0 after centring, the mean) and which images validate (here the last ones).

Shapes: N images or B of a batch, H × W pixels, C colours. Bytes are (N, H, W, C); what networks see is (B, C, H, W) in
channels-last memory, the same order of bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Images:
    """Pictures as bytes (N, H, W, C) with their labels (N,), and the mean picture (H, W, C) that centres them."""

    bytes_NHWC: Tensor
    labels_N: Tensor
    mean_HWC: Tensor

    def __len__(self) -> int:
        return len(self.labels_N)

    def centred(self, index_B: Tensor | slice) -> Tensor:
        """The chosen pictures in [0, 1] minus the mean picture, (B, H, W, C)."""
        return self.bytes_NHWC[index_B].to(torch.float32) / 255 - self.mean_HWC

    def seen(self, index_B: Tensor | slice) -> Tensor:
        """The chosen pictures as a network sees them, (B, C, H, W)."""
        return self.centred(index_B).permute(0, 3, 1, 2)


def shrunk(images_NHWC: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Pictures of side × side pixels, each the rounded mean of a square. Raises ValueError where squares do not fit."""
    n, height, width, colours = images_NHWC.shape
    if height != width or height % side:
        raise ValueError(f"pictures of {height} × {width} pixels cannot become {side} × {side} by means of squares")
    if (square := height // side) == 1:
        return images_NHWC
    sums = images_NHWC.reshape(n, side, square, side, square, colours).sum(axis=(2, 4), dtype=np.uint32)
    return ((sums + square**2 // 2) // square**2).astype(np.uint8)


def training_images(arrays: Mapping[str, NDArray[np.uint8]], validation: int, side: int) -> tuple[Images, Images]:
    """Those to train on and the last `validation` of the official training set; both centred by the former's mean."""
    count = len(arrays["train_images"]) - validation
    pictures = torch.from_numpy(shrunk(arrays["train_images"], side))
    labels = torch.from_numpy(arrays["train_labels"].astype(np.int64))
    mean = mean_picture(pictures[:count])
    return Images(pictures[:count], labels[:count], mean), Images(pictures[count:], labels[count:], mean)


def test_images(arrays: Mapping[str, NDArray[np.uint8]], side: int, mean_HWC: Tensor) -> Images:
    """The official test images, centred by the mean of the training images."""
    pictures = torch.from_numpy(shrunk(arrays["test_images"], side))
    return Images(pictures, torch.from_numpy(arrays["test_labels"].astype(np.int64)), mean_HWC)


def mean_picture(bytes_NHWC: Tensor) -> Tensor:
    """The mean of each pixel and colour in [0, 1], (H, W, C); summed as whole numbers, so the same on every machine."""
    return (bytes_NHWC.sum(dim=0, dtype=torch.int64).double() / (255 * len(bytes_NHWC))).float()


def cropped(x_BHWC: Tensor, pad: int, rng: torch.Generator) -> Tensor:
    """A crop of each picture from its place in a frame of zeros, `pad` wide, at one of (2·pad + 1)² offsets; every
    second one mirrored, by chance. (B, H, W, C) as it came."""
    count, height, width, _ = x_BHWC.shape
    offset_B2 = torch.randint(2 * pad + 1, (count, 2), generator=rng)
    mirrored_B1 = torch.randint(2, (count, 1), generator=rng).bool()
    framed = F.pad(x_BHWC, (0, 0, pad, pad, pad, pad))  # (B, H + 2·pad, W + 2·pad, C)
    row_BH = offset_B2[:, :1] + torch.arange(height)
    column_BW = offset_B2[:, 1:] + torch.arange(width)
    column_BW = torch.where(mirrored_B1, column_BW.flip(1), column_BW)
    return framed[torch.arange(count)[:, None, None], row_BH[:, :, None], column_BW[:, None, :]]


class Order:
    """The endless order in which images are seen: one permutation after the other, so that each is seen as often."""

    def __init__(self, count: int, rng: torch.Generator):
        self.count, self.rng = count, rng
        self.left_L = torch.empty(0, dtype=torch.int64)  # of the permutation under way

    def take(self, number: int) -> Tensor:
        """The next `number` of them, (number,)."""
        while len(self.left_L) < number:
            self.left_L = torch.cat([self.left_L, torch.randperm(self.count, generator=self.rng)])
        taken, self.left_L = self.left_L[:number], self.left_L[number:]
        return taken


def batch(images: Images, order: Order, size: int, pad: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """The next pictures to learn from, (B, C, H, W), and their labels (B,)."""
    index_B = order.take(size)
    x_BHWC = cropped(images.centred(index_B), pad, rng)
    return x_BHWC.permute(0, 3, 1, 2), images.labels_N[index_B]


def read_images(run: Any) -> tuple[Images, Images]:
    """What a run trains on and validates on."""
    config = run.config
    return training_images(run.data("images"), config.validation_images, config.side)
