"""What the demo in the page loads: ResNet-20 as it was trained, in half precision, and pictures to try it on.

In use each norm is a fixed scale and shift, so it is folded into the convolution before it; what goes around a block
has no parameters, so the page can switch it off. The examples are what PyTorch makes of the published file; the page
opens with them and compares its own arithmetic with them.
"""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from posts.resnet.data import Images, read_images, test_images
from posts.resnet.evaluate import load
from posts.resnet.model import Block, ResNet
from posts.resnet.train import error_of

if TYPE_CHECKING:
    from lockstep.run import Run

SHOWN, COLUMNS, GAP = 12, 6, 4  # pictures, in rows of so many, and the pixels between two


def publish(run: Run) -> dict[str, Any]:
    """Publish the first seed's network with the first test images, what PyTorch makes of them, and a poster.

    Returns the test error of the published file, in per cent: rounding to half precision must not change it.
    """
    torch.set_num_threads(1)
    config = run.config
    trained = min(run.inputs, key=lambda made: made.keys["seed"])
    images, _ = read_images(run)
    test = test_images(run.data("images"), config.side, images.mean_HWC)
    network = run.demo("network.safetensors")
    save_file({name: tensor.half().contiguous() for name, tensor in folded(load(trained, config)).items()}, network)
    served = unfolded(load_file(network), config.depth, config.width)
    save_file(examples(served, test), run.demo("examples.safetensors"))
    run.demo("switches.svg").write_text(poster(test.bytes_NHWC[:SHOWN]), encoding="utf-8")
    return {"published_error": error_of(served, test)}


@torch.no_grad()
def folded(model: ResNet) -> dict[str, Tensor]:
    """The network's weights with each norm's running scale and shift in the convolution before it, by name."""
    tensors: dict[str, Tensor] = {}

    def fold(name: str, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
        assert norm.running_mean is not None and norm.running_var is not None
        scale_D = norm.weight / (norm.running_var + norm.eps).sqrt()
        tensors[f"{name}.weight"] = conv.weight * scale_D[:, None, None, None]  # (D, C, 3, 3)
        tensors[f"{name}.bias"] = norm.bias - norm.running_mean * scale_D

    fold("conv", model.conv, model.norm)
    for i, block in enumerate(model.blocks):
        assert isinstance(block, Block)
        fold(f"blocks.{i}.conv1", block.conv1, block.norm1)
        fold(f"blocks.{i}.conv2", block.conv2, block.norm2)
    tensors |= {"classify.weight": model.classify.weight, "classify.bias": model.classify.bias}
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


@torch.no_grad()
def unfolded(tensors: dict[str, Tensor], depth: int, width: int) -> ResNet:
    """A network in float32 that computes with folded weights: its norms only shift."""
    model = ResNet(depth, width).eval()
    state = {name: tensor.float() for name, tensor in tensors.items()}
    for name, module in model.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_var is not None
            module.running_var.fill_(1 - module.eps)
            module.bias.copy_(state.pop(f"{name.replace('norm', 'conv')}.bias"))
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all("norm" in name for name in missing)
    return model


@torch.no_grad()
def examples(model: ResNet, test: Images) -> dict[str, Tensor]:
    """The first test images as bytes (N, H, W, C) with their labels (N,), the mean picture, and PyTorch's logits
    (N, K): as trained, without any shortcut, and without the second one alone."""
    x_BCHW = test.seen(slice(0, SHOWN))
    shown = {"images": test.bytes_NHWC[:SHOWN], "labels": test.labels_N[:SHOWN].byte(), "mean": test.mean_HWC}
    blocks: list[Any] = list(model.blocks)
    for name, off in (("logits", ()), ("without_second", (1,)), ("without_any", range(len(blocks)))):
        for i, block in enumerate(blocks):
            block.alpha = 0.0 if i in off else 1.0
        shown[name] = model(x_BCHW)
    for block in blocks:
        block.alpha = 1.0
    return {name: tensor.clone().contiguous() for name, tensor in shown.items()}


def poster(bytes_NHWC: Tensor) -> str:
    """An SVG of the pictures in rows, as the demo opens with them."""
    count, side, _, colours = bytes_NHWC.shape
    rows = -(-count // COLUMNS)
    cells = torch.zeros(rows * COLUMNS, side + GAP, side + GAP, 4, dtype=torch.uint8)
    cells[:count, :side, :side, :colours] = bytes_NHWC
    cells[:count, :side, :side, 3] = 255
    sheet = cells.unflatten(0, (rows, COLUMNS)).transpose(1, 2).flatten(2, 3).flatten(0, 1)[:-GAP, :-GAP]
    height, width, _ = sheet.shape
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        "<style>image{image-rendering:pixelated}</style>"
        f'<image width="{width}" height="{height}" href="{as_url(sheet)}"/></svg>\n'
    )


def as_url(sheet_HWC: Tensor) -> str:
    """A picture of bytes with opacity (height, width, 4) as the URL of a PNG."""
    from PIL import Image

    packed = io.BytesIO()
    Image.fromarray(sheet_HWC.contiguous().numpy(), "RGBA").save(packed, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(packed.getvalue()).decode()
