"""Columns of which many values are round: both grids, their probabilities, how they are found."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from skmaf import MAFDensity
from skmaf.inference.imputation import _draw
from skmaf.table.column_kinds import exact_column
from skmaf.table.columns import Continuous
from skmaf.table.heaped import RATIOS, CoarseGrid, Heaped, find_coarse_grid

DOUBLE = np.finfo(np.float64).eps


def prices(n=2000, share=0.5, coarse=10.0, shift=0.0, seed=0):
    """Return log-normal numbers in cents, a share of which is rounded to a coarser grid."""
    rng = np.random.RandomState(seed)
    x = np.exp(rng.normal(4.5, 0.7, n))
    rounded = np.round(x / coarse) * coarse + shift
    return np.round(np.where(rng.rand(n) < share, rounded, x), 2)


def column_of(x):
    return exact_column(x, DOUBLE, np.ones(len(x)))


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("shift", [0, 1])
def test_places_are_one_to_one_without_gaps(ratio, shift):
    grid = CoarseGrid(0.25, ratio, shift)
    x = 0.25 * np.arange(-3 * ratio, 3 * ratio)
    is_round = grid.is_round(x)
    assert is_round.sum() == 6
    others = x[~is_round]
    places = grid.places(others)
    assert np.allclose(np.diff(places), grid.place_step)
    assert np.allclose(grid.at(places), others)
    # they stay where they were, but for a coarse step
    assert np.abs(places - others).max() <= grid.coarse_step * (1 + shift / ratio)


@pytest.mark.parametrize(
    "coarse, shift, expected",
    [(10.0, 0.0, (1000, 0)), (1.0, -0.01, (100, 99)), (0.05, 0.0, (5, 0))],
)
def test_the_coarse_grid_is_found(coarse, shift, expected):
    x = prices(coarse=coarse, shift=shift)
    column = column_of(x)
    assert isinstance(column, Heaped)
    assert (column.grid.ratio, column.grid.shift) == expected
    assert np.isclose(column.grid.step, 0.01)


@pytest.mark.parametrize("seed", range(5))
def test_other_columns_are_not_heaped(seed):
    rng = np.random.RandomState(seed)
    columns = [
        prices(share=0.0, seed=seed),
        rng.poisson(400, 2000).astype(float),
        rng.randint(0, 10**6, 2000).astype(float),
        np.round(rng.standard_t(1.5, 2000) * 300, 2),
        rng.randn(2000),
    ]
    assert [type(column_of(x)) for x in columns] == [Continuous] * 5


def test_few_rows_and_few_round_values_are_left():
    x = prices()
    step = 0.01
    assert find_coarse_grid(x, np.ones(len(x)), step) is not None
    assert find_coarse_grid(x, np.ones(len(x)), 0.0) is None
    some = x[:60]
    assert find_coarse_grid(some, np.ones(60), step) is None
    ages = np.round(prices(coarse=20.0, share=0.9) / 20) * 20 + (np.arange(2000) % 7 == 0)
    assert len(np.unique(ages[ages % 20 == 0])) < 33
    assert find_coarse_grid(ages, np.ones(2000), 1.0) is None


def test_probabilities_add_up_to_one():
    """With standard normal values and the shares of the labels, over all values of the grid."""
    x = prices()
    column = column_of(x)
    grid = np.round(0.01 * np.arange(-30_000, 5_000_000), 2)
    z = column.values(grid)[:, 0]
    half = column.steps(grid)[:, 0] / 2
    of_label = np.log(column.label.shares[column.codes(grid)[:, 0].astype(int)])
    mass = stats.norm.cdf(z + half) - stats.norm.cdf(z - half)
    with np.errstate(divide="ignore"):
        density = np.log(mass / (2 * half)) + of_label + column.log_jacobian(grid)
    assert np.exp(density).sum() * 0.01 == pytest.approx(1, abs=2e-3)


@given(st.integers(0, 2**32 - 1))
def test_to_flow_space_and_back(seed):
    x = prices(n=1500, coarse=5.0, seed=seed % 1000)
    column = column_of(x)
    assert np.array_equal(column.back(column.codes(x), column.values(x)), x)
    noise = np.random.RandomState(seed % 997).uniform(-0.49, 0.49, len(x))[:, None]
    moved = column.values(x) + noise * column.steps(x)
    assert np.array_equal(column.back(column.codes(x), moved), x)


def test_missing_cells():
    column = column_of(prices())
    x = np.array([np.nan, 20.0, 20.01])
    assert column.codes(x)[:, 0].tolist() == [-1, 1, 0]
    assert np.isnan(column.values(x)[0, 0])
    assert column.log_jacobian(x)[0] == 0


def test_draws_of_a_fit_are_heaped_as_the_table_is():
    x = prices()
    y = np.log(x) + 0.1 * np.random.RandomState(1).randn(len(x))
    table = pd.DataFrame({"price": x, "y": y})
    table.loc[:40, "price"] = np.nan
    density = MAFDensity(hidden_layer_sizes=(32,), n_layers=2, random_state=0).fit(table)
    drawn = density.sample(4000, random_state=0)
    assert np.isclose(drawn["price"] % 10, 0, atol=1e-6).mean() == pytest.approx(0.5, abs=0.06)
    np.testing.assert_allclose(drawn["price"], drawn["price"].round(2), rtol=1e-12)
    assert drawn["price"].min() >= 0
    filled = density.impute(table.iloc[:41], n_draws=5, random_state=0)
    assert (filled["price"] % 10 == 0).mean() == pytest.approx(0.5, abs=0.12)
    assert np.corrcoef(np.log(filled["price"].clip(1)), filled["y"])[0, 1] > 0.9


def test_imputation_draws_from_both_grids():
    """Of a density that is known: a third of round values, standard normal in flow space."""
    rng = np.random.RandomState(0)
    x = np.round(rng.normal(1000, 150, 2000), 2)
    x[::2] = np.round(x[::2], -1)
    column = column_of(x)

    def score(x):
        is_round = column.grid.is_round(x)
        z = column.values(x.ravel())[:, 0].reshape(x.shape)
        jacobian = column.log_jacobian(x.ravel()).reshape(x.shape)
        return np.log(np.where(is_round, 1 / 3, 2 / 3)) + stats.norm.logpdf(z) + jacobian

    drawn = _draw(column, score, score, 3000, np.random.RandomState(0))
    is_round = column.grid.is_round(drawn)
    assert is_round.mean() == pytest.approx(1 / 3, abs=0.03)
    # the probability of a round value, among all of these
    rounds = 10.0 * np.arange(1, 200)
    expected = np.exp(score(rounds[None])[0])
    counts = (drawn[:, None] == rounds).sum(axis=0)
    assert np.abs(counts / counts.sum() - expected / expected.sum()).sum() / 2 < 0.15
    z = column.values(drawn[~is_round])[:, 0]
    assert stats.kstest(z, "norm").statistic < 0.06
