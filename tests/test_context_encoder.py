"""What a density is conditional on: standardised numbers, and indicators of categories and missing cells."""

import numpy as np
import pytest

from skmaf.models.baseline import Trend
from skmaf.models.context import FAR, Given

NUMBERS = np.random.default_rng(0).standard_normal(50) * 3 + 7


def of(*columns, n_categories=None, weights=None):
    X = np.column_stack(columns)
    return Given(
        X, np.ones(len(X)) if weights is None else weights, n_categories or [None] * X.shape[1]
    ), X


def test_numbers_are_standardised():
    given, X = of(NUMBERS, NUMBERS * 1e6)
    Z = given(X)
    assert Z.shape == (50, 2) and Z.dtype == np.float64
    assert Z.mean(axis=0) == pytest.approx([0, 0], abs=1e-9)
    assert Z.std(axis=0) == pytest.approx([1, 1])


def test_weights_count_in_the_standardisation():
    weights = np.r_[np.full(25, 3.0), np.full(25, 1.0)]
    given, X = of(NUMBERS, weights=weights)
    assert np.average(given(X)[:, 0], weights=weights) == pytest.approx(0, abs=1e-9)


def test_far_numbers_are_cut():
    given, _ = of(NUMBERS)
    assert given(np.array([[1e300], [-1e300], [7.0]]))[:2, 0].tolist() == [FAR, -FAR]


def test_categories_are_indicators():
    codes = np.repeat([0.0, 1.0, 2.0], [20, 20, 10])
    given, X = of(codes, n_categories=[3])
    Z = given(X)
    assert len(np.unique(Z, axis=0)) == 3
    for level, column in enumerate(Z.T[:3]):
        assert len(set(column[codes == level])) == 1
        assert column[codes == level][0] > 0 > column[codes != level].max()


def test_new_category_is_like_no_other():
    codes = np.repeat([0.0, 1.0, 2.0], [20, 20, 10])
    given, X = of(codes, n_categories=[3])
    new = given(np.array([[3.0]]))
    assert np.isfinite(new).all()
    assert np.abs(given(X) - new).max(axis=1).min() > 2


def test_missing_cells_have_an_indicator_where_fit_saw_some():
    holed = np.where(np.arange(50) % 5 == 0, np.nan, NUMBERS)
    given, X = of(NUMBERS[::-1], holed)
    Z = given(X)
    assert Z.shape == (50, 3) and np.isfinite(Z).all()
    assert (Z[:, 2] == (np.arange(50) % 5 == 0)).all()
    assert (Z[Z[:, 2] == 1, 1] == 0).all()


def test_missing_cells_elsewhere_are_at_the_mean():
    given, _ = of(NUMBERS, np.where(np.arange(50) == 0, np.nan, NUMBERS))
    assert given(np.array([[np.nan, 7.0]]))[0, 0] == 0


def test_missing_categories():
    codes = np.where(np.arange(50) % 7 == 0, np.nan, np.arange(50) % 2)
    given, X = of(codes, n_categories=[2])
    Z = given(X)
    assert np.isfinite(Z).all() and len(np.unique(Z, axis=0)) == 3


def test_constant_columns_give_nothing():
    given, X = of(np.ones(50))
    assert given(X).shape == (50, 0)
    assert given(np.array([[2.0], [np.nan]])).shape == (2, 0)


def test_single_precision():
    given, X = of(NUMBERS.astype(np.float32))
    Z = given(X)
    assert Z.dtype == np.float64
    assert Z.std() == pytest.approx(1, rel=1e-5)


def test_trend_in_what_is_given():
    given = np.random.default_rng(1).standard_normal((300, 2))
    line = 1 + given @ [2.0, -3.0]
    values = np.column_stack(
        [line, np.where(np.arange(300) % 3, line, np.nan), np.full(300, np.nan)]
    )
    found = Trend(values, given, np.ones(300)).predict(given)
    assert found[:, 0] == pytest.approx(line, abs=0.05)
    assert found[:, 1] == pytest.approx(line, abs=0.05)
    assert (found[:, 2] == 0).all()  # of a column without values nothing is known
