"""The discriminator that the theory promises, beside one that has learned from samples.

Goodfellow et al., 2014, section 4.1. For densities p of the data and q of the generator, a discriminator has the value

    V(D) = E_p[log D] + E_q[log(1 - D)],

largest for D* = p / (p + q) (proposition 1), where it is -log 4 + 2 JSD(p, q) (theorem 1). On the line both sides can
be computed: p and q are Gaussians here, and expectations are integrals over a grid, in nats.

Shape legend: N points of the line, B batch, X = 1 coordinate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from posts.gan.train import discriminator_loss

if TYPE_CHECKING:
    from lockstep.run import Run

PLOTTED = (-5, 8, 131)  # first point, last point and number of points of discriminator.csv


@dataclass(frozen=True)
class Gaussian:
    """A normal distribution on the line."""

    mean: float
    deviation: float

    def log_density(self, x_N: Tensor) -> Tensor:
        """log p(x), shape of x, in nats."""
        squared_N = ((x_N - self.mean) / self.deviation).square()
        return -0.5 * squared_N - math.log(self.deviation * math.sqrt(2 * math.pi))

    def sample(self, count: int, rng: torch.Generator) -> Tensor:
        """`count` draws (count, X), in float32."""
        return self.mean + self.deviation * torch.randn(count, 1, generator=rng)


CASES = {
    "apart": (Gaussian(0.0, 1.0), Gaussian(1.5, 2.0)),  # two widths: D* rises and falls again, no logistic curve
    "equal": (Gaussian(0.0, 1.0), Gaussian(0.0, 1.0)),
}


def grid() -> Tensor:
    """Points (N,) at steps of 0.005 that hold all but 1e-15 of either density of every case."""
    return torch.linspace(-16, 18, 6801, dtype=torch.float64)


def integral(values_N: Tensor, x_N: Tensor) -> float:
    """∫ values dx by the trapezoid rule, which is exact to rounding for smooth functions that vanish at both ends."""
    return float(torch.trapezoid(values_N, x_N))


def optimal_logit(p: Gaussian, q: Gaussian, x_N: Tensor) -> Tensor:
    """The logit (N,) of D* = p / (p + q): log p - log q. Proposition 1."""
    return p.log_density(x_N) - q.log_density(x_N)


def value(p: Gaussian, q: Gaussian, logit_N: Tensor, x_N: Tensor) -> float:
    """V(D) in nats, from the discriminator's logits: log D = -softplus(-l) and log(1 - D) = -softplus(l)."""
    real_N = p.log_density(x_N).exp() * F.softplus(-logit_N)
    fake_N = q.log_density(x_N).exp() * F.softplus(logit_N)
    return -integral(real_N + fake_N, x_N)


def kl_divergence(log_p_N: Tensor, log_q_N: Tensor, x_N: Tensor) -> float:
    """KL(p‖q) = E_p[log p - log q], in nats."""
    return integral(log_p_N.exp() * (log_p_N - log_q_N), x_N)


def jensen_shannon(p: Gaussian, q: Gaussian, x_N: Tensor) -> float:
    """JSD(p, q) = ½ KL(p‖m) + ½ KL(q‖m) with m = ½ (p + q): between 0 and log 2 nats."""
    log_p_N, log_q_N = p.log_density(x_N), q.log_density(x_N)
    log_m_N = torch.logaddexp(log_p_N, log_q_N) - math.log(2)
    return 0.5 * (kl_divergence(log_p_N, log_m_N, x_N) + kl_divergence(log_q_N, log_m_N, x_N))


def density_error(p: Gaussian, q: Gaussian, logit_N: Tensor, x_N: Tensor) -> float:
    """The mean of |D - D*| under ½ (p + q): how far off the probability is at a point that the discriminator sees."""
    mixture_N = 0.5 * (p.log_density(x_N).exp() + q.log_density(x_N).exp())
    return integral(mixture_N * (logit_N.sigmoid() - optimal_logit(p, q, x_N).sigmoid()).abs(), x_N)


def network(inputs: int, hidden: int, outputs: int, rng: torch.Generator) -> nn.Sequential:
    """Two rectified layers and a linear one; weights orthogonal with gain √2, biases zero."""
    sizes = [inputs, hidden, hidden, outputs]
    layers: list[nn.Module] = []
    for size, following in pairwise(sizes):
        linear = nn.utils.skip_init(nn.Linear, size, following)
        nn.init.orthogonal_(linear.weight, math.sqrt(2), generator=rng)  # pyright: ignore[reportArgumentType]
        nn.init.zeros_(linear.bias)  # pyright: ignore[reportArgumentType]
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def train_discriminator(
    p: Gaussian, q: Gaussian, *, hidden: int, batch: int, steps: int, rate: float, rng: torch.Generator
) -> tuple[nn.Module, float]:
    """A network that has learned to tell fresh samples of p from fresh samples of q, and its last loss.

    The rate falls linearly to zero: at a constant one the last batches would leave their noise in the curve.
    """
    discriminator = network(1, hidden, 1, rng)
    adam, loss = torch.optim.Adam(discriminator.parameters()), torch.tensor(math.inf)
    for step in range(steps):
        adam.param_groups[0]["lr"] = rate * (1 - step / steps)
        real_BX, fake_BX = p.sample(batch, rng), q.sample(batch, rng)
        loss = discriminator_loss(discriminator(real_BX)[:, 0], discriminator(fake_BX)[:, 0])
        adam.zero_grad()
        loss.backward()
        adam.step()
    return discriminator, loss.item()


@torch.no_grad()
def logits(discriminator: nn.Module, x_N: Tensor) -> Tensor:
    """The discriminator's logits (N,) at points of the line, in float64."""
    return discriminator(x_N.float()[:, None])[:, 0].double()  # (N,) -> (N, 1) -> (N,)


def discriminate(run: Run) -> list[dict[str, Any]]:
    """Train a discriminator on each case, and compare it with the optimal one.

    Returns a row for each case: how far D is from D*, the value of D, and the largest value there is, -log 4 + 2 JSD.
    Output: discriminator.csv, both as probabilities. A loss that is not finite fails the run.
    """
    config, x_N = run.config, grid()
    torch.set_num_threads(1)
    plotted_N = torch.linspace(*PLOTTED, dtype=torch.float64)
    sizes = {"hidden": config.theory_hidden, "batch": config.theory_batch}
    rows: list[dict[str, Any]] = []
    curves: list[dict[str, Any]] = []
    for case, (p, q) in CASES.items():
        rng = torch.Generator().manual_seed(run.seed)
        discriminator, loss = train_discriminator(
            p, q, **sizes, steps=config.theory_steps, rate=config.theory_rate, rng=rng
        )
        if not math.isfinite(loss):
            run.fail(f"{case}: the last loss is {loss}")
        logit_N = logits(discriminator, x_N)
        row = {"density_error": density_error(p, q, logit_N, x_N), "value": value(p, q, logit_N, x_N)}
        rows.append({"case": case, **row, "optimum": -math.log(4) + 2 * jensen_shannon(p, q, x_N)})
        trained_N = logits(discriminator, plotted_N).sigmoid()
        optimal_N = optimal_logit(p, q, plotted_N).sigmoid()
        for x, trained, optimal in zip(plotted_N.tolist(), trained_N.tolist(), optimal_N.tolist(), strict=True):
            curves.append({"case": case, "x": round(x, 2), "trained": round(trained, 5), "optimal": round(optimal, 5)})
    run.write_csv("discriminator.csv", curves)
    return rows
