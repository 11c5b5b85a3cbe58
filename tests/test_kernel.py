"""The kernel density of training rows."""

import numpy as np
import pytest
from scipy import stats
from sklearn.neighbors import KernelDensity

from skmaf.models.kernel import Kernel

Z = np.random.default_rng(0).normal(size=(50, 2))
WEIGHTS = np.arange(50) + 1.0


def kernel_of(bandwidths, rows=Z, weights=WEIGHTS):
    return Kernel(np.array(bandwidths), rows, weights)


def test_density_of_one_bandwidth_is_that_of_scikit_learn():
    theirs = KernelDensity(bandwidth=0.3).fit(Z, sample_weight=WEIGHTS)
    np.testing.assert_allclose(
        kernel_of([0.3]).log_prob(2 * Z), theirs.score_samples(2 * Z), rtol=1e-6
    )


def test_bandwidths_are_mixed_in_equal_shares():
    parts = [
        KernelDensity(bandwidth=h).fit(Z, sample_weight=WEIGHTS).score_samples(2 * Z)
        for h in (0.3, 1.0)
    ]
    np.testing.assert_allclose(
        np.exp(kernel_of([0.3, 1.0]).log_prob(2 * Z)), np.exp(parts).mean(axis=0), rtol=1e-6
    )


@pytest.mark.parametrize("bandwidths", [[0.3], [0.1, 1.0]])
def test_draws_have_the_moments_of_the_density(bandwidths):
    draws = kernel_of(bandwidths).sample(50_000, np.random.RandomState(0))
    np.testing.assert_allclose(
        draws.mean(axis=0), np.average(Z, axis=0, weights=WEIGHTS), atol=0.03
    )
    noise = np.mean(np.square(bandwidths)) * np.eye(2)
    np.testing.assert_allclose(
        np.cov(draws.T), np.cov(Z.T, aweights=WEIGHTS, bias=True) + noise, atol=0.04
    )


def with_missing():
    return np.where(np.random.default_rng(1).random(Z.shape) < 0.3, np.nan, Z)


def test_missing_cells_of_rows_do_not_count():
    """A row without one column has the density of the other, and an empty row has 1."""
    kernel = kernel_of([0.3, 1.0])
    rows = 2 * Z
    rows[:, 1] = np.nan
    expected = kernel_of([0.3, 1.0], Z[:, :1]).log_prob(rows[:, :1])
    np.testing.assert_allclose(kernel.log_prob(rows), expected)
    np.testing.assert_allclose(kernel.log_prob(np.full((1, 2), np.nan)), 0, atol=1e-12)


def test_missing_cells_of_centres_are_standard_normal():
    """And get the noise, as all cells do."""
    incomplete = with_missing()
    scales = np.where(np.isnan(incomplete), np.sqrt(1 + 0.3**2), 0.3)
    laws = stats.norm(np.nan_to_num(incomplete), scales)
    parts = laws.pdf(2 * Z[:, None]).prod(axis=2)
    expected = np.log(np.average(parts, axis=1, weights=WEIGHTS))
    np.testing.assert_allclose(kernel_of([0.3], incomplete).log_prob(2 * Z), expected)
    draws = kernel_of([0.3], np.full((1, 2), np.nan), np.ones(1))
    rows = draws.sample(20_000, np.random.RandomState(0))
    np.testing.assert_allclose(np.cov(rows.T), np.eye(2) * (1 + 0.3**2), atol=0.03)


def test_far_rows_and_far_centres_are_exact():
    """Float32 is for what lies beyond the nearest centre alone."""
    rows = np.vstack([100 * Z, 1e6 * Z[:1], Z[:1]])
    parts = [
        KernelDensity(bandwidth=h).fit(rows, sample_weight=np.arange(52) + 1.0).score_samples(rows)
        for h in (0.05, 2.5)
    ]
    found = kernel_of([0.05, 2.5], rows, np.arange(52) + 1.0).log_prob(rows)
    np.testing.assert_allclose(found, np.logaddexp(*parts) - np.log(2), rtol=1e-6, atol=1e-6)


def test_levels_in_single_precision_give_double_precision():
    kernel = Kernel(np.array([0.25, 1.0], dtype=np.float32), Z, WEIGHTS)
    assert kernel.log_prob(Z).dtype == np.float64
    np.testing.assert_allclose(kernel.log_prob(Z), kernel_of([0.25, 1.0]).log_prob(Z), rtol=1e-6)
