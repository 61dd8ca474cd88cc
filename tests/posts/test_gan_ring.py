"""The ring, what is measured on it, and the games played on it."""

import math
from dataclasses import asdict
from types import SimpleNamespace

import pytest
import torch
from posts.gan.ring import (
    DEVIATION,
    MODES,
    RADIUS,
    VARIANTS,
    Game,
    Variant,
    blurred,
    coverage,
    fit,
    noise_at,
    packed,
    ring_centres,
    sample_ring,
)

torch.set_num_threads(1)  # small tensors: threads would wait for each other
SMALL = {"ring_steps": 32, "ring_batch": 32, "ring_hidden": 16, "ring_noise": 4, "ring_rate": 1e-3}
SMALL |= {"ring_samples": 400, "ring_every": 8}


class FakeRun:
    def __init__(self, variant="plain", seed=0, **settings):
        self.config, self.seed, self.written = SimpleNamespace(variant=variant, **SMALL | settings), seed, {}

    def write_csv(self, name, rows):
        self.written[name] = rows

    def progress(self, done, total, **metrics):
        assert 0 < done <= total

    def fail(self, reason):
        raise ArithmeticError(reason)


def fitted(*arguments, **settings):
    run = FakeRun(*arguments, **settings)
    return fit(run), run.written


def game(variant: Variant | None = None, seed=0) -> Game:
    return Game(variant or Variant(), inputs=4, hidden=16, batch=32, rate=1e-3, seed=seed)


def weights(player):
    return torch.cat([parameter.detach().flatten() for parameter in player.parameters()])


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_real_samples_cover_every_mode_and_lie_on_the_ring():
    found = coverage(sample_ring(4000, rng()))
    assert found["modes"] == MODES
    assert found["on_ring"] == pytest.approx(100 * (1 - math.exp(-4.5)), abs=0.7)  # three deviations in the plane


def test_real_samples_have_the_declared_radius_and_deviation():
    x_BX = sample_ring(8000, rng())
    assert x_BX.norm(dim=1).mean().item() == pytest.approx(RADIUS, abs=2e-3)
    mode_B = torch.cdist(x_BX, ring_centres()).argmin(dim=1)
    assert (x_BX - ring_centres()[mode_B]).std().item() == pytest.approx(DEVIATION, rel=0.03)
    assert torch.bincount(mode_B).tolist() == pytest.approx([1000] * MODES, abs=120)


@pytest.mark.parametrize("count", [1, 3, 8])
def test_modes_counts_the_modes_that_samples_sit_on(count):
    x_SX = ring_centres()[torch.arange(800) % count]
    assert coverage(x_SX) == {"modes": count, "on_ring": 100.0}


def test_a_mode_with_less_than_a_tenth_of_its_share_is_not_covered():
    centres_KX = ring_centres()

    def with_second_mode(samples):  # of 800 samples a fair share is 100, a tenth of it 10
        return coverage(torch.cat([centres_KX[0].expand(800 - samples, 2), centres_KX[1].expand(samples, 2)]))

    assert with_second_mode(9)["modes"] == 1
    assert with_second_mode(10)["modes"] == 2
    assert with_second_mode(9)["on_ring"] == 100


def test_samples_beyond_three_deviations_count_nowhere():
    outward_KX = ring_centres() / RADIUS
    inside, outside = (ring_centres() + outward_KX * DEVIATION * far for far in (2.9, 3.1))
    assert coverage(inside) == {"modes": 8, "on_ring": 100.0}
    assert coverage(outside) == {"modes": 0, "on_ring": 0.0}
    assert coverage(torch.cat([inside, outside])) == {"modes": 8, "on_ring": 50.0}


def test_packing_puts_whole_samples_side_by_side_and_asks_for_one_verdict_a_pack():
    x_BX = torch.arange(16.0).reshape(8, 2)
    assert packed(x_BX, 1).equal(x_BX)
    assert packed(x_BX, 4).tolist() == [list(range(8)), list(range(8, 16))]
    pair = game(Variant(pack=4))
    assert pair.discriminator[0].in_features == 8
    assert pair.judge(torch.zeros(32, 2), 0.0).shape == (8,)
    assert game().judge(torch.zeros(32, 2), 0.0).shape == (32,)


def test_instance_noise_has_its_deviation_and_falls_linearly_to_zero():
    x_BX = torch.ones(5000, 2)
    assert blurred(x_BX, 0.0, rng()).equal(x_BX)
    assert blurred(x_BX, 0.5, rng()).std().item() == pytest.approx(0.5, rel=0.03)
    assert [noise_at(0.5, done, 4) for done in range(5)] == [0.5, 0.375, 0.25, 0.125, 0.0]


def test_each_update_moves_one_player_alone():
    one = game()
    before = weights(one.generator), weights(one.discriminator)
    one.update_discriminator(0.0)
    assert weights(one.generator).equal(before[0]) and not weights(one.discriminator).equal(before[1])
    between = weights(one.discriminator)
    one.update_generator(0.0)
    assert not weights(one.generator).equal(before[0]) and weights(one.discriminator).equal(between)
    for player in (one.generator, one.discriminator):
        assert all(parameter.grad.abs().sum() > 0 for parameter in player.parameters())


def test_repeated_updates_lower_each_players_own_loss():
    one = game(seed=1)
    losses = [one.update_discriminator(0.0) for _ in range(100)]
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])
    losses = [one.update_generator(0.0) for _ in range(100)]
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])


def test_variants_differ_from_plain_in_what_they_are_named_for():
    plain, thorough = asdict(VARIANTS["plain"]), asdict(VARIANTS["thorough"])

    def changed(name, base):
        return {field for field, setting in asdict(VARIANTS[name]).items() if setting != base[field]}

    assert plain == {
        "loss": "non_saturating",
        "discriminator_updates": 1,
        "generator_updates": 1,
        "noise": 0,
        "pack": 1,
    }
    assert changed("saturating", plain) == {"loss"}
    assert changed("hasty", plain) == {"generator_updates"}
    assert changed("thorough", plain) == {"discriminator_updates"}
    assert changed("thorough_saturating", thorough) == {"loss"}
    assert changed("thorough_noisy", thorough) == {"noise"}
    assert changed("thorough_packed", thorough) == {"pack"}


@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "plain"])
def test_every_variant_plays_another_game_than_plain(name):
    played = {}
    for variant in ("plain", name):
        played[variant] = game(VARIANTS[variant])
        for _ in range(2):
            played[variant].step(VARIANTS[variant].noise)
    assert not weights(played[name].generator).equal(weights(played["plain"].generator))


def test_updates_in_a_step_are_as_many_as_the_variant_says(monkeypatch):
    calls = []
    monkeypatch.setattr(Game, "update_discriminator", lambda self, noise: calls.append("d") or 0.0)
    monkeypatch.setattr(Game, "update_generator", lambda self, noise: calls.append("g") or 0.0)
    game(VARIANTS["thorough"]).step(0.0)
    game(VARIANTS["hasty"]).step(0.0)
    assert "".join(calls) == "dddddg" + "dggggg"


def test_outputs_hold_the_curve_and_for_one_seed_the_points():
    rows, written = fitted()
    assert [row["step"] for row in written["ring.csv"]] == [8, 16, 24, 32]
    assert list(written["ring.csv"][0])[:3] == ["step", "modes", "on_ring"]
    assert rows[0]["modes"] == written["ring.csv"][-1]["modes"]
    steps = [row["step"] for row in written["points.csv"]]
    assert {step: steps.count(step) for step in steps} == dict.fromkeys([2, 4, 8, 16, 24, 32], 200)
    assert "points.csv" not in fitted(seed=1)[1]


def test_measuring_changes_nothing_of_the_training():
    assert fitted(ring_every=1)[1]["points.csv"] == fitted(ring_every=32)[1]["points.csv"]


def test_same_seed_is_identical_and_another_seed_is_not():
    first = fitted("thorough_noisy", seed=3)
    assert fitted("thorough_noisy", seed=3) == first
    assert fitted("thorough_noisy", seed=4) != first


def test_a_loss_that_is_not_finite_fails_the_run():
    with pytest.raises(ArithmeticError, match="step"):
        fit(FakeRun(ring_rate=math.inf))
