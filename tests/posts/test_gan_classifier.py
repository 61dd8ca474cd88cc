"""The yardstick: a classifier that learns, is the same from the same seed, and comes back from its file unchanged."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from posts.gan import classifier as module
from posts.gan.classifier import (
    BATCH,
    CLASSES,
    FEATURES,
    Classifier,
    accuracy,
    classifier_for,
    features_and_probabilities,
    fit,
    learn,
    load_classifier,
    split_labels,
)
from posts.gan.train import MomentumDescent
from safetensors.torch import save_file
from torch import nn

SIDE = 12
torch.set_num_threads(1)  # as in the stages; at this size more threads only wait for each other


def bars(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (N, SIDE²) of a bright bar whose row says its class (N,), with noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    images = rng.uniform(0, 0.3, (count, SIDE, SIDE)).astype(np.float32)
    images[np.arange(count), labels + 1] = 1
    return torch.from_numpy(images.reshape(count, -1)), torch.from_numpy(labels)


class FakeRun:
    """Bars as training and test images; other labels for the test images, or for validation, where asked."""

    def __init__(self, directory, seed=0, test_labels=0, validation_labels=0):
        directory.mkdir(exist_ok=True)
        self.seed, self.directory, self.rows = seed, directory, []
        self.config = SimpleNamespace(validation_images=100, classifier_epochs=3)
        (train, train_labels), (test, labels) = bars(500), bars(200, seed=1)
        train_labels[-100:] = (train_labels[-100:] + validation_labels) % CLASSES
        self.arrays = {"train_images": train, "test_images": test}
        self.arrays = {name: (x * 255).byte().reshape(-1, SIDE, SIDE).numpy() for name, x in self.arrays.items()}
        shifted = (labels + test_labels) % CLASSES
        self.arrays |= {"train_labels": train_labels.byte().numpy(), "test_labels": shifted.byte().numpy()}

    def data(self, name):
        assert name == "images"
        return self.arrays

    def artefact(self, name):
        return self.directory / name

    def write_csv(self, name, rows):
        self.rows = rows

    def progress(self, done, total, **metrics):
        pass


def fitted(directory, **options):
    run = FakeRun(directory, **options)
    result = fit(run)  # type: ignore[arg-type]
    return result["accuracy"], run.rows, (directory / "classifier.safetensors").read_bytes()


def test_the_published_size_has_the_exact_parameter_count():
    parameters = Classifier(784, torch.Generator()).parameters()
    assert sum(p.numel() for p in parameters) == 10 * 16 + (16 * 9 + 1) * 32 + (32 * 49 + 1) * 64 + 65 * 10


def test_every_parameter_gets_a_gradient():
    classifier = Classifier(SIDE**2, torch.Generator().manual_seed(0))
    images, labels = bars(50)
    F.cross_entropy(classifier(images), labels).backward()
    for name, parameter in classifier.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_one_batch_is_learned():
    rng = torch.Generator().manual_seed(0)
    classifier = Classifier(SIDE**2, rng)
    descent = MomentumDescent([classifier], "fp32")
    images, labels = bars(BATCH)
    untrained = accuracy(classifier, images, labels)
    losses = [learn(classifier, descent, images, labels, rng) for _ in range(25)]
    assert losses[-1] < 0.05 < losses[0]
    assert accuracy(classifier, images, labels) == 100 > untrained


def test_every_pass_sees_the_images_in_an_order_of_its_own():
    images, labels = bars(2 * BATCH)
    learned = []
    for seed in (0, 0, 1):
        classifier = Classifier(SIDE**2, torch.Generator().manual_seed(0))
        learn(classifier, MomentumDescent([classifier], "fp32"), images, labels, torch.Generator().manual_seed(seed))
        learned.append(classifier.output.weight)
    assert torch.equal(learned[0], learned[1]) and not torch.equal(learned[0], learned[2])


def test_shuffled_labels_are_not_learned_beyond_chance():
    """The negative control of every accuracy here: images alone give nothing away."""
    rng = torch.Generator().manual_seed(0)
    classifier, (images, labels) = Classifier(SIDE**2, rng), bars(400)
    descent = MomentumDescent([classifier], "fp32")
    for _ in range(3):
        learn(classifier, descent, images, labels[torch.randperm(400, generator=rng)], rng)
    assert accuracy(classifier, *bars(400, seed=1)) < 30


def test_logits_equal_those_of_the_same_layers_in_a_row():
    """Reference: images come row by row, pooling follows the activation, and features are rectified."""
    ours, images = Classifier(SIDE**2, torch.Generator().manual_seed(0)), bars(20)[0]
    pool, relu = nn.MaxPool2d(2), nn.ReLU()
    pictures = nn.Unflatten(1, (1, SIDE, SIDE))
    layers = [pictures, ours.first, relu, pool, ours.second, relu, pool, nn.Flatten(), ours.hidden, relu, ours.output]
    torch.testing.assert_close(ours(images), nn.Sequential(*layers)(images))
    transposed = images.reshape(-1, SIDE, SIDE).transpose(1, 2).reshape(-1, SIDE**2)
    assert not torch.allclose(ours(transposed), ours(images), atol=1e-2)


def test_features_are_what_the_last_layer_decides_by(monkeypatch):
    classifier = Classifier(SIDE**2, torch.Generator().manual_seed(0))
    images, _ = bars(50)
    features, probabilities = features_and_probabilities(classifier, images)
    assert features.shape == (50, FEATURES) and features.min() >= 0
    torch.testing.assert_close(probabilities, classifier(images).softmax(dim=1).detach())
    monkeypatch.setattr(module, "CHUNK", 7)
    torch.testing.assert_close(features_and_probabilities(classifier, images)[0], features)


def test_labels_are_split_as_the_images_are():
    arrays = {"train_labels": np.array([3, 1, 4, 1, 5], dtype=np.uint8)}
    training, validation = split_labels(arrays, 2)
    assert (training.tolist(), validation.tolist()) == ([3, 1, 4], [1, 5])


def test_same_seed_is_identical_and_another_seed_is_not(tmp_path):
    first = fitted(tmp_path / "a")
    assert fitted(tmp_path / "b") == first
    assert fitted(tmp_path / "c", seed=1)[2] != first[2]


def test_neither_validation_nor_test_labels_change_what_is_learned(tmp_path):
    score, curve, weights = fitted(tmp_path / "a")
    other_score, same_curve, same_weights = fitted(tmp_path / "b", test_labels=1)
    assert same_weights == weights and same_curve == curve
    assert other_score < 20 < 90 < score
    validated = fitted(tmp_path / "c", validation_labels=1)
    assert validated[2] == weights and validated[1] != curve


@pytest.mark.parametrize("side", [12, 28])
def test_a_loaded_classifier_says_what_the_saved_one_said(tmp_path, side):
    saved = Classifier(side**2, torch.Generator().manual_seed(3))
    save_file(saved.state_dict(), tmp_path / "classifier.safetensors")
    images = torch.rand(5, side**2, generator=torch.Generator().manual_seed(0))
    loaded = load_classifier(tmp_path / "classifier.safetensors")
    torch.testing.assert_close(loaded(images), saved(images), rtol=0, atol=0)


def test_runs_of_different_seeds_take_different_classifiers_where_there_are_several(tmp_path):
    def output(seed, count):
        stages = [("train", 0), *(("classifier", number) for number in range(count))]
        inputs = [
            SimpleNamespace(stage=stage, open=lambda name, number=number: tmp_path / f"{number}-{name}")
            for stage, number in stages
        ]
        return classifier_for(SimpleNamespace(seed=seed, inputs=inputs)).output.weight  # type: ignore[arg-type]

    for number in range(3):
        saved = Classifier(64, torch.Generator().manual_seed(number))
        save_file(saved.state_dict(), tmp_path / f"{number}-classifier.safetensors")
    assert torch.equal(output(1, 1), output(0, 1)) and torch.equal(output(4, 3), output(1, 3))
    assert not torch.equal(output(0, 3), output(1, 3))
