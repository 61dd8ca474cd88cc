"""What the noise knows: directions along which one property of a digit changes, and what lies between two digits.

The paper shows digits along a line between two noise vectors (figure 3). Here the line is measured, and so are
directions: a property of the samples is regressed on their noise, and the gradient of that fit is walked along, once as
it is and once freed of the directions in which the digit itself changes (a linear projection as in Shen et al., 2020).
A walk never leaves the cube ±√3 that noise is drawn from: where it would, the coordinate stays at the wall.

Shape legend: N or B images, Z noise inputs, X pixels, S side of an image, F features, K classes, T test images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from posts.gan.classifier import CLASSES, Classifier, classifier_for, features_and_probabilities
from posts.gan.data import test_images
from posts.gan.evaluate import load_generator
from posts.gan.quality import radii, share_inside

if TYPE_CHECKING:
    from collections.abc import Callable

    from lockstep.run import Run

    from posts.gan.model import Generator

EXPLORING = 5_000_011  # offset of the seed that draws noise to explore, away from the seeds that train and sample
WALL = 3**0.5  # noise is uniform on plus or minus this, so that its deviation is one in every direction
WALK = 2.0  # how far a walk goes to either side, in these deviations
RANDOM_DIRECTIONS = 10


def ink(images_NX: Tensor) -> Tensor:
    """How bright an image is on average (N,): 0 where it is empty, 1 where it is full."""
    return images_NX.mean(dim=1)


def slant(images_NX: Tensor) -> Tensor:
    """By how many degrees the strokes lean to the right (N,), from the second moments of the brightness.

    The shear that takes the covariance of x and y to zero is tan(slant) = cov(x, y) / var(y), y pointing upwards.
    """
    side = int(images_NX.shape[1] ** 0.5)
    steps_S = torch.arange(side, dtype=images_NX.dtype)
    x_X, y_X = steps_S.repeat(side), steps_S.flip(0).repeat_interleave(side)  # pixels run row by row, from the top
    weight_NX = images_NX / images_NX.sum(dim=1, keepdim=True)
    x_NX, y_NX = x_X - weight_NX @ x_X[:, None], y_X - weight_NX @ y_X[:, None]  # from the centre of mass
    covariance_N, variance_N = (weight_NX * x_NX * y_NX).sum(dim=1), (weight_NX * y_NX.square()).sum(dim=1)
    return torch.rad2deg(torch.atan2(covariance_N, variance_N))


ATTRIBUTES = {"ink": ink, "slant": slant}


def least_squares(z_NZ: Tensor, y_NK: Tensor) -> Tensor:
    """Coefficients (Z+1, K), the constant last, of the best linear predictions of K quantities from z: (AᵀA)⁻¹ Aᵀy.

    One quantity may come as (N,), and its coefficients are (Z+1,). Raises ValueError where there are no more samples
    than coefficients: infinitely many predictions are perfect then.
    """
    a_NZ = with_constant(z_NZ)
    if len(a_NZ) <= a_NZ.shape[1]:
        raise ValueError(f"{len(a_NZ)} samples cannot fit {a_NZ.shape[1]} coefficients: draw more samples")
    return torch.linalg.solve(a_NZ.T @ a_NZ, a_NZ.T @ y_NK.double())


def with_constant(z_NZ: Tensor) -> Tensor:
    """A column of ones behind the noise, in float64: (N, Z) to (N, Z+1)."""
    return torch.cat([z_NZ.double(), torch.ones(len(z_NZ), 1, dtype=torch.float64)], dim=1)


def explained(z_NZ: Tensor, y_N: Tensor, coefficients_Z: Tensor) -> float:
    """R²: the part of the variance of y that the prediction explains. Below zero where the mean predicts better."""
    left_N = y_N.double() - with_constant(z_NZ) @ coefficients_Z
    return float(1 - left_N.square().sum() / (y_N.double() - y_N.double().mean()).square().sum())


def without(direction_Z: Tensor, others_ZK: Tensor) -> Tensor:
    """The unit vector (Z,) closest to a direction among those orthogonal to every column of `others`.

    The columns may depend on each other: those of the digits do, since the shares of all digits sum to one.
    """
    inside_Z = others_ZK @ (torch.linalg.pinv(others_ZK, rtol=1e-6) @ direction_Z)
    return F.normalize(direction_Z - inside_Z, dim=0)


def walk(z_NZ: Tensor, direction_Z: Tensor, length: float) -> Tensor:
    """Noise moved by `length` along a unit vector, inside the cube."""
    return (z_NZ + length * direction_Z).clamp(-WALL, WALL)


def random_directions(count: int, noise: int, rng: torch.Generator) -> Tensor:
    """Unit vectors (count, Z), every direction as likely as any other."""
    return F.normalize(torch.randn(count, noise, generator=rng), dim=1)


def digits_of(classifier: Classifier, images_NX: Tensor) -> Tensor:
    """The digit (N,) that the classifier thinks most probable in each image."""
    return features_and_probabilities(classifier, images_NX)[1].argmax(dim=1)


class Walks:
    """Walks from each noise vector to both sides: the images at the ends, and the share that keeps its digit."""

    def __init__(self, generator: Generator, classifier: Classifier, z_NZ: Tensor, direction_Z: Tensor):
        low_NX, middle_NX, high_NX = (generator(walk(z_NZ, direction_Z, length)) for length in (-WALK, 0, WALK))
        low_N, middle_N, high_N = (digits_of(classifier, x_NX) for x_NX in (low_NX, middle_NX, high_NX))
        self.low_NX, self.high_NX = low_NX, high_NX
        self.kept = 100 * float(((low_N == middle_N) & (high_N == middle_N)).double().mean())

    def change(self, attribute: Callable[[Tensor], Tensor]) -> float:
        """By how much the attribute at the high ends exceeds that at the low ends, on average."""
        return float((attribute(self.high_NX) - attribute(self.low_NX)).double().mean())


def try_directions(
    generator: Generator, classifier: Classifier, z_NZ: Tensor, rng: torch.Generator
) -> tuple[list[dict[str, Any]], dict[str, Tensor]]:
    """Fit directions (Z,) for each attribute on half of the noise; walk along them, and random ones, from the rest.

    A shift is in standard deviations of the attribute over samples; of random directions it is the mean of its size,
    since none of them has a sign that means anything.
    """
    half, images_NX = len(z_NZ) // 2, generator(z_NZ)
    fit_NZ, try_NZ = z_NZ[:half], z_NZ[half:]
    digit_NK = F.one_hot(digits_of(classifier, images_NX[:half]), CLASSES)
    digit_ZK = least_squares(fit_NZ, digit_NK)[:-1]
    parts = try_NZ.chunk(RANDOM_DIRECTIONS)
    controls = [
        Walks(generator, classifier, part_BZ, direction_Z)
        for part_BZ, direction_Z in zip(parts, random_directions(len(parts), z_NZ.shape[1], rng), strict=True)
    ]
    rows: list[dict[str, Any]] = []
    directions: dict[str, Tensor] = {}
    for name, attribute in ATTRIBUTES.items():
        y_N = attribute(images_NX)
        deviation, coefficients = float(y_N[half:].std()), least_squares(fit_NZ, y_N[:half])
        fitted_Z = F.normalize(coefficients[:-1], dim=0)
        rows.append({"attribute": name, "r2": explained(try_NZ, y_N[half:], coefficients)})
        for along, direction_Z in (("fitted", fitted_Z), ("freed", without(fitted_Z, digit_ZK))):
            directions[f"{name}_{along}"] = direction_Z.float()
            walks = Walks(generator, classifier, try_NZ, direction_Z.float())
            shift = walks.change(attribute) / deviation
            rows.append({"attribute": name, "along": along, "shift": shift, "kept": walks.kept})
        by_chance = [abs(control.change(attribute)) / deviation for control in controls]
        rows.append({"attribute": name, "along": "random", "shift": sum(by_chance) / len(by_chance)})
    kept = sum(control.kept for control in controls) / len(controls)
    return [*rows, {"along": "random", "kept": kept}], directions


def try_midpoints(
    generator: Generator, classifier: Classifier, z_NZ: Tensor, real_TF: Tensor, confidence: float, neighbours: int
) -> list[dict[str, Any]]:
    """Of pairs of samples: what lies halfway in noise, what lies halfway in pixels, and the samples themselves.

    `confident` is the percentage of which the classifier is surer than the threshold. It can be sure of a picture that
    shows no digit, so `sample_precision` says how many of them lie among real images' features.
    """
    first_NZ, second_NZ = z_NZ.chunk(2)
    first_NX, second_NX = generator(first_NZ), generator(second_NZ)
    shown = {
        "samples": torch.cat([first_NX, second_NX]),
        "noise_midpoints": generator((first_NZ + second_NZ) / 2),
        "pixel_midpoints": (first_NX + second_NX) / 2,
    }
    radii_T = radii(real_TF.double(), neighbours)
    rows: list[dict[str, Any]] = []
    for name, images_NX in shown.items():
        features_NF, probabilities_NK = features_and_probabilities(classifier, images_NX)
        sure = 100 * float((probabilities_NK.amax(dim=1) > confidence).double().mean())
        precision = share_inside(features_NF.double(), real_TF.double(), radii_T)
        rows.append({"shown": name, "confident": sure, "sample_precision": precision})
    return rows


@torch.no_grad()
def explore(run: Run) -> list[dict[str, Any]]:
    """Directions and midpoints in the noise of one training run's last generator.

    Returns, for each attribute, how well noise predicts it and what walks along three kinds of directions do to it,
    then rows of midpoints. Artefact: directions.safetensors, unit vectors ATTRIBUTE_fitted and ATTRIBUTE_freed.
    """
    config = run.config
    torch.set_num_threads(1)
    made = {made.stage: made for made in run.inputs}
    classifier = classifier_for(run)
    trained = made["train"].open(f"generator-{config.epochs}.safetensors")
    generator = load_generator(trained, config.noise, config.hidden)
    rng = torch.Generator().manual_seed(EXPLORING + run.seed)
    z_NZ = generator.sample_noise(config.samples, rng)
    rows, directions = try_directions(generator, classifier, z_NZ, rng)
    save_file(directions, run.artefact("directions.safetensors"))
    run.progress(1, 2)
    real_TF, _ = features_and_probabilities(classifier, torch.from_numpy(test_images(run.data("images"))))
    paired_NZ = z_NZ[len(z_NZ) // 2 :]
    return rows + try_midpoints(generator, classifier, paired_NZ, real_TF, config.confidence, config.neighbours)
