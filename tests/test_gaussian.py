"""The Gaussian with heavy tails, of rows with missing cells too."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.covariance import LedoitWolf

from skmaf.models.gaussian import Gaussian


def normal_rows(n, seed=0):
    mixing = np.array([[1.0, 0.0], [0.8, 0.6]])
    return np.random.default_rng(seed).standard_normal((n, 2)) @ mixing.T


def learn(Z):
    return Gaussian.learn(Z, np.ones(len(Z)))


def test_it_is_the_shrunk_one_with_tails():
    Z = normal_rows(40)
    expected = LedoitWolf().fit(Z)
    normal = stats.multivariate_normal(expected.location_, expected.covariance_)
    gaussian = learn(Z)
    np.testing.assert_allclose(replace(gaussian, tail_share=0.0).log_prob(Z), normal.logpdf(Z))
    tails = stats.multivariate_t(expected.location_, expected.covariance_ / 3, df=3)
    share = gaussian.tail_share
    np.testing.assert_allclose(
        gaussian.log_prob(Z), np.log((1 - share) * normal.pdf(Z) + share * tails.pdf(Z))
    )


def test_weights_count_in_mean_and_covariance():
    """The shrinkage alone counts rows, not weights."""
    Z = normal_rows(400)
    weights = np.arange(400) % 3 + 1
    gaussian = Gaussian.learn(Z, weights)
    np.testing.assert_allclose(gaussian.mean, np.average(Z, axis=0, weights=weights))
    expected = np.cov(Z.T, aweights=weights, bias=True)
    np.testing.assert_allclose(gaussian.covariance, expected, atol=0.02)
    assert abs(Gaussian.learn(Z[:, :1], weights).covariance - expected[0, 0]).item() < 1e-9


def test_tails_are_as_heavy_as_the_rows_say():
    """And never so light that a far row decides about a mean."""
    rng = np.random.default_rng(0)
    normal = learn(rng.standard_normal((2000, 3)))
    heavy = learn(rng.standard_t(3, (2000, 3)))
    assert normal.tail_share < 0.02
    assert heavy.tail_share > 0.5
    assert normal.log_prob(np.full((1, 3), 100.0)) > -50


def test_draws_of_heavy_tails_are_distributed_like_their_density():
    gaussian = learn(np.random.default_rng(0).standard_t(3, (2000, 1)))
    t = np.linspace(-12, 12, 20_001)
    mass = np.exp(gaussian.log_prob(np.sinh(t)[:, None])) * np.cosh(t) * (t[1] - t[0])
    assert mass.sum() == pytest.approx(1, abs=1e-6)
    draws = np.sort(gaussian.sample(5000, np.random.RandomState(0))[:, 0])
    assert stats.kstest(draws, lambda x: np.interp(x, np.sinh(t), mass.cumsum())).pvalue > 0.01


def test_draws_have_the_covariance():
    gaussian = learn(normal_rows(100))
    draws = replace(gaussian, tail_share=0.0).sample(50_000, np.random.RandomState(0))
    np.testing.assert_allclose(draws.mean(axis=0), gaussian.mean, atol=0.02)
    np.testing.assert_allclose(np.cov(draws.T), gaussian.covariance, atol=0.03)


def test_equal_rows_have_a_finite_density():
    gaussian = learn(np.ones((5, 2)))
    assert np.isfinite(gaussian.log_prob(np.array([[1.0, 1.0], [1e15, -1e15]]))).all()


def rows_with_missing_cells(n=400, share=0.3, seed=3):
    """The same rows without missing cells, and with."""
    rng = np.random.default_rng(seed)
    mixing = np.array([[1.0, 0.8, -0.5], [0.0, 0.6, 0.3], [0.0, 0.0, 0.8]])
    Z = rng.standard_normal((n, 3)) @ mixing
    return Z, np.where(rng.random(Z.shape) < share, np.nan, Z)


def test_density_of_rows_with_missing_cells_is_that_of_the_others():
    Z, incomplete = rows_with_missing_cells()
    gaussian = learn(incomplete)
    share = gaussian.tail_share
    for pattern in np.unique(np.isnan(incomplete), axis=0):
        rows = (np.isnan(incomplete) == pattern).all(axis=1)
        present = np.flatnonzero(~pattern)
        expected = np.zeros(rows.sum())
        if len(present):
            mean = gaussian.mean[present]
            block = gaussian.covariance[np.ix_(present, present)]
            cells = Z[rows][:, present]
            normal = stats.multivariate_normal(mean, block).pdf(cells)
            tails = stats.multivariate_t(mean, block / 3, df=3).pdf(cells)
            expected = np.log((1 - share) * normal + share * tails)
        np.testing.assert_allclose(gaussian.log_prob(incomplete[rows]), expected, atol=1e-9)


def test_it_learns_from_rows_with_missing_cells():
    """Cells that are missing at random change little, and their columns keep their correlation."""
    Z, incomplete = rows_with_missing_cells(n=4000)
    filled = learn(incomplete)
    full = learn(Z)
    np.testing.assert_allclose(filled.mean, full.mean, atol=0.05)
    np.testing.assert_allclose(filled.covariance, full.covariance, atol=0.06)
