"""Each kind of column to flow space and back, with its exact log-Jacobian or probability."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from skmaf.table.column_kinds import find_columns, sharp, smooth
from skmaf.table.columns import ABSENT, NEW, Columns, Constant, Continuous, Discrete, cauchy

DOUBLE = np.finfo(np.float64).eps
SCALES = [1e-30, 1e-10, 1.0, 1e10, 1e30]


def integers(n=300, high=50, seed=0):
    return np.random.default_rng(seed).integers(0, high, n).astype(float)


def normal(n=300, seed=0):
    return np.random.default_rng(seed).standard_normal(n)


def described(x, kind_of=smooth, **details):
    return kind_of(x, DOUBLE, np.ones(len(x)), **details)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_continuous_column(scale, offset):
    x = (normal() + offset) * scale
    column = described(x)
    assert isinstance(column, Continuous) and column.step == 0
    assert column.mean == pytest.approx(x.mean(), rel=1e-12)
    assert column.scale == pytest.approx(x.std(), rel=1e-9)
    assert np.array_equal(column.snap(x), x)


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 1e-30, -1e30, 1e300])
def test_constant_column(value):
    column = described(np.full(50, value))
    assert isinstance(column, Constant)
    assert column.value == value


def test_rounding_noise_is_constant():
    x = np.full(50, 0.3)
    x[::2] = np.nextafter(0.3, 1)
    assert isinstance(described(x), Constant)


def test_atoms_in_a_continuous_column():
    """40 % zeros: the zeros attract, the other values do not."""
    x = np.where(np.arange(500) % 5 < 2, 0.0, np.exp(normal(500)))
    column = described(x)
    assert column.step > 0 and not column.regular
    assert 0.0 in column.levels
    assert np.array_equal(column.snap(x), x)
    assert np.array_equal(column.snap(np.array([0.2, -0.2]) * column.step), [0.0, 0.0])
    other = np.sort(x)[-5:] + column.step / 3
    assert np.array_equal(column.snap(other), other)


def test_ties_without_a_grid():
    x = np.repeat(normal(100), 3)
    column = described(x)
    assert column.step > 0 and not column.regular
    assert set(column.levels) == set(x)
    assert np.array_equal(column.snap(x), x)


@pytest.mark.parametrize("step", [1.0, 0.1, 0.25])
def test_grid_column(step):
    x = integers() * step
    column = described(x)
    assert column.regular and column.step == pytest.approx(step)
    noise = np.random.default_rng(1).uniform(-0.49, 0.49, len(x)) * step
    assert np.array_equal(column.snap(x + noise), x)


def test_grid_continues_beyond_and_between_the_values_seen():
    column = described(np.array([0.0, 1.0, 2.0, 6.0] * 5))
    assert np.array_equal(column.snap(np.array([-2.2, 3.9, 5.6, 8.8])), [-2.0, 4.0, 6.0, 9.0])


def mixed_table(scale=1.0):
    n = 300
    zeros = np.where(np.arange(n) % 5 < 2, 0.0, np.exp(normal(n, 2)))
    columns = [
        normal(n),
        integers(n),
        integers(n, 9) * 0.1,
        np.full(n, 3.3),
        zeros,
        np.repeat(normal(n // 3, 3), 3),
    ]
    return np.column_stack(columns) * scale


def columns_of(X, kind_of=sharp, kinds=None):
    return find_columns(kind_of, X, np.ones(len(X)), [None] * X.shape[1], kinds)


@pytest.mark.parametrize("scale", SCALES)
def test_flow_space_is_standardised(scale):
    X = mixed_table(scale)
    columns = columns_of(X, smooth)
    assert (columns.n_codes, columns.n_values) == (0, 5)
    assert columns.owners.tolist() == [0, 1, 2, 4, 5]
    Z = columns.to_flow(X)
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(Z.std(axis=0), 1, atol=1e-9)


@pytest.mark.parametrize("kind_of", [sharp, smooth])
@pytest.mark.parametrize("scale", SCALES)
def test_flow_space_and_back(scale, kind_of):
    X = mixed_table(scale)
    columns = columns_of(X, kind_of)
    back = columns.from_flow(columns.to_flow(X))
    np.testing.assert_allclose(back, X, rtol=1e-12, atol=1e-12 * scale)
    attracted = [1, 2, 3, 5]
    assert np.array_equal(back[:, attracted], X[:, attracted])
    assert np.array_equal(back[:, 4] == 0, X[:, 4] == 0)


def test_codes_come_first_and_atoms_leave_no_value():
    X = mixed_table()
    columns = columns_of(X)
    assert columns.owners.tolist() == [2, 4, 0, 1, 4, 5]
    assert columns.gates == [(-1, -1), (-1, -1), (1, 1), (-1, -1)]
    Z = columns.to_flow(X)
    assert np.array_equal(Z[:, 0], np.round(X[:, 2] / 0.1))
    assert np.array_equal(Z[:, 1] == 0, X[:, 4] == 0)
    assert np.array_equal(np.isnan(Z[:, 4]), X[:, 4] == 0)
    assert not np.isnan(Z[:, [2, 3, 5]]).any()


def test_missing_cells_are_absent_and_count_for_nothing():
    X = mixed_table()
    columns = columns_of(X)
    gaps = np.full_like(X, np.nan)
    Z = columns.to_flow(gaps)
    assert (Z[:, : columns.n_codes] == ABSENT).all() and np.isnan(Z[:, columns.n_codes :]).all()
    assert np.array_equal(columns.log_jacobian(gaps), np.zeros(len(X)))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kinds", [None, {1: "heavy-tailed"}, {1: (-1, None)}, {1: (-5, 60)}])
def test_noise_of_the_width_falls_back_on_the_observed_values(dtype, kinds):
    """What the flow is trained on: rows spread over their width."""
    X = mixed_table().astype(dtype)
    columns = columns_of(X, kinds=kinds)
    noise = np.random.default_rng(0).uniform(
        -0.45, 0.45, (len(X), len(columns.owners))
    ) * columns.widths(X)
    back = columns.from_flow(columns.to_flow(X) + noise).astype(dtype)
    for j in [1, 2, 3]:
        assert np.array_equal(back[:, j], X[:, j])


@pytest.mark.parametrize("scale", SCALES)
def test_log_jacobian_is_exact(scale):
    X = mixed_table(scale)
    columns = columns_of(X, smooth)
    Z = columns.to_flow(X)
    spread = np.ptp(X[:, [0, 1, 2, 4, 5]], axis=0)
    expected = np.log(np.ptp(Z, axis=0) / spread).sum()
    np.testing.assert_allclose(
        columns.log_jacobian(X), expected + np.log(301 / 302), rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("kind", ["heavy-tailed", (-9, None), (None, 9), (-9, 9)])
@given(st.floats(-6, 6))
def test_warped_columns_have_the_derivative_of_their_map(kind, x):
    column = described(normal(), sharp, kind=kind)
    column = getattr(column, "others", column)
    step = 1e-6
    slope = np.diff(column.values(np.array([x - step, x + step]))[:, 0])[0] / (2 * step)
    assert column.log_jacobian(np.array([x]))[0] == pytest.approx(np.log(slope), abs=1e-5)
    assert column.back(None, column.values(np.array([x])))[0] == pytest.approx(x, abs=1e-9)


@pytest.mark.parametrize(
    "kind, low, high", [((0, None), 0, np.inf), ((None, 0), -np.inf, 0), ((0, 1), 0, 1)]
)
def test_bounded_columns_stay_inside(kind, low, high):
    x = np.random.default_rng(0).uniform(0.01, 0.99, 300) * (1 if low == 0 else -1)
    column = described(x, sharp, kind=kind)
    assert column.log_jacobian(np.array([0.0]))[0] == 0  # the bound has a probability
    column = column.others
    drawn = column.back(None, np.linspace(-1e3, 1e3, 1001)[:, None])
    assert (drawn >= low).all() and (drawn <= high).all()
    outside = np.array([-0.5 if low == 0 else 0.5])
    assert column.log_jacobian(outside)[0] == -np.inf
    near, least = np.array([1e-300, 1e-9]) * np.sign(x[0]), np.abs(x).min()
    assert (
        np.ptp(column.values(near)) == 0 and (column.log_jacobian(near) < np.log(1e3 / least)).all()
    )


def test_statistics_do_not_overflow_or_vanish():
    for size in [1e-300, 1e300]:
        column = described(normal() * size)
        assert column.scale / size == pytest.approx(normal().std())


@pytest.mark.parametrize("value", [0.0, 1.0, -250.0, 1e-30, 1e30])
def test_a_new_value_of_a_constant_column_is_flagged(value):
    """The farther the more; the value itself has what Laplace leaves it."""
    size = abs(value) or 1.0
    column = described(np.full(100, value))
    log_prob = column.log_jacobian(value + size * np.array([0.0, 0.01, 1.0, 10.0, 1e6, 1e100]))
    assert np.isfinite(log_prob).all()
    assert log_prob[0] == pytest.approx(np.log(101 / 102))
    assert (np.diff(log_prob[1:]) < 0).all()


@pytest.mark.parametrize("value", [0.0, 1.0, 1e-30, 1e30])
@pytest.mark.parametrize("x", [1e200, -1e200, np.finfo(float).max])
def test_new_values_are_finite_for_the_largest_numbers(value, x):
    assert np.isfinite(described(np.full(9, value)).log_jacobian(np.array([x]))).all()


def test_cauchy_integrates_to_one():
    assert integrate.quad(lambda x: np.exp(cauchy(x, 2.0, 3.0)), -np.inf, np.inf)[
        0
    ] == pytest.approx(1)


def test_values_that_counted_as_one_constant_keep_its_mass():
    """Rounding noise that counts as constant must not make a row of the training table new."""
    x = np.full(50, 0.3)
    x[::2] = np.nextafter(0.3, 1)
    np.testing.assert_allclose(described(x).log_jacobian(x), np.log(51 / 52))


def test_new_values_of_a_discrete_column_have_the_share_of_those_seen_once():
    """By Good and Turing; the other values share the rest, each standing for a step."""
    x = np.append(np.repeat([0.0, 0.5, 1.5], 50), [4.0, 5.0])
    column = Discrete.of(x, np.ones(152), np.unique(x), ordered=True, step=0.5)
    log_new = np.log(2 / 154)
    assert column.log_new == pytest.approx(log_new)
    known = column.log_jacobian(x)
    np.testing.assert_allclose(known, np.log1p(-2 / 154) - np.log(0.5))
    new = np.array([1.0, 0.7, 100.0])
    np.testing.assert_allclose(column.log_jacobian(new), log_new + cauchy(new, x.mean(), x.std()))
    assert column.codes(new).tolist() == [
        -2 - 1,
        -2 - 1,
        -2 - 4,
    ]  # near 0.5 (as near as 1.5), 0.5 and 5


def test_a_category_that_was_not_seen_is_absent_but_has_a_probability():
    column = Discrete.of(np.repeat([0.0, 1.0], 50), np.ones(100), np.arange(3), ordered=False)
    assert column.codes(np.array([0.0, 2.0, 3.0])).tolist() == [0, 2, ABSENT]
    assert column.log_jacobian(np.array([3.0]))[0] == pytest.approx(np.log(1 / 102))
    np.testing.assert_allclose(column.shares, np.array([50, 50, 0.5]) / 100.5)


def test_numbers_in_single_precision_are_the_same_values():
    x = integers(3000, 9) * 0.1
    column = described(x, sharp)
    assert np.array_equal(column.codes(x.astype(np.float32).astype(float)), column.codes(x))


def test_one_hot_columns_and_back():
    x = integers(high=4)
    column = described(x, n_categories=4)
    Z = column.values(x)
    assert Z.shape == (300, 5)
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(Z.std(axis=0), [1, 1, 1, 1, 0], atol=1e-12)
    assert np.array_equal(column.back(None, Z + normal(1500).reshape(300, 5) * 0.1), x)
    assert column.values(np.array([7.0]))[0, 4] == NEW
    assert np.isnan(column.values(np.array([np.nan]))).all()


def test_all_kinds_share_one_interface():
    X = mixed_table()
    for column, x in zip(columns_of(X).columns, X.T):
        assert {"n_codes", "n_values", "log_jacobian", "back"} <= set(dir(column))
        assert column.log_jacobian(x).shape == x.shape
    assert Columns(columns_of(X).columns).n_values == 4


def test_a_far_number_that_means_unknown_leaves_the_levels_apart():
    column = described(np.append(integers(3000, 5) + 1, np.full(90, 999_999_999.0)), sharp)
    assert np.diff(column.numbers)[:-1].min() > 0.3


def test_neighbours_of_large_numbers_are_other_values():
    """Which in single precision they would not be."""
    rng = np.random.default_rng(0)
    salaries = np.where(
        rng.random(2000) < 0.3, 2_000_000, rng.integers(1_990_000, 2_010_000, 2000)
    ).astype(float)
    assert described(salaries, sharp).codes(np.array([2_000_000.0, 2_000_001.0])).tolist() == [0, 1]
    even = described(rng.choice([2_000_000.0, 2_000_002.0, 2_000_004.0], 300), sharp)
    assert (
        even.codes(np.array([2_000_002.0, 2_000_001.0])).tolist()[0] == 1
        and even.codes(np.array([2_000_001.0]))[0] < -1
    )


def test_steps_of_a_warped_grid_leave_no_gap():
    column = described(np.floor(np.exp(2 * normal(3000))), sharp, kind="heavy-tailed")
    x = np.arange(-50.0, 1000.0)
    edges = (column.warp.forward(np.append(x, 1000.0) - 0.5) - column.mean) / column.scale
    np.testing.assert_allclose(column.widths(x)[:, 0], np.diff(edges), rtol=1e-9)
    np.testing.assert_allclose(column.log_jacobian(x), np.log(np.diff(edges)), atol=1e-9)
