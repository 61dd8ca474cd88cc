"""The optimal discriminator and the value of the game, against closed forms; and a network that has to find them."""

import math
from types import SimpleNamespace

import pytest
import torch
from posts.gan.theory import (
    CASES,
    Gaussian,
    density_error,
    discriminate,
    grid,
    integral,
    jensen_shannon,
    kl_divergence,
    logits,
    network,
    optimal_logit,
    train_discriminator,
    value,
)
from posts.gan.train import discriminator_loss

torch.set_num_threads(1)  # small tensors: threads would wait for each other
X = grid()
BOTH = pytest.mark.parametrize("case", CASES)
SMALL = {"theory_hidden": 16, "theory_batch": 200, "theory_steps": 300, "theory_rate": 0.01}


class FakeRun:
    def __init__(self, seed=0, **settings):
        self.config, self.seed, self.written = SimpleNamespace(**SMALL | settings), seed, {}

    def write_csv(self, name, rows):
        self.written[name] = rows

    def fail(self, reason):
        raise ArithmeticError(reason)


@pytest.fixture(scope="module")
def run():
    """One small run: its rows, and what it wrote."""
    run = FakeRun()
    return discriminate(run), run.written


@BOTH
def test_densities_integrate_to_one_with_the_declared_moments(case):
    for density in CASES[case]:
        p_N = density.log_density(X).exp()
        assert integral(p_N, X) == pytest.approx(1, abs=1e-12)
        assert integral(p_N * X, X) == pytest.approx(density.mean, abs=1e-12)
        assert integral(p_N * (X - density.mean) ** 2, X) == pytest.approx(density.deviation**2, abs=1e-12)


def test_density_and_samples_agree_with_torch():
    ours, reference = Gaussian(1.5, 2.0), torch.distributions.Normal(1.5, 2.0)
    torch.testing.assert_close(ours.log_density(X), reference.log_prob(X))
    drawn = ours.sample(20_000, torch.Generator().manual_seed(0))
    assert drawn.shape == (20_000, 1)
    assert drawn.mean().item() == pytest.approx(1.5, abs=0.05)
    assert drawn.std().item() == pytest.approx(2.0, abs=0.05)


def test_quadrature_equals_the_closed_form_of_the_divergence_between_gaussians():
    p, q = CASES["apart"]
    closed = (
        math.log(q.deviation / p.deviation) + (p.deviation**2 + (p.mean - q.mean) ** 2) / (2 * q.deviation**2) - 0.5
    )
    assert kl_divergence(p.log_density(X), q.log_density(X), X) == pytest.approx(closed, abs=1e-12)


def test_optimal_discriminator_of_equal_densities_is_one_half_and_of_others_is_the_share_of_p():
    assert optimal_logit(*CASES["equal"], X).sigmoid().sub(0.5).abs().max() == 0
    p, q = CASES["apart"]
    x_N = torch.tensor([-1.0, 0.0, 3.0], dtype=torch.float64)
    p_N, q_N = p.log_density(x_N).exp(), q.log_density(x_N).exp()
    torch.testing.assert_close(optimal_logit(p, q, x_N).sigmoid(), p_N / (p_N + q_N))


@BOTH
def test_the_optimum_is_twice_the_divergence_above_minus_log_four(case):
    p, q = CASES[case]
    assert value(p, q, optimal_logit(p, q, X), X) == pytest.approx(
        -math.log(4) + 2 * jensen_shannon(p, q, X), abs=1e-12
    )


def test_the_divergence_is_zero_at_equality_and_log_two_far_apart():
    assert jensen_shannon(*CASES["equal"], X) == pytest.approx(0, abs=1e-15)
    assert jensen_shannon(Gaussian(-8, 0.5), Gaussian(8, 0.5), X) == pytest.approx(math.log(2), abs=1e-12)
    p, q = CASES["apart"]
    assert 0.1 < jensen_shannon(p, q, X) < 0.6  # the published case lies well between
    assert jensen_shannon(p, q, X) == pytest.approx(jensen_shannon(q, p, X), abs=1e-15)


@BOTH
def test_no_other_discriminator_has_a_higher_value(case):
    p, q = CASES[case]
    best_N = optimal_logit(p, q, X)
    rng = torch.Generator().manual_seed(0)
    for size in (1e-3, 0.1, 3.0):
        wave_N = torch.sin(X * torch.rand(1, generator=rng) * 3) + torch.randn(1, generator=rng)
        assert value(p, q, best_N + size * wave_N, X) < value(p, q, best_N, X)
    with torch.no_grad():
        for hidden in (4, 32):
            assert value(p, q, logits(network(1, hidden, 1, rng), X), X) < value(p, q, best_N, X)


def test_the_value_by_quadrature_is_minus_twice_the_loss_on_many_samples():
    p, q = CASES["apart"]
    rng = torch.Generator().manual_seed(0)
    network_ = network(1, 8, 1, rng)
    with torch.no_grad():
        loss = discriminator_loss(network_(p.sample(200_000, rng))[:, 0], network_(q.sample(200_000, rng))[:, 0])
    assert -2 * loss.item() == pytest.approx(value(p, q, logits(network_, X), X), abs=0.02)
    assert abs(value(q, p, logits(network_, X), X) + 2 * loss.item()) > 0.1  # the roles of p and q matter


def test_density_error_of_the_optimum_is_zero_and_of_a_constant_is_its_distance():
    p, q = CASES["apart"]
    assert density_error(p, q, optimal_logit(p, q, X), X) == 0
    always_N = torch.full_like(X, math.log(3))  # D = 3/4 everywhere, where D* = 1/2
    assert density_error(*CASES["equal"], always_N, X) == pytest.approx(0.25, abs=1e-12)


@BOTH
def test_training_brings_the_discriminator_close_to_the_optimum(case):
    p, q = CASES[case]

    def error(steps):
        rng = torch.Generator().manual_seed(0)
        trained, _ = train_discriminator(p, q, hidden=16, batch=200, steps=steps, rate=0.01, rng=rng)
        return density_error(p, q, logits(trained, X), X)

    assert error(300) < 0.02 < 0.06 < error(0)


def test_rows_say_what_the_theory_says(run):
    apart, equal = run[0]
    assert (apart["case"], equal["case"]) == ("apart", "equal")
    assert equal["optimum"] == pytest.approx(-math.log(4), abs=1e-12)
    assert equal["value"] == pytest.approx(-math.log(4), abs=5e-3)
    for row in (apart, equal):
        assert row["optimum"] - 0.01 < row["value"] < row["optimum"]
    assert apart["value"] > equal["value"] + 0.1


def test_the_curve_holds_both_probabilities_of_both_cases(run):
    curve = run[1]["discriminator.csv"]
    assert list(curve[0]) == ["case", "x", "trained", "optimal"]
    assert {row["case"] for row in curve} == set(CASES)
    assert all(row["optimal"] == 0.5 for row in curve if row["case"] == "equal")
    assert max(abs(row["trained"] - row["optimal"]) for row in curve if abs(row["x"]) < 2) < 0.1


def test_same_seed_is_identical_and_another_seed_is_not(run):
    again, other = FakeRun(), FakeRun(seed=1)
    assert (discriminate(again), again.written) == run
    assert discriminate(other) != run[0]


def test_a_loss_that_is_not_finite_fails_the_run():
    with pytest.raises(ArithmeticError, match="apart"):
        discriminate(FakeRun(theory_rate=math.inf, theory_steps=3))
