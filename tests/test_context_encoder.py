"""The context of a density: standardised numbers, indicators of categories and of missing cells."""

import numpy as np
import pytest

from skmaf.models.context import FAR, ContextEncoder

NUMBERS = np.random.default_rng(0).standard_normal(50) * 3 + 7


def learn(*columns, n_categories=None, weights=None):
    """An encoder of these columns, and the rows that it learned from."""
    N = np.column_stack(columns)
    if weights is None:
        weights = np.ones(len(N))
    return ContextEncoder.learn(N, weights, n_categories or [None] * N.shape[1]), N


def test_numbers_are_standardised():
    encoder, N = learn(NUMBERS, NUMBERS * 1e6)
    Z = encoder.encode(N)
    assert Z.shape == (50, 2) and Z.dtype == np.float64
    assert Z.mean(axis=0) == pytest.approx([0, 0], abs=1e-9)
    assert Z.std(axis=0) == pytest.approx([1, 1])


def test_weights_count_in_the_standardisation():
    weights = np.r_[np.full(25, 3.0), np.full(25, 1.0)]
    encoder, N = learn(NUMBERS, weights=weights)
    assert np.average(encoder.encode(N)[:, 0], weights=weights) == pytest.approx(0, abs=1e-9)


def test_far_numbers_are_cut():
    encoder, _ = learn(NUMBERS)
    assert encoder.encode(np.array([[1e300], [-1e300], [7.0]]))[:2, 0].tolist() == [FAR, -FAR]


def test_categories_are_indicators():
    codes = np.repeat([0.0, 1.0, 2.0], [20, 20, 10])
    encoder, N = learn(codes, n_categories=[3])
    Z = encoder.encode(N)
    assert len(np.unique(Z, axis=0)) == 3
    for category, column in enumerate(Z.T[:3]):
        assert len(set(column[codes == category])) == 1
        assert column[codes == category][0] > 0 > column[codes != category].max()


def test_new_category_is_like_no_other():
    codes = np.repeat([0.0, 1.0, 2.0], [20, 20, 10])
    encoder, N = learn(codes, n_categories=[3])
    new = encoder.encode(np.array([[3.0]]))
    assert np.isfinite(new).all()
    assert np.abs(encoder.encode(N) - new).max(axis=1).min() > 2


def test_missing_cells_have_an_indicator_where_learn_saw_some():
    incomplete = np.where(np.arange(50) % 5 == 0, np.nan, NUMBERS)
    encoder, N = learn(NUMBERS[::-1], incomplete)
    Z = encoder.encode(N)
    assert Z.shape == (50, 3) and np.isfinite(Z).all()
    assert (Z[:, 2] == (np.arange(50) % 5 == 0)).all()
    assert (Z[Z[:, 2] == 1, 1] == 0).all()


def test_missing_cells_elsewhere_are_at_the_mean():
    encoder, _ = learn(NUMBERS, np.where(np.arange(50) == 0, np.nan, NUMBERS))
    assert encoder.encode(np.array([[np.nan, 7.0]]))[0, 0] == 0


def test_missing_categories():
    codes = np.where(np.arange(50) % 7 == 0, np.nan, np.arange(50) % 2)
    encoder, N = learn(codes, n_categories=[2])
    Z = encoder.encode(N)
    assert np.isfinite(Z).all() and len(np.unique(Z, axis=0)) == 3


def test_constant_columns_give_nothing():
    encoder, N = learn(np.ones(50))
    assert encoder.encode(N).shape == (50, 0)
    assert encoder.encode(np.array([[2.0], [np.nan]])).shape == (2, 0)


def test_single_precision():
    encoder, N = learn(NUMBERS.astype(np.float32))
    Z = encoder.encode(N)
    assert Z.dtype == np.float64
    assert Z.std() == pytest.approx(1, rel=1e-5)
