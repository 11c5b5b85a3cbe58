"""The kernel density of training rows."""

import numpy as np
import pytest
from sklearn.neighbors import KernelDensity

from skmaf.models.kernel import Kernel

Z, WEIGHTS = np.random.default_rng(0).normal(size=(50, 2)), np.arange(50) + 1.0


def test_density_of_one_bandwidth_is_that_of_scikit_learn():
    theirs = KernelDensity(bandwidth=0.3).fit(Z, sample_weight=WEIGHTS)
    np.testing.assert_allclose(
        Kernel([0.3], Z, WEIGHTS).score_samples(2 * Z), theirs.score_samples(2 * Z)
    )


def test_bandwidths_are_mixed_in_equal_shares():
    parts = [
        KernelDensity(bandwidth=h).fit(Z, sample_weight=WEIGHTS).score_samples(2 * Z)
        for h in (0.3, 1.0)
    ]
    np.testing.assert_allclose(
        np.exp(Kernel([0.3, 1.0], Z, WEIGHTS).score_samples(2 * Z)), np.exp(parts).mean(axis=0)
    )


@pytest.mark.parametrize("bandwidths", [[0.3], [0.1, 1.0]])
def test_draws_have_the_moments_of_the_density(bandwidths):
    draws = Kernel(bandwidths, Z, WEIGHTS).sample(50_000, np.random.RandomState(0))
    np.testing.assert_allclose(
        draws.mean(axis=0), np.average(Z, axis=0, weights=WEIGHTS), atol=0.03
    )
    noise = np.mean(np.square(bandwidths)) * np.eye(2)
    np.testing.assert_allclose(
        np.cov(draws.T), np.cov(Z.T, aweights=WEIGHTS, bias=True) + noise, atol=0.04
    )


def test_no_row_speaks_for_itself():
    """A training row, one of two copies, and a new row."""
    rows = np.vstack([Z, Z[:1]])
    weights = np.ones(51)
    kernel = Kernel([0.3], rows, weights)
    rest = [
        KernelDensity(bandwidth=0.3).fit(np.delete(rows, i, axis=0)).score_samples(rows[i : i + 1])
        for i in (3, 0)
    ]
    np.testing.assert_allclose(
        kernel.score_by_others(rows[[3, 0]]), np.ravel(rest) + np.log(50 / 51)
    )
    np.testing.assert_allclose(kernel.score_by_others(2 * Z), kernel.score_samples(2 * Z))
