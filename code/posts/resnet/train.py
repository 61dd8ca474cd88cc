"""Training in legs: stochastic gradient descent with momentum, by the protocol of section 4.2.

Each update sees one batch of crops. A leg ends at the update that `run.until` names and leaves there everything that
the next one needs: weights, momentum, the state of the generator, what is left of the pass, and the curves so far. The
settings are those of experiment.py; `fit` is an ordinary function of one `lockstep.run.Run`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from posts.resnet.data import Images, Order, batch, read_images, test_images
from posts.resnet.model import ResNet, initialise

if TYPE_CHECKING:
    from lockstep.run import Run

    from posts.resnet.experiment import Config

DATA = 1_000_003  # offset of the seed that orders and crops, away from those of weights
CHUNK = 500  # images evaluated at once
CURVE = ["update", "rate", "loss", "error"]


def rate_at(config: Config, update: int) -> float:
    """The learning rate of an update counted from 0: low for the warm-up, then divided by 10 at each of `drops`."""
    if update < config.warmup:
        return config.warmup_rate
    return config.learning_rate / 10 ** sum(update >= drop for drop in config.drops)


def network(config: Config, seed: int) -> ResNet:
    """The network as this seed begins it; the same weights for every kind of shortcut."""
    model = ResNet(config.depth, config.width, config.alpha, config.option)
    return initialise(model, torch.Generator().manual_seed(seed), config.zero_last)


def descent(model: ResNet, config: Config) -> torch.optim.SGD:
    """Momentum and weight decay, which pulls at all parameters, or at all but those of norms and biases."""
    spared = [] if config.decay_norms else [p for p in model.parameters() if p.dim() == 1]
    decayed = [p for p in model.parameters() if config.decay_norms or p.dim() > 1]
    groups = [{"params": decayed}, *([{"params": spared, "weight_decay": 0.0}] if spared else [])]
    rate, momentum, decay = config.learning_rate, config.momentum, config.weight_decay
    return torch.optim.SGD(groups, rate, momentum, weight_decay=decay, fused=True)  # one pass over each parameter


@dataclass
class Training:
    """All that the next update depends on, and the curves so far."""

    model: ResNet
    optimiser: torch.optim.SGD
    rng: torch.Generator
    order: Order
    update: int = 0
    window: list[float] = field(default_factory=lambda: [0.0, 0.0])  # summed loss and error since the last entry
    curve: list[list[float]] = field(default_factory=list)
    held_out: list[list[float]] = field(default_factory=list)

    @classmethod
    def begun(cls, config: Config, seed: int, images: int) -> Training:
        model, rng = network(config, seed), torch.Generator().manual_seed(DATA + seed)
        return cls(model, descent(model, config), rng, Order(images, rng))

    @property
    def momenta(self) -> list[Tensor]:
        """Of each parameter; of zeros before the first update."""
        groups, state = self.optimiser.param_groups, self.optimiser.state
        for parameter in (p for group in groups for p in group["params"] if "momentum_buffer" not in state[p]):
            state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        return [state[p]["momentum_buffer"] for group in groups for p in group["params"]]

    def save(self, path: Path) -> None:
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"momentum.{i}": tensor for i, tensor in enumerate(self.momenta)}
        tensors |= {"rng": self.rng.get_state(), "left": self.order.left_L.clone()}
        tables = {"update": [self.update], "window": self.window, "curve": self.curve, "held_out": self.held_out}
        tensors |= {name: torch.tensor(table, dtype=torch.float64) for name, table in tables.items()}
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)

    def restore(self, path: Path) -> None:
        """Undo `save`, in place."""
        tensors = load_file(path)
        self.model.load_state_dict(
            {name.removeprefix("model."): tensor for name, tensor in tensors.items() if name.startswith("model.")}
        )
        for i, momentum in enumerate(self.momenta):
            momentum.copy_(tensors[f"momentum.{i}"])
        self.rng.set_state(tensors["rng"])
        self.order.left_L = tensors["left"]
        self.update = int(tensors["update"])
        self.window, self.curve, self.held_out = (tensors[name].tolist() for name in ("window", "curve", "held_out"))


def learn(training: Training, images: Images, config: Config) -> None:
    """One update: the gradient of the mean cross-entropy of a batch, then v ← m·v + g + λ·w; w ← w − rate·v."""
    for group in training.optimiser.param_groups:
        group["lr"] = rate_at(config, training.update)
    x_BCHW, label_B = batch(images, training.order, config.batch, config.pad, training.rng)
    logit_BK = training.model(x_BCHW)
    loss = F.cross_entropy(logit_BK, label_B)
    training.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    training.optimiser.step()
    training.update += 1
    training.window[0] += loss.item()
    training.window[1] += 100 * (logit_BK.argmax(dim=1) != label_B).double().mean().item()


@torch.no_grad()
def error_of(model: ResNet, images: Images) -> float:
    """Images given a wrong class, in per cent, with the norms' running statistics. The model's mode stays as it was."""
    training, wrong = model.training, 0
    model.eval()
    for begin in range(0, len(images), CHUNK):
        chosen = slice(begin, begin + CHUNK)
        wrong += int((model(images.seen(chosen)).argmax(dim=1) != images.labels_N[chosen]).sum())
    model.train(training)
    return 100 * wrong / len(images)


def go_on(run: Run, training: Training, images: Images, held_out: Mapping[str, Images]) -> None:
    """Train to the end of this leg, recording curves and leaving checkpoints; one at the very end of the leg.

    A mean loss that is not finite fails the run.
    """
    config, end = run.config, run.until(run.config.updates)
    while training.update < end:
        learn(training, images, config)
        update = training.update
        if update % config.curve_every == 0:
            loss, error = (total / config.curve_every for total in training.window)
            if not math.isfinite(loss):
                run.fail(f"the loss before update {update} is {loss}")
            training.curve.append([update, rate_at(config, update - 1), loss, error])
            training.window = [0.0, 0.0]
        if held_out and update % config.held_out_every == 0:
            errors = [error_of(training.model, other) for other in held_out.values()]
            training.held_out.append([update, *errors])
        if update % config.checkpoint_every == 0 or update == end:
            with run.checkpoint() as path:
                training.save(path)
            last = training.curve[-1][1:] if training.curve else []
            run.progress(update, config.updates, **dict(zip(CURVE[1:], last, strict=False)))


def table(names: list[str], entries: list[list[float]]) -> list[dict[str, float]]:
    """Entries as rows; a checkpoint gives updates back as 400.0, where a training without one has 400."""
    return [dict(zip(names, [int(update), *values], strict=True)) for update, *values in entries]


def fit(run: Run) -> dict[str, Any] | None:
    """Train one network, looking at validation images on the way.

    Returns its loss and error in the last entry of the curve, on crops as they were learned from, and its final
    validation error; None from a leg that is not the last. Artefact: weights.safetensors, the last weights with the
    mean picture. Outputs: curve.csv and held-out.csv.
    """
    images, validation = read_images(run)
    return _fitted(run, images, {"validation_error": validation} if len(validation) else {})


def fit_watched(run: Run) -> dict[str, Any] | None:
    """As `fit`, with the test error beside the validation error all along: to measure what selecting by it would gain.

    Nothing is selected by either; the weights are those that `fit` would leave.
    """
    images, validation = read_images(run)
    test = test_images(run.data("images"), run.config.side, images.mean_HWC)
    return _fitted(run, images, {"validation_error": validation, "test_error": test})


def _fitted(run: Run, images: Images, held_out: Mapping[str, Images]) -> dict[str, Any] | None:
    torch.set_num_threads(1)  # the same sums in the same order on any number of cores
    torch.set_flush_denormal(True)  # momenta of silent channels fade towards 0 through numbers that are slow to add
    training = Training.begun(run.config, run.seed, len(images))
    if (saved := run.resume()) is not None:
        training.restore(saved)
    go_on(run, training, images, held_out)
    if not run.last:
        return None
    weights = {name: tensor.contiguous() for name, tensor in training.model.state_dict().items()}
    save_file(weights | {"mean": images.mean_HWC}, run.artefact("weights.safetensors"))
    run.write_csv("curve.csv", table(CURVE, training.curve))
    if held_out:
        run.write_csv("held-out.csv", table(["update", *held_out], training.held_out))
    last = dict(zip(CURVE, training.curve[-1], strict=True))
    row = {"train_loss": last["loss"], "train_error": last["error"]}
    return row | {name: error_of(training.model, other) for name, other in held_out.items()}
