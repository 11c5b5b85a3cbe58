"""MADE with mixtures of normals: masks, masses, floors and draws."""

import math

import pytest
import torch
from scipy import stats

from skmaf.flows import MixtureMADE
from skmaf.training.noise import NoiseLevels

NOISE = NoiseLevels(0.1, 2.0)


@pytest.fixture
def made(randomise):
    """Makes a density with random weights."""

    def make(n_columns, size=0.5):
        generator = torch.Generator().manual_seed(0)
        return randomise(MixtureMADE(n_columns, 3, (12, 10), NOISE, generator), size=size)

    return make


def normal(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def at(place, n_rows):
    return torch.full((n_rows, 1), place, dtype=torch.float64)


@pytest.mark.slow
@pytest.mark.parametrize("place", [-1.0, 0.0, 1.0])
def test_density_of_two_columns_integrates_to_one(made, place):
    t = torch.linspace(-4.5, 4.5, 801, dtype=torch.float64)
    x = t.sinh()
    weights = t.cosh() * (t[1] - t[0])
    rows = torch.cartesian_prod(x, x)
    mass = (
        made(2).log_prob(rows, at(place, len(rows))).exp() * torch.outer(weights, weights).flatten()
    ).sum()
    assert mass.item() == pytest.approx(1, abs=1e-3)


def test_a_column_does_not_depend_on_those_after_it(made):
    """With the last column integrated out the density is that of the first ones."""
    density = made(3)
    x = normal(1, 3)
    t = torch.linspace(-5, 5, 4001, dtype=torch.float64)
    rows = x.repeat(len(t), 1)
    rows[:, 2] = t.sinh()
    mass = (density.log_prob(rows, at(0.3, len(t))).exp() * t.cosh()).sum() * (t[1] - t[0])
    shares, means, variances = density._mixtures(
        density.network(3 * torch.tanh(x.T / 3), at(0.3, 1)), at(0.3, 1)
    )
    parts = (
        shares.softmax(0) * torch.distributions.Normal(means, variances.sqrt()).log_prob(x.T).exp()
    )
    torch.testing.assert_close(mass, parts.sum(0)[:2].prod(), rtol=1e-4, atol=0)


def test_the_level_of_noise_changes_the_density_and_bounds_it(made):
    density = made(2, size=3.0)
    x = normal(500, 2)
    for place in (-1.0, 1.0):
        level = NOISE.level(place)
        assert density.log_prob(x, at(place, 500)).max() <= -2 * math.log(
            level * math.sqrt(2 * math.pi)
        )
    assert not torch.allclose(density.log_prob(x, at(-1.0, 500)), density.log_prob(x, at(1.0, 500)))


def test_a_cell_far_out_does_not_upset_the_others(made):
    """How far out it is makes no difference to what is expected of the columns after it."""
    density = made(2, size=3.0)
    x = normal(50, 2)
    others = x.clone()
    others[:, 1] += 1
    difference = []
    for first in (1e3, 1e6):
        rows = x.clone()
        moved = others.clone()
        rows[:, 0] = moved[:, 0] = first
        difference.append(
            density.log_prob(rows, at(0.0, 50)) - density.log_prob(moved, at(0.0, 50))
        )
    torch.testing.assert_close(*difference, rtol=0, atol=1e-3 * difference[0].abs().max().item())


def test_draws_are_distributed_like_their_density(made):
    """Their conditional distribution functions are uniform and independent (Rosenblatt)."""
    density = made(3)
    n = 4000
    generator = torch.Generator().manual_seed(5)
    chance = torch.rand(n, 3, generator=generator, dtype=torch.float64)
    x = density.draw(normal(n, 3, seed=6), chance, at(-0.5, n))
    params = density.network(3 * torch.tanh(x.T / 3), at(-0.5, n).T)
    shares, means, variances = density._mixtures(params, at(-0.5, n).T)
    normals = torch.distributions.Normal(means, variances.sqrt())
    uniform = (shares.softmax(0) * normals.cdf(x.T)).sum(0)
    for column in uniform:
        assert stats.kstest(column.detach().numpy(), "uniform").pvalue > 0.01
    assert (torch.corrcoef(uniform) - torch.eye(3)).abs().max() < 0.05


def test_mixtures_start_spread_out_and_the_same_for_all_rows():
    density = MixtureMADE(2, 4, (8,), NOISE, torch.Generator().manual_seed(0))
    x = torch.zeros(2, 2)
    x[1] = 1
    _, means, _ = density._mixtures(density.network(x.T, torch.zeros(1, 2)), torch.zeros(1, 2))
    torch.testing.assert_close(means[:, 0, 0], torch.tensor([-1.5, -0.5, 0.5, 1.5]))
    torch.testing.assert_close(means[:, :, 0], means[:, :, 1])
