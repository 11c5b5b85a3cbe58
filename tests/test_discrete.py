"""Discrete columns: exact probabilities of categories, each given the columns before it alone."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy import stats

from skmaf.flows import ABSENT, Categories, DiscreteMADE
from skmaf.flows.discrete import INITIAL_SCALE, INITIAL_SPREAD, N_COMPONENTS, SMALLEST_SCALE

SIZES = [2, 3, 4]
ROWS = torch.tensor(list(product(*map(range, SIZES))), dtype=torch.float64).T  # all there are
SHARES = [np.arange(1, n + 1) / (n * (n + 1) / 2) for n in SIZES]
NUMBERS = np.array([-1.0, -0.5, 1.5])


def discrete(numbers, hidden_sizes=(8,), shares=SHARES):
    categories = Categories(shares, numbers, False)
    return DiscreteMADE(categories, hidden_sizes, "relu", torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def made(randomise):
    """Of a nominal column, a numeric one and a nominal one."""
    return randomise(discrete([None, NUMBERS, None], (16, 16)))


def fresh(numbers=(None, None, None)):
    return discrete(numbers).double()


def by_column(made, codes):
    """Return the log-probability of each code given those before it.

    It is that of the row with all columns after it absent, less that without it too.
    """
    absent = float(ABSENT)
    upto = [
        made.log_prob(torch.where(torch.arange(3)[:, None] < n, codes, absent)) for n in range(4)
    ]
    return torch.stack(upto).diff(dim=0)


def test_probabilities_sum_to_one(made):
    assert made.log_prob(ROWS).exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_columns_start_independent_with_the_shares_of_the_rows():
    expected = ((ROWS[0] + 1) / 3) * ((ROWS[1] + 1) / 6) * ((ROWS[2] + 1) / 10)
    np.testing.assert_allclose(fresh().log_prob(ROWS).exp().detach(), expected, rtol=1e-6)


def test_a_column_sees_the_columns_before_it_alone(made):
    """By the probabilities of rows that differ in one column."""
    log_probs = by_column(made, ROWS)
    # absent columns after it do not count
    torch.testing.assert_close(log_probs.sum(0), made.log_prob(ROWS))
    for changed in range(3):
        other = ROWS.clone()
        other[changed] = (other[changed] + 1) % SIZES[changed]
        same = by_column(made, other) == log_probs
        for column in range(3):
            if column != changed:
                assert same[column].all() == (column < changed)


def test_probabilities_of_numbers_are_those_between_cuts():
    """At the start: one mixture, cut at the midpoints between the numbers."""
    made = fresh((None, NUMBERS, None))
    means = np.linspace(-INITIAL_SPREAD, INITIAL_SPREAD, N_COMPONENTS)
    law = stats.logistic(means, INITIAL_SCALE + SMALLEST_SCALE * 0.5)
    below = np.append(np.insert([law.cdf(cut).mean() for cut in (-0.75, 0.5)], 0, 0), 1)
    codes = torch.tensor([[-1.0, -1, -1], [0, 1, 2], [-1, -1, -1]], dtype=torch.float64)
    np.testing.assert_allclose(made.log_prob(codes).exp().detach(), np.diff(below), rtol=1e-4)


def test_probabilities_of_numbers_are_finite_in_the_tails():
    """However far the mixture is, and with gradients."""
    made = discrete([np.linspace(-50, 50, 101)], shares=[np.full(101, 1 / 101)])
    log_prob = made.log_prob(torch.arange(101.0)[None])
    assert torch.isfinite(log_prob).all()
    assert log_prob.exp().sum().item() == pytest.approx(1, abs=1e-5)
    log_prob.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in made.parameters())


def test_absent_columns_show_nothing(made):
    codes = torch.full((3, 5), float(ABSENT), dtype=torch.float64)
    assert (made.categories.encode(codes) == 0).all() and (made.log_prob(codes) == 0).all()


@pytest.mark.parametrize("has_missing", [False, True])
def test_what_networks_see_of_a_row(has_missing):
    categories = Categories(SHARES, [None, NUMBERS, None], has_missing)
    features = categories.encode(torch.tensor([[1.0], [2.0], [ABSENT]]))[:, 0].tolist()
    assert features == [0, 1, 0, 0, 0, 0, 1.5] + [1] * has_missing
    assert len(categories.feature_degrees(torch.arange(3))) == len(features)
    assert categories.n_features == len(features) and categories.n_columns == 3


def test_new_values_are_shown_as_the_category_they_are_near_to(made):
    codes = ROWS.clone()
    codes[1] = -2 - codes[1]
    assert torch.equal(made.categories.encode(codes), made.categories.encode(ROWS))
    log_probs = by_column(made, ROWS)
    torch.testing.assert_close(made.log_prob(codes), log_probs[0] + log_probs[2])


def test_draws_have_the_probabilities(made):
    chance = torch.rand(3, 40_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    drawn = made.draw(chance)
    places = (drawn[0] * 12 + drawn[1] * 4 + drawn[2]).long()
    shares = torch.bincount(places, minlength=24) / chance.shape[1]
    np.testing.assert_allclose(shares, made.log_prob(ROWS).exp(), atol=0.01)


def test_midpoints_are_the_middles_of_the_intervals_that_codes_are_drawn_from(made):
    """So wide is each interval as its code is probable."""
    midpoints = made.midpoints(ROWS)
    half = by_column(made, ROWS).exp() / 2
    assert torch.equal(made.draw(midpoints), ROWS)
    for column in range(3):
        for side in (-1, 1):
            for size, inside in [(1 - 1e-6, True), (1 + 1e-6, False)]:
                chance = midpoints.clone()
                chance[column] += side * size * half[column]
                possible = (chance[column] > 0) & (chance[column] < 1)
                same = (made.draw(chance)[column] == ROWS[column])[possible]
                assert same.all() if inside else not same.any()


def test_midpoints_of_absent_and_of_new_values(made):
    codes = ROWS.clone()
    codes[1] = -2 - codes[1]
    assert torch.equal(made.midpoints(codes), made.midpoints(ROWS))
    assert (made.midpoints(torch.full_like(ROWS, ABSENT)) == 0.5).all()


def test_no_rows(made):
    """Torch 2.5 cannot pad them."""
    none = ROWS[:, :0]
    assert made.log_prob(none).shape == (0,)
    assert made.midpoints(none).shape == made.draw(none).shape == (3, 0)


def test_draws_are_always_categories_of_their_column():
    """At either end of chance, with categories that the widest column alone has."""
    made = fresh((None, NUMBERS, None))
    for end in (0.0, 1 - 1e-16, 1.0):
        drawn = made.draw(torch.full((3, 1), end, dtype=torch.float64))
        assert (drawn[:, 0] >= 0).all() and (drawn[:, 0] < torch.tensor(SIZES)).all()
