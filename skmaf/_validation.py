"""Checks of the user's table and parameters, with errors that say what to do."""

import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import validate_data

from ._compat import check_n_features, check_sample_weight, get_feature_names
from ._warnings import warn_user

MAX_REPEATS = 10  # rows that whole weights may make of each row, on average


def tagged(tags: Tags) -> Tags:
    """Let the tags of an estimator say that tables may hold text, categories and missing cells."""
    tags.input_tags.allow_nan = True
    tags.input_tags.string = True
    tags.input_tags.categorical = True
    return tags


def weigh(
    X: np.ndarray | pd.DataFrame, sample_weight: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the rows that count, in lexicographic order, and their weights with mean 1.

    Whole weights are counts: rows are repeated, so that a weight of 2 is to the last digit what
    two equal rows are. Fractions, and counts that make more than `MAX_REPEATS` rows of each row,
    stay weights. A fit does not depend on the order in which rows came, because they are sorted.

    Parameters
    ----------
    X : ndarray or DataFrame of shape (n_samples, n_features)
    sample_weight : array-like of shape (n_samples,) or None

    Returns
    -------
    rows : ndarray of int, shape (n_rows,)
        Positions; those of rows that count several times are repeated.
    weights : ndarray of shape (n_rows,)

    Raises
    ------
    ValueError
        If weights are negative, NaN, infinite, too many or too few, or positive in under 2 rows.
    """
    rows = np.arange(len(X))
    weights = np.ones(len(X))
    if sample_weight is not None:
        weights = check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        rows = rows[weights > 0]
        weights = weights[weights > 0]
        if len(rows) == 0 or (len(rows) == 1 and weights[0] < 2):
            raise ValueError(
                "sample_weight is zero in all rows but one, or in all: give a positive weight to "
                "2 rows or more."
            )
        if weights.max() > np.finfo(np.float64).max / len(weights):
            weights = weights / weights.max()  # their sum would overflow
        if np.all(weights == np.round(weights)) and weights.sum() <= MAX_REPEATS * len(rows):
            rows = rows.repeat(weights.astype(int))
            weights = np.ones(len(rows))
    order = np.lexsort([ranks[rows] for ranks in _ranks(X)])
    return rows[order], weights[order] / weights.mean()


def columns(X: np.ndarray | pd.DataFrame) -> list[np.ndarray]:
    """The columns of an array or a DataFrame, as arrays."""
    if isinstance(X, np.ndarray):
        return list(X.T)
    return [X.iloc[:, j].to_numpy() for j in range(X.shape[1])]


def _ranks(X: np.ndarray | pd.DataFrame) -> list[np.ndarray]:
    """Numbers in the order of the values of each column, as a codec would number them."""
    if isinstance(X, np.ndarray):
        return [_cell_ranks(x) for x in X.T]
    return [_column_ranks(X.iloc[:, j]) for j in range(X.shape[1])]


def _column_ranks(column: pd.Series) -> np.ndarray:
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return _cell_ranks(column.to_numpy())
    codes = column.cat.codes.to_numpy()
    return np.where(codes < 0, np.nan, codes)


def _cell_ranks(cells: np.ndarray) -> np.ndarray:
    """Numbers themselves, text by its letters; NaN, which comes last, where a cell is missing."""
    if cells.dtype.kind in "biuf":
        return cells
    ranks = np.full(len(cells), np.nan)
    present = ~pd.isna(cells)
    values = cells[present]
    is_number = [isinstance(cell, numbers.Real) and not isinstance(cell, bool) for cell in values]
    if all(is_number) and values.dtype.kind != "m":  # to Python a time span of NumPy is a number
        ranks[present] = values.astype(np.float64)
    else:
        ranks[present] = np.unique(values.astype(str), return_inverse=True)[1]
    return ranks


def check_columns(estimator: Any, X: Any) -> None:
    """Refuse other columns than those of `fit`; warn where only one of the tables names them."""
    name = type(estimator).__name__
    is_named = get_feature_names(X) is not None
    was_named = hasattr(estimator, "feature_names_in_")
    if is_named == was_named:
        validate_data(estimator, X, reset=False, skip_check_array=True)
        return
    # the words of scikit-learn, whose own warning would not point at the user's line
    if was_named:
        warn_user(f"X does not have valid feature names, but {name} was fitted with feature names")
    else:
        warn_user(f"X has feature names, but {name} was fitted without feature names")
    check_n_features(estimator, X, reset=False)


def check_count(name: str, value: object) -> None:
    """Refuse what is not a positive whole number.

    Raises
    ------
    ValueError
        If ``value``, of the parameter ``name``, is no integer of at least 1.
    """
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_whole or int(value) < 1:  # type: ignore[call-overload]
        raise ValueError(f"{name} must be a positive integer, got {value!r}.")


def check_sizes(hidden_layer_sizes: Iterable[Any]) -> tuple[int, ...]:
    """Sizes of hidden layers as a tuple of int.

    Raises
    ------
    ValueError
        If there are none, or one is no integer of at least 1.
    """
    sizes = list(hidden_layer_sizes)
    if not sizes or not all(
        isinstance(size, numbers.Integral) and int(size) >= 1 for size in sizes
    ):
        raise ValueError(
            f"hidden_layer_sizes must be one or more positive integers, got {hidden_layer_sizes!r}."
        )
    return tuple(int(size) for size in sizes)


def seed_from(random_state: int | np.random.RandomState | None) -> int:
    """A seed for private generators.

    Fresh for None, the number itself for an int, drawn from a RandomState.
    """
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, numbers.Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
