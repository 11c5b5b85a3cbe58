"""What kind of column is found or declared, and its step."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_iris

from skmaf.table.column_kinds import (
    check_declared,
    declared_kinds,
    exact_column,
    find_columns,
    grid_step,
    standardised_column,
)
from skmaf.table.columns import Constant, Continuous, Discrete, OneHot, PointMasses

DOUBLE = np.finfo(np.float64).eps
SINGLE = np.finfo(np.float32).eps
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
    "values, step",
    [
        ([0, 4, 10], 2),
        ([0, 6, 10, 25], 1),
        ([0, 1], 1),
        ([5, 8], 3),
        ([0, 0.4, 1.0], 0.2),
        ([-6, 0, 9], 3),
    ],
)
def test_grid_step_is_the_greatest_common_divisor(values, step):
    assert step_of(np.array(values, dtype=float)) == pytest.approx(step, rel=1e-9)


@pytest.mark.parametrize("step", [1.0, 0.1, 0.25, 0.01])
def test_grid_step_of_float32(step):
    x = (integers() * step).astype(np.float32).astype(np.float64)
    assert step_of(x, SINGLE) == pytest.approx(step, rel=1e-4)


def test_grid_step_of_rounded_values_far_apart():
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
    numbers=st.lists(st.integers(-1000, 1000), min_size=2, max_size=20, unique=True),
    exponent=st.integers(-99, 99),
)
def test_grid_step_divides_every_distance(numbers, exponent):
    values = np.sort(np.array(numbers, dtype=float)) * 2.0**exponent
    assert grid_step(values, DOUBLE) == np.gcd.reduce(np.diff(np.sort(numbers))) * 2.0**exponent


def column_of(x, make_column=exact_column, **details):
    x = np.asarray(x, dtype=float)
    return make_column(x, DOUBLE, np.ones(len(x)), **details)


@pytest.mark.parametrize(
    "x, expected",
    [
        (normal(), Continuous),
        (integers(), Continuous),  # 50 values in 300 rows
        (integers(3000), Discrete),
        (integers(high=2), Discrete),
        (integers(high=9) * 0.1, Discrete),
        (np.repeat(normal(10), 30), Discrete),
        (np.repeat(normal(100), 3), Continuous),
        (np.full(50, 3.3), Constant),
        (np.where(np.arange(300) % 5 < 2, 0.0, normal()), PointMasses),
        (np.where(np.arange(300) % 5 < 2, 0.0, integers(high=1000)), PointMasses),
        # too few others for a density
        (np.where(np.arange(300) % 30 < 28, 0.0, integers(high=3)), Discrete),
        # a tie is no point mass
        (np.where(np.arange(300) % 100 == 0, 0.0, normal()), Continuous),
        (np.random.default_rng(0).poisson(4, 300), Discrete),
        ([1.5, 2.5], Continuous),
    ],
)
def test_kind_of_numbers(x, expected):
    assert type(column_of(x)) is expected


def test_a_mode_is_no_point_mass():
    """Petals in steps of 0.1: one width holds a fifth of the rows, but its neighbours many, too."""
    assert not isinstance(column_of(load_iris().data[:, 3]), PointMasses)


def test_point_masses_and_others():
    x = np.concatenate([np.zeros(100), np.full(60, 9.99), normal(200) + 3])
    column = column_of(x)
    assert column.points.tolist() == [0.0, 9.99]
    assert np.isnan(column.categories[2])
    np.testing.assert_allclose(column.shares, [100 / 360, 60 / 360, 200 / 360])
    assert column.others.mean == pytest.approx(3, abs=0.3)
    assert column.others.step == 0


@pytest.mark.parametrize("declared", ["continuous", "heavy-tailed", (0, None), (0, 10), (None, 9)])
def test_declared_numbers_are_not_discrete(declared):
    column = column_of(1 + integers(3000, high=8), kind=declared)
    column = column.others if isinstance(declared, tuple) else column
    assert type(column) is Continuous
    assert (column.step == 0) == (declared == "continuous")
    assert (column.transform is None) == (declared == "continuous")


@pytest.mark.parametrize(
    "x, transformed",
    [
        (normal(1000), False),
        (np.exp(0.5 * normal(1000)), False),
        (np.exp(2.5 * normal(1000)), True),
        (np.random.default_rng(0).standard_t(1.5, 1000), True),
        (np.round(np.exp(2.5 * normal(1000) + 5)), True),
        (np.append(normal(1000), 50.0), True),
    ],
)
def test_tails_are_transformed_only_where_it_pays(x, transformed):
    column = column_of(x)
    assert (column.transform is not None) == transformed
    back = column.back(column.codes(x), column.values(x))
    np.testing.assert_allclose(back, x, rtol=1e-9, atol=1e-12)
    assert column_of(x, kind="continuous").transform is None


def test_declared_grid():
    assert type(column_of(integers(), kind="grid")) is Discrete
    assert type(column_of(integers(high=300), kind="grid")) is Continuous


def test_bounds_are_point_masses():
    """Whether rows reach them, as here 1, or not: then they have what half a row has."""
    x = np.clip(normal(), -10, 1)
    column = column_of(x, kind=(-10, 1))
    assert column.points.tolist() == [-10, 1]
    expected = np.array([0.5, (x == 1).sum(), (x < 1).sum()]) / 300.5
    np.testing.assert_allclose(column.shares, expected)


@pytest.mark.parametrize(
    "make_column, expected, n", [(exact_column, Discrete, 5), (standardised_column, OneHot, 4)]
)
def test_kind_of_categories(make_column, expected, n):
    column = column_of(integers(high=4), make_column, n_categories=5)
    assert type(column) is expected
    assert len(column.categories) == n


@pytest.mark.parametrize(
    "column_kinds, message",
    [
        ({"d": "grid"}, "column_kinds names 'd', which is no column"),
        ({7: "grid"}, "column_kinds names 7, which is no column"),
        (
            {"a": "integer"},
            r"column_kinds\['a'\] must be one of continuous, grid, categorical, heavy-tailed, or "
            r"bounds \(low, high\) of which one may be None, or "
            r"\('periodic', period\); got 'integer'",
        ),
        ({"a": (1, 0)}, r"column_kinds\['a'\] must be one of"),
        ({"a": (None, None)}, r"column_kinds\['a'\] must be one of"),
        ({"a": [0, 1]}, r"column_kinds\['a'\] must be one of"),
        ({"a": (np.nan, 1)}, r"column_kinds\['a'\] must be one of"),
    ],
)
def test_kinds_that_cannot_be(column_kinds, message):
    with pytest.raises(ValueError, match=message):
        declared_kinds(pd.DataFrame(np.ones((3, 2)), columns=["a", "b"]), column_kinds)


def test_kinds_by_name_and_by_position():
    frame = pd.DataFrame(np.ones((3, 3)), columns=["a", "b", "c"])
    expected = {0: "grid", 2: (0, None)}
    assert declared_kinds(frame, {"a": "grid", 2: (0, None)}) == expected
    assert declared_kinds(frame.to_numpy(), {0: "grid", 2: (0, None)}) == expected
    assert declared_kinds(frame, None) == {}


class Form:
    """Names and categories of two columns, as `check_declared` asks for."""

    categories = (None, ["a", "b"])

    def label(self, j):
        return f"Column {j}"


@pytest.mark.parametrize(
    "declared",
    [{}, {0: "grid", 1: "categorical"}, {0: (0, 2)}, {0: (None, 2.5)}, {0: (-1, None)}],
)
def test_declared_kinds_that_fit_the_values(declared):
    check_declared(declared, np.array([[0.0, 1], [np.nan, 0], [2, np.nan]]), Form())


@pytest.mark.parametrize(
    "declared, message",
    [
        ({1: "grid"}, "Column 1 holds categories, which column_kinds calls 'grid'"),
        ({1: (0, 1)}, r"Column 1 holds categories, which column_kinds calls \(0, 1\)"),
        ({0: (0.5, None)}, r"Column 0 holds 0, outside of the bounds \(0.5, None\)"),
        ({0: (None, 1)}, r"Column 0 holds 2, outside of the bounds \(None, 1\)"),
    ],
)
def test_declared_kinds_that_the_values_contradict(declared, message):
    with pytest.raises(ValueError, match=message):
        check_declared(declared, np.array([[0.0, 1], [np.nan, 0], [2, np.nan]]), Form())


def test_columns_of_a_table():
    """Missing cells are left out, and a column without any other is described all the same."""
    N = np.column_stack([normal(), integers(high=2), integers(high=3), np.full(300, np.nan)])
    N[::3, 0] = np.nan
    weights = np.random.default_rng(1).uniform(0.1, 2, 300)
    columns = find_columns(exact_column, N, weights, [None, None, 3, None], {1: "continuous"})
    expected = [Continuous, Continuous, Discrete, Constant]
    assert [type(column) for column in columns.columns] == expected
    seen = ~np.isnan(N[:, 0])
    alone = exact_column(N[seen, 0], DOUBLE, weights[seen])
    assert columns.columns[0].mean == alone.mean
    assert columns.columns[0].scale == alone.scale


@given(st.permutations(range(300)))
def test_order_of_rows_does_not_matter(order):
    x = np.where(np.arange(300) % 5 < 2, 0.0, np.round(10 * normal()))
    column = column_of(x)
    other = column_of(x[order])
    assert np.array_equal(column.points, other.points)
    assert np.array_equal(column.others.grid, other.others.grid)
    assert other.others.step == column.others.step
    assert other.others.mean == pytest.approx(column.others.mean)
    assert other.others.scale == pytest.approx(column.others.scale)
