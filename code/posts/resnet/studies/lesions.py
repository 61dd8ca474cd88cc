"""What if a block is missing when the network is used, or two change places, or a shortcut is cut?

Veit et al. (2016) asked it of residual networks. Nothing is trained again. Only blocks that leave the shape as it is
can be left out or change places; any shortcut can be cut. Errors are on validation images: test images are for the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from posts.resnet.data import Images, read_images
from posts.resnet.evaluate import load
from posts.resnet.model import Block, PaddedIdentity, ResNet

if TYPE_CHECKING:
    from lockstep.run import Run

Layer = Callable[[Tensor], Tensor]
CHUNK = 500  # images at once


def keeps_shape(block: Block) -> bool:
    """Whether what leaves the block has the shape of what came in."""
    around = block.shortcut
    return isinstance(around, PaddedIdentity) and around.stride == 1 and not around.missing


def cut(block: Block) -> Layer:
    """The block without what goes around it."""
    return lambda x_BCHW: F.relu(block.residual(x_BCHW))


def lesions(model: ResNet) -> Iterator[tuple[str, int, int, list[Layer]]]:
    """Each way to damage the network at one place: (how, the block where, how many blocks are replaced, by what)."""
    blocks: list[Any] = list(model.blocks)
    for i, block in enumerate(blocks):
        if keeps_shape(block):
            yield "deleted", i, 1, []
        if block.alpha:
            yield "cut", i, 1, [cut(block)]
        if i + 1 < len(blocks) and keeps_shape(block) and keeps_shape(blocks[i + 1]):
            yield "swapped", i, 2, [blocks[i + 1], block]


@torch.no_grad()
def damaged_errors(model: ResNet, images: Images) -> dict[tuple[str, int], float]:
    """The error in per cent after each lesion, by (how, block), and unharmed as ("none", 0). Where shortcuts carry
    something, ("all cut", 0) is the error without any of them."""
    wrong: dict[tuple[str, int], int] = {}

    def count(name: tuple[str, int], x_BCHW: Tensor, layers: list[Layer], label_B: Tensor) -> None:
        for layer in layers:
            x_BCHW = layer(x_BCHW)
        predicted_B = model.classify(x_BCHW.mean(dim=(2, 3))).argmax(dim=1)
        wrong[name] = wrong.get(name, 0) + int((predicted_B != label_B).sum())

    model.eval()
    blocks: list[Any] = list(model.blocks)
    for begin in range(0, len(images), CHUNK):
        chosen = slice(begin, begin + CHUNK)
        label_B = images.labels_N[chosen]
        entries = [F.relu(model.norm(model.conv(images.seen(chosen))))]  # of each block: computed once for all lesions
        for block in blocks:
            entries.append(block(entries[-1]))
        count(("none", 0), entries[-1], [], label_B)
        for how, i, replaced, by in lesions(model):
            count((how, i), entries[i], [*by, *blocks[i + replaced :]], label_B)
        if any(block.alpha for block in blocks):
            count(("all cut", 0), entries[0], [cut(block) for block in blocks], label_B)
    return {name: 100 * number / len(images) for name, number in wrong.items()}


def measure(run: Run) -> list[dict[str, Any]]:
    """For each kind of lesion the error in per cent, mean over the places. Output: lesions.csv, a row a lesion."""
    config = run.config
    torch.set_num_threads(1)
    images, validation = read_images(run)
    few = Images(
        validation.bytes_NHWC[: config.lesion_images], validation.labels_N[: config.lesion_images], images.mean_HWC
    )
    errors = damaged_errors(load(run.inputs[0], config), few)
    run.write_csv("lesions.csv", [{"lesion": how, "block": i, "error": error} for (how, i), error in errors.items()])
    kinds: dict[str, list[float]] = {}
    for (how, _), error in errors.items():
        kinds.setdefault(how, []).append(error)
    return [{"lesion": how, "lesion_error": math.fsum(found) / len(found)} for how, found in kinds.items()]
