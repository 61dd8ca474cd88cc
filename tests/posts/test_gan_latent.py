"""Attributes of drawn pictures, directions that were planted, walks that stay where noise can be, and the figures."""

import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from posts.gan import latent
from posts.gan.classifier import Classifier
from posts.gan.figures_latent import draw_distances, draw_ranking
from posts.gan.latent import (
    WALK,
    WALL,
    Walks,
    explained,
    explore,
    ink,
    least_squares,
    random_directions,
    slant,
    try_midpoints,
    walk,
    without,
)
from posts.gan.model import Generator
from safetensors.torch import load_file, save_file

torch.set_num_threads(1)  # as in the stages; at this size more threads only wait for each other


def uniform(count: int, size: int, seed: int = 0) -> torch.Tensor:
    return (torch.rand(count, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1) * WALL


def bar(degrees: float, side: int = 41, thickness: float = 2.5) -> torch.Tensor:
    """A picture (1, side²) of a bar through the middle that leans to the right by so many degrees."""
    y, x = torch.meshgrid(torch.arange(side) - side // 2, torch.arange(side) - side // 2, indexing="ij")
    across = x + y * math.tan(math.radians(degrees))  # rows run downwards: right of the middle where y is negative
    return ((across.abs() <= thickness) & (y.abs() <= side // 3)).float().reshape(1, -1)


@pytest.mark.parametrize("degrees", [-30, -10, 15, 25])
def test_a_bar_slants_by_the_angle_it_was_drawn_with(degrees):
    assert slant(bar(degrees)).item() == pytest.approx(degrees, abs=1.5)


def test_a_mirrored_bar_slants_the_other_way_and_an_upright_one_not_at_all():
    mirrored = bar(20).reshape(41, 41).flip(1).reshape(1, -1)
    assert slant(mirrored).item() == pytest.approx(-slant(bar(20)).item(), abs=1e-3)
    assert slant(bar(0)).item() == pytest.approx(0, abs=1e-3)


def test_where_a_bar_stands_and_how_bright_it_is_do_not_change_its_slant():
    moved = bar(20).reshape(41, 41).roll((3, -5), dims=(0, 1)).reshape(1, -1)
    assert slant(0.3 * moved).item() == pytest.approx(slant(bar(20)).item(), abs=1e-3)


def test_ink_is_the_mean_brightness():
    assert ink(torch.tensor([[0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.4]])).tolist() == pytest.approx([0.5, 0.1])


def test_least_squares_agree_with_numpy():
    z, y = uniform(60, 7), uniform(60, 3, seed=1)
    expected = np.linalg.lstsq(np.c_[z.double(), np.ones(60)], y.double().numpy(), rcond=None)[0]
    np.testing.assert_allclose(least_squares(z, y).numpy(), expected, atol=1e-10)
    np.testing.assert_allclose(least_squares(z, y[:, 0]).numpy(), expected[:, 0], atol=1e-10)


def test_a_planted_direction_is_recovered_and_predicts_what_was_held_out():
    planted = random_directions(1, 8, torch.Generator().manual_seed(0))[0]
    z = uniform(2000, 8)
    y = 3 * z @ planted + 5 + torch.randn(2000, generator=torch.Generator().manual_seed(1))
    coefficients = least_squares(z[:1000], y[:1000])
    direction = coefficients[:-1] / coefficients[:-1].norm()
    assert float(direction @ planted.double()) > 0.995
    assert explained(z[1000:], y[1000:], coefficients) == pytest.approx(9 / 10, abs=0.02)  # 3² of variance, and noise
    unrelated = least_squares(z[:1000], y[torch.randperm(1000, generator=torch.Generator().manual_seed(2))])
    assert explained(z[1000:], y[1000:], unrelated) < 0.05


def test_predicting_the_mean_explains_nothing_and_the_truth_explains_all():
    z, y = uniform(50, 2), torch.linspace(0, 1, 50)
    assert explained(z, y, torch.tensor([0.0, 0.0, 0.5], dtype=torch.float64)) == pytest.approx(0, abs=1e-6)
    truth = torch.tensor([2.0, -1.0, 3.0], dtype=torch.float64)
    assert explained(z, 2 * z[:, 0] - z[:, 1] + 3, truth) == pytest.approx(1, abs=1e-6)


def test_too_few_samples_for_a_fit_are_an_error_that_says_so():
    with pytest.raises(ValueError, match="6 samples cannot fit 6 coefficients"):
        least_squares(uniform(6, 5), torch.rand(6))


def test_a_freed_direction_is_orthogonal_to_the_others_and_as_close_as_can_be():
    rng = torch.Generator().manual_seed(0)
    direction, others = torch.randn(9, generator=rng).double(), torch.randn(9, 3, generator=rng).double()
    others = torch.cat([others, -others.sum(dim=1, keepdim=True)], dim=1)  # as of digits: the columns sum to zero
    freed = without(direction, others)
    assert freed.norm().item() == pytest.approx(1)
    assert (others.T @ freed).abs().max() < 1e-9
    basis = torch.linalg.qr(others[:, :3])[0]
    expected = direction - basis @ (basis.T @ direction)
    torch.testing.assert_close(freed, expected / expected.norm())


@pytest.mark.parametrize("length", [-WALK, 0.5, WALK, 100])
def test_walks_stay_in_the_cube(length):
    z, direction = uniform(500, 6), random_directions(1, 6, torch.Generator().manual_seed(1))[0]
    assert walk(z, direction, length).abs().max() <= WALL
    inside = (z + length * direction).abs() <= WALL
    torch.testing.assert_close(walk(z, direction, length)[inside], (z + length * direction)[inside])
    assert not inside.all() or length == 0.5  # a wall was met, or this proves nothing


def test_random_directions_are_unit_vectors_without_a_favourite():
    directions = random_directions(4000, 5, torch.Generator().manual_seed(0))
    torch.testing.assert_close(directions.norm(dim=1), torch.ones(4000))
    assert directions.mean(dim=0).abs().max() < 0.03


LEFT, RIGHT = torch.eye(4).flatten(), torch.eye(4).flip(0).flatten()  # diagonals, leaning to either side


class Diagonals(torch.nn.Module):
    """A generator that shows what it does with its inputs: the first brightens a diagonal, the second says which of the
    two it is, and the right one is the brighter."""

    noise = 4

    def forward(self, z):
        right = (z[:, 1:2] > 0).float()
        return (0.5 + z[:, :1] / 10 + 0.2 * right) * (right * RIGHT + (1 - right) * LEFT)


class Which(Classifier):
    """Says 0 or 1: which of the two diagonals is brighter."""

    def __init__(self):
        super().__init__(16, torch.Generator().manual_seed(0))
        self.output = torch.nn.Identity()  # type: ignore[assignment]

    def features(self, x_BX):
        return torch.nn.functional.pad(4 * x_BX @ torch.stack([LEFT, RIGHT], dim=1), (0, 8), value=-2.0)


BRIGHTER, SWITCHED = torch.eye(4)[0], torch.eye(4)[1]


def test_a_walk_changes_what_its_direction_says_and_keeps_the_digit_that_it_does_not_touch():
    z = uniform(400, 4)
    walks = Walks(Diagonals(), Which(), z, BRIGHTER)  # type: ignore[arg-type]
    moved = (walk(z, BRIGHTER, WALK) - walk(z, BRIGHTER, -WALK))[:, 0].mean()
    assert walks.change(ink) == pytest.approx(float(moved) / 40, abs=1e-4)
    assert walks.change(slant) == pytest.approx(0, abs=1e-3)
    assert walks.kept == 100
    switching = Walks(Diagonals(), Which(), z, SWITCHED)  # type: ignore[arg-type]
    assert switching.change(slant) == pytest.approx(90, abs=0.1)
    assert switching.kept == 0


def test_a_fit_walks_into_the_other_digit_and_freed_of_the_digit_it_does_not():
    z, rng = uniform(2000, 4), torch.Generator().manual_seed(0)
    rows, directions = latent.try_directions(Diagonals(), Which(), z, rng)  # type: ignore[arg-type]
    fitted, freed = directions["ink_fitted"], directions["ink_freed"]
    assert min(fitted @ BRIGHTER, fitted @ SWITCHED) > 0.5
    assert freed @ BRIGHTER > 0.98 and abs(freed @ SWITCHED) < 0.1
    found = {(row.get("attribute"), row.get("along")): row for row in rows}
    assert found["ink", "fitted"]["kept"] < 50 < 90 < found["ink", "freed"]["kept"]
    shifts = [found["ink", along]["shift"] for along in ("fitted", "freed", "random")]
    assert shifts == sorted(shifts, reverse=True)
    assert found["ink", None]["r2"] > 0.8
    assert all(direction.dtype == torch.float32 for direction in directions.values())


def test_midpoints_in_noise_show_one_diagonal_and_midpoints_in_pixels_show_both():
    z, real = uniform(400, 4), torch.nn.functional.pad(torch.rand(50, 2), (0, 8))
    rows = try_midpoints(Diagonals(), Which(), z, real, confidence=0.9, neighbours=3)  # type: ignore[arg-type]
    sure = {row["shown"]: row["confident"] for row in rows}
    assert sure["samples"] == sure["noise_midpoints"] == 100
    assert 40 < sure["pixel_midpoints"] < 80  # pairs of one diagonal stay clear, the others blend


def explored(directory, seed=0):
    directory.mkdir()
    generator = Generator(5, 16, torch.full((64,), 0.5), torch.Generator().manual_seed(0), spread=0.5)
    save_file(generator.state_dict(), directory / "generator-4.safetensors")
    save_file(Classifier(64, torch.Generator().manual_seed(0)).state_dict(), directory / "classifier.safetensors")
    test_images = np.random.default_rng(0).integers(0, 256, (50, 8, 8), dtype=np.uint8)
    run = SimpleNamespace(
        seed=seed,
        config=SimpleNamespace(noise=5, hidden=16, epochs=4, samples=80, confidence=0.2, neighbours=3),
        inputs=[SimpleNamespace(stage=stage, open=lambda name: directory / name) for stage in ("train", "classifier")],
        data=lambda name: {"test_images": test_images},
        artefact=lambda name: directory / name,
        progress=lambda done, total: None,
    )
    return explore(run), load_file(directory / "directions.safetensors")  # type: ignore[arg-type]


def test_the_same_seed_explores_identically_and_another_seed_does_not(tmp_path):
    first, again, other = explored(tmp_path / "a"), explored(tmp_path / "b"), explored(tmp_path / "c", seed=1)
    assert first[0] == again[0] != other[0]
    assert all(torch.equal(direction, again[1][name]) for name, direction in first[1].items())


def test_two_rows_with_the_same_metric_differ_in_a_key(tmp_path):
    rows, directions = explored(tmp_path / "a")
    keys = [
        (metric, tuple((name, value) for name, value in row.items() if isinstance(value, str)))
        for row in rows
        for metric, found in row.items()
        if isinstance(found, float)
    ]
    assert len(keys) == len(set(keys)) and all(key for _, key in keys)
    assert set(directions) == {"ink_fitted", "ink_freed", "slant_fitted", "slant_freed"}


def test_the_ranking_puts_the_smallest_distance_and_the_largest_likelihood_on_top(tmp_path):
    values = {
        "gan": (159.0, 8.5, 74.0, 60.0),
        "training": (242.0, 0.9, 86.0, 88.0),
        "kmeans": (335.0, 18.25, 90.0, 63.0),
    }
    metrics = ("log_likelihood", "frechet", "sample_precision", "sample_recall")
    rows = [{"source": source, **dict(zip(metrics, v, strict=True))} for source, v in values.items()]
    inputs = [SimpleNamespace(rows=rows), SimpleNamespace(rows=[{"epoch": 1, "validation_log_likelihood": 3.0}])]
    draw_ranking(SimpleNamespace(inputs=inputs, figure=lambda name: tmp_path / name))  # type: ignore[arg-type]
    heights = text_heights((tmp_path / "ranking.svg").read_text())
    assert heights["335 nats"] < heights["242 nats"] < heights["159 nats"]
    assert heights["0.9"] < heights["8.5"] < heights["18.2"]
    assert heights["90 %"] < heights["86 %"] < heights["74 %"]


def text_heights(svg: str) -> dict[str, float]:
    """How far from the top each text of a figure stands."""
    found = re.findall(r'<text [^>]*?(?:y="([\d.]+)"|translate\([\d.]+ ([\d.]+)\))[^>]*>([^<]+)</text>', svg)
    return {text: float(y or moved) for y, moved, text in found}


def test_distances_are_drawn_for_samples_and_test_images(tmp_path):
    row = {"from": 0.0, "to": 1.0, "samples": 100.0, "test_images": 100.0, "training_images": 100.0}
    run = SimpleNamespace(figure=lambda name: tmp_path / name)
    draw_distances(run, [{"space": "pixel", **row}, {"space": "feature", **row}])  # type: ignore[arg-type]
    svg = (tmp_path / "memorisation.svg").read_text()
    assert all(text in svg for text in ("test images", "samples", "distance in pixels", "distance in features"))
