"""Errors of finished networks: the last weights, each image once and as it is; test images are read here alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file

from posts.resnet.data import read_images, test_images
from posts.resnet.model import ResNet
from posts.resnet.train import error_of

if TYPE_CHECKING:
    from lockstep.run import Input, Run

    from posts.resnet.experiment import Config


def load(trained: Input, config: Config) -> ResNet:
    """The network as its training left it, ready to evaluate."""
    tensors = load_file(trained.open("weights.safetensors"))
    del tensors["mean"]
    model = ResNet(config.depth, config.width, config.alpha, config.option)
    model.load_state_dict(tensors)
    return model.eval()


def score(run: Run) -> dict[str, Any]:
    """Errors on the test images, and on the training images without crops, in per cent."""
    torch.set_num_threads(1)
    images, _ = read_images(run)
    test = test_images(run.data("images"), run.config.side, images.mean_HWC)
    model = load(run.inputs[0], run.config)
    return {"test_error": error_of(model, test), "fitted_error": error_of(model, images)}
