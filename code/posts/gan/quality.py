"""How good are generated digits, by measures that look at features and not at pixels, and are they copies?

Fréchet distance: Heusel et al., 2017, section 3. Precision and recall: Kynkäänniemi et al., 2019, section 2. Their
features come from classifier.py, not from a network trained on photographs: values compare with each other, never with
values published elsewhere.

Shape legend: N generated or M real images, X pixels, F features, K classes, T test images, P points, B a chunk of rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from posts.gan.classifier import CLASSES, Classifier, classifier_for, features_and_probabilities, test_labels
from posts.gan.data import split_images, test_images
from posts.gan.evaluate import load_generator, sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lockstep.run import Run

COMPARING = 4_000_037  # offset of the seed that draws the images compared, away from the seeds that train and sample
CHUNK = 500  # rows of distances at a time: 500 × 50,000 floats are 100 MB
BINS = 40  # of a histogram of distances


def mean_and_covariance(x_NF: Tensor) -> tuple[Tensor, Tensor]:
    """The mean (F,) and the unbiased covariance (F, F), in float64."""
    x_NF = x_NF.double()
    mean_F = x_NF.mean(dim=0)
    centred_NF = x_NF - mean_F
    return mean_F, centred_NF.T @ centred_NF / (len(x_NF) - 1)


def square_root(matrix_FF: Tensor) -> Tensor:
    """The symmetric square root of a symmetric matrix without negative eigenvalues: the root of each eigenvalue."""
    values_F, vectors_FF = torch.linalg.eigh(matrix_FF)
    return vectors_FF * values_F.clamp(min=0).sqrt() @ vectors_FF.T  # rounding may leave a zero slightly negative


def frechet_distance(a_NF: Tensor, b_MF: Tensor) -> float:
    """‖μ_a − μ_b‖² + tr(Σ_a + Σ_b − 2(Σ_a Σ_b)^½): how far apart two Gaussians with these moments are.

    Σ_a Σ_b has the eigenvalues of Σ_a^½ Σ_b Σ_a^½, which is symmetric: no root of an unsymmetric matrix is needed.
    """
    mean_a_F, covariance_a_FF = mean_and_covariance(a_NF)
    mean_b_F, covariance_b_FF = mean_and_covariance(b_MF)
    root_FF = square_root(covariance_a_FF)
    shared_F = torch.linalg.eigvalsh(root_FF @ covariance_b_FF @ root_FF).clamp(min=0).sqrt()
    spread = covariance_a_FF.trace() + covariance_b_FF.trace() - 2 * shared_F.sum()
    return float((mean_a_F - mean_b_F).square().sum() + spread)


def distances(points_PF: Tensor, others_NF: Tensor) -> Iterator[Tensor]:
    """Euclidean distances (B, N) from each point to each of the others, a chunk of points at a time."""
    for chunk_BF in points_PF.split(CHUNK):
        yield torch.cdist(chunk_BF, others_NF, compute_mode="use_mm_for_euclid_dist")


def kth_distances(points_PF: Tensor, others_NF: Tensor, k: int) -> Tensor:
    """The distance (P,) from each point to the k-th nearest of the others."""
    return torch.cat([d_BN.topk(k, dim=1, largest=False).values[:, -1] for d_BN in distances(points_PF, others_NF)])


def radii(points_NF: Tensor, neighbours: int) -> Tensor:
    """The distance (N,) from each point to its `neighbours`-th nearest other: itself is the nearest of all."""
    return kth_distances(points_NF, points_NF, neighbours + 1)


def share_inside(points_PF: Tensor, centres_NF: Tensor, radii_N: Tensor) -> float:
    """The percentage of points that lie in the ball around any of the centres."""
    inside_P = torch.cat([(d_BN <= radii_N).any(dim=1) for d_BN in distances(points_PF, centres_NF)])
    return 100 * float(inside_P.double().mean())


def precision_recall(real_MF: Tensor, generated_NF: Tensor, neighbours: int = 3) -> tuple[float, float]:
    """Percentages of generated points near real ones (precision), and of real points near generated ones (recall).

    Near: within the ball around any point of the other set that just reaches that point's k-th nearest of its own set.
    """
    real_MF, generated_NF = real_MF.double(), generated_NF.double()
    precision = share_inside(generated_NF, real_MF, radii(real_MF, neighbours))
    return precision, share_inside(real_MF, generated_NF, radii(generated_NF, neighbours))


def class_shares(labels_N: Tensor) -> Tensor:
    """The percentage (K,) of each digit."""
    return 100 * torch.bincount(labels_N, minlength=CLASSES).double() / len(labels_N)


def class_distance(labels_N: Tensor, expected_T: Tensor) -> float:
    """Total variation between the shares of the digits, in percent: what part would have to become another digit."""
    return float((class_shares(labels_N) - class_shares(expected_T)).abs().sum() / 2)


def share_nearer(points_PX: Tensor, training_NX: Tensor, held_out_NX: Tensor) -> float:
    """The percentage of points whose nearest image of both sets is a training image; a tie counts half.

    Both sets have the same size and come from one distribution: 50 says that being trained on makes no difference.
    """
    lead_P = kth_distances(points_PX, held_out_NX, 1) - kth_distances(points_PX, training_NX, 1)
    return 50 + 50 * float(lead_P.sign().double().mean())


def histogram(space: str, by_name: Mapping[str, Tensor]) -> list[dict[str, Any]]:
    """What percentage of each set lies in each of equal bins from zero to the largest distance: a row a bin."""
    top = max(float(distances_P.max()) for distances_P in by_name.values())
    shares = {name: 100 * torch.histc(d_P, BINS, 0, top) / len(d_P) for name, d_P in by_name.items()}
    return [
        {"space": space, "from": top * number / BINS, "to": top * (number + 1) / BINS}
        | {name: float(shares_B[number]) for name, shares_B in shares.items()}
        for number in range(BINS)
    ]


def judge(
    source: str, images_NX: Tensor, classifier: Classifier, test_TF: Tensor, digits_T: Tensor, neighbours: int
) -> dict[str, Any]:
    """One source of images against the test images' features and digits."""
    features_NF, probabilities_NK = features_and_probabilities(classifier, images_NX)
    digits_N = probabilities_NK.argmax(dim=1)
    precision, recall = precision_recall(test_TF, features_NF, neighbours)
    return {
        "source": source,
        "frechet": frechet_distance(features_NF, test_TF),
        "sample_precision": precision,
        "sample_recall": recall,
        "class_distance": class_distance(digits_N, digits_T),
        "rarest_digit": float(class_shares(digits_N).min()),
    }


def drawn(images_NX: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """`count` of the images, none of them twice, at random."""
    return images_NX[torch.randperm(len(images_NX), generator=rng)[:count]]


def measure(run: Run) -> list[dict[str, Any]]:
    """The last generator of one training run: its samples against the test images, and against the training images.

    Returns a row of quality, then the rows of `look_for_copies`. Output: nearest.csv, histograms of the distances.
    """
    config = run.config
    torch.set_num_threads(1)
    arrays, made = run.data("images"), {made.stage: made for made in run.inputs}
    train_NX, validation_VX = (torch.from_numpy(part) for part in split_images(arrays, config.validation_images))
    test_TX = torch.from_numpy(test_images(arrays))
    classifier = classifier_for(run)
    trained = made["train"].open(f"generator-{config.epochs}.safetensors")
    samples_NX = sample(load_generator(trained, config.noise, config.hidden), config.samples, run.seed)
    test_TF, _ = features_and_probabilities(classifier, test_TX)
    quality = judge("gan", samples_NX, classifier, test_TF, test_labels(arrays), config.neighbours)
    run.progress(1, 2)
    rng = torch.Generator().manual_seed(COMPARING + run.seed)
    control_VX = drawn(train_NX, len(validation_VX), rng)  # first: the baselines of the same seed draw the same ones
    sets = {"samples": samples_NX, "test_images": test_TX, "training_images": train_NX}
    points = {name: drawn(images_NX, config.neighbour_images, rng) for name, images_NX in sets.items()}
    rows, bins = look_for_copies(classifier, points, train_NX, control_VX, validation_VX)
    run.write_csv("nearest.csv", bins)
    return [quality, *rows]


def look_for_copies(
    classifier: Classifier, points: dict[str, Tensor], train_NX: Tensor, control_VX: Tensor, validation_VX: Tensor
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """How far images of several sets are from the nearest training image, in pixels and in features.

    Returns a row of medians for each set, and histograms. Training images look for their nearest other; of all other
    sets, a row also says how many are nearer to the `control` training images than to as many validation images.
    """
    train_NF, _ = features_and_probabilities(classifier, train_NX)
    rows: list[dict[str, Any]] = []
    pixel: dict[str, Tensor] = {}
    feature: dict[str, Tensor] = {}
    for name, points_PX in points.items():
        points_PF, _ = features_and_probabilities(classifier, points_PX)
        k = 2 if name == "training_images" else 1  # a training image is its own nearest
        pixel[name] = kth_distances(points_PX, train_NX, k)
        feature[name] = kth_distances(points_PF, train_NF, k)
        medians = {"nearest_pixel": float(pixel[name].median()), "nearest_feature": float(feature[name].median())}
        share = {"training_nearer": share_nearer(points_PX, control_VX, validation_VX)} if k == 1 else {}
        rows.append({"neighbour_of": name} | medians | share)
    return rows, histogram("pixel", pixel) + histogram("feature", feature)


def measure_baselines(run: Run) -> list[dict[str, Any]]:
    """Real training images and k-means centres of them, judged as the samples are.

    The last row asks of the centres whether they are nearer to training images than to held-out ones. They are averages
    of training images, so a check that sees copies must see them.
    """
    config = run.config
    torch.set_num_threads(1)
    arrays, made = run.data("images"), {made.stage: made for made in run.inputs}
    train_NX, validation_VX = (torch.from_numpy(part) for part in split_images(arrays, config.validation_images))
    images_NX = drawn(train_NX, config.samples, torch.Generator().manual_seed(run.seed))  # those that were scored
    centres_KX = load_file(made["baselines"].open("centres.safetensors"))["centres"].float()
    classifier = classifier_for(run)
    test_TF, _ = features_and_probabilities(classifier, torch.from_numpy(test_images(arrays)))
    rows = [
        judge(source, points_NX, classifier, test_TF, test_labels(arrays), config.neighbours)
        for source, points_NX in (("training", images_NX), ("kmeans", centres_KX))
    ]
    rng = torch.Generator().manual_seed(COMPARING + run.seed)
    control_VX = drawn(train_NX, len(validation_VX), rng)
    points_PX = drawn(centres_KX, config.neighbour_images, rng)
    rows.append({"neighbour_of": "kmeans", "training_nearer": share_nearer(points_PX, control_VX, validation_VX)})
    return rows
