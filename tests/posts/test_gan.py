"""The players and their game, against independent references."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from fakerun import FakeRun
from lockstep.errors import RunFailed
from posts.gan.experiment import Config
from posts.gan.model import Discriminator, Generator, Maxout, dropout_BX
from posts.gan.train import (
    GENERATOR_LOSSES,
    MomentumDescent,
    discriminator_loss,
    fit,
    fit_both,
    generator_loss,
    gradient_norms,
    learning_rate,
    momentum_at,
    player_gradients,
    restore,
    saturating_loss,
)
from safetensors.torch import load_file

SMALL = replace(Config(), noise=5, hidden=16, units=8, pieces=3, batch=10, validation_images=20, snapshots=(1, 4))
SMALL = replace(SMALL, epochs=4)
LIVELY = replace(SMALL, discriminator_spread=0.3, learning_rate=1.0)  # players that move within four epochs


def players(seed: int = 0, pixels: int = 36) -> tuple[Generator, Discriminator]:
    rng = torch.Generator().manual_seed(seed)
    return Generator(5, 16, torch.full((pixels,), 0.3), rng), Discriminator(pixels, 8, 3, rng, spread=0.2)


IMAGES = {"train_images": np.random.default_rng(0).integers(0, 256, (120, 6, 6), dtype=np.uint8)}


def faked(directory, config=SMALL, **options) -> FakeRun:
    return FakeRun(directory, config, IMAGES, **options)


def fitted(directory, **options):
    directory.mkdir(exist_ok=True)
    run = faked(directory, **options)
    fit(run)
    return (directory / "generator-4.safetensors").read_bytes(), run.tables


def test_published_sizes_have_the_exact_parameter_counts():
    rng = torch.Generator()
    generator, discriminator = Generator(100, 1200, torch.full((784,), 0.5), rng), Discriminator(784, 240, 5, rng)
    assert sum(p.numel() for p in generator.parameters()) == 101 * 1200 + 1201 * 1200 + 1201 * 784
    assert sum(p.numel() for p in discriminator.parameters()) == 785 * 1200 + 241 * 1200 + 241


def test_maxout_equals_a_plain_loop_in_output_and_gradients():
    layer = Maxout(7, 4, 3, 0.5, torch.Generator().manual_seed(1)).double()
    x = torch.randn(5, 7, dtype=torch.float64, requires_grad=True)
    weight, bias = layer.linear.weight, layer.linear.bias
    rows = [[max(x[b] @ weight[3 * u + p] + bias[3 * u + p] for p in range(3)) for u in range(4)] for b in range(5)]
    expected = torch.stack([torch.stack(row) for row in rows])
    torch.testing.assert_close(layer(x), expected)
    parameters = [x, *layer.parameters()]
    ours = torch.autograd.grad(layer(x).square().sum(), parameters)
    torch.testing.assert_close(ours, torch.autograd.grad(expected.square().sum(), parameters))


def test_equal_distributions_give_a_summed_loss_of_log_four():
    undecided = torch.zeros(10)
    assert 2 * discriminator_loss(undecided, undecided).item() == pytest.approx(math.log(4))
    assert discriminator_loss(undecided + 3, undecided - 3) < 0.1  # a winning discriminator pays less


def test_losses_equal_binary_cross_entropy():
    real, fake = torch.randn(2, 50, dtype=torch.float64)
    entropy = torch.nn.BCEWithLogitsLoss()
    expected = (entropy(real, torch.ones_like(real)) + entropy(fake, torch.zeros_like(fake))) / 2
    torch.testing.assert_close(discriminator_loss(real, fake), expected)


def test_the_two_generator_losses_push_the_same_way_and_saturate_at_opposite_ends():
    fake = torch.linspace(-8, 8, 9, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(saturating_loss(fake), (1 - fake.sigmoid()).log().mean())
    torch.testing.assert_close(generator_loss(fake), -fake.sigmoid().log().mean())
    flat, steep = (torch.autograd.grad(loss(fake), fake)[0] * 9 for loss in (saturating_loss, generator_loss))
    torch.testing.assert_close(flat, -fake.sigmoid())
    torch.testing.assert_close(steep, -(1 - fake.sigmoid()))
    assert flat[0].abs() < 0.001 < 0.999 < steep[0].abs()  # the discriminator is sure that these are fakes


def test_probed_norms_are_those_of_the_gradients_and_probing_changes_nothing(tmp_path):
    generator, discriminator = players()
    norms = gradient_norms(generator, discriminator, 20, torch.Generator().manual_seed(3))
    rng = torch.Generator().manual_seed(3)
    fake = discriminator(generator(generator.sample_noise(20, rng)), dropout=rng)
    for name, loss in (("saturating", saturating_loss), ("non_saturating", generator_loss)):
        gradients = torch.autograd.grad(loss(fake), list(generator.parameters()), retain_graph=True)
        assert norms[name] == pytest.approx(torch.cat([g.flatten() for g in gradients]).norm().item())
    often, seldom = (fitted(tmp_path / str(n), config=replace(LIVELY, probe_every=n)) for n in (1, 5))
    assert often[0] == seldom[0]


def test_the_saturating_loss_trains_another_generator(tmp_path):
    weights = {loss: fitted(tmp_path / loss, config=replace(LIVELY, loss=loss))[0] for loss in GENERATOR_LOSSES}
    assert weights["saturating"] != weights["non_saturating"]


def test_neither_players_step_leaves_gradients_behind_and_every_parameter_gets_one():
    generator, discriminator = players()
    for_g, for_d, _, _ = player_gradients(
        generator, discriminator, torch.rand(20, 36), torch.Generator().manual_seed(0)
    )
    assert all(p.grad is None for p in [*generator.parameters(), *discriminator.parameters()])
    for gradients, module in [(for_g, generator), (for_d, discriminator)]:
        for gradient, (name, parameter) in zip(gradients, module.named_parameters(), strict=True):
            assert gradient.shape == parameter.shape
            assert gradient.abs().sum() > 0, name


def test_each_player_differentiates_its_own_loss_only():
    generator, discriminator = players()
    x = torch.rand(20, 36)
    for_g, for_d, _, _ = player_gradients(generator, discriminator, x, torch.Generator().manual_seed(3))
    rng = torch.Generator().manual_seed(3)  # the same noise and masks again, each loss from a pass of its own
    fake = generator(generator.sample_noise(20, rng))
    real_logits, fake_logits = discriminator(x, dropout=rng), discriminator(fake, dropout=rng)
    d_loss = -0.5 * (real_logits.sigmoid().log().mean() + (1 - fake_logits.sigmoid()).log().mean())
    g_loss = -fake_logits.sigmoid().log().mean()
    torch.testing.assert_close(
        for_d, list(torch.autograd.grad(d_loss, list(discriminator.parameters()), retain_graph=True))
    )
    torch.testing.assert_close(for_g, list(torch.autograd.grad(g_loss, list(generator.parameters()))))


def test_momentum_descent_equals_torch_at_a_constant_rate():
    ours, reference = torch.nn.Linear(4, 3), torch.nn.Linear(4, 3)
    reference.load_state_dict(ours.state_dict())
    descent = MomentumDescent([ours], "fp32")
    optimiser = torch.optim.SGD(reference.parameters(), lr=0.1, momentum=0.5)
    for _ in range(3):
        x = torch.randn(6, 4)
        descent.step(list(torch.autograd.grad(ours(x).square().sum(), list(ours.parameters()))), 0.1, 0.5)
        optimiser.zero_grad()
        reference(x).square().sum().backward()
        optimiser.step()
    torch.testing.assert_close(list(ours.parameters()), list(reference.parameters()))


def test_small_steps_survive_in_bfloat16():
    layer = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.ones_(layer.weight)
    descent = MomentumDescent([layer], "bf16")
    for _ in range(100):
        descent.step([torch.ones(1, 1, dtype=torch.bfloat16)], 1e-4, 0.0)
    assert descent.masters[0].item() == pytest.approx(0.99, abs=1e-4)
    naive = torch.ones(1, dtype=torch.bfloat16)
    for _ in range(100):
        naive -= 1e-4
    assert naive.item() == 1  # without the float32 copy every step is lost


def test_discriminator_learns_to_tell_one_fixed_batch_apart():
    _, discriminator = players()
    real, fake = torch.rand(2, 20, 36)
    descent = MomentumDescent([discriminator], "fp32")
    before = discriminator_loss(discriminator(real), discriminator(fake)).item()
    for _ in range(400):
        loss = discriminator_loss(discriminator(real), discriminator(fake))
        descent.step(list(torch.autograd.grad(loss, list(discriminator.parameters()))), 0.1, 0.5)
    after = discriminator_loss(discriminator(real), discriminator(fake)).item()
    assert after < 0.05 < before


def test_dropout_keeps_the_mean_and_the_declared_share():
    x = torch.ones(200, 500)
    dropped = dropout_BX(x, 0.8, torch.Generator().manual_seed(0))
    assert (dropped > 0).float().mean().item() == pytest.approx(0.8, abs=0.01)
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.01)


def test_noise_is_uniform_with_variance_one():
    generator, _ = players()
    z = generator.sample_noise(20_000, torch.Generator().manual_seed(0))
    assert z.abs().max() <= 3**0.5
    assert z.var().item() == pytest.approx(1.0, abs=0.02)


def test_first_samples_have_the_marginals_of_the_data():
    mean = torch.linspace(0.05, 0.95, 36)
    generator = Generator(5, 16, mean, torch.Generator().manual_seed(0), spread=1e-4)
    torch.testing.assert_close(generator(torch.zeros(1, 5))[0], mean, atol=1e-3, rtol=0)


def test_schedules_at_their_documented_points():
    assert learning_rate(0.1, 1.000004, 1e-6, 0) == 0.1
    assert learning_rate(0.1, 1.000004, 1e-6, 500) == pytest.approx(0.1 / 1.000004**500)
    assert learning_rate(0.1, 2.0, 1e-6, 10**3) == 1e-6
    assert momentum_at(0.5, 0.7, 250, 1) == 0.5
    assert momentum_at(0.5, 0.7, 250, 250) == pytest.approx(0.7)
    assert momentum_at(0.5, 0.7, 250, 400) == pytest.approx(0.7)


def test_same_seed_is_identical_and_another_seed_is_not(tmp_path):
    first = fitted(tmp_path / "a")
    assert fitted(tmp_path / "b") == first
    assert fitted(tmp_path / "c", seed=1) != first


def test_resumed_training_equals_the_uninterrupted_one_bit_for_bit(tmp_path):
    whole = fitted(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path / "parts", stop_after=2)
    assert not (tmp_path / "parts" / "generator-4.safetensors").exists()
    assert fitted(tmp_path / "parts") == whole


def test_a_loss_that_is_not_finite_fails_the_run(tmp_path):
    with pytest.raises(RunFailed, match="epoch"):
        fit(faked(tmp_path, config=replace(SMALL, learning_rate=float("inf"), precision="fp32")))


def test_keeping_the_discriminator_trains_the_same_pair_and_keeps_its_last_weights(tmp_path):
    generator, _ = fitted(tmp_path / "alone", config=LIVELY)
    (tmp_path / "both").mkdir()
    run = faked(tmp_path / "both", config=LIVELY)
    fit_both(run)
    assert (tmp_path / "both" / "generator-4.safetensors").read_bytes() == generator
    kept = load_file(tmp_path / "both" / "discriminator.safetensors")
    discriminator = Discriminator(36, 8, 3, torch.Generator())
    descent = MomentumDescent([Generator(5, 16, torch.full((36,), 0.5), torch.Generator()), discriminator], "bf16")
    restore(tmp_path / "both" / "checkpoint", descent, torch.Generator())
    assert {name: tensor.dtype for name, tensor in kept.items()} == dict.fromkeys(
        discriminator.state_dict(), torch.bfloat16
    )
    assert all(torch.equal(kept[name], tensor) for name, tensor in discriminator.state_dict().items())
    torch.testing.assert_close(kept["first.linear.weight"].std().item(), 0.3 / 3**0.5, rtol=0.2, atol=0)  # not zeros
