"""Does the gradient vanish on its way back through a deep plain network? Section 4.1 of the paper says: it does not.

The signal at a place is the gradient of the loss with respect to the activations there, norms in training mode, as
learning sees it. Measured where blocks meet, on crops of training images: before the first update, and after the last.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from posts.resnet.data import Order, batch, read_images
from posts.resnet.evaluate import load
from posts.resnet.model import ResNet
from posts.resnet.train import network

if TYPE_CHECKING:
    from lockstep.run import Run

PROBING = 3_000_017  # offset of the seed that draws the probed batches, away from the seeds that train


def signals(model: ResNet, x_BCHW: Tensor, label_B: Tensor) -> tuple[list[float], list[float]]:
    """Norms of the loss's gradient: at the entry of each block and behind the last (n + 1 of them), and with respect
    to the first convolution of each block (n)."""
    model.train()
    blocks: list[Any] = list(model.blocks)
    places = [F.relu(model.norm(model.conv(x_BCHW)))]
    for block in blocks:
        places.append(block(places[-1]))
    loss = F.cross_entropy(model.classify(places[-1].mean(dim=(2, 3))), label_B)
    weights = [block.conv1.weight for block in blocks]
    found = [float(gradient.norm()) for gradient in torch.autograd.grad(loss, [*places, *weights])]
    return found[: len(places)], found[len(places) :]


def measure(run: Run) -> list[dict[str, Any]]:
    """For the network as it began and as it ended: by how many powers of ten the signal grows from behind the last
    block to the entry of the first, negative where it shrinks; the same for the gradients of the weights.

    Output: gradients.csv, the mean norms at each place.
    """
    config = run.config
    torch.set_num_threads(1)
    images, _ = read_images(run)
    rows, places = [], []
    for when, model in (("start", network(config, run.seed)), ("end", load(run.inputs[0], config))):
        rng = torch.Generator().manual_seed(PROBING + run.seed)
        order = Order(len(images), rng)
        probed = [signals(model, *batch(images, order, config.batch, config.pad, rng)) for _ in range(config.probes)]
        signal, weight = (mean_of([one[kind] for one in probed]) for kind in (0, 1))
        rows.append({"when": when, "signal_gain": decades(signal), "weight_gain": decades(weight)})
        places += [
            {"when": when, "block": i, "signal": there, "weights": weight[i] if i < len(weight) else ""}
            for i, there in enumerate(signal)
        ]
    run.write_csv("gradients.csv", places)
    return rows


def mean_of(lists: list[list[float]]) -> list[float]:
    return [math.fsum(values) / len(values) for values in zip(*lists, strict=True)]


def decades(norms: list[float]) -> float:
    """How many powers of ten the first of these norms is above the last."""
    return math.log10(norms[0] / norms[-1])
