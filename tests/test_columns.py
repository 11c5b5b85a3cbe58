"""Each kind of column to flow space and back, with its exact log-Jacobian or probability."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from skmaf.table.column_kinds import exact_column, find_columns, standardised_column
from skmaf.table.columns import (
    ABSENT,
    UNSEEN,
    Constant,
    Continuous,
    Discrete,
    OneHot,
    PointMasses,
    cauchy_log_density,
)
from skmaf.table.flow_space import Columns
from skmaf.table.normal_mixture import NormalMixture
from skmaf.table.transforms import Asinh, Log, Logit, NormalScores, SoftLogit

DOUBLE = np.finfo(np.float64).eps
SCALES = [1e-30, 1e-10, 1.0, 1e10, 1e30]


def integers(n=300, high=50, seed=0):
    return np.random.default_rng(seed).integers(0, high, n).astype(float)


def normal(n=300, seed=0):
    return np.random.default_rng(seed).standard_normal(n)


def column_of(x, make_column=standardised_column, **details):
    return make_column(x, DOUBLE, np.ones(len(x)), **details)


def code_of(column, x):
    return column.codes(np.asarray(x))[:, 0]


def round_trip(column, x):
    """Values of a column to flow space and back."""
    return column.back(column.codes(x), column.values(x))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_continuous_column(scale, offset):
    x = (normal() + offset) * scale
    column = column_of(x)
    assert isinstance(column, Continuous)
    assert column.step == 0
    assert column.mean == pytest.approx(x.mean(), rel=1e-12)
    assert column.scale == pytest.approx(x.std(), rel=1e-9)
    assert np.array_equal(column.snap(x), x)


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 1e-30, -1e30, 1e300])
def test_constant_column(value):
    column = column_of(np.full(50, value))
    assert isinstance(column, Constant)
    assert column.value == value


def test_rounding_noise_is_constant():
    x = np.full(50, 0.3)
    x[::2] = np.nextafter(0.3, 1)
    assert isinstance(column_of(x), Constant)


def test_repeated_values_of_a_continuous_column_attract_draws():
    """40 % zeros: draws near 0 become 0, and other values stay as they are."""
    x = np.where(np.arange(500) % 5 < 2, 0.0, np.exp(normal(500)))
    column = column_of(x)
    assert column.step > 0
    assert not column.regular
    assert 0.0 in column.grid
    assert np.array_equal(column.snap(x), x)
    assert np.array_equal(column.snap(np.array([0.2, -0.2]) * column.step), [0.0, 0.0])
    others = np.sort(x)[-5:] + column.step / 3
    assert np.array_equal(column.snap(others), others)


def test_ties_without_a_grid():
    x = np.repeat(normal(100), 3)
    column = column_of(x)
    assert column.step > 0
    assert not column.regular
    assert set(column.grid) == set(x)
    assert np.array_equal(column.snap(x), x)


@pytest.mark.parametrize("step", [1.0, 0.1, 0.25])
def test_grid_column(step):
    x = integers() * step
    column = column_of(x)
    assert column.regular
    assert column.step == pytest.approx(step)
    noise = np.random.default_rng(1).uniform(-0.49, 0.49, len(x)) * step
    assert np.array_equal(column.snap(x + noise), x)


def test_grid_continues_beyond_and_between_the_values_seen():
    column = column_of(np.array([0.0, 1.0, 2.0, 6.0] * 5))
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


def columns_of(N, make_column=exact_column, declared=None):
    return find_columns(make_column, N, np.ones(len(N)), [None] * N.shape[1], declared)


@pytest.mark.parametrize("scale", SCALES)
def test_flow_space_is_standardised(scale):
    N = mixed_table(scale)
    columns = columns_of(N, standardised_column)
    assert columns.n_codes == 0
    assert columns.n_values == 5
    assert columns.owners.tolist() == [0, 1, 2, 4, 5]
    Z = columns.to_flow(N)
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(Z.std(axis=0), 1, atol=1e-9)


@pytest.mark.parametrize("make_column", [exact_column, standardised_column])
@pytest.mark.parametrize("scale", SCALES)
def test_flow_space_and_back(scale, make_column):
    N = mixed_table(scale)
    columns = columns_of(N, make_column)
    back = columns.from_flow(columns.to_flow(N))
    np.testing.assert_allclose(back, N, rtol=1e-12, atol=1e-12 * scale)
    on_grids = [1, 2, 3, 5]
    assert np.array_equal(back[:, on_grids], N[:, on_grids])
    assert np.array_equal(back[:, 4] == 0, N[:, 4] == 0)


def test_codes_come_first_and_point_masses_leave_no_value():
    N = mixed_table()
    columns = columns_of(N)
    assert columns.owners.tolist() == [2, 4, 0, 1, 4, 5]
    assert columns.presence_conditions == [(-1, -1), (-1, -1), (1, 1), (-1, -1)]
    assert columns.discrete == [columns.columns[2], columns.columns[4]]
    Z = columns.to_flow(N)
    assert np.array_equal(Z[:, 0], np.round(N[:, 2] / 0.1))
    assert np.array_equal(Z[:, 1] == 0, N[:, 4] == 0)
    assert np.array_equal(np.isnan(Z[:, 4]), N[:, 4] == 0)
    assert not np.isnan(Z[:, [2, 3, 5]]).any()


def test_missing_cells_are_absent_and_count_for_nothing():
    N = mixed_table()
    columns = columns_of(N)
    missing = np.full_like(N, np.nan)
    Z = columns.to_flow(missing)
    assert (Z[:, : columns.n_codes] == ABSENT).all()
    assert np.isnan(Z[:, columns.n_codes :]).all()
    assert np.array_equal(columns.log_jacobian(missing), np.zeros(len(N)))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("declared", [None, {1: "heavy-tailed"}, {1: (-1, None)}, {1: (-5, 60)}])
def test_noise_within_the_steps_falls_back_on_the_observed_values(dtype, declared):
    """What the flow is trained on: dequantised rows."""
    N = mixed_table().astype(dtype)
    columns = columns_of(N, declared=declared)
    places = np.random.default_rng(0).uniform(-0.45, 0.45, (len(N), len(columns.owners)))
    noise = places * columns.steps(N)
    back = columns.from_flow(columns.to_flow(N) + noise).astype(dtype)
    for j in [1, 2, 3]:
        assert np.array_equal(back[:, j], N[:, j])


def test_steps_of_all_rows_are_one_row_unless_a_grid_is_transformed():
    N = mixed_table()
    alike = columns_of(N).steps(N)
    assert alike.shape == (1, 6)
    assert np.array_equal(alike[0] > 0, [False, False, False, True, False, True])
    assert columns_of(N).steps(np.empty((0, 6))).shape == (1, 6)
    assert columns_of(N, declared={1: "heavy-tailed"}).steps(N).shape == (300, 6)


@pytest.mark.parametrize("scale", SCALES)
def test_log_jacobian_is_exact(scale):
    N = mixed_table(scale)
    columns = columns_of(N, standardised_column)
    Z = columns.to_flow(N)
    ranges = np.ptp(N[:, [0, 1, 2, 4, 5]], axis=0)
    expected = np.log(np.ptp(Z, axis=0) / ranges).sum() + np.log(301 / 302)
    np.testing.assert_allclose(columns.log_jacobian(N), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", ["heavy-tailed", (-9, None), (None, 9), (-9, 9)])
@given(st.floats(-6, 6))
def test_transformed_columns_have_the_derivative_of_their_map(kind, x):
    column = column_of(normal(), exact_column, kind=kind)
    column = getattr(column, "others", column)
    step = 1e-6
    slope = np.diff(column.values(np.array([x - step, x + step]))[:, 0])[0] / (2 * step)
    assert column.log_jacobian(np.array([x]))[0] == pytest.approx(np.log(slope), abs=1e-5)
    assert round_trip(column, np.array([x]))[0] == pytest.approx(x, abs=1e-9)


@pytest.mark.parametrize(
    "kind, low, high", [((0, None), 0, np.inf), ((None, 0), -np.inf, 0), ((0, 1), 0, 1)]
)
def test_bounded_columns_stay_inside(kind, low, high):
    x = np.random.default_rng(0).uniform(0.01, 0.99, 300) * (1 if low == 0 else -1)
    column = column_of(x, exact_column, kind=kind)
    assert column.log_jacobian(np.array([0.0]))[0] == 0  # the bound has a probability
    column = column.others
    drawn = column.back(np.empty((1001, 0)), np.linspace(-1e3, 1e3, 1001)[:, None])
    assert (drawn >= low).all()
    assert (drawn <= high).all()
    outside = np.array([-0.5 if low == 0 else 0.5])
    assert column.log_jacobian(outside)[0] == -np.inf
    near = np.array([1e-300, 1e-9]) * np.sign(x[0])
    least = np.abs(x).min()
    assert np.ptp(column.values(near)) == 0
    assert (column.log_jacobian(near) < np.log(1e3 / least)).all()


def test_statistics_do_not_overflow_or_vanish():
    for size in [1e-300, 1e300]:
        column = column_of(normal() * size)
        assert column.scale / size == pytest.approx(normal().std())


@pytest.mark.parametrize("value", [0.0, 1.0, -250.0, 1e-30, 1e30])
def test_a_new_value_of_a_constant_column_is_flagged(value):
    """The farther the more; the value itself has what Laplace's rule leaves it."""
    size = abs(value) or 1.0
    column = column_of(np.full(100, value))
    log_prob = column.log_jacobian(value + size * np.array([0.0, 0.01, 1.0, 10.0, 1e6, 1e100]))
    assert np.isfinite(log_prob).all()
    assert log_prob[0] == pytest.approx(np.log(101 / 102))
    assert (np.diff(log_prob[1:]) < 0).all()


@pytest.mark.parametrize("value", [0.0, 1.0, 1e-30, 1e30])
@pytest.mark.parametrize("x", [1e200, -1e200, np.finfo(float).max])
def test_new_values_are_finite_for_the_largest_numbers(value, x):
    assert np.isfinite(column_of(np.full(9, value)).log_jacobian(np.array([x]))).all()


def test_cauchy_density_integrates_to_one():
    mass, _ = integrate.quad(lambda x: np.exp(cauchy_log_density(x, 2.0, 3.0)), -np.inf, np.inf)
    assert mass == pytest.approx(1)


def test_values_that_counted_as_one_constant_keep_its_mass():
    """Rounding noise that counts as constant must not make a row of the training table new."""
    x = np.full(50, 0.3)
    x[::2] = np.nextafter(0.3, 1)
    np.testing.assert_allclose(column_of(x).log_jacobian(x), np.log(51 / 52))


def test_new_values_of_a_discrete_column_have_the_share_of_those_seen_once():
    """By Good and Turing; the other values share the rest, each standing for a step."""
    x = np.append(np.repeat([0.0, 0.5, 1.5], 50), [4.0, 5.0])
    column = Discrete.of(x, np.ones(152), np.unique(x), ordered=True, step=0.5)
    log_new = np.log(2 / 154)
    assert column.log_new == pytest.approx(log_new)
    known = column.log_jacobian(x)
    np.testing.assert_allclose(known, np.log1p(-2 / 154) - np.log(0.5))
    new = np.array([1.0, 0.7, 100.0])
    expected = log_new + cauchy_log_density(new, x.mean(), x.std())
    np.testing.assert_allclose(column.log_jacobian(new), expected)
    # near 0.5 (as near as 1.5), 0.5 and 5
    assert code_of(column, new).tolist() == [-2 - 1, -2 - 1, -2 - 4]


def test_a_category_that_was_not_seen_is_absent_but_has_a_probability():
    column = Discrete.of(np.repeat([0.0, 1.0], 50), np.ones(100), np.arange(3), ordered=False)
    assert code_of(column, [0.0, 2.0, 3.0]).tolist() == [0, 2, ABSENT]
    assert column.log_jacobian(np.array([3.0]))[0] == pytest.approx(np.log(1 / 102))
    np.testing.assert_allclose(column.shares, np.array([50, 50, 0.5]) / 100.5)


def test_numbers_in_single_precision_are_the_same_values():
    x = integers(3000, 9) * 0.1
    column = column_of(x, exact_column)
    assert np.array_equal(column.codes(x.astype(np.float32).astype(float)), column.codes(x))


def test_one_hot_columns_and_back():
    x = integers(high=4)
    column = column_of(x, n_categories=4)
    Z = column.values(x)
    assert Z.shape == (300, 5)
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.ptp(Z, axis=0), [2, 2, 2, 2, 0])  # however frequent they are
    noisy = Z + normal(1500).reshape(300, 5) * 0.1
    assert np.array_equal(column.back(np.empty((300, 0)), noisy), x)
    assert column.values(np.array([7.0]))[0, 4] == UNSEEN
    assert np.isnan(column.values(np.array([np.nan]))).all()


def clusters():
    return normal(600) + np.where(np.arange(600) % 2, 0.0, 9999.0)


def one_of_each_kind():
    """A column of each kind, and values of it."""
    rng = np.random.default_rng(0)
    zeros = np.where(np.arange(300) % 5 < 2, 0.0, normal())
    rounded = np.where(np.arange(300) % 5 < 2, 0.0, integers(high=1000))
    counts = np.floor(np.exp(2 * normal(3000)))
    categories = integers(high=4)
    weights = rng.uniform(0.1, 3, 300)
    return {
        "constant": (column_of(np.full(50, 3.3)), np.full(50, 3.3)),
        "continuous": (column_of(normal()), normal()),
        "transformed": (column_of(normal(), exact_column, kind=(-9, 9)).others, normal()),
        "normal scores": (column_of(clusters(), exact_column), clusters()),
        "grid": (column_of(integers() * 0.1), integers() * 0.1),
        "transformed grid": (column_of(counts, exact_column, kind="heavy-tailed"), counts),
        "ties": (column_of(np.repeat(normal(100), 3)), np.repeat(normal(100), 3)),
        "numbers": (column_of(integers(high=9) * 0.1, exact_column), integers(high=9) * 0.1),
        "categories": (column_of(categories, exact_column, n_categories=5), categories),
        "indicators": (standardised_column(categories, DOUBLE, weights, 5), categories),
        "point masses": (column_of(zeros, exact_column), zeros),
        "point masses on a grid": (column_of(rounded, exact_column), rounded),
    }


KINDS = one_of_each_kind()
every_kind = pytest.mark.parametrize("name", KINDS)


@every_kind
def test_all_kinds_share_one_interface(name):
    column, x = KINDS[name]
    n = len(x)
    assert column.codes(x).shape == (n, column.n_codes)
    assert column.values(x).shape == (n, column.n_values)
    assert column.steps(x).shape in [(1, 1), (n, 1)]
    assert column.log_jacobian(x).shape == (n,)
    assert round_trip(column, x).shape == (n,)
    missing = np.full(3, np.nan)
    assert (column.codes(missing) == ABSENT).all()
    assert np.isnan(column.values(missing)).all()
    assert (column.log_jacobian(missing) == 0).all()


@every_kind
def test_all_kinds_are_frozen_values_of_arrays_and_numbers(name):
    column, _ = KINDS[name]
    fields = dataclasses.fields(column)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(column, fields[0].name, 0)
    plain = (type(None), bool, int, float, np.ndarray, Continuous)
    plain = (*plain, Asinh, Log, Logit, NormalScores, SoftLogit)
    assert all(isinstance(getattr(column, field.name), plain) for field in fields)


@pytest.mark.parametrize(
    "name", ["continuous", "transformed", "normal scores", "grid", "transformed grid", "ties"]
)
def test_continuous_columns_take_arrays_of_any_shape(name):
    column, x = KINDS[name]
    z = np.linspace(-3, 3, 12)
    shape = (2, 3, 2)
    for method, numbers in [
        (column.log_jacobian, x[:12]),
        (column.snap, x[:12] + 0.01),
        (column.untransform, z),
    ]:
        assert np.array_equal(method(numbers.reshape(shape)), method(numbers).reshape(shape))


def test_the_kinds_are_all_there_are():
    expected = {Constant, Continuous, Discrete, OneHot, PointMasses}
    assert {type(column) for column, _ in KINDS.values()} == expected


@every_kind
@given(st.data())
def test_rows_of_every_kind_to_flow_space_and_back(name, data):
    """Exactly, except for what rounding does to values without a grid."""
    column, x = KINDS[name]
    positions = data.draw(st.lists(st.integers(0, len(x) - 1), min_size=1, max_size=9))
    N = np.column_stack([x[positions], x[positions[::-1]]])
    columns = Columns([column, column])
    back = columns.from_flow(columns.to_flow(N))
    has_grid = not isinstance(column, Continuous | PointMasses)
    has_grid = has_grid or getattr(column, "others", column).grid is not None
    np.testing.assert_allclose(back, N, rtol=0 if has_grid else 1e-9, atol=0 if has_grid else 1e-12)
    if isinstance(column, PointMasses):
        assert np.array_equal(np.isin(back, column.points), np.isin(N, column.points))


@pytest.mark.parametrize("name", ["grid", "transformed grid", "point masses on a grid"])
@given(st.data())
def test_noise_within_the_steps_of_a_grid_comes_back_to_its_value(name, data):
    column, x = KINDS[name]
    value = x[[data.draw(st.integers(0, len(x) - 1))]]
    noise = data.draw(st.floats(-0.49, 0.49)) * column.steps(value)
    back = column.back(column.codes(value), column.values(value) + noise)
    assert np.array_equal(back, value)


SCALES_OF_NORMALS = NormalMixture(
    np.array([0.5, 0.4, 0.1]), np.array([0.0, 30.0, 0.0]), np.array([2.0, 5.0, 60.0])
)
TRANSFORMS = {
    "none": None,
    "log": Log(-40.0, 1, 0.25),
    "log from above": Log(50.0, -1, 0.01),
    "logit": Logit(-45.0, 60.0, 1e-3),
    "soft logit": SoftLogit(-45.0, 60.0, 0.25),
    "asinh": Asinh(1.5, 2.5),
    "normal scores": NormalScores.of(SCALES_OF_NORMALS, None),
    "normal scores after asinh": NormalScores.of(SCALES_OF_NORMALS, Asinh(1.5, 2.5)),
}


@given(x=st.floats(-1e9, 1e9), scale=st.floats(1e-3, 10))
def test_soft_log_odds_and_back(x, scale):
    """They go on beyond the ends, with the derivative that differences have."""
    transform = SoftLogit(-45.0, 60.0, scale)
    at = np.array([x])
    back = transform.inverse(transform.forward(at))
    np.testing.assert_allclose(back, at, rtol=1e-6, atol=1e-6)
    width = 1e-4 * (scale + min(abs(x + 45), abs(x - 60)))
    rise = transform.forward(at + width) - transform.forward(at - width)
    if rise > 1e-9:
        slope = np.exp(transform.log_derivative(at))
        np.testing.assert_allclose(rise / (2 * width), slope, rtol=1e-3)


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
@given(first=st.integers(-70, 60), n=st.integers(2, 40), step=st.sampled_from([0.1, 0.5, 1.0, 2.0]))
def test_steps_of_a_grid_cover_the_line_without_gap(transform, first, n, step):
    """Bounds included: beyond them the steps of numbers have no width."""
    grid = (first + np.arange(n)) * step
    column = Continuous(0.3, 2.0, step, grid, regular=True, transform=transform)
    centres = column.values(grid)[:, 0]
    halves = np.broadcast_to(column.steps(grid) / 2, (n, 1))[:, 0]
    assert (halves >= 0).all()
    np.testing.assert_allclose((centres + halves)[:-1], (centres - halves)[1:], atol=1e-9)
    exponent = column.log_jacobian(grid) + np.log(step)
    masses = np.where(np.isneginf(exponent), 0.0, np.exp(exponent))
    inside = ~np.isneginf(exponent)
    np.testing.assert_allclose(masses[inside], 2 * halves[inside], atol=1e-9)


def test_a_far_number_that_means_unknown_leaves_the_others_apart():
    column = column_of(np.append(integers(3000, 5) + 1, np.full(90, 999_999_999.0)), exact_column)
    assert np.diff(column.numbers)[:-1].min() > 0.3


def test_neighbours_of_large_numbers_are_other_values():
    """Which in single precision they would not be."""
    rng = np.random.default_rng(0)
    others = rng.integers(1_990_000, 2_010_000, 2000)
    salaries = np.where(rng.random(2000) < 0.3, 2_000_000, others).astype(float)
    column = column_of(salaries, exact_column)
    assert code_of(column, [2_000_000.0, 2_000_001.0]).tolist() == [0, 1]
    even = rng.choice([2_000_000.0, 2_000_002.0, 2_000_004.0], 300)
    seen, new = code_of(column_of(even, exact_column), [2_000_002.0, 2_000_001.0])
    assert seen == 1
    assert new < -1


def test_steps_of_a_transformed_grid_leave_no_gap():
    column = column_of(np.floor(np.exp(2 * normal(3000))), exact_column, kind="heavy-tailed")
    x = np.arange(-50.0, 1000.0)
    edges = (column.transform.forward(np.append(x, 1000.0) - 0.5) - column.mean) / column.scale
    np.testing.assert_allclose(column.steps(x)[:, 0], np.diff(edges), rtol=1e-9)
    np.testing.assert_allclose(column.log_jacobian(x), np.log(np.diff(edges)), atol=1e-9)


@pytest.mark.parametrize("transform", [t for t in TRANSFORMS.values() if t is not None])
@given(st.floats(-39, 49))
def test_transforms_rise_and_have_an_inverse_and_a_derivative(transform, x):
    x = np.array([x])
    width = 1e-6
    np.testing.assert_allclose(transform.inverse(transform.forward(x)), x, atol=1e-9)
    slope = (transform.forward(x + width) - transform.forward(x - width)) / (2 * width)
    np.testing.assert_allclose(transform.log_derivative(x), np.log(slope), atol=1e-5)
