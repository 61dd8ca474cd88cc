"""Measures of generated digits against closed forms, SciPy, plain loops, and sets whose answers are known."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from posts.gan import evaluate, quality
from posts.gan.classifier import Classifier
from posts.gan.model import Generator
from posts.gan.quality import (
    class_distance,
    class_shares,
    drawn,
    frechet_distance,
    histogram,
    kth_distances,
    look_for_copies,
    precision_recall,
    radii,
    share_nearer,
)
from safetensors.torch import save_file
from scipy.linalg import sqrtm

torch.set_num_threads(1)  # as in the stages; at this size more threads only wait for each other


def normal(count: int, size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed))


def test_equal_covariances_leave_the_squared_difference_of_the_means():
    points, shift = normal(500, 6), torch.tensor([1.0, 0, -2, 0, 0.5, 0])
    assert frechet_distance(points, points + shift) == pytest.approx(1 + 4 + 0.25, abs=1e-4)
    assert frechet_distance(points, 2 * points) > 1  # equal means, other covariances: not nothing


def test_one_dimension_gives_the_closed_form():
    a, b = normal(300, 1), 3 * normal(200, 1, seed=1) + 1
    expected = (a.double().mean() - b.double().mean()) ** 2 + (a.double().std() - b.double().std()) ** 2
    assert frechet_distance(a, b) == pytest.approx(float(expected))


@pytest.mark.parametrize("seed", range(3))
def test_the_distance_agrees_with_the_matrix_root_of_scipy(seed):
    a, b = normal(200, 8, seed) @ normal(8, 8, seed + 10), normal(300, 8, seed + 20) @ normal(8, 8, seed + 30) + 0.3
    cov_a, cov_b = np.cov(a.double().numpy().T), np.cov(b.double().numpy().T)
    trace = np.trace(cov_a + cov_b - 2 * np.real(sqrtm(cov_a @ cov_b)))
    expected = float((a.double().mean(dim=0) - b.double().mean(dim=0)).square().sum()) + trace
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-6)


def test_a_set_is_at_no_distance_from_itself_even_with_a_feature_that_never_varies():
    points = torch.cat([normal(100, 5), torch.zeros(100, 2)], dim=1)
    assert frechet_distance(points, points) == pytest.approx(0, abs=1e-6)


def test_the_kth_distance_is_that_of_a_plain_sort(monkeypatch):
    a, b = normal(25, 4), normal(40, 4, seed=1)
    expected = torch.tensor([sorted(float((x - y).norm()) for y in b)[2] for x in a])
    monkeypatch.setattr(quality, "CHUNK", 7)
    torch.testing.assert_close(kth_distances(a, b, 3), expected, atol=1e-5, rtol=0)


def test_a_radius_reaches_the_kth_neighbour_and_the_point_itself_is_none():
    points = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    assert radii(points, 1).tolist() == [1, 1, 2, 4]
    assert radii(points, 2).tolist() == [3, 2, 3, 6]


def test_precision_and_recall_equal_a_plain_loop():
    real, generated, k = normal(60, 3), 0.7 * normal(50, 3, seed=1) + 0.5, 3

    def inside(points, centres):
        reach = [sorted(float((c - other).norm()) for other in centres)[k] for c in centres]
        return [any(float((p - c).norm()) <= r for c, r in zip(centres, reach, strict=True)) for p in points]

    expected = 100 * np.mean(inside(generated, real)), 100 * np.mean(inside(real, generated))
    assert precision_recall(real, generated, k) == pytest.approx(expected)
    assert 0 < expected[0] < 100 and 0 < expected[1] < 100  # or the loop would prove little


def test_a_set_has_full_precision_and_recall_of_itself_and_none_of_a_far_one():
    points = normal(100, 4)
    assert precision_recall(points, points) == (100, 100)
    assert precision_recall(points, points + 100) == (0, 0)


def test_one_of_two_clusters_has_full_precision_and_half_the_recall():
    one, other = normal(200, 4), normal(200, 4, seed=1) + 50
    precision, recall = precision_recall(torch.cat([one, other]), one)
    assert (precision, recall) == (100, 50)


def test_samples_that_the_data_lack_cost_precision_and_no_recall():
    one, invented = normal(200, 4), normal(200, 4, seed=1) + 50
    assert precision_recall(one, torch.cat([one, invented])) == (50, 100)


def test_class_distance_of_known_shares():
    even = torch.arange(10).repeat(10)
    assert class_distance(even, even.repeat(3)) == 0
    assert class_distance(torch.zeros(50, dtype=torch.long), even) == pytest.approx(90)
    assert class_distance(torch.zeros(5, dtype=torch.long), torch.ones(9, dtype=torch.long)) == 100
    half_missing = torch.where(even == 3, 4, even)
    assert class_distance(half_missing, even) == pytest.approx(10)  # one digit in ten became another


def test_a_digit_that_never_appears_has_a_share_of_zero():
    shares = class_shares(torch.tensor([0, 0, 1, 9]))
    assert shares.tolist() == [50, 25, 0, 0, 0, 0, 0, 0, 0, 25]


def test_copies_of_training_images_are_nearer_to_them_and_strangers_to_neither():
    training, held_out = normal(1000, 5), normal(1000, 5, seed=1)
    copies = training[:300] + 0.01 * normal(300, 5, seed=2)
    assert share_nearer(copies, training, held_out) > 97
    assert share_nearer(copies, held_out, training) < 3
    assert share_nearer(normal(1000, 5, seed=3), training, held_out) == pytest.approx(50, abs=5)


def test_a_tie_counts_half():
    points = torch.zeros(4, 2)
    assert share_nearer(points, torch.ones(3, 2), torch.ones(3, 2)) == 50


def test_images_are_drawn_at_random_and_none_twice():
    images = torch.arange(50.0)[:, None]
    chosen = drawn(images, 20, torch.Generator().manual_seed(0))[:, 0].tolist()
    assert len(set(chosen)) == 20 and chosen != sorted(chosen)


def test_a_histogram_has_equal_bins_and_all_of_each_set():
    rows = histogram("pixel", {"a": torch.tensor([0.0, 1.0, 2.0, 4.0]), "b": torch.tensor([3.9, 4.0])})
    assert [row["to"] for row in rows[:-1]] == [row["from"] for row in rows[1:]]
    assert (rows[0]["from"], rows[-1]["to"]) == (0, 4)
    assert sum(row["a"] for row in rows) == sum(row["b"] for row in rows) == pytest.approx(100)
    assert (rows[-1]["a"], rows[-1]["b"]) == (25, 100)


def test_a_training_image_is_not_its_own_neighbour():
    classifier = Classifier(64, torch.Generator().manual_seed(0))
    train, held_out = torch.rand(2, 30, 64, generator=torch.Generator().manual_seed(0))
    points = {"samples": train[:10], "training_images": train[:10]}
    copied, control = look_for_copies(classifier, points, train, train, held_out)[0]
    assert copied["nearest_pixel"] < 0.01 < 1 < control["nearest_pixel"]
    assert copied["nearest_feature"] < 0.01 < control["nearest_feature"]
    assert copied["training_nearer"] == 100 and "training_nearer" not in control


class FakeRun:
    """A run of either stage on random images of eight by eight."""

    seed = 0

    def __init__(self, directory, poison_test=False, same_centres=False):
        rng = np.random.default_rng(0)
        images = {name: rng.integers(0, 256, (n, 8, 8), dtype=np.uint8) for name, n in (("train", 120), ("test", 50))}
        labels = {name: rng.integers(0, 10, len(array), dtype=np.uint8) for name, array in images.items()}
        if poison_test:
            images["test"][:], labels["test"][:] = 255, 3
        self.arrays = {f"{name}_images": array for name, array in images.items()}
        self.arrays |= {f"{name}_labels": array for name, array in labels.items()}
        self.directory, sizes = directory, {"noise": 5, "hidden": 16, "epochs": 4}
        self.config = SimpleNamespace(validation_images=40, samples=30, neighbours=3, neighbour_images=20, **sizes)
        generator = Generator(5, 16, torch.full((64,), 0.5), torch.Generator().manual_seed(0), spread=0.5)
        save_file(generator.state_dict(), directory / "generator-4.safetensors")
        save_file(Classifier(64, torch.Generator().manual_seed(0)).state_dict(), directory / "classifier.safetensors")
        centres = torch.from_numpy(images["train"][:30].reshape(30, -1) / 255).half()
        save_file({"centres": centres}, directory / "centres.safetensors")
        stages = ("train", "classifier", "baselines")
        self.inputs = [SimpleNamespace(stage=stage, open=lambda name: directory / name) for stage in stages]
        self.tables = {}

    def data(self, name):
        return self.arrays

    def artefact(self, name):
        return self.directory / name

    def write_csv(self, name, rows):
        self.tables[name] = rows

    def progress(self, done, total, **metrics):
        pass


STAGES = {"measure": quality.measure, "measure_baselines": quality.measure_baselines}


@pytest.mark.parametrize("stage", STAGES)
def test_two_rows_with_the_same_metric_differ_in_a_key(tmp_path, stage):
    rows = STAGES[stage](FakeRun(tmp_path))  # type: ignore[arg-type]
    keys = [
        (metric, tuple((name, value) for name, value in row.items() if isinstance(value, str)))
        for row in rows
        for metric, found in row.items()
        if isinstance(found, float)
    ]
    assert len(keys) == len(set(keys)) and all(key for _, key in keys)


def test_quality_depends_on_the_test_images_and_on_nothing_random(tmp_path):
    row = quality.measure(FakeRun(tmp_path))[0]  # type: ignore[arg-type]
    assert quality.measure(FakeRun(tmp_path))[0] == row  # type: ignore[arg-type]
    poisoned = quality.measure(FakeRun(tmp_path, poison_test=True))[0]  # type: ignore[arg-type]
    assert all(poisoned[name] != row[name] for name in ("frechet", "class_distance")) and row["source"] == "gan"
    assert poisoned["rarest_digit"] == row["rarest_digit"]  # of the samples alone


def test_real_training_images_are_closer_to_test_images_than_noise_of_a_generator_is(tmp_path):
    run = FakeRun(tmp_path)
    training = quality.measure_baselines(run)[0]  # type: ignore[arg-type]
    samples = quality.measure(run)[0]  # type: ignore[arg-type]
    assert training["frechet"] < samples["frechet"] and training["source"] == "training"


def test_centres_that_are_training_images_count_as_copies(tmp_path):
    rows = quality.measure_baselines(FakeRun(tmp_path))  # type: ignore[arg-type]
    assert rows[-1]["neighbour_of"] == "kmeans"
    assert rows[-1]["training_nearer"] > 50


def test_the_real_images_judged_are_those_that_the_papers_metric_scored(tmp_path, monkeypatch):
    judged, scored = [], []
    monkeypatch.setattr(quality, "judge", lambda source, images, *rest: judged.append(images) or {})
    monkeypatch.setattr(evaluate, "score", lambda points, centres, width: scored.append(centres) or (0.0, 0.0))
    run = FakeRun(tmp_path)
    run.config.width_images, run.config.centroid_iterations = 20, 2
    quality.measure_baselines(run)  # type: ignore[arg-type]
    evaluate.baselines(run)  # type: ignore[arg-type]
    assert torch.equal(judged[0], scored[0]) and not torch.equal(judged[1], scored[0])
