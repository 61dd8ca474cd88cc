"""What the post on residual networks declares: the settings of section 4.2, the same in small, stages and metrics."""

from __future__ import annotations

from dataclasses import dataclass

from lockstep.catalogue import cifar10, digits_in_colour
from lockstep.experiment import Experiment, Metric


@dataclass(frozen=True)
class Config:
    """One network and its training: He et al., 2016, section 4.2, unless paper.toml declares a deviation."""

    depth: int = 20  # layers with weights, 6n + 2
    width: int = 16  # channels of the first group
    alpha: float = 1.0  # what the shortcut is multiplied by: 1 in residual networks, 0 in plain ones
    option: str = "A"  # where shapes change: A pads with zeros, B projects
    zero_last: bool = False  # begin with each block's last γ at 0, so that blocks begin as their shortcuts
    side: int = 32  # pixels of a picture's side
    pad: int = 4  # pixels around it, from which crops are taken
    validation_images: int = 5000
    batch: int = 128
    updates: int = 64_000
    learning_rate: float = 0.1
    drops: tuple[int, ...] = (32_000, 48_000)  # updates from which the rate is a tenth
    warmup: int = 0  # first updates, at `warmup_rate`
    warmup_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 1e-4
    decay_norms: bool = True  # whether the decay pulls at norms and biases as well
    curve_every: int = 400  # updates whose loss and error make one point of the curve
    held_out_every: int = 1600  # updates between looks at held-out images
    checkpoint_every: int = 200


SMALL = {  # the same protocol with a quarter of the pixels, half the width and fewer updates
    "width": 8,
    "side": 16,
    "pad": 2,
    "updates": 6000,
    "drops": (3000, 4500),
    "warmup": 200,
    "curve_every": 100,
    "held_out_every": 500,
    "checkpoint_every": 500,
}
TINY = {  # of the smoke profile
    "depth": 8,
    "width": 4,
    "side": 8,
    "pad": 1,
    "validation_images": 300,
    "batch": 32,
    "updates": 8,
    "drops": (4, 6),
    "curve_every": 2,
    "held_out_every": 4,
    "checkpoint_every": 3,
}
NETWORKS = {
    "residual": {},
    "plain": {"alpha": 0.0},
    "projection": {"option": "B"},
    "zero-gamma": {"zero_last": True},
    "bare-norms": {"decay_norms": False},
    "all-images": {"validation_images": 0},
}
DEPTHS = (20, 32, 44, 56, 110)

resnet = Experiment(
    Config,
    data={"images": cifar10},
    metrics=[
        Metric("train_loss", unit="nats", digits=3, better="lower", title="training loss, last updates"),
        Metric("train_error", unit="%", digits=2, better="lower", title="training error, last updates"),
        Metric("validation_error", unit="%", digits=2, better="lower", title="validation error"),
        Metric("test_error", unit="%", digits=2, better="lower", title="test error"),
    ],
    variants={"setting": {"paper": {}, "small": SMALL}, "network": NETWORKS},
    smoke={
        "data": {"images": digits_in_colour},
        "variants": {"setting": {"paper": TINY, "small": TINY | {"warmup": 2}}},
        "grid": {"depth": [8, 14], "held_out_every": [4]},
    },
)
small = {"setting": ["small"], "seed": range(5)}
train = resnet.stage("train:fit", legs=20, setting=["paper"], seed=range(3))
degradation = resnet.stage(
    "train:fit", name="degradation", legs=2, network=["residual", "plain"], depth=DEPTHS, **small
)
scaled = resnet.stage("train:fit", name="scaled", alpha=[0.25, 0.5, 0.75], depth=[56], **small)
projected = resnet.stage("train:fit", name="projected", network=["projection"], depth=[20, 56], **small)
zeroed = resnet.stage("train:fit", name="zeroed", legs=2, network=["zero-gamma"], depth=[56, 110], **small)
undecayed = resnet.stage("train:fit", name="undecayed", network=["bare-norms"], depth=[20, 56], **small)
whole = resnet.stage("train:fit", name="whole", network=["all-images"], depth=[20], **small)
watched = resnet.stage("train:fit_watched", name="watched", held_out_every=[250], depth=[20, 56], **small)
