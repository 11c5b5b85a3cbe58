"""The score of rows in a table whose rows are all trusted."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from skmaf import DensityOutlierDetector, MultiscaleDensity
from skmaf.models.trusted_score import TrustedScore


def fitted(X, **parameters):
    small = {"max_iter": 5, "hidden_layer_sizes": (8,), "random_state": 0}
    return MultiscaleDensity(**small, **parameters).fit(X)


def lopsided(n=80):
    """A column that is nearly always close to zero, a uniform one, and two of two values."""
    rng = np.random.default_rng(0)
    rare = rng.normal(scale=0.01, size=n) + (rng.random(n) < 0.05) * 10
    two = rng.random(n) < 0.3
    return np.column_stack([rare, rng.random(n), two, np.arange(n) == 0]).astype(float)


def test_it_is_the_mean_of_the_network_and_of_a_kernel_that_measures_by_ranges():
    X = lopsided()
    density = fitted(X, kernel_share=0.0).density_
    score = TrustedScore.of(density)
    # in units of the table a bandwidth is a share of the range, of two values of their standard
    # deviation, unless the rarer one is very rare
    units = np.ptp(X, axis=0) / 6
    units[2] = X[:, 2].std()
    rows = X[:5] + 0.1
    by_level = []
    for h in density.noise_levels:
        each = norm.logpdf(rows[:, None], X, h * units).sum(axis=2)
        by_level.append(logsumexp(each, axis=1) - np.log(len(X)))
    by_ranges = logsumexp(by_level, axis=0) - np.log(len(by_level))
    expected = (density.network_log_probs(rows)[0] + by_ranges) / 2
    np.testing.assert_allclose(score.log_prob(rows), expected, rtol=1e-4)


def test_a_row_scores_the_same_alone_and_with_others():
    X = lopsided()
    score = TrustedScore.of(fitted(X).density_)
    alone = np.concatenate([score.log_prob(row[None]) for row in X])
    assert (alone == score.log_prob(X)).all()


def test_missing_cells_and_constant_columns():
    X = lopsided()
    X[::3, 0] = np.nan
    X[:, 1] = 5.0
    score = TrustedScore.of(fitted(X).density_)
    assert np.isfinite(score.log_prob(X)).all()
    assert np.isfinite(score.log_prob(np.full((1, 4), np.nan))).all()
    same = np.ones((20, 2))
    density = fitted(same).density_
    np.testing.assert_allclose(TrustedScore.of(density).log_prob(same), density.log_prob(same))


@pytest.mark.slow
def test_a_common_category_is_no_reason():
    """A tenth of the rows are of a category that nothing else depends on."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(300, 2)).round(3), columns=["x", "y"])
    X["state"] = np.where(rng.random(300) < 0.1, "WARN", "OK")
    X["flag"] = rng.random(300) < 0.1
    for contamination in (0, "auto"):
        detector = DensityOutlierDetector(contamination=contamination, random_state=0).fit(X)
        gains = detector.explain(X)
        scores = detector.score_samples(X)
        for name, rare in (("state", X["state"] == "WARN"), ("flag", X["flag"])):
            assert (gains[name] > 0).mean() < 0.08  # of normal rows 5% have reasons
            # the logarithm of the odds is -2.2; a kernel has fewer neighbours to go by, too
            assert np.median(scores[rare]) - np.median(scores[~rare]) > -9
