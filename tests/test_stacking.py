"""The share of a density in its mixture with a simpler one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from skmaf.models.stacking import PRIOR_ROWS, SIMPLER_PRIOR_ROWS, best_share, log_mixture

ALL_PRIOR_ROWS = PRIOR_ROWS + SIMPLER_PRIOR_ROWS


def test_share_of_densities_that_share_no_row():
    """Each row belongs to one density: shares are counts, with the imaginary rows of each."""
    log_prob = np.where(np.arange(12) < 9, 0.0, -1e4)
    share = best_share(log_prob, -1e4 - log_prob, np.ones(12))
    assert share == pytest.approx((9 + PRIOR_ROWS) / (12 + ALL_PRIOR_ROWS))


@given(st.integers(0, 1000))
def test_share_maximises_the_likelihood_with_its_prior(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(scale=2, size=(2, 30))
    weights = rng.integers(1, 4, 30)

    def loss(share):
        prior = PRIOR_ROWS * np.log(share) + SIMPLER_PRIOR_ROWS * np.log1p(-share)
        return -(weights @ np.logaddexp(np.log(share) + a, np.log1p(-share) + b) + prior)

    best = optimize.minimize_scalar(loss, bounds=(1e-6, 1 - 1e-6), method="bounded").x
    assert best_share(a, b, weights) == pytest.approx(best, abs=1e-3)


def test_share_counts_weights_like_rows():
    a, b = np.random.default_rng(0).normal(size=(2, 20))
    counts = np.arange(20) % 4
    repeated = best_share(a.repeat(counts), b.repeat(counts), np.ones(counts.sum()))
    assert best_share(a, b, counts) == pytest.approx(repeated)


def test_mixture_is_the_weighted_sum():
    a, b = np.random.default_rng(0).normal(size=(2, 20))
    np.testing.assert_allclose(np.exp(log_mixture(a, b, 0.3)), 0.7 * np.exp(a) + 0.3 * np.exp(b))
    assert log_mixture(a, b, 0.0) is a
