"""What the GAN post declares: the settings of its runs, from the authors' released MNIST configuration."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """One training run: the authors' released MNIST configuration, unless a comment says otherwise."""

    noise: int = 100
    hidden: int = 1200
    generator_spread: float = 0.05
    units: int = 240
    pieces: int = 5
    discriminator_spread: float = 0.005
    batch: int = 100
    learning_rate: float = 0.1
    rate_decay: float = 1.000004
    rate_floor: float = 1e-6
    momentum: float = 0.5
    final_momentum: float = 0.7
    momentum_epochs: int = 250
    validation_images: int = 10_000
    epochs: int = 50  # deviation: the released file has no stopping rule; cost
    precision: str = "bf16"  # deviation: products in bfloat16, weights in float32; cost
    snapshots: tuple[int, ...] = (1, 2, 5, 10, 20, 30, 40, 50)
