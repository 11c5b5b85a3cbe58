"""Checks of the user's table, with errors that name the column and say what to do."""

import numbers

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, validate_data


MOST_REPEATS = 10


def check_table(estimator, X, *, reset):
    """``X`` as a finite 2-d float array; float32 stays float32, all else becomes float64.

    Parameters
    ----------
    estimator : estimator
        Where the number and names of the columns are stored (``reset=True``) or looked up (``reset=False``).
    X : array-like of shape (n_samples, n_features)
    reset : bool

    Raises
    ------
    ValueError
        If a column holds text, NaN or infinity, or the shape or the names of the columns do not fit.
    """
    try:
        table = validate_data(
            estimator,
            X,
            reset=reset,
            dtype=[np.float64, np.float32],
            ensure_all_finite=False,
            ensure_min_samples=2 if reset else 1,
        )
    except ValueError as error:
        column = _first_text_column(X)
        if column is None:
            raise
        raise ValueError(f"{column} holds text: encode it as numbers (OneHotEncoder, OrdinalEncoder) or drop it.") from error
    _check_finite(table, getattr(X, "columns", None))
    return table


def _check_finite(table, names):
    for bad, what, remedy in [(np.isnan, "NaN", "impute it (SimpleImputer) or drop"), (np.isinf, "inf", "replace it or drop")]:
        counts = bad(table).sum(axis=0)
        if counts.any():
            j = int(counts.argmax())
            raise ValueError(f"{_column(j, names)} contains {what} in {counts[j]} of {len(table)} rows: {remedy} those rows.")


def _column(j, names):
    return f"Column {j}" if names is None else f"Column {names[j]!r}"


def _first_text_column(X):
    """The first column with a string that is no number, or None."""
    cells = np.asarray(X, dtype=object)
    if cells.ndim != 2:
        return None
    for j in range(cells.shape[1]):
        if any(isinstance(cell, str) and not _is_number(cell) for cell in cells[:, j]):
            return _column(j, getattr(X, "columns", None))
    return None


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def weigh(X, sample_weight):
    """Where the rows that count are, in an order of their own, and their weights with mean 1.

    Whole weights are counts: rows are repeated, so that a weight of 2 is to the last digit what two equal rows are. Fractions,
    and counts beyond `MOST_REPEATS` rows for each row, stay weights. The order is lexicographic: a fit does not depend on the
    order in which rows came.

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
    rows, weights = np.arange(len(X)), np.ones(len(X))
    if sample_weight is not None:
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        rows, weights = rows[weights > 0], weights[weights > 0]
        if len(rows) == 0 or (len(rows) == 1 and weights[0] < 2):
            raise ValueError("sample_weight is zero in all rows but one, or in all: give a positive weight to 2 rows or more.")
        if np.all(weights == np.round(weights)) and weights.sum() <= MOST_REPEATS * len(rows):
            rows = rows.repeat(weights.astype(int))
            weights = np.ones(len(rows))
    order = np.lexsort([_rank(x)[rows] for x in columns(X)])
    return rows[order], weights[order] / weights.mean()


def columns(X):
    """The columns of an array or a DataFrame, as arrays."""
    return [X.iloc[:, j].to_numpy() for j in range(X.shape[1])] if hasattr(X, "iloc") else list(X.T)


def _rank(x):
    """Numbers that order a column as its values do, or as their text does where they are no numbers."""
    return x if x.dtype.kind in "biuf" else np.unique(x.astype(str), return_inverse=True)[1]


def seed_from(random_state):
    """A seed for private generators: fresh for None, the number itself for an int, drawn from a RandomState."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, numbers.Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
