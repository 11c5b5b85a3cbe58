"""Columns that span scales: what transform, step, points and edges they get, and what is drawn."""

import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.exceptions import ConvergenceWarning

from skmaf import MAFDensity
from skmaf.table.column_kinds import exact_column, standardised_column
from skmaf.table.columns import Continuous, PointMasses
from skmaf.table.grids import fine_grid_step, support
from skmaf.table.transforms import NormalScores, SoftLogit

DOUBLE = np.finfo(np.float64).eps


def rng_of(seed=0):
    return np.random.default_rng(seed)


def column_of(x):
    return exact_column(np.asarray(x, dtype=float), DOUBLE, np.ones(len(x)))


def far_counts(n=2000, seed=0):
    """Counts of which one in 20 is a number of six digits."""
    rng = rng_of(seed)
    return np.where(rng.random(n) < 0.95, rng.poisson(3, n), rng.integers(10**5, 10**6, n)) * 1.0


def clusters(n=2000, seed=0):
    rng = rng_of(seed)
    return np.where(rng.random(n) < 0.5, 0.0, 9999.0) + rng.standard_normal(n)


def cents(n=2000, seed=0):
    return np.round(np.exp(rng_of(seed).normal(4, 2.5, n)), 2)


def drawn(column, n=5000, seed=0):
    """Values of a column whose numbers are standard normal in flow space."""
    rng = rng_of(seed)
    codes = np.empty((n, 0))
    if isinstance(column, PointMasses):
        codes = rng.choice(len(column.shares), (n, 1), p=column.shares)
    return column.back(codes, rng.standard_normal((n, 1)))


def test_a_column_of_clusters_far_apart_is_standard_normal_in_flow_space():
    """Where a mixture of two normals is the density: within 0.1 nats of it without any flow."""
    column = column_of(clusters())
    assert isinstance(column.transform, NormalScores)
    x = clusters(seed=1)
    log_density = stats.norm.logpdf(column.values(x)[:, 0]) + column.log_jacobian(x)
    true = np.logaddexp(stats.norm.logpdf(x), stats.norm.logpdf(x, 9999)) - np.log(2)
    assert abs(true.mean() - log_density.mean()) < 0.1


@pytest.mark.parametrize(
    "x",
    [
        rng_of().standard_normal(2000),
        rng_of().standard_normal(2000) + np.where(np.arange(2000) % 2, 5, 0),
        np.exp(0.5 * rng_of().standard_normal(2000)),
        rng_of().uniform(0, 1, 2000),
        rng_of().integers(0, 100, 2000),
        load_breast_cancer().data[:, 0],
        *load_iris().data.T,
    ],
)
def test_ordinary_columns_stay_as_they_are(x):
    column = column_of(x)
    plain = standardised_column(x, DOUBLE, np.ones(len(x)))
    assert isinstance(column, Continuous)
    assert column.transform is None
    assert (column.mean, column.scale, column.step) == (plain.mean, plain.scale, plain.step)


def test_frequent_counts_have_probabilities_beside_a_far_tail():
    column = column_of(far_counts())
    assert column.points.tolist() == [0, 1, 2, 3, 4, 5, 6]
    shares = 0.95 * stats.poisson.pmf(np.arange(7), 3)
    np.testing.assert_allclose(column.shares[:-1], shares, atol=0.02)
    assert column.others.step == 1
    assert column.others.transform is not None
    x = drawn(column)
    assert (x >= 0).all()
    assert np.array_equal(x, np.round(x))


def test_probabilities_of_a_column_on_a_grid_sum_to_one():
    """Where the values beside its points are standard normal in flow space."""
    column = column_of(far_counts())
    points = column.points
    of_points = column.shares[:-1].sum()
    others = column.others
    near = np.setdiff1d(np.round(others.low + others.step * np.arange(20_000), 2), points)
    log_density = stats.norm.logpdf(others.values(near)[:, 0]) + others.log_jacobian(near)
    of_near = np.exp(log_density).sum() * others.step
    of_far = stats.norm.sf(others.values(near[-1:] + others.step / 2)[0, 0])
    assert of_points + (1 - of_points) * (of_near + of_far) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    "x, step",
    [
        (cents(), 0.01),
        (np.round(rng_of().uniform(0, 1e5, 2000), 2), 0.01),
        (np.round(rng_of().uniform(0, 1e7, 2000), 2), 0.01),
        (np.append(np.round(rng_of().uniform(0, 9, 300), 2), 1e6), 0.01),
        (far_counts(), 1),
        (1.6e9 + rng_of().integers(0, 3e7, 2000), 1),
        (np.round(rng_of().uniform(0, 1e9, 2000)) + 0.5, 1),
    ],
)
def test_a_grid_has_its_step_however_far_it_reaches(x, step):
    assert fine_grid_step(np.unique(x), DOUBLE) == pytest.approx(step, rel=1e-6)


def rounded_to_digits(x, n):
    return np.array([float(f"{value:.{n}g}") for value in x])


@pytest.mark.parametrize(
    "x",
    [
        np.exp(rng_of().normal(0, 3, 2000)),
        np.exp(rng_of().normal(0, 3, 2000)).astype(np.float32).astype(float),
        rng_of().standard_normal(2000).astype(np.float32).astype(float),
        rounded_to_digits(np.exp(rng_of().normal(0, 3, 2000)), 6),
        # hundredths, but for three numbers
        np.append(np.round(rng_of().uniform(0, 13, 140), 2), [9.899999, 5.459999, 3.333333]),
    ],
)
def test_digits_of_floating_point_are_no_grid(x):
    assert fine_grid_step(np.unique(x), DOUBLE) == 0


def test_draws_of_prices_are_cents():
    x = drawn(column_of(cents()))
    assert np.array_equal(x, np.round(x, 2))
    assert (x >= 0).all()


@pytest.mark.parametrize("digits", [0, 9])
def test_values_piled_up_at_the_ends_have_probabilities_and_end_the_range(digits):
    x = np.round(np.clip(rng_of().normal(60, 35, 2000), 0, 100), digits)
    column = column_of(x)
    assert column.points.tolist() == [0, 100]
    others = drawn(column)
    assert (others >= 0).all()
    assert (others <= 100).all()


def test_popular_prices_have_probabilities():
    """Half of the prices are one of a few, the others anything in cents."""
    x = np.round(np.exp(rng_of().normal(4.5, 0.7, 2000)), 2)
    x[::2] = np.clip(np.round(x[::2] / 50) * 50, 50, 500)
    column = column_of(x)
    assert isinstance(column, PointMasses)
    assert (column.points % 50 == 0).all()
    assert column.others.step == pytest.approx(0.01)


@pytest.mark.parametrize(
    "law, expected",
    [
        (stats.beta(0.5, 0.5), (0.0, 1.0)),
        (stats.beta(0.5, 0.5, loc=-100, scale=150), (-100.0, 50.0)),
        (stats.uniform(-0.5), (-np.inf, np.inf)),
        (stats.expon(loc=-1), (-np.inf, np.inf)),
        (stats.norm(), (-np.inf, np.inf)),
    ],
)
def test_ends_towards_which_values_lie_closer(law, expected):
    x = np.sort(law.rvs(2000, random_state=0))
    assert support(x, np.ones(2000, dtype=int)) == expected
    if np.isfinite(expected).all():
        column = column_of(x)
        assert isinstance(column.transform, SoftLogit)
        assert (column.low, column.high) == expected


@pytest.mark.parametrize("seed", range(5))
def test_rows_beyond_ends_that_were_found_have_a_density(seed):
    """Of new rows about one in a table is: the end is a guess from those that were seen."""
    x = stats.beta(0.5, 0.5, loc=-np.pi, scale=np.e).rvs(4000, random_state=seed)
    column = column_of(np.sort(x)[5:-5])
    assert isinstance(column.transform, SoftLogit)
    outside = np.sort(np.append(np.sort(x)[:5], np.sort(x)[-5:]))
    z = column.values(outside)[:, 0]
    assert np.abs(z).max() < 10
    assert (column.log_jacobian(outside) > column.log_jacobian(np.median(x))).all()
    np.testing.assert_allclose(column.untransform(z), outside, rtol=1e-9)


@pytest.mark.parametrize(
    "law", [stats.beta(0.5, 0.5), stats.beta(0.3, 2), stats.expon(), stats.norm(), stats.cauchy()]
)
def test_what_was_found_in_a_column_rules_no_value_out(law):
    column = column_of(law.rvs(2000, random_state=0))
    x = np.array([-1e300, -1e9, -2.0, -1e-9, 0.0, 1.0, 1 + 1e-9, 3.0, 1e9, 1e300])
    assert np.isfinite(column.log_jacobian(x)).all()


def test_ties_have_steps_in_flow_space():
    """In units of the column they are short where values are dense, and long in the tails."""
    x = np.repeat(np.exp(rng_of().normal(0, 2.5, 400)), 3)
    column = column_of(x)
    assert column.transform is not None
    assert column.steps(x).shape == (1, 1)
    z = column.values(x)[:, 0]
    noise = rng_of(1).uniform(-0.4, 0.4, len(x)) * np.minimum(column.steps(x)[0, 0], 1e-6)
    assert np.array_equal(column.snap(column.untransform(z + noise)), x)


@pytest.mark.parametrize(
    "values, counts, expected",
    [
        ([0, 1, 5], [3, 2, 1], (0, np.inf)),
        ([-5, -1], [3, 2], (-np.inf, 0)),
        ([-5, 1], [3, 2], (-np.inf, np.inf)),
        ([18, 30, 90], [40, 2, 12], (18, 90)),
        ([-1, 1], [50, 50], (-1, 1)),
    ],
)
def test_support(values, counts, expected):
    assert support(np.array(values, dtype=float), np.array(counts)) == expected


def test_draws_beyond_an_edge_are_reflected():
    column = Continuous(0.0, 1.0, low=0.0)
    assert column.snap(np.array([-0.25, 0.5, -3.0])).tolist() == [0.25, 0.5, 3.0]
    counts = Continuous(0.0, 1.0, 1.0, np.arange(9.0), regular=True, low=0.0, high=8.0)
    drawn = np.array([-0.4, -0.7, -30.0, 8.2, 8.7, 99.0])
    assert counts.snap(drawn).tolist() == [0, 0, 0, 8, 8, 0]


@pytest.mark.parametrize("make", [far_counts, clusters, cents])
def test_the_order_of_rows_does_not_matter(make):
    x = make()
    column = column_of(x)
    other = column_of(rng_of(9).permutation(x))
    at = x[:100]
    np.testing.assert_allclose(column.values(at), other.values(at), rtol=1e-9)


def test_density_and_draws_of_counts_with_a_far_tail():
    """Of which 41 % were negative, and none was 3."""
    density = MAFDensity(hidden_layer_sizes=(8,), n_layers=2, max_iter=40, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        density.fit(far_counts()[:, None])
    x = density.sample(4000, random_state=0)[:, 0]
    assert (x >= 0).all()
    assert np.mean(x == 3) == pytest.approx(0.95 * stats.poisson.pmf(3, 3), abs=0.03)
    test = far_counts(seed=1)
    far = np.log(0.05 / 9e5)
    true = np.where(test < 1e4, np.log(0.95) + stats.poisson.logpmf(test, 3), far)
    assert density.score(test[:, None]) > true.mean() - 0.1
