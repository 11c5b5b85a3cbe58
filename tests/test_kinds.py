"""What kind of column is found, and its step."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_iris

from skmaf.table.column_kinds import declared_kinds, grid_step, sharp, smooth
from skmaf.table.columns import Atomic, Constant, Continuous, Discrete, OneHot

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


def kind(x, kind_of=sharp, **details):
    x = np.asarray(x, dtype=float)
    return kind_of(x, DOUBLE, np.ones(len(x)), **details)


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
        (np.where(np.arange(300) % 5 < 2, 0.0, normal()), Atomic),
        (np.where(np.arange(300) % 5 < 2, 0.0, integers(high=1000)), Atomic),
        (
            np.where(np.arange(300) % 30 < 28, 0.0, integers(high=3)),
            Discrete,
        ),  # too few others for a density
        (np.where(np.arange(300) % 100 == 0, 0.0, normal()), Continuous),  # a tie is no atom
        (np.random.default_rng(0).poisson(4, 300), Discrete),
        ([1.5, 2.5], Continuous),
    ],
)
def test_kind_of_numbers(x, expected):
    assert type(kind(x)) is expected


def test_a_mode_is_no_atom():
    """Widths of petals in steps of 0.1: one value holds a fifth of the rows, but its neighbours have many, too."""
    assert not isinstance(kind(load_iris().data[:, 3]), Atomic)


def test_atoms_and_others():
    x = np.concatenate([np.zeros(100), np.full(60, 9.99), normal(200) + 3])
    column = kind(x)
    assert column.levels[:2].tolist() == [0.0, 9.99]
    np.testing.assert_allclose(column.shares, [100 / 360, 60 / 360, 200 / 360])
    assert column.others.mean == pytest.approx(3, abs=0.3) and column.others.step == 0


@pytest.mark.parametrize("declared", ["continuous", "heavy-tailed", (0, None), (0, 10), (None, 9)])
def test_declared_numbers_are_not_discrete(declared):
    column = kind(1 + integers(3000, high=8), kind=declared)
    column = column.others if isinstance(declared, tuple) else column
    assert type(column) is Continuous
    assert (column.step == 0) == (declared == "continuous")
    assert (column.warp is None) == (declared == "continuous")


@pytest.mark.parametrize(
    "x, warped",
    [
        (normal(1000), False),
        (np.exp(0.5 * normal(1000)), False),
        (np.exp(2.5 * normal(1000)), True),
        (np.random.default_rng(0).standard_t(1.5, 1000), True),
        (np.round(np.exp(2.5 * normal(1000) + 5)), True),
        (np.append(normal(1000), 50.0), True),
    ],
)
def test_tails_are_drawn_in_only_where_it_pays(x, warped):
    column = kind(x)
    assert (column.warp is not None) == warped
    np.testing.assert_allclose(column.back(None, column.values(x)), x, rtol=1e-9, atol=1e-12)
    assert kind(x, kind="continuous").warp is None


def test_declared_grid():
    assert type(kind(integers(), kind="grid")) is Discrete
    assert type(kind(integers(high=300), kind="grid")) is Continuous


def test_bounds_are_atoms():
    """Whether rows reach them, as here 1, or not: then they have what half a row has."""
    x = np.clip(normal(), -10, 1)
    column = kind(x, kind=(-10, 1))
    assert column.levels[:2].tolist() == [-10, 1]
    np.testing.assert_allclose(
        column.shares, np.array([0.5, (x == 1).sum(), (x < 1).sum()]) / 300.5
    )


@pytest.mark.parametrize("kind_of, expected", [(sharp, Discrete), (smooth, OneHot)])
def test_kind_of_categories(kind_of, expected):
    column = kind(integers(high=4), kind_of, n_categories=5)
    assert type(column) is expected
    assert len(column.levels) == (5 if kind_of is sharp else 4)


@pytest.mark.parametrize(
    "column_kinds, message",
    [
        ({"d": "grid"}, "column_kinds names 'd', which is no column"),
        ({7: "grid"}, "column_kinds names 7, which is no column"),
        (
            {"a": "integer"},
            r"column_kinds\['a'\] must be one of continuous, grid, categorical, heavy-tailed, or bounds",
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
