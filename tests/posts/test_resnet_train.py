"""Training: the rate, the update, what is held out, and legs that go on bit for bit."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fakerun import FakeRun
from lockstep.errors import RunFailed
from lockstep.run import Run
from posts.resnet.data import Images, batch, training_images
from posts.resnet.experiment import Config
from posts.resnet.train import Training, error_of, fit, fit_watched, learn, network, rate_at
from safetensors.torch import load_file

SMALL = replace(Config(), depth=8, width=4, side=8, pad=1, validation_images=30, batch=16, updates=12, drops=(6, 9))
SMALL = replace(SMALL, curve_every=2, held_out_every=4, checkpoint_every=5)
RNG = np.random.default_rng(0)
ARRAYS = {
    "train_images": RNG.integers(0, 256, (130, 8, 8, 3), dtype=np.uint8),
    "train_labels": RNG.integers(0, 10, 130).astype(np.uint8),
    "test_images": RNG.integers(0, 256, (40, 8, 8, 3), dtype=np.uint8),
    "test_labels": RNG.integers(0, 10, 40).astype(np.uint8),
}


@pytest.fixture(autouse=True)
def _numbers_near_zero_stay_for_other_tests():
    """A training flushes them for its whole process, which is its own everywhere but here."""
    yield
    torch.set_flush_denormal(False)


class LegRun(FakeRun):
    """One leg of several, in a folder that they share."""

    leg, legs = 0, 1

    def until(self, total: int) -> int:
        return total * (self.leg + 1) // self.legs

    @property
    def last(self) -> bool:
        return self.leg == self.legs - 1


def fitted(
    directory, legs=1, config=SMALL, seed=0, function=fit, arrays=ARRAYS, stop_after=None
) -> tuple[Any, bytes, Any]:
    """What the last leg leaves: (row, weights, tables)."""
    directory.mkdir(exist_ok=True)
    row, run = None, LegRun(directory, config, arrays, seed, stop_after)
    for leg in range(legs):
        run.leg, run.legs, run.tables = leg, legs, {}
        row = function(run)
        assert (row is None) == (leg < legs - 1)
        assert (directory / "weights.safetensors").exists() == (leg == legs - 1)
    return row, (directory / "weights.safetensors").read_bytes(), run.tables


def test_the_rate_drops_exactly_at_the_published_updates():
    rates = {update: rate_at(Config(), update) for update in (0, 31_999, 32_000, 47_999, 48_000, 63_999)}
    assert rates == {0: 0.1, 31_999: 0.1, 32_000: 0.01, 47_999: 0.01, 48_000: 0.001, 63_999: 0.001}
    warm = replace(Config(), warmup=400)
    assert [rate_at(warm, update) for update in (0, 399, 400)] == [0.01, 0.01, 0.1]


def test_the_recorded_rates_are_those_of_the_updates(tmp_path):
    _, _, tables = fitted(tmp_path)
    assert [row["rate"] for row in tables["curve.csv"]] == [0.1] * 3 + [0.01] + [0.001] * 2  # updates 1, 3, 5, 7, 9, 11


def test_an_update_equals_momentum_and_decay_written_out():
    images, _ = training_images(ARRAYS, 30, 8)
    config = replace(SMALL, weight_decay=0.01, drops=(1,))  # the second update has another rate
    ours = Training.begun(config, 0, len(images))
    theirs = Training.begun(config, 0, len(images))  # the same batches again
    velocities = [torch.zeros_like(p) for p in theirs.model.parameters()]
    for rate in (0.1, 0.01):
        x, y = batch(images, theirs.order, config.batch, config.pad, theirs.rng)
        gradients = torch.autograd.grad(F.cross_entropy(theirs.model(x), y), list(theirs.model.parameters()))
        with torch.no_grad():
            for parameter, velocity, gradient in zip(theirs.model.parameters(), velocities, gradients, strict=True):
                velocity.mul_(0.9).add_(gradient + 0.01 * parameter)
                parameter -= rate * velocity
        learn(ours, images, config)
    for mine, other in zip(ours.model.parameters(), theirs.model.parameters(), strict=True):
        torch.testing.assert_close(mine, other)


def test_decay_spares_norms_and_biases_only_where_asked():
    for decayed, shrinks in ((True, True), (False, False)):
        config = replace(SMALL, decay_norms=decayed, weight_decay=0.1, momentum=0.0)
        training = Training.begun(config, 0, 100)
        for parameter in training.model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        before = {name: tensor.clone() for name, tensor in training.model.named_parameters()}
        training.optimiser.step()
        after = dict(training.model.named_parameters())
        assert (after["norm.weight"] < before["norm.weight"]).all() == shrinks
        assert torch.allclose(after["conv.weight"], 0.99 * before["conv.weight"])


def test_one_batch_is_learned():
    config = replace(SMALL, width=8, batch=20, pad=0, drops=())
    pictures = torch.randint(256, (20, 8, 8, 3), generator=torch.Generator().manual_seed(0)).byte()
    images = Images(pictures, torch.arange(20) % 10, torch.full((8, 8, 3), 0.5))
    training = Training.begun(config, 0, 20)
    for _ in range(60):
        learn(training, images, config)
    training.window = [0.0, 0.0]
    learn(training, images, config)
    assert training.window[0] < 0.1 and training.window[1] == 0


def test_same_seed_is_identical_and_another_seed_is_not(tmp_path):
    first = fitted(tmp_path / "a")
    assert fitted(tmp_path / "b") == first
    assert fitted(tmp_path / "c", seed=1)[1] != first[1]


@pytest.mark.parametrize("legs", [2, 5])
def test_legs_equal_one_uninterrupted_run_bit_for_bit(tmp_path, legs):
    assert fitted(tmp_path / "legs", legs) == fitted(tmp_path / "whole")  # 12 / 5: legs end within passes and windows


@pytest.mark.parametrize(("size", "left"), [(16, 40), (20, 0)])  # of 100 images: within a pass, and at its very end
def test_a_leg_that_was_killed_goes_on_bit_for_bit(tmp_path, size, left):
    config = replace(SMALL, batch=size)
    whole = fitted(tmp_path / "whole", config=config)
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path / "parts", config=config, stop_after=10)
    assert len(load_file(tmp_path / "parts/checkpoint")["left"]) == left
    assert fitted(tmp_path / "parts", config=config) == whole


@pytest.mark.parametrize("function", [fit, fit_watched])
def test_files_of_legs_are_byte_for_byte_those_of_one_run(tmp_path, function):
    """By the engine's own run, whose tables are texts: 400 is not 400.0."""
    for legs in (1, 3):
        for leg in range(legs):
            run = Run(SMALL, {"seed": 0}, {"images": lambda: ARRAYS}, tmp_path / str(legs))
            run.leg, run.legs = leg, legs
            assert (function(run) is None) == (leg < legs - 1)
            assert (ended := run.resume()) and load_file(ended)["update"].item() == 4 * (leg + 1) * 3 // legs
    names = ("outputs/curve.csv", "outputs/held-out.csv", "artefacts/weights.safetensors")
    whole, parts = ([(tmp_path / legs / name).read_bytes() for name in names] for legs in "13")
    assert whole == parts


def test_a_checkpoint_holds_weights_momenta_generator_and_position(tmp_path):
    images, _ = training_images(ARRAYS, 30, 8)
    one = Training.begun(SMALL, 0, len(images))
    for _ in range(5):
        learn(one, images, SMALL)
    one.save(tmp_path / "checkpoint")
    two = Training.begun(SMALL, 9, len(images))  # everything about it is another's
    two.restore(tmp_path / "checkpoint")
    assert (two.update, two.window, two.curve) == (one.update, one.window, one.curve)
    for mine, other in zip(two.momenta, one.momenta, strict=True):
        assert torch.equal(mine, other) and mine.any()
    for _ in range(3):
        learn(one, images, SMALL)
        learn(two, images, SMALL)
    for name, tensor in one.model.state_dict().items():
        assert torch.equal(tensor, two.model.state_dict()[name]), name
    assert torch.equal(one.order.left_L, two.order.left_L) and torch.equal(one.rng.get_state(), two.rng.get_state())


def test_looking_at_held_out_images_changes_nothing(tmp_path):
    often = fitted(tmp_path / "a", config=replace(SMALL, held_out_every=1))
    seldom = fitted(tmp_path / "b", config=replace(SMALL, held_out_every=12))
    watched = fitted(tmp_path / "c", function=fit_watched)
    assert often[1] == seldom[1] == watched[1]
    assert len(often[2]["held-out.csv"]) == 12 and set(watched[2]["held-out.csv"][0]) > {"test_error"}


def test_neither_validation_nor_test_images_change_what_is_learned(tmp_path):
    other = {name: array.copy() for name, array in ARRAYS.items()}
    other["train_images"][-30:] = 255 - other["train_images"][-30:]
    other["train_labels"][-30:] = (other["train_labels"][-30:] + 1) % 10
    other["test_images"] = 255 - other["test_images"]
    assert fitted(tmp_path / "a", arrays=other)[1] == fitted(tmp_path / "b")[1]


def test_without_validation_images_all_are_learned_from(tmp_path):
    row, _, tables = fitted(tmp_path, config=replace(SMALL, validation_images=0))
    assert set(row) == {"train_loss", "train_error"} and set(tables) == {"curve.csv"}
    assert len(training_images(ARRAYS, 0, 8)[0]) == 130


@pytest.mark.parametrize("size", [1, 7, 40])
def test_an_evaluation_does_not_depend_on_its_batches(monkeypatch, size):
    images, _ = training_images(ARRAYS, 30, 8)
    model = network(SMALL, 0)
    model(images.seen(slice(None)))  # norms have seen something
    with torch.no_grad():
        alone = model.eval()(images.seen(slice(0, 100)))
        together = torch.cat([model(images.seen(slice(i, i + size))) for i in range(0, 100, size)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
    own = replace(images, labels_N=alone.argmax(1))  # by these, the network errs on none
    monkeypatch.setattr("posts.resnet.train.CHUNK", size)
    assert error_of(model, own) == 0 and not model.training
    model.train()
    assert error_of(model, own) == 0 and model.training
    with torch.no_grad():
        assert (model(own.seen(slice(None))).argmax(1) != own.labels_N).any()  # by batch statistics it would


def test_kept_weights_give_the_recorded_validation_error(tmp_path):
    row, _, _ = fitted(tmp_path)
    tensors = load_file(tmp_path / "weights.safetensors")
    train, validation = training_images(ARRAYS, 30, 8)
    assert torch.equal(tensors.pop("mean"), train.mean_HWC)
    model = network(SMALL, 5)
    model.load_state_dict(tensors)
    assert error_of(model, validation) == row["validation_error"]


def test_a_loss_that_is_not_finite_fails_the_run(tmp_path):
    with pytest.raises(RunFailed, match="loss before update"):
        fitted(tmp_path, config=replace(SMALL, learning_rate=float("inf")))
