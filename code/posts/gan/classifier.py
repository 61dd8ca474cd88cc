"""A small convolutional classifier of digits: a yardstick of this post, and no part of the paper.

Images are compared by its penultimate layer, and its output says which digit an image shows. It learns from the same
training images as the two players. Its design is that of LeCun et al., 1998, section II, with rectified units and the
largest of each four pixels.

Shape legend: N or B images, X pixels, C channels, S side of an image, F features, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from posts.gan.data import split_images, test_images
from posts.gan.train import MomentumDescent

if TYPE_CHECKING:
    from pathlib import Path

    from lockstep.run import Run

CLASSES = 10
CHANNELS = (16, 32)
FEATURES = 64
RATE, MOMENTUM, BATCH = 0.05, 0.9, 100
CHUNK = 500  # images at a time where nothing is learned


class Classifier(nn.Module):
    """Square images (B, X), a multiple of four pixels high, to features (B, F) and the logits (B, K) of the digits."""

    def __init__(self, pixels: int, rng: torch.Generator):
        super().__init__()
        self.side = math.isqrt(pixels)
        first, second = CHANNELS
        self.first = nn.Conv2d(1, first, 3, padding=1)
        self.second = nn.Conv2d(first, second, 3, padding=1)
        self.hidden = nn.Linear(second * (self.side // 4) ** 2, FEATURES)
        self.output = nn.Linear(FEATURES, CLASSES)
        for layer in (self.first, self.second, self.hidden, self.output):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=rng)
            nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType]

    def features(self, x_BX: Tensor) -> Tensor:
        """What the last layer decides by (B, F): rectified, so never negative."""
        h_BCSS = x_BX.reshape(-1, 1, self.side, self.side)
        h_BCSS = F.max_pool2d(self.first(h_BCSS).relu(), 2)  # half the side
        h_BCSS = F.max_pool2d(self.second(h_BCSS).relu(), 2)  # a quarter of it
        return self.hidden(h_BCSS.flatten(1)).relu()

    def forward(self, x_BX: Tensor) -> Tensor:
        return self.output(self.features(x_BX))


def split_labels(arrays: Mapping[str, NDArray[np.uint8]], validation: int) -> tuple[Tensor, Tensor]:
    """The digits (N,) of the training images and (V,) of the validation images, in the order of `split_images`."""
    labels = torch.from_numpy(arrays["train_labels"].astype(np.int64))
    return labels[:-validation], labels[-validation:]


def test_labels(arrays: Mapping[str, NDArray[np.uint8]]) -> Tensor:
    """The digits (T,) of the official test images."""
    return torch.from_numpy(arrays["test_labels"].astype(np.int64))


def learn(
    classifier: Classifier, descent: MomentumDescent, images_NX: Tensor, labels_N: Tensor, rng: torch.Generator
) -> float:
    """One pass over the images in random order; returns the mean cross-entropy of its batches, in nats."""
    losses = []
    for batch in torch.randperm(len(images_NX), generator=rng).split(BATCH):
        loss = F.cross_entropy(classifier(images_NX[batch]), labels_N[batch])
        descent.step(list(torch.autograd.grad(loss, list(classifier.parameters()))), RATE, MOMENTUM)
        losses.append(loss.detach())
    return float(torch.stack(losses).mean())


@torch.no_grad()
def features_and_probabilities(classifier: Classifier, images_NX: Tensor) -> tuple[Tensor, Tensor]:
    """The features (N, F) of images, and how probable the classifier thinks each digit (N, K)."""
    features_NF = torch.cat([classifier.features(chunk_BX) for chunk_BX in images_NX.split(CHUNK)])
    return features_NF, classifier.output(features_NF).softmax(dim=1)


def accuracy(classifier: Classifier, images_NX: Tensor, labels_N: Tensor) -> float:
    """The percentage of images whose most probable digit is the right one."""
    predicted_N = features_and_probabilities(classifier, images_NX)[1].argmax(dim=1)
    return 100 * float((predicted_N == labels_N).double().mean())


def load_classifier(path: Path) -> Classifier:
    """The classifier that `fit` wrote."""
    weights = load_file(path)
    pooled = weights["hidden.weight"].shape[1] // CHANNELS[-1]  # pixels that are left after halving the side twice
    classifier = Classifier(16 * pooled, torch.Generator())
    classifier.load_state_dict(weights)
    return classifier


def classifier_for(run: Run) -> Classifier:
    """Of the classifiers among a run's inputs, the one whose turn it is: runs of different seeds take different ones.

    So an interval over seeds also holds how much the yardstick itself varies, and sources compared under one seed are
    compared by one yardstick.
    """
    made = [made for made in run.inputs if made.stage == "classifier"]
    return load_classifier(made[run.seed % len(made)].open("classifier.safetensors"))


def fit(run: Run) -> dict[str, float]:
    """Train the classifier; returns its accuracy on the test images, which are read once, at the end.

    Artefact: classifier.safetensors; output: classifier.csv, a row an epoch, from whose accuracy on validation images
    the number of epochs was chosen. Nothing that is compared later has a part in any choice here.
    """
    config = run.config
    torch.set_num_threads(1)  # the same sums in the same order on any number of cores
    arrays = run.data("images")
    train_NX, validation_VX = (torch.from_numpy(part) for part in split_images(arrays, config.validation_images))
    labels_N, labels_V = split_labels(arrays, config.validation_images)
    rng = torch.Generator().manual_seed(run.seed)
    classifier = Classifier(train_NX.shape[1], rng)
    descent = MomentumDescent([classifier], "fp32")
    curve = []
    for epoch in range(1, config.classifier_epochs + 1):
        loss = learn(classifier, descent, train_NX, labels_N, rng)
        validated = accuracy(classifier, validation_VX, labels_V)
        curve.append({"epoch": epoch, "loss": loss, "accuracy": validated})
        run.progress(epoch, config.classifier_epochs, loss=loss, accuracy=validated)
    run.write_csv("classifier.csv", curve)
    save_file(classifier.state_dict(), run.artefact("classifier.safetensors"))
    return {"accuracy": accuracy(classifier, torch.from_numpy(test_images(arrays)), test_labels(arrays))}
