"""The mixture of normals of one column: its density, scores, slopes and quantiles."""

import numpy as np
import pytest
from scipy import integrate, stats

from skmaf.table.normal_mixture import MAX_SCORE, NormalMixture


def clusters(n=1000, far=9999.0, seed=0):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(n) < 0.5, 0.0, far) + rng.standard_normal(n)


def mixture_of(u, floor=0.0):
    return NormalMixture.fit(u, np.ones(len(u)), floor)


def rng_normal(n):
    return np.random.default_rng(1).standard_normal(n)


SAMPLES = {
    "normal": rng_normal(500),
    "clusters": clusters(far=30.0),
    "three scales": stats.norm(0, [[0.01], [1], [100]]).rvs((3, 300), random_state=0).ravel(),
    "few": np.array([1.0, 2.0, 5.0]),
    "equal": np.full(50, 3.0) + 1e-3 * np.arange(50),
}
every_sample = pytest.mark.parametrize("u", SAMPLES.values(), ids=SAMPLES)


@every_sample
def test_density_integrates_to_one(u):
    mixture = mixture_of(u)
    cuts = np.unique(mixture.means + mixture.scales * np.linspace(-9, 9, 61)[:, None])
    parts = [
        integrate.fixed_quad(lambda x: np.exp(mixture.log_density(x)), a, b, n=9)[0]
        for a, b in zip(cuts, cuts[1:])
    ]
    assert sum(parts) == pytest.approx(1, abs=1e-6)


@every_sample
def test_scores_have_the_normal_law_and_their_slope(u):
    mixture = mixture_of(u)
    t = np.linspace(-6, 6, 101)
    x = mixture.quantile(t)
    mass = mixture.shares @ stats.norm.cdf(x, mixture.means[:, None], mixture.scales[:, None])
    np.testing.assert_allclose(mass, stats.norm.cdf(t), atol=1e-12)
    below, above = mixture.quantile(np.stack([t - 1e-4, t + 1e-4]))
    np.testing.assert_allclose(mixture.log_slope(x), np.log(2e-4 / (above - below)), atol=1e-2)


@every_sample
def test_quantiles_invert_scores(u):
    mixture = mixture_of(u)
    t = np.linspace(-MAX_SCORE, MAX_SCORE, 999)
    x = mixture.quantile(t)
    assert (np.diff(x) > 0).all()
    np.testing.assert_allclose(mixture.score(x), t, atol=1e-10)
    assert np.isnan(mixture.quantile(np.array([np.nan, 0.0]))).tolist() == [True, False]


def test_likelihood_is_about_the_best_of_clusters_far_apart():
    fresh = clusters(seed=1)
    true = np.logaddexp(stats.norm(0).logpdf(fresh), stats.norm(9999).logpdf(fresh)) - np.log(2)
    assert mixture_of(clusters(2000)).log_density(fresh).mean() > true.mean() - 0.03


def test_no_component_is_narrower_than_the_floor():
    assert mixture_of(clusters(), floor=20.0).scales.min() >= 20


def test_weights_count_as_rows():
    u = np.append(rng_normal(300), 50 + rng_normal(300))
    weights = np.where(u < 25, 3.0, 1.0)
    mixture = NormalMixture.fit(u, weights)
    assert mixture.shares[mixture.means < 25].sum() == pytest.approx(0.75, abs=0.02)
