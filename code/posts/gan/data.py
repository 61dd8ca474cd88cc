"""What the players see: images as vectors in [0, 1], split as the authors' released configuration splits them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]


def pixels(images: NDArray[np.uint8]) -> Images:
    """Images (N, height, width) of bytes to vectors (N, X) in [0, 1]."""
    return images.reshape(len(images), -1).astype(np.float32) / 255  # pyright: ignore[reportReturnType]


def split_images(arrays: Mapping[str, NDArray[np.uint8]], validation: int) -> tuple[Images, Images]:
    """Training images (N, X) and validation images (V, X): the last `validation` of the official training set."""
    images = pixels(arrays["train_images"])
    return images[:-validation], images[-validation:]


def test_images(arrays: Mapping[str, NDArray[np.uint8]]) -> Images:
    """The official test images (T, X), read once, at the end."""
    return pixels(arrays["test_images"])
