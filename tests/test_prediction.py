"""Weighted nodes: means, quantiles, and how central a number is, against sums and loops."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from skmaf.inference.prediction import (
    BASE_NODES,
    INTERPOLATION,
    LARGEST,
    QUADRATURE_NODES,
    QUADRATURE_WEIGHTS,
    ConditionalDistribution,
)

NUMBERS = st.integers(-8, 8).map(float)  # with ties, and few of them, so that a number hits a node


@st.composite
def distributions(draw, is_discrete=None):
    """Arguments of `ConditionalDistribution`, for some rows."""
    n_rows = draw(st.integers(1, 4))
    n_nodes = draw(st.integers(1, 7))
    size = n_rows * n_nodes
    values = np.array(draw(st.lists(NUMBERS, min_size=size, max_size=size)))
    counts = draw(st.lists(st.integers(1, 9), min_size=size, max_size=size))
    values = values.reshape(n_rows, n_nodes)
    weights = np.array(counts, dtype=float).reshape(n_rows, n_nodes)
    if is_discrete is None:
        is_discrete = draw(st.booleans())
    return values, weights / weights.sum(axis=1, keepdims=True), is_discrete


@given(distributions())
def test_means(case):
    values, weights, _ = case
    expected = [v @ w for v, w in zip(values, weights)]
    assert ConditionalDistribution(*case).means() == pytest.approx(expected)


@given(distributions(is_discrete=True), st.floats(0.01, 0.99))
def test_quantiles_of_discrete_distributions(case, q):
    values, weights, _ = case
    quantiles = ConditionalDistribution(*case).quantiles(np.array([q]))[:, 0]
    for v, w, found in zip(values, weights, quantiles):
        reached = [x for x in v if w[v <= x].sum() >= q - 1e-9]
        assert found == min(reached)


@given(distributions(is_discrete=True), NUMBERS)
def test_excess_of_discrete_distributions(case, y):
    values, weights, _ = case
    is_inside = (values.min(axis=1) <= y) & (y <= values.max(axis=1))
    excess = ConditionalDistribution(*case).excess(np.full(len(values), y))
    for v, w, found, inside in zip(values, weights, excess, is_inside):
        expected = max(0, 0.5 - w[v <= y].sum(), w[v < y].sum() - 0.5)
        assert found == pytest.approx(expected, abs=1e-8) if inside else found > 0.5


@given(distributions(), st.floats(-50, 50, allow_subnormal=False) | NUMBERS)
def test_interval_that_reaches_as_far_as_the_excess_holds_the_number(case, y):
    distribution = ConditionalDistribution(*case)
    for row, excess in enumerate(distribution.excess(np.full(len(distribution.values), y))):
        low, high = distribution.quantiles(0.5 + np.array([-excess, excess]))[row]
        assert low - 1e-6 <= y <= high + 1e-6


@given(distributions(is_discrete=True), NUMBERS)
def test_interval_that_reaches_less_does_not(case, y):
    distribution = ConditionalDistribution(*case)
    for row, excess in enumerate(distribution.excess(np.full(len(distribution.values), y))):
        if excess > 1e-6:
            levels = 0.5 + np.array([-excess, excess]) * (1 - 1e-6)
            low, high = distribution.quantiles(levels)[row]
            assert not low <= y <= high


@given(distributions())
def test_quantiles_rise(case):
    quantiles = ConditionalDistribution(*case).quantiles(np.linspace(-0.5, 1.5, 101))
    assert (np.diff(quantiles, axis=1) >= 0).all()


@given(distributions(), st.permutations(range(7)))
def test_order_of_nodes_does_not_matter(case, order):
    values, weights, is_discrete = case
    order = [i for i in order if i < values.shape[1]]
    levels = np.array([0.1, 0.5, 0.8])
    turned = ConditionalDistribution(values[:, order], weights[:, order], is_discrete)
    if is_discrete or all(len(set(row)) == len(row) for row in values):
        expected = ConditionalDistribution(*case).quantiles(levels)
        assert turned.quantiles(levels) == pytest.approx(expected)


@given(distributions())
def test_a_distribution_is_frozen_and_leaves_its_arguments_as_they_were(case):
    values = case[0].copy()
    distribution = ConditionalDistribution(*case)
    assert np.array_equal(case[0], values)
    assert np.array_equal(distribution.values, np.sort(values, axis=1))
    again = ConditionalDistribution(distribution.values, distribution.weights, case[2])
    assert np.array_equal(again.values, distribution.values)
    with pytest.raises(dataclasses.FrozenInstanceError):
        distribution.values = values


def test_nodes_that_stand_for_a_normal_distribution():
    levels = (np.arange(2000) + 0.5) / 2000
    scales = np.array([[1.0], [10.0]])
    values = norm.ppf(levels) * scales + 5
    distribution = ConditionalDistribution(values, np.full((2, 2000), 1 / 2000), is_discrete=False)
    tried = np.array([0.01, 0.25, 0.5, 0.9])
    assert distribution.quantiles(tried) == pytest.approx(norm.ppf(tried) * scales + 5, abs=2e-3)
    excess = distribution.excess(np.array([6.0, 5.0]))
    assert excess == pytest.approx([norm.cdf(1) - 0.5, 0], abs=1e-3)


def test_quadrature_of_a_normal_distribution():
    """Moments by the quadrature, and the interpolation of a linear function, are exact enough."""
    assert INTERPOLATION.shape == (len(BASE_NODES), len(QUADRATURE_NODES))
    np.testing.assert_allclose(BASE_NODES @ INTERPOLATION, QUADRATURE_NODES, atol=1e-12)
    assert QUADRATURE_WEIGHTS.sum() == pytest.approx(1)
    moments = [QUADRATURE_NODES**power @ QUADRATURE_WEIGHTS for power in (1, 2, 3, 4)]
    assert moments == pytest.approx([0, 1, 0, 3], abs=1e-3)
    distribution = ConditionalDistribution(
        np.exp(QUADRATURE_NODES)[None], QUADRATURE_WEIGHTS[None], is_discrete=False
    )
    levels = np.array([0.05, 0.5, 0.95])
    expected = np.exp(norm.ppf(levels))
    assert distribution.quantiles(levels)[0] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("is_discrete", [False, True])
def test_numbers_beyond_all_nodes_are_told_apart(is_discrete):
    values = np.array([[0.0, 1.0, 2.0]] * 3)
    distribution = ConditionalDistribution(values, np.full((3, 3), 1 / 3), is_discrete)
    # half the distance of the outermost nodes is 1
    excess = distribution.excess(np.array([2.5, 4.0, -1e6]))
    assert excess == pytest.approx([1.0, 2.5, 1e6 + 0.5])
    assert distribution.quantiles(np.array([-1.5, 2.0]))[0] == pytest.approx([-1.5, 3.0])


@pytest.mark.parametrize("is_discrete", [False, True])
def test_nodes_that_are_all_the_same(is_discrete):
    distribution = ConditionalDistribution(np.full((1, 4), 3.0), np.full((1, 4), 0.25), is_discrete)
    assert (distribution.quantiles(np.array([0.01, 0.5, 0.99])) == 3).all()
    assert distribution.excess(np.array([3.0])) <= 0.5 < distribution.excess(np.array([3.1]))


def test_numbers_as_large_as_they_get():
    largest = np.finfo(float).max
    values = np.array([[-largest, 0.0, largest]])
    distribution = ConditionalDistribution(values, np.array([[0.25, 0.5, 0.25]]), is_discrete=True)
    quantiles = distribution.quantiles(np.array([0.1, 0.5, 0.9]))
    assert quantiles.tolist() == [[-largest, 0, largest]]
    assert distribution.means() == 0


@pytest.mark.parametrize("is_discrete", [False, True])
def test_infinite_nodes_are_the_largest_floats(is_discrete):
    """A heavy-tailed target near the largest floats has nodes beyond them."""
    values = np.array([[-np.inf, -1.0, np.inf, np.inf], [np.inf] * 4, [LARGEST] * 4])
    weights = np.array([[0.4, 0.2, 0.3, 0.1], [0.7, 0.1, 0.1, 0.1], [0.7, 0.1, 0.1, 0.1]])
    distribution = ConditionalDistribution(values, weights, is_discrete)
    assert distribution.means() == pytest.approx([0.0, LARGEST, LARGEST], abs=1e300)
    assert np.isfinite(distribution.quantiles(np.array([-0.5, 0.1, 0.5, 0.9, 1.5]))).all()
    assert np.isfinite(distribution.excess(np.array([-LARGEST, 0.0, LARGEST]))).all()
