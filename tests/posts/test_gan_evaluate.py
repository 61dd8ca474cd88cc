"""The paper's metric against closed forms and SciPy, k-means, and the protocol that keeps test data out of choices."""

import math
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from posts.gan import evaluate, parzen
from posts.gan.evaluate import k_means, nearest_centre
from posts.gan.parzen import choose_width, log_likelihood, score, widths
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

RNG = torch.Generator().manual_seed(0)
POINTS_TX = torch.rand(30, 6, generator=RNG)
CENTRES_NX = torch.rand(17, 6, generator=RNG)


def test_one_centre_gives_the_gaussian_density_in_closed_form():
    point_TX, centre_NX, width = torch.tensor([[0.3, 0.9]]), torch.tensor([[0.1, 0.4]]), 0.5
    expected = -(0.2**2 + 0.5**2) / (2 * width**2) - math.log(2 * math.pi * width**2)
    assert log_likelihood(point_TX, centre_NX, torch.tensor([width])).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("width", [0.1, 0.4, 1.0])
def test_the_mixture_agrees_with_scipy(width):
    densities = [multivariate_normal(c.numpy(), width**2 * np.eye(6)).logpdf(POINTS_TX.numpy()) for c in CENTRES_NX]
    expected = logsumexp(densities, axis=0) - math.log(len(CENTRES_NX))
    ours = log_likelihood(POINTS_TX, CENTRES_NX, torch.tensor([width]))[0]
    np.testing.assert_allclose(ours.numpy(), expected, atol=2e-4)


def test_single_precision_is_within_a_hundredth_of_a_nat_of_double_at_the_size_of_digits():
    points_TX, centres_NX = torch.rand(40, 784, generator=RNG), torch.rand(300, 784, generator=RNG)
    squares = torch.cdist(points_TX.double(), centres_NX.double()).square()
    exact = torch.logsumexp(-squares / (2 * 0.2**2), dim=1) - math.log(300) - 392 * math.log(2 * math.pi * 0.2**2)
    assert score(points_TX, centres_NX, 0.2)[0] == pytest.approx(float(exact.mean()), abs=1e-2)


def test_cutting_the_points_into_chunks_changes_nothing(monkeypatch):
    whole = log_likelihood(POINTS_TX, CENTRES_NX, widths())
    monkeypatch.setattr(parzen, "CHUNK", 7)
    torch.testing.assert_close(log_likelihood(POINTS_TX, CENTRES_NX, widths()), whole, rtol=0, atol=1e-4)


def test_the_error_is_the_deviation_over_the_root_of_the_number_of_points():
    values = log_likelihood(POINTS_TX, CENTRES_NX, torch.tensor([0.3]))[0].numpy()
    mean, error = score(POINTS_TX, CENTRES_NX, 0.3)
    assert mean == pytest.approx(values.mean())
    assert error == pytest.approx(values.std(ddof=1) / math.sqrt(30))


def test_the_width_is_the_candidate_that_suits_the_validation_images():
    spread = torch.randn(500, 3, generator=RNG) * 0.6
    assert choose_width(spread, torch.zeros(1, 3)) == pytest.approx(0.6, abs=0.06)


def test_k_means_finds_the_clusters_it_is_given_and_keeps_an_empty_centre():
    cluster_KX = torch.tensor([[0.0, 0.0], [5.0, 5.0]])
    points_NX = cluster_KX.repeat_interleave(50, dim=0) + 0.1 * torch.randn(100, 2, generator=RNG)
    start_KX = torch.tensor([[1.0, 0.0], [4.0, 5.0], [90.0, 90.0]])
    centres_KX = k_means(points_NX, start_KX, 3)
    torch.testing.assert_close(centres_KX[0], points_NX[:50].mean(dim=0))
    torch.testing.assert_close(centres_KX[1], points_NX[50:].mean(dim=0))
    assert centres_KX[2].tolist() == [90.0, 90.0]


def test_every_step_of_k_means_brings_the_centres_closer():
    def distortion(centres_KX):
        return (points_NX - centres_KX[nearest_centre(points_NX, centres_KX)]).square().sum().item()

    points_NX = torch.rand(400, 5, generator=RNG)
    distortions = [distortion(k_means(points_NX, points_NX[:20], steps)) for steps in range(5)]
    assert distortions == sorted(distortions, reverse=True)
    assert distortions[4] < distortions[0]


class FakeRun:
    """A run of `baselines` on random images."""

    seed = 0

    def __init__(self, poison_test=False, poison_validation=False):
        rng = np.random.default_rng(0)
        images = {name: rng.integers(0, 256, (n, 4, 4), dtype=np.uint8) for name, n in (("train", 120), ("test", 40))}
        if poison_test:
            images["test"][:] = 255
        if poison_validation:
            images["train"][-40:] = 128
        self.arrays = {f"{name}_images": array for name, array in images.items()}
        self.config = SimpleNamespace(validation_images=40, samples=30, width_images=20, centroid_iterations=2)

    def data(self, name):
        return self.arrays

    def artefact(self, name):
        return Path(tempfile.gettempdir()) / name


def chosen(**options):
    return [row["width"] for row in evaluate.baselines(FakeRun(**options))]  # type: ignore[arg-type]


def test_the_width_is_chosen_without_test_data():
    assert chosen(poison_test=True) == chosen()
    assert chosen(poison_validation=True) != chosen()


def test_scores_do_depend_on_the_test_data():
    plain, poisoned = FakeRun(), FakeRun(poison_test=True)
    assert evaluate.baselines(plain)[0]["log_likelihood"] != evaluate.baselines(poisoned)[0]["log_likelihood"]  # type: ignore[arg-type]
