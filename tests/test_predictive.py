"""Weighted points: means, quantiles, and how central a number is, against sums and loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from skmaf.inference.prediction import Points

NUMBERS = st.integers(-8, 8).map(float)  # with ties, and few of them, so that a number hits a point


@st.composite
def points(draw, is_discrete=None):
    """`Points` of some rows."""
    n_rows, n_points = draw(st.integers(1, 4)), draw(st.integers(1, 7))
    values = np.array(
        draw(st.lists(NUMBERS, min_size=n_rows * n_points, max_size=n_rows * n_points))
    )
    weights = np.array(
        draw(st.lists(st.integers(1, 9), min_size=len(values), max_size=len(values))), dtype=float
    )
    values, weights = values.reshape(n_rows, n_points), weights.reshape(n_rows, n_points)
    kind = draw(st.booleans()) if is_discrete is None else is_discrete
    return values, weights / weights.sum(axis=1, keepdims=True), kind


@given(points())
def test_means(case):
    values, weights, _ = case
    assert Points(*case).means() == pytest.approx([v @ w for v, w in zip(values, weights)])


@given(points(is_discrete=True), st.floats(0.01, 0.99))
def test_quantiles_of_discrete_points(case, level):
    values, weights, _ = case
    for v, w, found in zip(values, weights, Points(*case).quantiles(np.array([level]))[:, 0]):
        reached = [x for x in v if w[v <= x].sum() >= level - 1e-9]
        assert found == min(reached)


@given(points(is_discrete=True), NUMBERS)
def test_excess_of_discrete_points(case, y):
    values, weights, _ = case
    inside = (values.min(axis=1) <= y) & (y <= values.max(axis=1))
    found = Points(*case).excess(np.full(len(values), y))
    for v, w, own, is_inside in zip(values, weights, found, inside):
        wanted = max(0, 0.5 - w[v <= y].sum(), w[v < y].sum() - 0.5)
        assert own == pytest.approx(wanted, abs=1e-8) if is_inside else own > 0.5


@given(points(), st.floats(-50, 50, allow_subnormal=False) | NUMBERS)
def test_interval_that_reaches_as_far_as_the_excess_holds_the_number(case, y):
    own = Points(*case)
    reach = own.excess(np.full(len(own.values), y))
    for row, excess in enumerate(reach):
        low, high = own.quantiles(0.5 + np.array([-excess, excess]))[row]
        assert low - 1e-6 <= y <= high + 1e-6


@given(points(is_discrete=True), NUMBERS)
def test_interval_that_reaches_less_does_not(case, y):
    own = Points(*case)
    for row, excess in enumerate(own.excess(np.full(len(own.values), y))):
        if excess > 1e-6:
            low, high = own.quantiles(0.5 + np.array([-excess, excess]) * (1 - 1e-6))[row]
            assert not low <= y <= high


@given(points())
def test_quantiles_rise(case):
    quantiles = Points(*case).quantiles(np.linspace(-0.5, 1.5, 101))
    assert (np.diff(quantiles, axis=1) >= 0).all()


@given(points(), st.permutations(range(7)))
def test_order_of_points_does_not_matter(case, order):
    values, weights, is_discrete = case
    order = [i for i in order if i < values.shape[1]]
    levels = np.array([0.1, 0.5, 0.8])
    turned = Points(values[:, order], weights[:, order], is_discrete)
    if is_discrete or all(len(set(row)) == len(row) for row in values):
        assert turned.quantiles(levels) == pytest.approx(Points(*case).quantiles(levels))


def test_points_that_stand_for_a_normal_law():
    levels = (np.arange(2000) + 0.5) / 2000
    scales = np.array([[1.0], [10.0]])
    own = Points(norm.ppf(levels) * scales + 5, np.full((2, 2000), 1 / 2000), is_discrete=False)
    some = np.array([0.01, 0.25, 0.5, 0.9])
    assert own.quantiles(some) == pytest.approx(norm.ppf(some) * scales + 5, abs=2e-3)
    assert own.excess(np.array([6.0, 5.0])) == pytest.approx([norm.cdf(1) - 0.5, 0], abs=1e-3)


@pytest.mark.parametrize("is_discrete", [False, True])
def test_far_numbers_are_further_out_than_all_points_can_tell(is_discrete):
    own = Points(np.array([[0.0, 1.0, 2.0]] * 3), np.full((3, 3), 1 / 3), is_discrete)
    assert own.excess(np.array([2.5, 4.0, -1e6])) == pytest.approx(
        [1.0, 2.5, 1e6 + 0.5]
    )  # half the width is 1
    assert own.quantiles(np.array([-1.5, 2.0]))[0] == pytest.approx([-1.5, 3.0])


@pytest.mark.parametrize("is_discrete", [False, True])
def test_points_at_one_place(is_discrete):
    own = Points(np.full((1, 4), 3.0), np.full((1, 4), 0.25), is_discrete)
    assert (own.quantiles(np.array([0.01, 0.5, 0.99])) == 3).all()
    assert own.excess(np.array([3.0])) <= 0.5 < own.excess(np.array([3.1]))


def test_numbers_as_large_as_they_get():
    largest = np.finfo(float).max
    own = Points(
        np.array([[-largest, 0.0, largest]]), np.array([[0.25, 0.5, 0.25]]), is_discrete=True
    )
    assert own.quantiles(np.array([0.1, 0.5, 0.9])).tolist() == [[-largest, 0, largest]]
    assert own.means() == 0
