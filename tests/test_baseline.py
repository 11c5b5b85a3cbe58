"""The baseline: its shares, its draws, and that a mixture of few rows is no worse than it."""

from dataclasses import FrozenInstanceError, fields, is_dataclass, replace

import numpy as np
import pytest
from scipy import stats
from sklearn.covariance import LedoitWolf
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.neighbors import KernelDensity

from skmaf import MAFDensity
from skmaf.models.baseline import BANDWIDTHS, KERNEL_ROWS, Baseline, fit_baseline
from skmaf.models.gaussian import Gaussian
from skmaf.models.kernel import Kernel
from skmaf.models.stacking import PRIOR_ROWS, SIMPLER_PRIOR_ROWS, best_share
from skmaf.models.trend import Trend

ALL_PRIOR_ROWS = PRIOR_ROWS + SIMPLER_PRIOR_ROWS


def normal_rows(n, seed=0):
    mixing = np.array([[1.0, 0.0], [0.8, 0.6]])
    return np.random.default_rng(seed).standard_normal((n, 2)) @ mixing.T


def without_codes(log_prob):
    """What a baseline is told of a flow of rows without codes."""
    return np.zeros(len(log_prob)), log_prob


def fit(Z, **settings):
    """The baseline of rows that count alike."""
    return fit_baseline(Z, np.ones(len(Z)), **settings)


def stacked(n=300, flow_log_prob=-1e6):
    """A baseline of normal rows beside a flow that gives every row the same log-density."""
    flow_log_probs = without_codes(np.full(100, float(flow_log_prob)))
    return fit(normal_rows(n)).stacked(flow_log_probs, normal_rows(100, seed=1), np.ones(100))


def test_a_useless_flow_keeps_its_imaginary_row():
    assert 1 - stacked().share == pytest.approx(PRIOR_ROWS / (100 + ALL_PRIOR_ROWS), rel=1e-3)


def test_a_flow_that_is_always_better_leaves_the_other_imaginary_rows():
    expected = SIMPLER_PRIOR_ROWS / (100 + ALL_PRIOR_ROWS)
    assert stacked(flow_log_prob=50).share == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("n", [2, 5, 10, KERNEL_ROWS, KERNEL_ROWS + 1])
def test_kernel_density_only_where_rows_are_few(n):
    baseline = fit(normal_rows(n))
    assert (baseline.bandwidth is not None) == (10 <= n <= KERNEL_ROWS)
    assert np.isfinite(baseline.mix(without_codes(np.full(10, -5.0)), normal_rows(10))).all()


def test_no_kernel_density_where_cells_are_missing():
    Z = normal_rows(50)
    Z[0, 0] = np.nan
    baseline = fit(Z)
    assert baseline.bandwidth is None and baseline.kernel_share == 0
    assert np.isfinite(baseline.log_probs(Z)[1]).all()


def test_kernel_density_gets_its_share_of_rows_that_are_not_normal():
    ring = normal_rows(300)
    ring /= np.linalg.norm(ring, axis=1, keepdims=True)
    assert fit(ring).kernel_share > 0.95
    assert fit(normal_rows(300)).kernel_share < 0.3
    assert fit(ring).bandwidth in BANDWIDTHS


def test_kernel_density_without_a_share_is_left_out():
    """Its share of the whole density, beside a flow that is always better, is under 2%."""
    draft = replace(fit(normal_rows(300)), kernel_share=0.4)
    flow_log_probs = without_codes(np.full(100, 50.0))
    Z = normal_rows(100, seed=1)
    baseline = draft.stacked(flow_log_probs, Z, np.ones(100))
    assert draft.bandwidth is not None
    assert baseline.bandwidth is None and baseline.kernel_share == 0
    gaussian = draft.gaussian.log_prob(Z)
    assert baseline.share == 1 - best_share(flow_log_probs[1], gaussian, np.ones(100))
    assert baseline.refitted(Z, np.ones(100)).bandwidth is None


def test_mixture_is_the_weighted_sum_of_its_parts():
    baseline = replace(stacked(), share=0.3, kernel_share=0.6)
    Z = normal_rows(50, seed=2)
    flow = np.linspace(-9, 1, 50)
    gaussian = np.exp(baseline.gaussian.log_prob(Z))
    kernel = np.exp(baseline.kernel.log_prob(Z))
    of_baseline = 0.4 * gaussian + 0.6 * kernel
    np.testing.assert_allclose(baseline.log_probs(Z)[1], np.log(of_baseline))
    expected = np.log(0.7 * np.exp(flow) + 0.3 * of_baseline)
    np.testing.assert_allclose(baseline.mix(without_codes(flow), Z), expected)


def test_weights_count_like_rows():
    Z = normal_rows(400)
    counts = np.arange(400) % 3 + 1
    copies = Z.repeat(counts, axis=0)
    weighted = fit_baseline(Z, counts)
    repeated = weighted.refitted(copies, np.ones(len(copies)))
    np.testing.assert_allclose(weighted.kernel.log_prob(Z), repeated.kernel.log_prob(Z), rtol=1e-5)
    # the shrinkage of the Gaussian counts rows, not weights
    np.testing.assert_allclose(
        weighted.gaussian.log_prob(Z), repeated.gaussian.log_prob(Z), atol=0.3
    )


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_a_flow_without_a_number_counts_as_impossible(bad):
    baseline = stacked(flow_log_prob=-3)
    Z = normal_rows(5)
    np.testing.assert_array_equal(
        baseline.mix(without_codes(np.full(5, bad)), Z),
        baseline.mix(without_codes(np.full(5, -1e9)), Z),
    )


def test_far_and_collinear_rows_stay_finite():
    Z = normal_rows(100)[:, [0, 0, 1]]
    baseline = fit(Z).stacked(without_codes(np.full(100, -1e6)), Z, np.ones(100))
    far = np.array([[1e15, -1e15, 1e15], [0, 0, 0]])
    assert np.isfinite(baseline.mix(without_codes(np.full(2, -np.inf)), far)).all()


def test_draws_follow_the_shares():
    baseline = stacked(flow_log_prob=-3)
    Z = np.full((20_000, 2), 100.0)  # what the flow drew
    baseline.replace_values(Z, np.random.RandomState(0))
    from_flow = (Z == 100).all(axis=1)
    assert from_flow.mean() == pytest.approx(1 - baseline.share, abs=0.015)
    np.testing.assert_allclose(np.cov(Z[~from_flow].T), np.cov(normal_rows(300).T), atol=0.15)


def test_draws_of_the_kernel_density_follow_its_share():
    """The Gaussian is far away."""
    draft = fit(normal_rows(300))
    gaussian = replace(draft.gaussian, mean=np.full(2, 1e6))
    baseline = replace(draft, gaussian=gaussian, kernel_share=0.7)
    errors = baseline.errors(20_000, np.random.RandomState(0))
    near = np.abs(errors).max(axis=1) < 1e3
    assert near.mean() == pytest.approx(0.7, abs=0.015)


def test_refitted_keeps_shares_bandwidth_and_trend():
    context = normal_rows(100, seed=4)
    Z = normal_rows(100) + context
    weights = np.ones(100)
    draft = fit(Z, context=context)
    baseline = draft.stacked(without_codes(np.full(100, -3.0)), Z, weights, context)
    more = np.vstack([Z, 2 * Z])
    other = baseline.refitted(more, np.ones(200), np.vstack([context, context]))
    for name in ["share", "code_share", "bandwidth", "kernel_share"]:
        assert getattr(other, name) == getattr(baseline, name)
    assert other.trend is draft.trend
    errors = more - draft.trend.predict(np.vstack([context, context]))
    np.testing.assert_array_equal(other.kernel.centres, errors)
    expected = Gaussian.learn(errors, np.ones(200))
    np.testing.assert_array_equal(other.gaussian.covariance, expected.covariance)
    assert (draft.share, draft.code_share) == (0, 0)  # nothing was changed in place


def test_values_are_taken_off_their_trend_in_the_context():
    context = np.random.default_rng(1).standard_normal((400, 3))
    slopes = np.array([[5.0, 0.0], [0.0, -3.0], [1.0, 1.0]])
    errors = normal_rows(400)
    baseline = fit(context @ slopes + errors, context=context)
    np.testing.assert_allclose(baseline.trend.slopes, slopes, atol=0.2)
    np.testing.assert_allclose(baseline.gaussian.covariance, np.cov(errors.T), atol=0.1)
    Z = np.ones((50, 2))
    off_trend = Z - baseline.predict_trend(context[:50], 50)
    alone = replace(baseline, trend=None)
    np.testing.assert_array_equal(
        baseline.log_probs(Z, context[:50])[1], alone.log_probs(off_trend)[1]
    )
    drawn = np.empty((400, 2))
    replace(baseline, share=1.0).replace_values(drawn, np.random.RandomState(0), context)
    np.testing.assert_allclose(np.cov((drawn - context @ slopes).T), np.cov(errors.T), atol=0.2)
    with pytest.raises(ValueError, match="fitted with a context"):
        baseline.log_probs(Z)


def test_context_without_columns_is_none():
    Z = normal_rows(100)
    empty = np.empty((100, 0))
    baseline = fit(Z, context=empty)
    assert baseline.trend is None
    np.testing.assert_array_equal(baseline.log_probs(Z, empty)[1], fit(Z).log_probs(Z)[1])
    assert (baseline.predict_trend(None, 3) == np.zeros((3, 1))).all()


def values_of(part):
    """All that a frozen dataclass is made of."""
    for field in fields(part):
        value = getattr(part, field.name)
        if is_dataclass(value):
            yield from values_of(value)
        else:
            yield from value if isinstance(value, tuple) else [value]


def test_it_is_made_of_arrays_and_numbers():
    Z = np.hstack([np.zeros((100, 1)), normal_rows(100)])
    context = normal_rows(100, seed=1)
    draft = fit(Z, code_shares=[np.array([0.2, 0.8])], context=context)
    flow_log_probs = np.full((2, 100), -3.0)
    baseline = draft.stacked(flow_log_probs, Z, np.ones(100), context)
    parts = [baseline, baseline.trend, baseline.gaussian, baseline.kernel]
    assert [type(part) for part in parts] == [Baseline, Trend, Gaussian, Kernel]
    assert {type(value) for value in values_of(baseline)} == {np.ndarray, float}
    with pytest.raises(FrozenInstanceError):
        baseline.share = 0.5


def test_independent_codes_share_with_those_of_the_flow():
    """And absent or new ones count for nothing."""
    Z = np.array([[0.0, 1.0], [1.0, 0.0], [-1.0, 1.0], [0.0, -3.0]])
    shares = [np.array([0.25, 0.75]), np.array([0.5, 0.5])]
    baseline = replace(fit(Z, code_shares=shares), code_share=0.4)
    independent = np.log([0.125, 0.375, 0.5, 0.25])
    np.testing.assert_allclose(baseline.log_probs(Z)[0], independent)
    flow = np.log([0.9, 0.1, 0.2, 0.3])
    expected = np.logaddexp(np.log(0.6) + flow, np.log(0.4) + independent)
    np.testing.assert_allclose(baseline.mix((flow, np.zeros(4)), Z), expected)


def test_rows_give_codes_and_values_their_shares():
    """The flow knows the codes better, and the values worse."""
    rng = np.random.default_rng(0)
    Z = np.hstack([rng.integers(0, 2, (100, 1)), normal_rows(100)])
    baseline = fit(Z, code_shares=[np.array([0.5, 0.5])])
    baseline = baseline.stacked((np.zeros(100), np.full(100, -99.0)), Z, np.ones(100))
    independent = np.full(100, np.log(0.5))
    assert baseline.code_share == 1 - best_share(np.zeros(100), independent, np.ones(100))
    assert baseline.code_share < 0.2 and baseline.share > 0.9


def test_codes_alone():
    """Without values there is nothing but the codes."""
    Z = np.zeros((10, 1))
    baseline = fit(Z, code_shares=[np.array([0.2, 0.8])])
    baseline = baseline.stacked((np.full(10, -5.0), np.zeros(10)), Z, np.ones(10))
    assert baseline.gaussian is None and baseline.kernel is None
    assert baseline.share == 0 and baseline.code_share > 0.5
    mixed = np.logaddexp(
        np.log(0.2) + np.log(baseline.code_share), -5.0 + np.log1p(-baseline.code_share)
    )
    np.testing.assert_allclose(baseline.mix((np.full(10, -5.0), np.zeros(10)), Z), mixed)
    assert baseline.refitted(Z, np.ones(10)).gaussian is None
    assert baseline.errors(3, np.random.RandomState(0)).shape == (3, 0)


def test_draws_of_codes_follow_the_shares():
    draft = fit(np.zeros((10, 1)), code_shares=[np.array([0.2, 0.8])])
    codes = np.full((20_000, 1), 7.0)  # what the flow drew
    replace(draft, code_share=0.5).replace_codes(codes, np.random.RandomState(0))
    found = [np.mean(codes == category) for category in (0, 1, 7)]
    np.testing.assert_allclose(found, [0.1, 0.4, 0.5], atol=0.01)


def test_mixture_of_one_column_integrates_to_one():
    x = np.random.default_rng(0).gamma(2.0, 3.0, 40)[:, None]
    density = MAFDensity(n_layers=2, hidden_layer_sizes=(8,), max_iter=60, random_state=0).fit(x)
    assert 0.02 < density.baseline_.share < 0.98
    t = np.linspace(-9, 9, 8001)
    grid = np.sinh(t) + x.mean()
    assert np.trapezoid(
        np.exp(density.score_samples(grid[:, None])) * np.cosh(t), t
    ) == pytest.approx(1, abs=1e-2)
    sample = density.sample(20_000, random_state=0)
    inside = (grid > 6) & (grid < 12)  # what is drawn below 0, the end, is turned round there
    mass = np.trapezoid(
        np.exp(density.score_samples(grid[inside, None])) * np.cosh(t[inside]), t[inside]
    )
    assert np.mean((sample > 6) & (sample < 12)) == pytest.approx(mass, abs=0.015)


CONTINUOUS = {
    "breast_cancer": lambda: load_breast_cancer().data,
    "wine": lambda: load_wine().data,
    "diabetes": lambda: load_diabetes().data[:, [0, 2, 3, 4, 5, 6, 8]],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTINUOUS)
def test_few_rows_are_fitted_as_well_as_by_simple_densities(name):
    """Over five draws of 60 rows: below the better of the two by its standard error at most."""
    X = CONTINUOUS[name]()
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    differences = []
    errors = []
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(X))
        train = X[order[:60]]
        test = X[order[60:]]
        gaussian = LedoitWolf().fit(train)
        kernels = [KernelDensity(bandwidth=h).fit(train) for h in (0.3, 0.5, 0.8, 1.2)]
        simple = [stats.multivariate_normal(gaussian.location_, gaussian.covariance_).logpdf(test)]
        best = max(simple + [kernel.score_samples(test) for kernel in kernels], key=np.mean)
        density = MAFDensity(
            n_layers=2, hidden_layer_sizes=(32,), max_iter=150, random_state=seed
        ).fit(train)
        differences.append(density.score(test) - best.mean())
        errors.append(stats.sem(best))
    assert np.mean(differences) > -np.mean(errors)
