"""What the Transformer post declares: the tiny configuration of Wu et al. (2021), stages, claims and tables."""

from dataclasses import dataclass

from lockstep.catalogue import multi30k
from lockstep.experiment import Experiment, Metric

from posts.transformer.captions import made_captions


@dataclass(frozen=True)
class Config:
    """One training run and its evaluation. Sizes, dropout, rate, warm-up and updates are Wu et al.'s for this data."""

    vocabulary: int = 4000
    longest: int = 256
    layers: int = 4
    d_model: int = 128
    d_ff: int = 256
    heads: int = 4
    d_k: int = 32
    dropout: float = 0.3
    positions: str = "sinusoidal"
    tied: bool = True
    smoothing: float = 0.1
    batch_tokens: int = 4096
    updates: int = 8000
    warmup: int = 2000
    peak_rate: float = 0.005
    beta1: float = 0.9
    beta2: float = 0.98
    eps: float = 1e-9
    precision: str = "bf16"
    averaged: int = 10
    average_every: int = 100
    keep_every: int = 1000
    report_every: int = 250


transformer = Experiment(
    Config,
    data={"captions": multi30k},
    metrics=[
        Metric("parameters", digits=0, title="parameters"),
        Metric("epochs", digits=1, title="passes over the training pairs"),
        Metric("train_loss", unit="nats", digits=3, better="lower", title="training loss, smoothed, with dropout"),
        Metric("validation_loss", unit="nats", digits=3, better="lower", title="cross-entropy a token, validation"),
    ],
    smoke={
        "config": {"vocabulary": 120, "layers": 1, "d_model": 32, "d_ff": 32, "heads": 2, "d_k": 16, "dropout": 0.1}
        | {"batch_tokens": 512, "updates": 60, "warmup": 10, "peak_rate": 0.01}
        | {"averaged": 3, "average_every": 2, "keep_every": 20, "report_every": 20},
        "data": {"captions": made_captions},
    },
)
train = transformer.stage("train:fit", seed=range(3))
