"""The two-player game: both players take one simultaneous step from the same samples and dropout masks.

Goodfellow et al., 2014, algorithm 1 with k = 1, as in the authors' released configuration. The settings
are those of experiment.py; `fit` is an ordinary function of one `lockstep.run.Run`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from posts.gan.data import split_images
from posts.gan.model import Discriminator, Generator

if TYPE_CHECKING:
    from lockstep.run import Run

    from posts.gan.experiment import Config


DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
PROBING = 2_000_003  # offset of the seed that probes gradients, away from the seeds that train
CURVE = ["epoch", "d_loss", "g_loss", "d_real", "d_fake"]


def discriminator_loss(real_B: Tensor, fake_B: Tensor) -> Tensor:
    """½ (cross-entropy on real + on generated), from logits. Equal distributions leave log 2 at best."""
    return 0.5 * (F.softplus(-real_B).mean() + F.softplus(fake_B).mean())


def generator_loss(fake_B: Tensor) -> Tensor:
    """-log D(G(z)) from logits: the non-saturating loss of section 3, strong where the generator is losing."""
    return F.softplus(-fake_B).mean()


def saturating_loss(fake_B: Tensor) -> Tensor:
    """log(1 - D(G(z))) from logits: the minimax loss of equation 1, flat where the generator is losing."""
    return -F.softplus(fake_B).mean()


GENERATOR_LOSSES = {"non_saturating": generator_loss, "saturating": saturating_loss}


def player_gradients(
    generator: Generator,
    discriminator: Discriminator,
    x_BX: Tensor,
    rng: torch.Generator,
    loss: Callable[[Tensor], Tensor] = generator_loss,
) -> tuple[list[Tensor], list[Tensor], Tensor, Tensor]:
    """Gradients of both players at the same point: (generator's, discriminator's, real logits, fake logits).

    Each player's loss is differentiated with respect to its own parameters alone; `loss` is the generator's.
    """
    fake_BX = generator(generator.sample_noise(len(x_BX), rng).to(x_BX.dtype))
    real_B = discriminator(x_BX, dropout=rng)
    fake_B = discriminator(fake_BX, dropout=rng)
    real_B, fake_B = real_B.float(), fake_B.float()
    for_d = torch.autograd.grad(discriminator_loss(real_B, fake_B), list(discriminator.parameters()), retain_graph=True)
    for_g = torch.autograd.grad(loss(fake_B), list(generator.parameters()))
    return list(for_g), list(for_d), real_B.detach(), fake_B.detach()


def gradient_norms(
    generator: Generator, discriminator: Discriminator, count: int, rng: torch.Generator
) -> dict[str, float]:
    """The Euclidean norm of the generator's gradient under each of its losses, at one point, from the same samples."""
    z_BZ = generator.sample_noise(count, rng).to(generator.output.weight.dtype)
    fake_B = discriminator(generator(z_BZ), dropout=rng).float()
    norms = {}
    for name, loss in GENERATOR_LOSSES.items():
        gradients = torch.autograd.grad(loss(fake_B), list(generator.parameters()), retain_graph=True)
        norms[name] = math.sqrt(sum(float(gradient.float().square().sum()) for gradient in gradients))
    return norms


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


Table = list[list[float]]


def save(path: Path, descent: MomentumDescent, rng: torch.Generator, curve: Table, norms: Table) -> None:
    """Everything that the next epoch depends on, in one safetensors file."""
    tensors = {f"master.{i}": tensor for i, tensor in enumerate(descent.masters)}
    tensors |= {f"velocity.{i}": tensor for i, tensor in enumerate(descent.velocities)}
    tables = {"curve": torch.tensor(curve, dtype=torch.float64), "norms": torch.tensor(norms, dtype=torch.float64)}
    save_file(tensors | tables | {"rng": rng.get_state()}, path)


def restore(path: Path, descent: MomentumDescent, rng: torch.Generator) -> tuple[Table, Table]:
    """Undo `save`: weights, velocities and random state in place; returns the curve and the norms so far."""
    tensors = load_file(path)
    for i, (master, velocity) in enumerate(zip(descent.masters, descent.velocities, strict=True)):
        master.copy_(tensors[f"master.{i}"])
        velocity.copy_(tensors[f"velocity.{i}"])
    descent.publish()
    rng.set_state(tensors["rng"])
    return tensors["curve"].tolist(), tensors["norms"].tolist()


def kept_epochs(config: Config) -> list[int]:
    """The epochs whose generator a training run of this length keeps."""
    return [epoch for epoch in config.snapshots if epoch <= config.epochs]


def fit(run: Run) -> list[dict[str, Any]]:
    """Train one pair of players; keep the generator at the epochs in `snapshots`.

    Returns the last epoch's mean losses and the discriminator's mean output on real and on generated images, then a
    row for each generator loss with the mean norm of its gradient over the first epoch.
    Artefacts: generator-EPOCH.safetensors, in bfloat16, for each snapshot; outputs: curve.csv, a row an epoch, and
    norms.csv, a row a probed update. A loss that is not finite fails the run.
    """
    config = run.config
    torch.set_num_threads(1)  # the same sums in the same order on any number of cores
    train_NX = torch.from_numpy(split_images(run.data("images"), config.validation_images)[0])
    rng = torch.Generator().manual_seed(run.seed)
    probe_rng = torch.Generator().manual_seed(PROBING + run.seed)  # of its own: looking changes nothing
    generator = Generator(config.noise, config.hidden, train_NX.mean(dim=0), rng, config.generator_spread)
    discriminator = Discriminator(train_NX.shape[1], config.units, config.pieces, rng, config.discriminator_spread)
    descent = MomentumDescent([generator, discriminator], config.precision)
    train_NX = train_NX.to(DTYPES[config.precision])
    loss, kept = GENERATOR_LOSSES[config.loss], kept_epochs(config)
    curve: Table = []
    norms: Table = []
    if (saved := run.resume()) is not None:
        curve, norms = restore(saved, descent, rng)

    batches = len(train_NX) // config.batch
    for epoch in range(len(curve) + 1, config.epochs + 1):
        momentum = momentum_at(config.momentum, config.final_momentum, config.momentum_epochs, epoch)
        order_N = torch.randperm(len(train_NX), generator=rng)
        sums = torch.zeros(4)
        for batch in range(batches):
            x_BX = train_NX[order_N[batch * config.batch : (batch + 1) * config.batch]]
            update = (epoch - 1) * batches + batch
            if epoch == 1 and batch % config.probe_every == 0:
                probed = gradient_norms(generator, discriminator, config.batch, probe_rng)
                norms.append([update, *(probed[name] for name in GENERATOR_LOSSES)])
            for_g, for_d, real_B, fake_B = player_gradients(generator, discriminator, x_BX, rng, loss)
            rate = learning_rate(config.learning_rate, config.rate_decay, config.rate_floor, update)
            descent.step(for_g + for_d, rate, momentum)
            losses = [discriminator_loss(real_B, fake_B), loss(fake_B)]
            sums += torch.stack([*losses, real_B.sigmoid().mean(), fake_B.sigmoid().mean()])
        means = (sums / batches).tolist()
        if not all(math.isfinite(mean) for mean in means):
            run.fail(f"epoch {epoch} ends with {dict(zip(CURVE[1:], means, strict=True))}")
        curve.append([epoch, *means])
        if epoch in kept:
            weights = {name: tensor.detach().bfloat16() for name, tensor in generator.state_dict().items()}
            save_file(weights, run.artefact(f"generator-{epoch}.safetensors"))
        with run.checkpoint() as path:
            save(path, descent, rng, curve, norms)
        run.progress(epoch, config.epochs, d_loss=means[0], g_loss=means[1])

    run.write_csv("curve.csv", [dict(zip(CURVE, row, strict=True)) for row in curve])
    run.write_csv("norms.csv", [dict(zip(["update", *GENERATOR_LOSSES], row, strict=True)) for row in norms])
    means_of = {name: sum(row[i] for row in norms) / len(norms) for i, name in enumerate(GENERATOR_LOSSES, start=1)}
    last: dict[str, Any] = dict(zip(CURVE[1:], curve[-1][1:], strict=True))
    return [last, *({"probe": name, "gradient_norm": mean} for name, mean in means_of.items())]


def fit_both(run: Run) -> list[dict[str, Any]]:
    """Train a pair as `fit` does, and keep the last discriminator as well.

    Returns what `fit` returns. Artefacts: those of `fit`, and discriminator.safetensors, in bfloat16.
    """
    rows = fit(run)
    saved = run.resume()
    assert saved is not None  # `fit` leaves a checkpoint of its last epoch
    tensors = load_file(saved)
    masters = [tensors[f"master.{i}"] for i in range(sum(name.startswith("master.") for name in tensors))]
    names = [name for name, _ in Discriminator(1, 1, 1, torch.Generator()).named_parameters()]  # of any size
    last = masters[-len(names) :]  # the generator's come first
    save_file(
        {name: master.bfloat16() for name, master in zip(names, last, strict=True)},
        run.artefact("discriminator.safetensors"),
    )
    return rows
