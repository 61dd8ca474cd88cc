"""Mode collapse where it can be seen: small players, and data on a ring of eight narrow Gaussians in the plane.

The ring is that of Metz et al., "Unrolled Generative Adversarial Networks", 2017, appendix A. Every entry of VARIANTS
is one game; all have the same players, the same batches and as many steps, and differ in what their comments say.

Shape legend: B batch, Z noise inputs, X = 2 coordinates, M samples to a pack, K = 8 modes, S measured samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from posts.gan.theory import network
from posts.gan.train import GENERATOR_LOSSES, discriminator_loss

if TYPE_CHECKING:
    from lockstep.run import Run

MODES, RADIUS, DEVIATION = 8, 2.0, 0.02
NEAR = 3  # standard deviations within which a sample belongs to a mode
FAIR = 0.1  # a covered mode has at least this part of an equal share of the samples
MEASURING = 3_000_017  # offset of the seed that draws what is measured, away from the seeds that train
DRAWN_SEED, DRAWN = 0, 200  # points.csv holds so many samples, of this seed alone,
MOMENTS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1)  # at these parts of the training


@dataclass(frozen=True)
class Variant:
    """How one game differs from the next."""

    loss: str = "non_saturating"
    discriminator_updates: int = 1  # in each step of the game: k in algorithm 1 of the paper
    generator_updates: int = 1  # in each step of the game
    noise: float = 0.0  # deviation of the noise on all that the discriminator sees; falls linearly to zero
    pack: int = 1  # samples that the discriminator judges together


THOROUGH = Variant(discriminator_updates=5)
VARIANTS = {
    "plain": Variant(),
    "saturating": Variant(loss="saturating"),
    "hasty": Variant(generator_updates=5),  # the imbalance that section 6 of the paper warns of
    "thorough": THOROUGH,  # the opposite one
    "thorough_saturating": replace(THOROUGH, loss="saturating"),
    "thorough_noisy": replace(THOROUGH, noise=0.5),  # wide enough for neighbouring modes to overlap
    "thorough_packed": replace(THOROUGH, pack=4),
}


def ring_centres() -> Tensor:
    """The means (K, X) of the modes."""
    angle_K = torch.arange(MODES) * (2 * math.pi / MODES)
    return RADIUS * torch.stack([angle_K.cos(), angle_K.sin()], dim=1)


def sample_ring(count: int, rng: torch.Generator) -> Tensor:
    """Real samples (count, X): a mode at random, then a Gaussian around its centre."""
    mode_B = torch.randint(MODES, (count,), generator=rng)
    return ring_centres()[mode_B] + DEVIATION * torch.randn(count, 2, generator=rng)


def coverage(x_SX: Tensor) -> dict[str, float]:
    """Of generated samples (S, X): how many modes they cover, and what percentage lies near any mode."""
    distance_SK = torch.cdist(x_SX, ring_centres())
    near_S = distance_SK.amin(dim=1) <= NEAR * DEVIATION
    count_K = torch.bincount(distance_SK.argmin(dim=1)[near_S], minlength=MODES)
    covered_K = count_K >= FAIR * len(x_SX) / MODES
    return {"modes": int(covered_K.sum()), "on_ring": 100 * int(near_S.sum()) / len(x_SX)}


def packed(x_BX: Tensor, pack: int) -> Tensor:
    """Samples (B, X) side by side, `pack` to a row: (B/M, M·X). Lin et al., "PacGAN", 2018, section 2."""
    return x_BX.reshape(-1, pack * x_BX.shape[1])


def blurred(x_BX: Tensor, noise: float, rng: torch.Generator) -> Tensor:
    """Instance noise. Sønderby et al., 2017; Arjovsky and Bottou, 2017, section 3."""
    return x_BX + noise * torch.randn(x_BX.shape, generator=rng)


def noise_at(initial: float, done: int, steps: int) -> float:
    """The deviation of the instance noise after `done` of all steps: linear from `initial` to zero."""
    return initial * (1 - done / steps)


class Game:
    """Two players, their optimisers, and one source of randomness for all that happens in training."""

    def __init__(self, variant: Variant, *, inputs: int, hidden: int, batch: int, rate: float, seed: int):
        self.variant, self.inputs, self.batch = variant, inputs, batch
        self.rng = torch.Generator().manual_seed(seed)
        self.generator = network(inputs, hidden, 2, self.rng)
        self.discriminator = network(2 * variant.pack, hidden, 1, self.rng)
        self.g_adam, self.d_adam = (
            torch.optim.Adam(player.parameters(), lr=rate, betas=(0.5, 0.999), fused=True)
            for player in (self.generator, self.discriminator)
        )

    def generate(self) -> Tensor:
        return self.generator(torch.randn(self.batch, self.inputs, generator=self.rng))  # (B, Z) -> (B, X)

    @torch.no_grad()
    def samples(self, z_SZ: Tensor) -> Tensor:
        """What the generator makes of given noise (S, Z): samples (S, X)."""
        return self.generator(z_SZ)

    def judge(self, x_BX: Tensor, noise: float) -> Tensor:
        """The discriminator's logits (B/M,), one for each pack."""
        return self.discriminator(packed(blurred(x_BX, noise, self.rng), self.variant.pack))[:, 0]

    def update_discriminator(self, noise: float) -> float:
        """One update on fresh samples; returns the loss before it."""
        with torch.no_grad():
            fake_BX = self.generate()
        real_B = self.judge(sample_ring(self.batch, self.rng), noise)
        loss = discriminator_loss(real_B, self.judge(fake_BX, noise))
        descend(self.discriminator, self.d_adam, loss)
        return loss.item()

    def update_generator(self, noise: float) -> float:
        """One update on fresh samples; returns the loss before it."""
        loss = GENERATOR_LOSSES[self.variant.loss](self.judge(self.generate(), noise))
        descend(self.generator, self.g_adam, loss)
        return loss.item()

    def step(self, noise: float) -> tuple[float, float]:
        """One iteration of algorithm 1: the discriminator's updates, then the generator's. Returns the last losses."""
        d_losses = [self.update_discriminator(noise) for _ in range(self.variant.discriminator_updates)]
        g_losses = [self.update_generator(noise) for _ in range(self.variant.generator_updates)]
        return d_losses[-1], g_losses[-1]


def descend(player: nn.Module, adam: torch.optim.Adam, loss: Tensor) -> None:
    """One update of one player down its own loss; the other player's parameters get no gradient."""
    parameters = list(player.parameters())
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
    adam.step()


def fit(run: Run) -> list[dict[str, Any]]:
    """Play one variant; measure the generator at the end.

    Outputs: ring.csv, over the steps; and of one seed points.csv, samples at six moments. Both send the same noise
    through the generator each time, so that what moves is the generator. A loss that is not finite fails the run.
    """
    config, variant = run.config, VARIANTS[run.config.variant]
    torch.set_num_threads(1)
    sizes = {"inputs": config.ring_noise, "hidden": config.ring_hidden, "batch": config.ring_batch}
    game = Game(variant, **sizes, rate=config.ring_rate, seed=run.seed)
    rng = torch.Generator().manual_seed(MEASURING + run.seed)
    z_SZ = torch.randn(config.ring_samples, config.ring_noise, generator=rng)
    moments = [round(part * config.ring_steps) for part in MOMENTS]
    curve: list[dict[str, float]] = []
    points: list[dict[str, float]] = []
    d_losses: list[float] = []
    for step in range(1, config.ring_steps + 1):
        d_loss, g_loss = game.step(noise_at(variant.noise, step - 1, config.ring_steps))
        if not (math.isfinite(d_loss) and math.isfinite(g_loss)):
            run.fail(f"step {step}: the discriminator's loss is {d_loss}, the generator's {g_loss}")
        d_losses.append(d_loss)
        if step % config.ring_every == 0:
            mean = sum(d_losses) / len(d_losses)
            curve.append({"step": step, **coverage(game.samples(z_SZ)), "d_loss": round(mean, 4)})
            run.progress(step, config.ring_steps, **curve[-1])
            d_losses = []
        if step in moments:
            shown = game.samples(z_SZ)[:DRAWN].tolist()
            points += [{"step": step, "x": round(x, 3), "y": round(y, 3)} for x, y in shown]
    run.write_csv("ring.csv", curve)
    if run.seed == DRAWN_SEED:
        run.write_csv("points.csv", points)
    return [{"modes": curve[-1]["modes"], "on_ring": curve[-1]["on_ring"], "discriminator_loss": curve[-1]["d_loss"]}]
