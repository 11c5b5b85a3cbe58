"""Checks of the user's table, with errors that name the column and say what to do."""

import numbers

import numpy as np
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.validation import _check_sample_weight

MOST_REPEATS = 10


def tagged(tags):
    """Tags of an estimator, with what tables may hold."""
    tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
    return tags


def refuse_gaps(X, schema):
    """Refuse rows with missing cells where `fit` saw none; return others."""
    counts = np.isnan(X).sum(axis=0)
    if counts.any():
        j = int(counts.argmax())
        raise ValueError(
            f"{schema.label(j)} contains NaN in {counts[j]} of {len(X)} rows, and no cell was missing in fit: impute it "
            "(SimpleImputer) or drop those rows, or fit on rows of which some have missing cells too."
        )
    return X


def without_weightless(X, sample_weight):
    """The rows that have a weight, of a table of any form, and their weights: the others are not there."""
    if sample_weight is not None and isinstance(X, (list, tuple)):
        X = np.array(X, dtype=object)
    if sample_weight is None or not hasattr(X, "shape"):
        return X, sample_weight
    weights = np.asarray(sample_weight)
    if (
        weights.shape != (X.shape[0],)
        or weights.dtype.kind not in "biuf"
        or (weights != 0).sum() in (0, 1, len(weights))
    ):
        return X, sample_weight  # nothing to drop, or an error to come
    kept = np.flatnonzero(weights)
    return _safe_indexing(X, kept), weights[kept]


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
            raise ValueError(
                "sample_weight is zero in all rows but one, or in all: give a positive weight to 2 rows or more."
            )
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


def check_count(name, value):
    """Refuse what is not a positive whole number."""
    if not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(f"{name} must be a positive integer, got {value!r}.")


def check_sizes(hidden_layer_sizes):
    """Sizes of hidden layers as a tuple of int."""
    sizes = list(hidden_layer_sizes)
    if not sizes or not all(isinstance(size, numbers.Integral) and size >= 1 for size in sizes):
        raise ValueError(
            f"hidden_layer_sizes must be one or more positive integers, got {hidden_layer_sizes!r}."
        )
    return tuple(int(size) for size in sizes)


def seed_from(random_state):
    """A seed for private generators: fresh for None, the number itself for an int, drawn from a RandomState."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, numbers.Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
