"""Draws of missing cells given the others: against conditional laws in closed form."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from skmaf.inference.imputation import fill
from skmaf.table.column_kinds import exact_column, find_columns
from skmaf.table.columns import Continuous
from skmaf.table.flow_space import Columns

MEAN = np.array([1.0, -2.0, 0.5])
COVARIANCE = np.array([[1.0, 0.8, -0.3], [0.8, 2.0, 0.1], [-0.3, 0.1, 0.5]])
SCALES = np.sqrt(np.diag(COVARIANCE))


@dataclass
class LogDensity:
    """A density object of functions: with a baseline, and of the flow alone."""

    columns: Columns
    log_prob: Callable
    flow_log_prob: Callable | None = None

    def without_baseline(self):
        return LogDensity(self.columns, self.flow_log_prob or self.log_prob)


def gaussian(X):
    """Log-density of the cells that are there, the same in all rows."""
    there = ~np.isnan(X[0])
    assert (np.isnan(X) == ~there).all()
    return stats.multivariate_normal(MEAN[there], COVARIANCE[np.ix_(there, there)]).logpdf(
        X[:, there]
    )


def plain_columns(means=MEAN, scales=SCALES):
    return Columns([Continuous(mean, scale) for mean, scale in zip(means, scales)])


def conditional(row):
    """Mean and covariance of the missing cells given the others."""
    missing = np.isnan(row)
    there = ~np.isnan(row)
    gain = COVARIANCE[np.ix_(missing, there)] @ np.linalg.inv(COVARIANCE[np.ix_(there, there)])
    return MEAN[missing] + gain @ (row - MEAN)[there], COVARIANCE[
        np.ix_(missing, missing)
    ] - gain @ COVARIANCE[np.ix_(there, missing)]


@pytest.mark.parametrize("row", [[np.nan, 1.0, 0.0], [2.0, np.nan, np.nan], [9.0, np.nan, 0.0]])
def test_draws_of_a_gaussian_follow_its_conditional_law(row):
    row = np.array(row)
    X = np.tile(row, (300, 1))
    fill(X, LogDensity(plain_columns(), gaussian), np.random.RandomState(0), lambda N: None)
    assert np.array_equal(X[:, ~np.isnan(row)], np.tile(row[~np.isnan(row)], (300, 1)))
    drawn = X[:, np.isnan(row)]
    mean, covariance = conditional(row)
    for j in range(len(mean)):
        assert (
            stats.kstest(drawn[:, j], stats.norm(mean[j], np.sqrt(covariance[j, j])).cdf).pvalue
            > 0.01
        )
    np.testing.assert_allclose(
        np.cov(drawn.T), covariance, atol=4 * covariance.max() / np.sqrt(300)
    )


def fill_one(X, log_density, flow_log_density=None):
    """Fill a table of one column, of standardised values."""
    density = LogDensity(
        plain_columns([0.0], [1.0]),
        lambda X: log_density(X[:, 0]),
        lambda X: (flow_log_density or log_density)(X[:, 0]),
    )
    fill(X, density, np.random.RandomState(0), lambda N: None)


def mixture(share, first, second):
    return lambda x: np.logaddexp(
        np.log(share) + first.logpdf(x), np.log(1 - share) + second.logpdf(x)
    )


@pytest.mark.parametrize("centre, scale", [(0.0, 1e-4), (0.123, 1e-3), (15.0, 0.01), (-3.3, 5.0)])
def test_narrow_and_far_laws_are_found(centre, scale):
    X = np.full((200, 1), np.nan)
    law = stats.norm(centre, scale)
    fill_one(X, law.logpdf)
    assert stats.kstest(X[:, 0], law.cdf).pvalue > 0.01


def test_two_peaks_have_their_shares():
    X = np.full((4000, 1), np.nan)
    narrow = stats.norm(-2, 0.01)
    fill_one(X, mixture(0.3, narrow, stats.norm(1, 0.2)))
    left = X[X < -1.5]
    assert len(left) / 4000 == pytest.approx(0.3, abs=0.02)
    assert stats.kstest(left, narrow.cdf).pvalue > 0.01


def test_a_peak_that_a_broad_density_hides_is_found():
    """A flow on a cell that follows from the others, and a Gaussian that knows nothing of it."""
    X = np.full((4000, 1), np.nan)
    narrow = stats.norm(0.77, 1e-3)
    fill_one(X, mixture(0.9, narrow, stats.norm()), narrow.logpdf)
    assert np.mean(np.abs(X - 0.77) < 5e-3) == pytest.approx(0.9, abs=0.02)


@pytest.mark.slow
def test_categories_are_drawn_by_their_probabilities():
    rng = np.random.default_rng(0)
    amount = np.where(rng.random(400) < 0.5, 0.0, rng.normal(5, 1, 400))
    table = np.column_stack([rng.integers(0, 3, 400), amount, np.full(400, 7.0)])
    columns = find_columns(exact_column, table, np.ones(400), [3, None, None])

    def log_density(X):
        """Categories have 1/6, 2/6, 3/6; the second column is 0 in a quarter, else normal."""
        first = np.where(np.isnan(X[:, 0]), 0, np.log((np.nan_to_num(X[:, 0]) + 1) / 6))
        second = np.where(
            X[:, 1] == 0, np.log(0.25), np.log(0.75) + stats.norm(5, 1).logpdf(X[:, 1])
        )
        return first + np.where(np.isnan(X[:, 1]), 0, second)

    X = np.full((6000, 3), np.nan)
    fill(X, LogDensity(columns, log_density), np.random.RandomState(0), lambda N: None)
    np.testing.assert_allclose(
        np.bincount(X[:, 0].astype(int)) / 6000, [1 / 6, 2 / 6, 3 / 6], atol=0.02
    )
    assert np.mean(X[:, 1] == 0) == pytest.approx(0.25, abs=0.02)
    assert stats.kstest(X[X[:, 1] != 0, 1], stats.norm(5, 1).cdf).pvalue > 0.01
    assert (X[:, 2] == 7).all()
