"""What a column is found to be, and the way to flow space and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skmaf.columns import Columns, constant_log_prob, describe, grid_step

DOUBLE, SINGLE = np.finfo(np.float64).eps, np.finfo(np.float32).eps
SCALES = [1e-30, 1e-10, 1.0, 1e10, 1e30]


def step_of(x, resolution=DOUBLE):
    return grid_step(np.unique(x), resolution)


def integers(n=300, high=50, seed=0):
    return np.random.default_rng(seed).integers(0, high, n).astype(float)


def normal(n=300, seed=0):
    return np.random.default_rng(seed).standard_normal(n)


@pytest.mark.parametrize("step", [1.0, 2.0, 0.5, 0.1, 0.25, 0.01, 0.3, 1 / 3, 7.0, 1e-30, 1e30])
@pytest.mark.parametrize("first", [0.0, -20.0, 1000.0])
def test_grid_step_of_a_regular_grid(step, first):
    x = (first + integers()) * step
    assert step_of(x) == pytest.approx(step, rel=1e-9)


@pytest.mark.parametrize("offset", [0.05, -3.7, 1234.5])
def test_grid_step_of_a_shifted_grid(offset):
    assert step_of(integers() * 0.1 + offset) == pytest.approx(0.1, rel=1e-9)


@pytest.mark.parametrize(
    "values, step", [([0, 4, 10], 2), ([0, 6, 10, 25], 1), ([0, 1], 1), ([5, 8], 3), ([0, 0.4, 1.0], 0.2), ([-6, 0, 9], 3)]
)
def test_grid_step_is_the_greatest_common_divisor(values, step):
    assert step_of(np.array(values, dtype=float)) == pytest.approx(step, rel=1e-9)


@pytest.mark.parametrize("step", [1.0, 0.1, 0.25, 0.01])
def test_grid_step_of_float32(step):
    x = (integers() * step).astype(np.float32).astype(np.float64)
    assert step_of(x, SINGLE) == pytest.approx(step, rel=1e-4)


def test_grid_step_of_rounded_values_with_large_gaps():
    """Prices in cents: the largest are thousands of steps apart."""
    x = np.round(np.random.default_rng(0).lognormal(3, 1.5, 2000), 2)
    assert np.diff(np.unique(x)).max() > 100
    assert step_of(x) == pytest.approx(0.01, rel=1e-6)


def test_grid_step_of_a_far_value():
    assert step_of(np.append(integers() * 0.1, 1000.0)) == pytest.approx(0.1, rel=1e-6)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_continuous_values_have_no_step(scale, offset):
    assert step_of((normal() + offset) * scale) == 0


@pytest.mark.parametrize("n", [5, 50, 5000])
@pytest.mark.parametrize("seed", range(5))
def test_continuous_float32_values_have_no_step(n, seed):
    x = np.random.default_rng(seed).standard_normal(n).astype(np.float32).astype(np.float64)
    assert step_of(x, SINGLE) == 0


@given(
    levels=st.lists(st.integers(-1000, 1000), min_size=2, max_size=20, unique=True),
    exponent=st.integers(-99, 99),
)
def test_grid_step_divides_every_gap(levels, exponent):
    values = np.sort(np.array(levels, dtype=float)) * 2.0**exponent
    assert grid_step(values, DOUBLE) == np.gcd.reduce(np.diff(np.sort(levels))) * 2.0**exponent


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_continuous_column(scale, offset):
    x = (normal() + offset) * scale
    column = describe(x, DOUBLE)
    assert not column.constant and column.step == 0
    assert column.mean == pytest.approx(x.mean(), rel=1e-12)
    assert column.scale == pytest.approx(x.std(), rel=1e-9)
    assert np.array_equal(column.snap(x), x)


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 1e-30, -1e30, 1e300])
def test_constant_column(value):
    column = describe(np.full(50, value), DOUBLE)
    assert column.constant
    assert column.mean == value


def test_rounding_noise_is_constant():
    x = np.full(50, 0.3)
    x[::2] = np.nextafter(0.3, 1)
    assert describe(x, DOUBLE).constant


def test_atoms_in_a_continuous_column():
    """40 % zeros: the zeros attract, the other values do not."""
    x = np.where(np.arange(500) % 5 < 2, 0.0, np.exp(normal(500)))
    column = describe(x, DOUBLE)
    assert column.step > 0 and not column.regular
    assert 0.0 in column.levels
    assert np.array_equal(column.snap(x), x)
    assert np.array_equal(column.snap(np.array([0.2, -0.2]) * column.step), [0.0, 0.0])
    other = np.sort(x)[-5:] + column.step / 3
    assert np.array_equal(column.snap(other), other)


def test_ties_without_a_grid():
    x = np.repeat(normal(100), 3)
    column = describe(x, DOUBLE)
    assert column.step > 0 and not column.regular
    assert set(column.levels) == set(x)
    assert np.array_equal(column.snap(x), x)


@pytest.mark.parametrize("step", [1.0, 0.1, 0.25])
def test_grid_column(step):
    x = integers() * step
    column = describe(x, DOUBLE)
    assert column.regular and column.step == pytest.approx(step)
    noise = np.random.default_rng(1).uniform(-0.49, 0.49, len(x)) * step
    assert np.array_equal(column.snap(x + noise), x)


def test_grid_continues_beyond_and_between_the_values_seen():
    column = describe(np.array([0.0, 1.0, 2.0, 6.0] * 5), DOUBLE)
    assert np.array_equal(column.snap(np.array([-2.2, 3.9, 5.6, 8.8])), [-2.0, 4.0, 6.0, 9.0])


def mixed_table(scale=1.0):
    n = 300
    zeros = np.where(np.arange(n) % 5 < 2, 0.0, np.exp(normal(n, 2)))
    columns = [normal(n), integers(n), integers(n, 9) * 0.1, np.full(n, 3.3), zeros, np.repeat(normal(n // 3, 3), 3)]
    return np.column_stack(columns) * scale


@pytest.mark.parametrize("scale", SCALES)
def test_flow_space_is_standardised(scale):
    X = mixed_table(scale)
    columns = Columns(X, DOUBLE)
    assert columns.varying.tolist() == [0, 1, 2, 4, 5]
    Z = columns.to_flow(X)
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(Z.std(axis=0), 1, atol=1e-9)


@pytest.mark.parametrize("scale", SCALES)
def test_flow_space_and_back(scale):
    X = mixed_table(scale)
    columns = Columns(X, DOUBLE)
    back = columns.from_flow(columns.to_flow(X))
    np.testing.assert_allclose(back, X, rtol=1e-12, atol=1e-12 * scale)
    attracted = [1, 2, 3, 5]
    assert np.array_equal(back[:, attracted], X[:, attracted])
    assert np.array_equal(back[:, 4] == 0, X[:, 4] == 0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_noise_of_the_width_falls_back_on_the_observed_values(dtype):
    """What the flow is trained on: rows spread over their width."""
    X = mixed_table().astype(dtype)
    columns = Columns(X, np.finfo(dtype).eps)
    noise = np.random.default_rng(0).uniform(-0.499, 0.499, (len(X), 5)) * columns.widths
    back = columns.from_flow(columns.to_flow(X) + noise).astype(dtype)
    for j in [1, 2, 3]:
        assert np.isin(back[:, j], X[:, j]).all()
        assert np.array_equal(back[:, j], X[:, j])


@pytest.mark.parametrize("scale", SCALES)
def test_log_jacobian_is_exact(scale):
    X = mixed_table(scale)
    columns = Columns(X, DOUBLE)
    Z = columns.to_flow(X)
    spread = np.ptp(X[:, columns.varying], axis=0)
    expected = np.log(np.ptp(Z, axis=0) / spread).sum()
    constant = np.log(301 / 302)
    np.testing.assert_allclose(columns.log_jacobian(X), expected + constant, rtol=0, atol=1e-9)


def test_statistics_do_not_overflow_or_vanish():
    for size in [1e-300, 1e300]:
        x = normal() * size
        column = describe(x, DOUBLE)
        assert column.scale / size == pytest.approx(normal().std())


@pytest.mark.parametrize("value", [0.0, 1.0, -250.0, 1e-30, 1e30])
def test_constant_log_prob_falls_with_the_distance(value):
    size = abs(value) or 1.0
    x = value + size * np.array([0.0, 0.01, 1.0, 10.0, 1e6, 1e100])
    log_prob = constant_log_prob(x, value, 100)
    assert np.isfinite(log_prob).all()
    assert log_prob[0] == pytest.approx(np.log(101 / 102))
    assert (np.diff(log_prob[1:]) < 0).all()
    below = constant_log_prob(value - (x - value), value, 100)
    np.testing.assert_allclose(below, log_prob, atol=1e-9)


@pytest.mark.parametrize("value", [0.0, 1.0, 1e-30, 1e30])
@pytest.mark.parametrize("x", [1e200, -1e200, np.finfo(float).max])
def test_constant_log_prob_is_finite_for_the_largest_numbers(value, x):
    assert np.isfinite(constant_log_prob(np.array([x]), value, 100)).all()


def test_constant_log_prob_spreads_what_laplace_leaves():
    """The density over new values integrates to 1 / (n + 2)."""
    t = np.linspace(-30, 30, 200_001)
    x = np.sinh(t) * 2.0 + 2.0
    density = np.exp(constant_log_prob(x, 2.0, 8))
    density[x == 2.0] = np.exp(constant_log_prob(np.nextafter(2.0, 3), 2.0, 8))
    assert np.trapezoid(density * 2.0 * np.cosh(t), t) == pytest.approx(0.1, rel=1e-3)


def test_values_that_counted_as_one_constant_keep_its_mass():
    """Rounding noise that `describe` calls constant must not make a row of the training table new."""
    x = np.full(50, 0.3)
    x[::2] = np.nextafter(0.3, 1)
    log_prob = Columns(x[:, None], DOUBLE).log_jacobian(x[:, None])
    np.testing.assert_allclose(log_prob, np.log(51 / 52))
