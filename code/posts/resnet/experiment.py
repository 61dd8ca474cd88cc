"""What the post on residual networks declares: the settings of section 4.2, the same in small, stages and metrics."""

from __future__ import annotations

from dataclasses import dataclass

from lockstep.catalogue import cifar10, digits_in_colour
from lockstep.experiment import Experiment, Metric

from posts.resnet.claims import CLAIMS
from posts.resnet.tables import GRID, TABLES, TEST_ERROR


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
    probes: int = 4  # batches on which gradients are probed
    probed_images: int = 512  # images on which layers respond
    lesion_images: int = 2000  # images on which damaged networks err
    timed_updates: int = 8


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
    "probes": 1,
    "probed_images": 20,
    "lesion_images": 20,
    "timed_updates": 2,
}
NETWORKS = {
    "residual": {},
    "plain": {"alpha": 0.0},
    "projection": {"option": "B"},
    "zero-gamma": {"zero_last": True},
    "bare-norms": {"decay_norms": False},
    "all-images": {"validation_images": 0},
}

resnet = Experiment(
    Config,
    data={"images": cifar10},
    metrics=[
        Metric(
            "train_loss", unit="nats", digits=3, better="lower", title="training loss, last updates", tolerance=0.05
        ),
        Metric("train_error", unit="%", digits=2, better="lower", title="training error, last updates", tolerance=2),
        Metric("validation_error", unit="%", digits=2, better="lower", title="validation error", tolerance=2),
        TEST_ERROR,
        Metric("other_test_error", unit="%", digits=2, better="lower", title="test error by other code"),
        Metric("fitted_error", unit="%", digits=2, better="lower", title="error on training images without crops"),
        Metric(
            "published_error", unit="%", digits=2, better="lower", title="test error of the demo’s file", tolerance=0.5
        ),
        Metric("signal_gain", digits=2, title="growth of the gradient from the last block to the first, powers of ten"),
        Metric("weight_gain", digits=2, title="the same for gradients of weights"),
        Metric("response", digits=3, title="mean standard deviation of the layers’ responses"),
        Metric("lesion_error", unit="%", digits=1, better="lower", title="validation error after a lesion"),
        Metric("chosen_error", unit="%", digits=2, better="lower", title="test error of the chosen epoch"),
        Metric(
            "speed_ratio", digits=2, better="higher", title="time of torchvision’s update over ours", tolerance=0.05
        ),
        Metric("step_seconds", unit="s", digits=2, better="lower", title="time of an update", tolerance=1),
        Metric("share", unit="%", digits=0, title="share of an update’s time", tolerance=10),
    ],
    variants={"setting": {"paper": {}, "small": SMALL}, "network": NETWORKS},
    smoke={
        "config": TINY,
        "data": {"images": digits_in_colour},
        "variants": {"setting": {"paper": TINY, "small": TINY | {"warmup": 2}}},
        "grid": {"depth": [8], "alpha": [0.5], "held_out_every": [4]},
    },
)
small = {"setting": ["small"], "seed": range(5)}
train = resnet.stage("train:fit", legs=16, setting=["paper"], seed=range(1))  # three seeds are the aim
degradation = resnet.stage("train:fit", name="degradation", network=["residual", "plain"], depth=GRID, **small)
scaled = resnet.stage("train:fit", name="scaled", alpha=[0.25, 0.5, 0.75], depth=[56], setting=["small"], seed=range(3))
projected = resnet.stage("train:fit", name="projected", network=["projection"], depth=[20], **small)
zeroed = resnet.stage("train:fit", name="zeroed", network=["zero-gamma"], depth=[56], setting=["small"], seed=range(3))
undecayed = resnet.stage("train:fit", name="undecayed", network=["bare-norms"], depth=[20], **small)
whole = resnet.stage("train:fit", name="whole", network=["all-images"], depth=[20], **small)
watched = resnet.stage("train:fit_watched", name="watched", held_out_every=[250], depth=[20], **small)

score = resnet.stage("evaluate:score", each=train)
score_degradation = resnet.stage("evaluate:score", name="evaluate-degradation", each=degradation)
score_whole = resnet.stage("evaluate:score", name="evaluate-whole", each=whole)
gradients = resnet.stage("studies.gradients:measure", name="gradients", each=degradation)
responses = resnet.stage("studies.responses:measure", name="responses", each=degradation)
lesions = resnet.stage("studies.lesions:measure", name="lesions", each=degradation)
lesions_paper = resnet.stage("studies.lesions:measure", name="lesions-paper", each=train)
selection = resnet.stage("studies.selection:measure", name="selection", each=watched)
speed = resnet.stage("studies.speed:measure", name="speed", setting=["paper"], seed=range(5))
draw_curves = resnet.stage("figures.curves:draw", name="figures-curves", over=[degradation])
draw_glance = resnet.stage("figures.glance:draw", name="glance", over=[degradation])
draw_card = resnet.stage("figures.glance:draw_card", name="card", over=[degradation])
draw_training = resnet.stage("figures.training:draw", name="figures-training", over=[train])
draw_inside = resnet.stage("figures.inside:draw", name="figures-inside", over=[gradients, responses, lesions])
draw_scale = resnet.stage("figures.scale:draw", name="figures-scale", over=[degradation, scaled])
demo = resnet.stage("demo:publish", over=[train])

for declared in CLAIMS:
    resnet.claim(declared.verdict, margin=declared.margin)(declared.compare)
for rows_of_a_table in TABLES:
    resnet.table(rows_of_a_table)
