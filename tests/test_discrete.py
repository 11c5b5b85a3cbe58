"""Discrete columns: probabilities of levels, exact, and each given the columns before it alone."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy import stats

from skmaf.flows import DiscreteMADE, Levels
from skmaf.flows.discrete import N_COMPONENTS, NARROWEST, SPREAD, WIDTH

SIZES = [2, 3, 4]
ROWS = torch.tensor(list(product(*map(range, SIZES))), dtype=torch.float64).T  # all there are


SHARES = [np.arange(1, n + 1) / (n * (n + 1) / 2) for n in SIZES]


def discrete(numbers, hidden_sizes=(8,), shares=SHARES):
    return DiscreteMADE(
        Levels(shares, numbers, False), hidden_sizes, "relu", torch.Generator().manual_seed(0)
    )


@pytest.fixture(scope="module")
def made(randomise):
    """Of a category, a number and a category."""
    numbers = [None, np.array([-1.0, -0.5, 1.5]), None]
    return randomise(discrete(numbers, (16, 16)))


def fresh(numbers=(None, None, None)):
    return discrete(numbers).double()


def by_column(made, codes):
    """Log-probability of each code: the columns after it absent, less that without it."""
    upto = [made.log_prob(torch.where(torch.arange(3)[:, None] < n, codes, -1.0)) for n in range(4)]
    return torch.stack(upto).diff(dim=0)


def test_probabilities_sum_to_one(made):
    assert made.log_prob(ROWS).exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_columns_start_independent_with_the_shares_of_the_rows():
    expected = ((ROWS[0] + 1) / 3) * ((ROWS[1] + 1) / 6) * ((ROWS[2] + 1) / 10)
    np.testing.assert_allclose(fresh().log_prob(ROWS).exp().detach(), expected, rtol=1e-6)


def test_a_column_sees_the_columns_before_it_alone(made):
    """By the probabilities of rows that differ in one column."""
    own = by_column(made, ROWS)
    torch.testing.assert_close(
        own.sum(0), made.log_prob(ROWS)
    )  # absent columns after it do not count
    for changed in range(3):
        other = ROWS.clone()
        other[changed] = (other[changed] + 1) % SIZES[changed]
        same = by_column(made, other) == own
        for column in range(3):
            if column != changed:
                assert same[column].all() == (column < changed)


def test_probabilities_of_numbers_are_those_between_cuts():
    """At the start: one mixture, cut at the middles between the levels."""
    levels = np.array([-1.0, -0.5, 1.5])
    made = fresh((None, levels, None))
    law = stats.logistic(np.linspace(-SPREAD, SPREAD, N_COMPONENTS), WIDTH + NARROWEST * 0.5)
    below = np.append(np.insert([law.cdf(cut).mean() for cut in (-0.75, 0.5)], 0, 0), 1)
    codes = torch.tensor([[-1.0, -1, -1], [0, 1, 2], [-1, -1, -1]], dtype=torch.float64)
    np.testing.assert_allclose(made.log_prob(codes).exp().detach(), np.diff(below), rtol=1e-4)


def test_probabilities_of_numbers_are_finite_in_the_tails(randomise):
    """However far the mixture is, and with gradients."""
    levels = np.linspace(-50, 50, 101)
    made = discrete([levels], shares=[np.full(101, 1 / 101)])
    log_prob = made.log_prob(torch.arange(101.0)[None])
    assert torch.isfinite(log_prob).all() and log_prob.exp().sum().item() == pytest.approx(
        1, abs=1e-5
    )
    log_prob.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in made.parameters())


def test_absent_columns_show_nothing(made):
    codes = torch.full((3, 5), -1.0, dtype=torch.float64)
    assert (made.levels.encode(codes) == 0).all() and (made.log_prob(codes) == 0).all()


@pytest.mark.parametrize("with_gaps", [False, True])
def test_what_a_row_shows(with_gaps):
    levels = Levels(SHARES, [None, np.array([-1.0, -0.5, 1.5]), None], with_gaps)
    features = levels.encode(torch.tensor([[1.0], [2.0], [-1.0]]))[:, 0].tolist()
    assert features == [0, 1, 0, 0, 0, 0, 1.5] + [1] * with_gaps
    assert len(levels.feature_degrees(torch.arange(3))) == len(features)


def test_new_values_are_shown_as_the_level_they_are_near_to(made):
    codes = ROWS.clone()
    codes[1] = -2 - codes[1]
    assert torch.equal(made.levels.encode(codes), made.levels.encode(ROWS))
    own = by_column(made, ROWS)
    torch.testing.assert_close(made.log_prob(codes), own[0] + own[2])


def test_draws_have_the_probabilities(made):
    chance = torch.rand(3, 40_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    drawn = made.draw(chance)
    places = (drawn[0] * 12 + drawn[1] * 4 + drawn[2]).long()
    shares = torch.bincount(places, minlength=24) / chance.shape[1]
    np.testing.assert_allclose(shares, made.log_prob(ROWS).exp(), atol=0.01)


def test_draws_never_have_a_level_that_is_none():
    """At either end of chance, with levels that the widest column alone has."""
    for end in (0.0, 1 - 1e-16, 1.0):
        drawn = fresh((None, np.array([-1.0, -0.5, 1.5]), None)).draw(
            torch.full((3, 1), end, dtype=torch.float64)
        )
        assert (drawn[:, 0] >= 0).all() and (drawn[:, 0] < torch.tensor(SIZES)).all()
