"""The background: its shares, its draws, and that few rows cannot make the mixture worse than a simple density."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats
from sklearn.covariance import LedoitWolf
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.neighbors import KernelDensity

from skmaf import MAFDensity
from skmaf.models.baseline import IMAGINARY_ROWS, KERNEL_ROWS, Background, best_share


def normal_rows(n, seed=0):
    mixing = np.array([[1.0, 0.0], [0.8, 0.6]])
    return np.random.default_rng(seed).standard_normal((n, 2)) @ mixing.T


def alone(log_prob):
    """What `Background` is told of a flow of rows without codes."""
    return np.zeros(len(log_prob)), log_prob


def made(n=300, flow_log_prob=-1e6):
    """A background of normal rows beside a flow that gives every row the same log-density."""
    Z, held_out = normal_rows(n), normal_rows(100, seed=1)
    background = Background(Z, np.ones(n))
    background.share_out(alone(np.full(100, float(flow_log_prob))), held_out, np.ones(100))
    return background


def test_share_of_densities_that_share_no_row():
    """Each row belongs to one density: shares are counts, with the imaginary rows of each."""
    own, simpler = IMAGINARY_ROWS
    log_prob = np.where(np.arange(12) < 9, 0.0, -1e4)
    assert best_share(log_prob, -1e4 - log_prob, np.ones(12)) == pytest.approx(
        (9 + own) / (12 + own + simpler)
    )


@given(st.integers(0, 1000))
def test_share_maximises_the_likelihood_with_its_prior(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(scale=2, size=(2, 30))
    weights = rng.integers(1, 4, 30)

    def loss(share):
        prior = IMAGINARY_ROWS @ np.log([share, 1 - share])
        return -(weights @ np.logaddexp(np.log(share) + a, np.log1p(-share) + b) + prior)

    best = optimize.minimize_scalar(loss, bounds=(1e-6, 1 - 1e-6), method="bounded").x
    assert best_share(a, b, weights) == pytest.approx(best, abs=1e-3)


def test_share_counts_weights_like_rows():
    a, b = np.random.default_rng(0).normal(size=(2, 20))
    counts = np.arange(20) % 4
    repeated = best_share(a.repeat(counts), b.repeat(counts), np.ones(counts.sum()))
    assert best_share(a, b, counts) == pytest.approx(repeated)


def test_a_useless_flow_keeps_its_imaginary_row():
    own, simpler = IMAGINARY_ROWS
    assert 1 - made().share == pytest.approx(own / (100 + own + simpler), rel=1e-3)


def test_a_flow_that_is_always_better_leaves_the_other_imaginary_rows():
    own, simpler = IMAGINARY_ROWS
    background = made(flow_log_prob=50)
    assert background.share == pytest.approx(simpler / (100 + own + simpler), rel=1e-3)


@pytest.mark.parametrize("n", [2, 5, 10, KERNEL_ROWS, KERNEL_ROWS + 1])
def test_kernel_density_only_where_rows_are_few(n):
    background = Background(normal_rows(n), np.ones(n))
    assert (background.bandwidth is not None) == (10 <= n <= KERNEL_ROWS)
    assert np.isfinite(background.mix(alone(np.full(10, -5.0)), normal_rows(10))).all()


def test_kernel_density_gets_its_share_of_rows_that_are_not_normal():
    ring = normal_rows(300)
    ring /= np.linalg.norm(ring, axis=1, keepdims=True)
    assert Background(ring, np.ones(300)).kernel_share > 0.95
    assert Background(normal_rows(300), np.ones(300)).kernel_share < 0.3


def test_mixture_is_the_weighted_sum_of_its_parts():
    background = made()
    background.share, background.kernel_share = 0.3, 0.6
    Z, flow = normal_rows(50, seed=2), np.linspace(-9, 1, 50)
    gaussian, kernel = (
        np.exp(part.score_samples(Z)) for part in (background._gaussian, background._kernel)
    )
    expected = 0.7 * np.exp(flow) + 0.3 * (0.4 * gaussian + 0.6 * kernel)
    np.testing.assert_allclose(background.mix(alone(flow), Z), np.log(expected))


def test_gaussian_is_the_shrunk_one():
    Z = normal_rows(40)
    expected = LedoitWolf().fit(Z)
    truth = stats.multivariate_normal(expected.location_, expected.covariance_)
    gaussian = Background(Z, np.ones(40))._gaussian
    np.testing.assert_allclose(gaussian._log_probs(Z)[0], truth.logpdf(Z))
    tails = stats.multivariate_t(expected.location_, expected.covariance_ / 3, df=3)
    share = gaussian.tail_share
    np.testing.assert_allclose(
        gaussian.score_samples(Z), np.log((1 - share) * truth.pdf(Z) + share * tails.pdf(Z))
    )


def test_tails_are_as_heavy_as_the_rows_say():
    """And never so light that a far row decides about a mean."""
    rng = np.random.default_rng(0)
    normal = Background(rng.standard_normal((2000, 3)), np.ones(2000))._gaussian
    heavy = Background(rng.standard_t(3, (2000, 3)), np.ones(2000))._gaussian
    assert normal.tail_share < 0.02
    assert heavy.tail_share > 0.5
    assert normal.score_samples(np.full((1, 3), 100.0)) > -50


def test_draws_of_heavy_tails_are_distributed_like_their_density():
    gaussian = Background(
        np.random.default_rng(0).standard_t(3, (2000, 1)), np.ones(2000)
    )._gaussian
    t = np.linspace(-12, 12, 20_001)
    mass = np.exp(gaussian.score_samples(np.sinh(t)[:, None])) * np.cosh(t) * (t[1] - t[0])
    assert mass.sum() == pytest.approx(1, abs=1e-6)
    draws = np.sort(gaussian.sample(5000, np.random.RandomState(0))[:, 0])
    assert stats.kstest(draws, lambda x: np.interp(x, np.sinh(t), mass.cumsum())).pvalue > 0.01


def test_weights_count_like_rows_in_the_gaussian_and_the_kernel():
    Z, counts = normal_rows(400), np.arange(400) % 3 + 1
    weighted, repeated = (
        Background(Z, counts),
        Background(Z.repeat(counts, axis=0), np.ones(counts.sum())),
    )
    repeated.bandwidth = weighted.bandwidth
    repeated.refit(Z.repeat(counts, axis=0), np.ones(counts.sum()))
    for part, atol in [
        ("_kernel", 1e-9),
        ("_gaussian", 0.3),
    ]:  # the shrinkage counts rows, not weights
        expected = getattr(repeated, part).score_samples(Z)
        np.testing.assert_allclose(getattr(weighted, part).score_samples(Z), expected, atol=atol)


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_a_flow_without_a_number_counts_as_impossible(bad):
    background, Z = made(flow_log_prob=-3), normal_rows(5)
    np.testing.assert_array_equal(
        background.mix(alone(np.full(5, bad)), Z), background.mix(alone(np.full(5, -1e9)), Z)
    )


def test_far_and_collinear_rows_stay_finite():
    Z = normal_rows(100)[:, [0, 0, 1]]
    background = Background(Z, np.ones(100))
    background.share_out(alone(np.full(100, -1e6)), Z, np.ones(100))
    assert np.isfinite(
        background.mix(alone(np.full(2, -np.inf)), np.array([[1e15, -1e15, 1e15], [0, 0, 0]]))
    ).all()


def test_draws_follow_the_shares():
    background = made(flow_log_prob=-3)
    Z = np.full((20_000, 2), 100.0)  # what the flow drew
    background.scatter(Z, np.empty((len(Z), 0)), np.random.RandomState(0))
    from_flow = (Z == 100).all(axis=1)
    assert from_flow.mean() == pytest.approx(1 - background.share, abs=0.015)
    np.testing.assert_allclose(np.cov(Z[~from_flow].T), np.cov(normal_rows(300).T), atol=0.15)


def test_mixture_of_one_column_integrates_to_one():
    x = np.random.default_rng(0).gamma(2.0, 3.0, 40)[:, None]
    density = MAFDensity(n_layers=2, hidden_layer_sizes=(8,), random_state=0).fit(x)
    assert 0.02 < density.background_.share < 0.98
    t = np.linspace(-9, 9, 40_001)
    grid = np.sinh(t) + x.mean()
    assert np.trapezoid(
        np.exp(density.score_samples(grid[:, None])) * np.cosh(t), t
    ) == pytest.approx(1, abs=1e-2)
    sample = density.sample(20_000, random_state=0)
    inside = (grid > 2) & (grid < 8)
    mass = np.trapezoid(
        np.exp(density.score_samples(grid[inside, None])) * np.cosh(t[inside]), t[inside]
    )
    assert np.mean((sample > 2) & (sample < 8)) == pytest.approx(mass, abs=0.015)


CONTINUOUS = {
    "breast_cancer": lambda: load_breast_cancer().data,
    "wine": lambda: load_wine().data,
    "diabetes": lambda: load_diabetes().data[:, [0, 2, 3, 4, 5, 6, 8]],
}


@pytest.mark.parametrize("name", CONTINUOUS)
def test_few_rows_are_fitted_as_well_as_by_simple_densities(name):
    """Over five draws of 60 rows: not below the better of the two by more than the standard error of its own score."""
    X = CONTINUOUS[name]()
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    differences, errors = [], []
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(X))
        fit, test = X[order[:60]], X[order[60:]]
        gaussian = LedoitWolf().fit(fit)
        kernels = [KernelDensity(bandwidth=h).fit(fit) for h in (0.3, 0.5, 0.8, 1.2)]
        simple = [stats.multivariate_normal(gaussian.location_, gaussian.covariance_).logpdf(test)]
        best = max(simple + [kernel.score_samples(test) for kernel in kernels], key=np.mean)
        density = MAFDensity(n_layers=2, hidden_layer_sizes=(32,), random_state=seed).fit(fit)
        differences.append(density.score(test) - best.mean())
        errors.append(stats.sem(best))
    assert np.mean(differences) > -np.mean(errors)


def with_gaps(n=400, share=0.3, seed=3):
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((n, 3)) @ np.array([[1.0, 0.8, -0.5], [0.0, 0.6, 0.3], [0.0, 0.0, 0.8]])
    return Z, np.where(rng.random(Z.shape) < share, np.nan, Z)


def test_gaussian_of_rows_with_absent_cells_is_that_of_the_others():
    Z, gaps = with_gaps()
    gaussian = Background(gaps, np.ones(400))._gaussian
    for pattern in np.unique(np.isnan(gaps), axis=0):
        rows, there = (np.isnan(gaps) == pattern).all(axis=1), np.flatnonzero(~pattern)
        expected = np.zeros(rows.sum())
        if len(there):
            block = gaussian.covariance[np.ix_(there, there)]
            normal = stats.multivariate_normal(gaussian.mean[there], block).pdf(Z[rows][:, there])
            tails = stats.multivariate_t(gaussian.mean[there], block / 3, df=3).pdf(
                Z[rows][:, there]
            )
            expected = np.log((1 - gaussian.tail_share) * normal + gaussian.tail_share * tails)
        np.testing.assert_allclose(gaussian.score_samples(gaps[rows]), expected, atol=1e-9)


def test_gaussian_learns_from_rows_with_absent_cells():
    """Cells that are missing at random change little, and their columns keep their correlation."""
    Z, gaps = with_gaps(n=4000)
    filled, full = Background(gaps, np.ones(4000))._gaussian, Background(Z, np.ones(4000))._gaussian
    np.testing.assert_allclose(filled.mean, full.mean, atol=0.05)
    np.testing.assert_allclose(filled.covariance, full.covariance, atol=0.06)


def test_independent_codes_share_with_those_of_the_flow():
    """And absent or new ones count for nothing."""
    Z, shares = (
        np.array([[0.0, 1.0], [1.0, 0.0], [-1.0, 1.0], [0.0, -3.0]]),
        [np.array([0.25, 0.75]), np.array([0.5, 0.5])],
    )
    background = Background(Z, np.ones(4), shares)
    independent = np.log([0.125, 0.375, 0.5, 0.25])
    np.testing.assert_allclose(background.score_parts(Z)[0], independent)
    background.code_share = 0.4
    flow = np.log([0.9, 0.1, 0.2, 0.3])
    expected = np.logaddexp(np.log(0.6) + flow, np.log(0.4) + independent)
    np.testing.assert_allclose(background.mix((flow, np.zeros(4)), Z), expected)


def test_draws_of_codes_follow_the_shares():
    background = Background(np.zeros((10, 1)), np.ones(10), [np.array([0.2, 0.8])])
    background.code_share = 0.5
    codes = np.full((20_000, 1), 7.0)  # what the flow drew
    background.scatter_codes(codes, np.random.RandomState(0))
    np.testing.assert_allclose(
        [np.mean(codes == level) for level in (0, 1, 7)], [0.1, 0.4, 0.5], atol=0.01
    )
