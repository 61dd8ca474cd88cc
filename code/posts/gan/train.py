"""The two-player game: both players take one simultaneous step from the same samples and dropout masks.

Goodfellow et al., 2014, algorithm 1 with k = 1, as in the authors' released configuration. The settings
are those of experiment.py; `fit` is an ordinary function of one `lockstep.run.Run`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from posts.gan.data import split_images
from posts.gan.model import Discriminator, Generator

if TYPE_CHECKING:
    from lockstep.run import Run


DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
CURVE = ["epoch", "d_loss", "g_loss", "d_real", "d_fake"]


def discriminator_loss(real_B: Tensor, fake_B: Tensor) -> Tensor:
    """½ (cross-entropy on real + on generated), from logits. Equal distributions leave log 2 at best."""
    return 0.5 * (F.softplus(-real_B).mean() + F.softplus(fake_B).mean())


def generator_loss(fake_B: Tensor) -> Tensor:
    """-log D(G(z)) from logits: the non-saturating loss of section 3, strong where the generator is losing."""
    return F.softplus(-fake_B).mean()


def player_gradients(
    generator: Generator, discriminator: Discriminator, x_BX: Tensor, rng: torch.Generator
) -> tuple[list[Tensor], list[Tensor], Tensor, Tensor]:
    """Gradients of both players at the same point: (generator's, discriminator's, real logits, fake logits).

    Each player's loss is differentiated with respect to its own parameters alone.
    """
    fake_BX = generator(generator.sample_noise(len(x_BX), rng).to(x_BX.dtype))
    real_B = discriminator(x_BX, dropout=rng)
    fake_B = discriminator(fake_BX, dropout=rng)
    real_B, fake_B = real_B.float(), fake_B.float()
    for_d = torch.autograd.grad(discriminator_loss(real_B, fake_B), list(discriminator.parameters()), retain_graph=True)
    for_g = torch.autograd.grad(generator_loss(fake_B), list(generator.parameters()))
    return list(for_g), list(for_d), real_B.detach(), fake_B.detach()


class MomentumDescent:
    """Stochastic gradient descent with momentum: v ← momentum·v − rate·g;  θ ← θ + v.

    θ is kept in float32 whatever the modules compute in: a bfloat16 weight would lose most of its small steps.
    """

    def __init__(self, modules: list[nn.Module], precision: str):
        self.masters = [p.detach().clone() for module in modules for p in module.parameters()]
        self.velocities = [torch.zeros_like(master) for master in self.masters]
        for module in modules:
            module.to(DTYPES[precision])
        self.working = [p for module in modules for p in module.parameters()]

    @torch.no_grad()
    def step(self, gradients: list[Tensor], rate: float, momentum: float) -> None:
        torch._foreach_mul_(self.velocities, momentum)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_add_(self.velocities, gradients, alpha=-rate)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_add_(self.masters, self.velocities)  # pyright: ignore[reportPrivateImportUsage]
        self.publish()

    @torch.no_grad()
    def publish(self) -> None:
        """Copy the float32 weights into the modules."""
        torch._foreach_copy_(self.working, self.masters)  # pyright: ignore[reportArgumentType, reportPrivateImportUsage]


def learning_rate(initial: float, decay: float, floor: float, update: int) -> float:
    """The rate at an update counted from zero: divided by `decay` at each, never below `floor`."""
    return max(initial * decay**-update, floor)


def momentum_at(initial: float, final: float, saturate: int, epoch: int) -> float:
    """Linear from `initial` in epoch 1 to `final` in epoch `saturate`, then constant."""
    fraction = min(max(epoch - 1, 0) / (saturate - 1), 1.0)
    return initial + (final - initial) * fraction


def save(path: Path, descent: MomentumDescent, rng: torch.Generator, curve: list[list[float]]) -> None:
    """Everything that the next epoch depends on, in one safetensors file."""
    tensors = {f"master.{i}": tensor for i, tensor in enumerate(descent.masters)}
    tensors |= {f"velocity.{i}": tensor for i, tensor in enumerate(descent.velocities)}
    save_file(tensors | {"rng": rng.get_state(), "curve": torch.tensor(curve, dtype=torch.float64)}, path)


def restore(path: Path, descent: MomentumDescent, rng: torch.Generator) -> list[list[float]]:
    """Undo `save`: weights, velocities and random state in place; returns the curve so far."""
    tensors = load_file(path)
    for i, (master, velocity) in enumerate(zip(descent.masters, descent.velocities, strict=True)):
        master.copy_(tensors[f"master.{i}"])
        velocity.copy_(tensors[f"velocity.{i}"])
    descent.publish()
    rng.set_state(tensors["rng"])
    return tensors["curve"].tolist()


def fit(run: Run) -> dict[str, float]:
    """Train one pair of players; keep the generator at the epochs in `snapshots`.

    Returns the last epoch's mean losses and the discriminator's mean output on real and on generated images.
    Artefacts: generator-EPOCH.safetensors, in bfloat16, for each snapshot; output: curve.csv, a row an epoch.
    A loss that is not finite fails the run.
    """
    config = run.config
    torch.set_num_threads(1)  # the same sums in the same order on any number of cores
    train_NX = torch.from_numpy(split_images(run.data("images"), config.validation_images)[0])
    rng = torch.Generator().manual_seed(run.seed)
    generator = Generator(config.noise, config.hidden, train_NX.mean(dim=0), rng, config.generator_spread)
    discriminator = Discriminator(train_NX.shape[1], config.units, config.pieces, rng, config.discriminator_spread)
    descent = MomentumDescent([generator, discriminator], config.precision)
    train_NX = train_NX.to(DTYPES[config.precision])
    curve: list[list[float]] = []
    if (saved := run.resume()) is not None:
        curve = restore(saved, descent, rng)

    batches = len(train_NX) // config.batch
    for epoch in range(len(curve) + 1, config.epochs + 1):
        momentum = momentum_at(config.momentum, config.final_momentum, config.momentum_epochs, epoch)
        order_N = torch.randperm(len(train_NX), generator=rng)
        sums = torch.zeros(4)
        for batch in range(batches):
            x_BX = train_NX[order_N[batch * config.batch : (batch + 1) * config.batch]]
            for_g, for_d, real_B, fake_B = player_gradients(generator, discriminator, x_BX, rng)
            update = (epoch - 1) * batches + batch
            rate = learning_rate(config.learning_rate, config.rate_decay, config.rate_floor, update)
            descent.step(for_g + for_d, rate, momentum)
            losses = [discriminator_loss(real_B, fake_B), generator_loss(fake_B)]
            sums += torch.stack([*losses, real_B.sigmoid().mean(), fake_B.sigmoid().mean()])
        means = (sums / batches).tolist()
        if not all(math.isfinite(mean) for mean in means):
            run.fail(f"epoch {epoch} ends with {dict(zip(CURVE[1:], means, strict=True))}")
        curve.append([epoch, *means])
        if epoch in config.snapshots:
            weights = {name: tensor.detach().bfloat16() for name, tensor in generator.state_dict().items()}
            save_file(weights, run.artefact(f"generator-{epoch}.safetensors"))
        with run.checkpoint() as path:
            save(path, descent, rng, curve)
        run.progress(epoch, config.epochs, d_loss=means[0], g_loss=means[1])

    run.write_csv("curve.csv", [dict(zip(CURVE, row, strict=True)) for row in curve])
    return dict(zip(CURVE[1:], curve[-1][1:], strict=True))
