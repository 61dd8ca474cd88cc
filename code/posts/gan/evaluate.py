"""What the paper's Table 1 measures, for the generator, for real images and for cluster centres.

Every source gives the same number of centres, scored by one estimator (parzen.py). The width σ is chosen on the first
validation images; the curve over epochs is measured on the ones after them; the test images are read once, at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from posts.gan.data import split_images, test_images
from posts.gan.model import Generator
from posts.gan.parzen import choose_width, score
from posts.gan.train import kept_epochs

if TYPE_CHECKING:
    from pathlib import Path

    from lockstep.run import Run

SAMPLING = 1_000_003  # offset of the seed that draws samples, away from the seeds that train


def load_generator(path: Path, noise: int, hidden: int) -> Generator:
    """A generator from the artefact that training kept, in float32."""
    weights = {name: tensor.float() for name, tensor in load_file(path).items()}
    generator = Generator(noise, hidden, torch.full_like(weights["output.bias"], 0.5), torch.Generator())
    generator.load_state_dict(weights)
    return generator


@torch.no_grad()
def sample(generator: Generator, count: int, seed: int) -> Tensor:
    """`count` images (count, X) drawn with a seed of their own."""
    return generator(generator.sample_noise(count, torch.Generator().manual_seed(SAMPLING + seed)))


def parzen(run: Run) -> list[dict[str, float | str]]:
    """Score the generator of one training run: the curve on validation images, the last epoch on the test images.

    Returns the score on the test images, then a row for each kept epoch, which likelihood.csv holds as well.
    """
    config = run.config
    torch.set_num_threads(1)
    arrays = run.data("images")
    validation_VX = torch.from_numpy(split_images(arrays, config.validation_images)[1])
    choose_VX = validation_VX[: config.width_images]
    curve_VX = validation_VX[config.width_images : 2 * config.width_images]
    made, curve = run.inputs[0], []
    samples_NX, width = torch.empty(0), float("nan")
    kept = kept_epochs(config)
    for number, epoch in enumerate(kept, start=1):
        generator = load_generator(made.open(f"generator-{epoch}.safetensors"), config.noise, config.hidden)
        samples_NX = sample(generator, config.samples, run.seed)
        width = choose_width(choose_VX, samples_NX)
        mean, error = score(curve_VX, samples_NX, width)
        curve.append({"epoch": epoch, "log_likelihood": mean, "standard_error": error, "width": width})
        run.progress(number, len(kept), log_likelihood=mean)
    run.write_csv("likelihood.csv", curve)
    mean, error = score(torch.from_numpy(test_images(arrays)), samples_NX, width)
    final = {"source": "gan", "log_likelihood": mean, "standard_error": error, "width": width}
    return [final, *({"epoch": row["epoch"], "validation_log_likelihood": row["log_likelihood"]} for row in curve)]


def baselines(run: Run) -> list[dict[str, float | str]]:
    """Score real training images, and k-means centres of them, exactly as the generator's samples are.

    Artefact: centres.safetensors, the centres (K, X).
    """
    config = run.config
    torch.set_num_threads(1)
    arrays = run.data("images")
    train_NX, validation_VX = (torch.from_numpy(part) for part in split_images(arrays, config.validation_images))
    rng = torch.Generator().manual_seed(run.seed)
    images_NX = train_NX[torch.randperm(len(train_NX), generator=rng)[: config.samples]]
    centres_NX = k_means(train_NX, images_NX, config.centroid_iterations)
    save_file({"centres": centres_NX}, run.artefact("centres.safetensors"))
    test_TX = torch.from_numpy(test_images(arrays))
    rows: list[dict[str, float | str]] = []
    for source, points_NX in (("training", images_NX), ("kmeans", centres_NX)):
        width = choose_width(validation_VX[: config.width_images], points_NX)
        mean, error = score(test_TX, points_NX, width)
        rows.append({"source": source, "log_likelihood": mean, "standard_error": error, "width": width})
    return rows


def k_means(points_NX: Tensor, start_KX: Tensor, iterations: int) -> Tensor:
    """Lloyd's algorithm from given centres; a centre that loses all its points stays where it is."""
    centres_KX = start_KX.clone()
    for _ in range(iterations):
        nearest_N = torch.cat([nearest_centre(chunk_NX, centres_KX) for chunk_NX in points_NX.split(1000)])
        counts_K = torch.bincount(nearest_N, minlength=len(centres_KX))
        sums_KX = torch.zeros_like(centres_KX).index_add_(0, nearest_N, points_NX)
        filled = counts_K > 0
        centres_KX[filled] = sums_KX[filled] / counts_K[filled, None]
    return centres_KX


def nearest_centre(points_NX: Tensor, centres_KX: Tensor) -> Tensor:
    """The index (N,) of the nearest centre: ‖x - c‖² without the ‖x‖² that all centres share."""
    return (centres_KX.square().sum(dim=1) - 2 * points_NX @ centres_KX.T).argmin(dim=1)
