"""How much does each layer change? Figure 7: the spread of what each 3 × 3 layer responds, behind its norm and before
anything else is added or rectified.

The paper does not say on which images; here on validation images, with the norms' running statistics.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from posts.resnet.data import read_images
from posts.resnet.evaluate import load
from posts.resnet.model import ResNet

if TYPE_CHECKING:
    from lockstep.run import Run


@torch.no_grad()
def responses(model: ResNet, x_BCHW: Tensor) -> list[float]:
    """The standard deviation of each layer's response, over images, channels and pixels, in the order of the layers."""
    found: list[float] = []

    def note(module: nn.Module, inputs: Any, response: Tensor) -> None:
        found.append(response.std(correction=0).item())

    layers = [model.norm, *(norm for block in model.blocks for norm in (block.norm1, block.norm2))]
    hooks = [layer.register_forward_hook(note) for layer in layers]  # pyright: ignore[reportCallIssue, reportArgumentType, reportAttributeAccessIssue]
    try:
        model.eval()(x_BCHW)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def measure(run: Run) -> dict[str, Any]:
    """The mean response over all layers of the blocks. Output: responses.csv, a row a layer; 0 is the first one."""
    config = run.config
    torch.set_num_threads(1)
    _, validation = read_images(run)
    found = responses(load(run.inputs[0], config), validation.seen(slice(0, config.probed_images)))
    run.write_csv("responses.csv", [{"layer": i, "response": spread} for i, spread in enumerate(found)])
    return {"response": math.fsum(found[1:]) / len(found[1:])}
