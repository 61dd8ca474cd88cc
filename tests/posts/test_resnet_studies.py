"""Studies of finished networks, each against the plainest way to find the same thing."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from posts.resnet.data import Images, training_images
from posts.resnet.evaluate import load, score
from posts.resnet.experiment import Config
from posts.resnet.model import ResNet, initialise
from posts.resnet.studies import gradients, lesions, responses, selection, speed
from posts.resnet.train import error_of, network
from safetensors.torch import save_file

SMALL = replace(Config(), depth=14, width=4, side=8, pad=1, validation_images=40, batch=16)
SMALL = replace(SMALL, probes=2, probed_images=30, lesion_images=30, timed_updates=2)
RNG = np.random.default_rng(0)
ARRAYS = {
    "train_images": RNG.integers(0, 256, (100, 8, 8, 3), dtype=np.uint8),
    "train_labels": RNG.integers(0, 10, 100).astype(np.uint8),
    "test_images": RNG.integers(0, 256, (50, 8, 8, 3), dtype=np.uint8),
    "test_labels": RNG.integers(0, 10, 50).astype(np.uint8),
}
torch.set_num_threads(1)


def lived_in(config=SMALL, seed: int = 0) -> ResNet:
    """A network whose norms have seen pictures."""
    model = network(config, seed)
    for _ in range(30):
        model(training_images(ARRAYS, 40, 8)[0].seen(slice(None)))
    return model.eval()


class Study:
    """A run of a study on one finished training."""

    def __init__(self, folder, model: ResNet, config=SMALL):
        self.folder, self.config, self.seed, self.inputs, self.tables = folder, config, 0, [self], {}
        state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
        save_file(state | {"mean": torch.zeros(8, 8, 3)}, folder / "weights.safetensors")

    def data(self, name):
        return ARRAYS

    def open(self, name):
        return self.folder / name

    def csv(self, name):
        return self.tables[name]

    def write_csv(self, name, rows):
        self.tables[name] = rows


def test_scores_are_those_of_the_kept_weights_on_test_and_training_images(tmp_path):
    model = lived_in()
    run = Study(tmp_path, model)
    row = score(run)  # type: ignore[arg-type]
    train, _ = training_images(ARRAYS, 40, 8)
    x = (torch.from_numpy(ARRAYS["test_images"]).float() / 255 - train.mean_HWC).permute(0, 3, 1, 2)
    with torch.no_grad():
        wrong = (model(x).argmax(1).numpy() != ARRAYS["test_labels"]).mean()
    assert row == {"test_error": pytest.approx(100 * wrong), "fitted_error": error_of(model, train)}
    assert not load(run, SMALL).training  # type: ignore[arg-type]


def test_signals_are_the_gradients_that_pass_between_blocks():
    model: Any = network(SMALL, 0)
    x, y = torch.randn(16, 3, 8, 8), torch.arange(16) % 10
    found, weights = gradients.signals(model, x, y)
    passed: list[torch.Tensor] = []
    for block in model.blocks:
        block.register_full_backward_hook(lambda _, into, out: passed.extend([out[0], into[0]]))
    F.cross_entropy(model(x), y).backward()
    backwards = [tensor.norm().item() for tensor in passed]  # behind the last block first, each place but two twice
    assert found == pytest.approx([backwards[-1], *backwards[-2::-2]])
    assert weights == pytest.approx([block.conv1.weight.grad.norm().item() for block in model.blocks])
    assert gradients.decades([100.0, 7.0, 1.0]) == pytest.approx(2)


def test_gradients_grow_on_their_way_back_and_less_so_with_shortcuts():
    x, y = torch.randn(32, 3, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(32) % 10
    gains = {}
    for alpha in (0.0, 1.0):
        for depth in (14, 32):
            model = initialise(ResNet(depth, 4, alpha), torch.Generator().manual_seed(0))
            gains[alpha, depth] = gradients.decades(gradients.signals(model, x, y)[0])
    assert gains[0.0, 32] > gains[0.0, 14] > 0
    assert gains[1.0, 32] < gains[0.0, 32]


def test_gradients_are_probed_before_and_after_training_on_the_same_batches(tmp_path):
    rows = gradients.measure(run := Study(tmp_path, network(SMALL, 0)))  # type: ignore[arg-type]
    start, end = rows
    assert (start.pop("when"), end.pop("when")) == ("start", "end")
    assert start == end  # this one never trained
    other, trained = gradients.measure(Study(tmp_path, lived_in(seed=1)))  # type: ignore[arg-type]
    assert other["signal_gain"] == start["signal_gain"] != trained["signal_gain"]
    assert [row["block"] for row in run.tables["gradients.csv"]] == [*range(7), *range(7)]


def test_responses_are_spreads_behind_each_norm_before_anything_else():
    model: Any = lived_in()
    x = torch.randn(20, 3, 8, 8)
    found = responses.responses(model, x)
    assert len(found) == 13  # every 3 × 3 layer of 14
    with torch.no_grad():
        behind = model.norm(model.conv(x))
        block = model.blocks[0]
        first = block.norm1(block.conv1(F.relu(behind)))
        second = block.norm2(block.conv2(F.relu(first)))
    assert found[:3] == pytest.approx([tensor.numpy().std() for tensor in (behind, first, second)], rel=1e-4)
    assert not any(module._forward_hooks for module in model.modules())
    begun = lived_in(replace(SMALL, zero_last=True))
    assert responses.responses(begun, x)[2::2] == [0.0] * 6  # blocks that begin as their shortcuts respond with nothing


def test_the_mean_response_leaves_the_first_layer_out(tmp_path):
    row = responses.measure(run := Study(tmp_path, lived_in()))  # type: ignore[arg-type]
    table = [line["response"] for line in run.tables["responses.csv"]]
    assert row["response"] == pytest.approx(math.fsum(table[1:]) / 12)


def own_labels(model: ResNet) -> Images:
    """Pictures whose labels are what the network says: unharmed, it errs on none."""
    images, _ = training_images(ARRAYS, 40, 8)
    with torch.no_grad():
        return replace(images, labels_N=model(images.seen(slice(None))).argmax(1))


@pytest.mark.parametrize("alpha", [1.0, 0.0])
def test_lesions_equal_networks_built_without_the_part(alpha, monkeypatch):
    config = replace(SMALL, alpha=alpha)
    model = lived_in(config)
    images = own_labels(model)
    monkeypatch.setattr(lesions, "CHUNK", 17)
    found = lesions.damaged_errors(model, images)
    assert found.pop(("none", 0)) == 0

    def rebuilt(order, cut=()) -> float:
        other = lived_in(config)
        blocks = list(other.blocks)
        for i in cut:
            blocks[i].alpha = 0.0
        other.blocks = torch.nn.Sequential(*(blocks[i] for i in order))
        return error_of(other, images)

    whole = range(6)  # blocks 2 and 4 change the shape
    expected = {("deleted", i): rebuilt([j for j in whole if j != i]) for i in (0, 1, 3, 5)}
    expected |= {("swapped", 0): rebuilt([1, 0, 2, 3, 4, 5])}
    if alpha:
        expected |= {("cut", i): rebuilt(whole, [i]) for i in whole} | {("all cut", 0): rebuilt(whole, whole)}
    assert found == pytest.approx(expected)
    assert min(found.values()) > 0


def test_lesions_are_summed_up_by_kind_on_so_many_validation_images(tmp_path):
    rows = lesions.measure(run := Study(tmp_path, lived_in()))  # type: ignore[arg-type]
    table = run.tables["lesions.csv"]
    cut = [row["error"] for row in table if row["lesion"] == "cut"]
    assert {"lesion": "cut", "lesion_error": pytest.approx(sum(cut) / 6)} in rows
    assert {row["lesion"] for row in rows} == {"none", "deleted", "cut", "swapped", "all cut"}
    assert all(math.isclose(row["error"] * 30 / 100, round(row["error"] * 30 / 100)) for row in table)


def test_each_way_to_choose_an_epoch_reports_its_own_test_error(tmp_path):
    looks = [(20, 31), (10, 30), (10, 27), (15, 25), (12, 28)]
    run = Study(tmp_path, lived_in())
    run.tables["held-out.csv"] = [
        {"update": i, "validation_error": v, "test_error": t} for i, (v, t) in enumerate(looks)
    ]
    rows = selection.measure(run)  # type: ignore[arg-type]
    assert rows == [
        {"chosen": "last", "chosen_error": 28},
        {"chosen": "best on validation", "chosen_error": 30},  # of two equals the first
        {"chosen": "best on test", "chosen_error": 25},
    ]


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_torchvisions_blocks_with_our_weights_are_the_same_network(mode):
    ours = lived_in().double()
    theirs = speed.Peer(ours).double()
    for model in (ours, theirs):
        getattr(model, mode)()
    x = torch.randn(8, 3, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(theirs(x), ours(x))
    label = torch.arange(8)
    mine, other = (
        torch.autograd.grad(F.cross_entropy(model(x), label), list(model.parameters())) for model in (ours, theirs)
    )
    torch.testing.assert_close(other, mine)


def test_both_sides_of_the_clock_take_the_same_updates():
    images, _ = training_images(ARRAYS, 40, 8)
    ours, theirs = speed.opponents(SMALL, 0, len(images))
    found = speed.seconds((ours, theirs), images, SMALL)
    assert [len(times) for times in found] == [2, 2] and min(min(times) for times in found) > 0
    assert ours.update == theirs.update == 4
    for mine, other in zip(ours.model.parameters(), theirs.model.parameters(), strict=True):
        torch.testing.assert_close(other, mine, rtol=1e-3, atol=1e-3)


def test_shares_of_the_time_are_of_the_parts_they_are_called_by():
    assert speed.part_of("aten::mkldnn_convolution") == speed.part_of("ConvolutionBackward0") == "convolutions"
    assert speed.part_of("aten::native_batch_norm_backward") == "norms"
    assert speed.part_of("aten::add") == speed.part_of("aten::add_") == "shortcuts and sums"
    assert speed.part_of("aten::_fused_sgd_") == "optimiser"
    assert speed.part_of("aten::addmm") == "everything else"
    images, _ = training_images(ARRAYS, 40, 8)
    found = speed.shares(speed.opponents(SMALL, 0, len(images))[0], images, SMALL)
    assert sum(found.values()) == pytest.approx(100) and found["convolutions"] > 5 and found["norms"] > 1
