"""Checks of the user's table, with errors that name the column and say what to do."""

import numbers

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data


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


def seed_from(random_state):
    """A seed for private generators: fresh for None, the number itself for an int, drawn from a RandomState."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, numbers.Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
