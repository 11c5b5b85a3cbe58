"""Why a row is unlikely: what its density would gain if one cell had another value."""

import numpy as np
import pandas as pd

from .._validation import columns

KEPT_VALUES = 1025  # of a column
FIRST_STEPS = 32  # into which the values are divided, at first
REFINEMENT = 4  # of the steps around the best value, then


class Repairs:
    """Finds, cell by cell, the value that makes a row most likely, the other cells as they are.

    Values are those that the training rows hold in the column, or quantiles of them where they are many. They are searched
    from coarse to fine: a few of them in order, then those around the best.

    Parameters
    ----------
    X : ndarray or DataFrame of shape (n_samples, n_features)
        Training rows.
    """

    def __init__(self, X):
        self.values = [_values(x) for x in columns(X)]

    def best(self, score_samples, X):
        """The gain by the best value of each cell, and that value.

        Parameters
        ----------
        score_samples : callable
            Gives the log-density of rows like those of ``X``.
        X : ndarray or DataFrame of shape (n, n_features)

        Returns
        -------
        gains : ndarray of shape (n, n_features)
            In nats; 0 where no value is better than that of the row, or where that is missing.
        values : list of ndarray of shape (n,)
            For each column; the row's own value where none is better.
        """
        own = score_samples(X)
        gains, best = [], []
        for j, (x, values) in enumerate(zip(columns(X), self.values)):
            values = (
                values if len(values) else x[:1]
            )  # a column without any value has nothing to offer

            def score(positions):
                return score_samples(_variants(X, j, values[positions])).reshape(positions.shape)

            scores, positions = _search(score, len(values), len(own))
            missing = pd.isna(x)
            gains.append(np.where(missing, 0.0, np.maximum(scores - own, 0.0)))
            best.append(np.where(missing | (scores > own), values[positions], x))
        return np.column_stack(gains), best


def _values(x):
    """Distinct values in order, at most `KEPT_VALUES`, and none that are missing; text by its letters."""
    x = x[~pd.isna(x)]
    x = np.sort(x) if x.dtype != object else np.array(sorted(x, key=str), dtype=object)
    if len(x) > KEPT_VALUES and len(pd.unique(x)) > KEPT_VALUES:
        x = x[np.linspace(0, len(x) - 1, KEPT_VALUES).round().astype(int)]
    return pd.unique(x)


def _variants(X, j, x):
    """The rows of ``X`` once for each row of ``x``, which holds other values for column ``j``."""
    if isinstance(X, pd.DataFrame):
        rows, dtype = pd.concat([X] * len(x), ignore_index=True), X.dtypes.iloc[j]
        rows.isetitem(
            j, pd.Series(x.ravel(), dtype=dtype if isinstance(dtype, pd.CategoricalDtype) else None)
        )
    else:
        rows = np.tile(X, (len(x), 1)).astype(np.result_type(X, x), copy=False)
        rows[:, j] = x.ravel()
    return rows


def _search(score, n_values, n_rows):
    """Highest score of each row over the positions 0 to ``n_values`` - 1, and its position, from coarse to fine.

    ``score`` takes several positions for each row, shape (n_positions, n_rows), and gives their scores.
    """
    step = max(1, -(-n_values // FIRST_STEPS))
    centre, offsets = np.zeros(n_rows, dtype=int), np.arange(0, n_values, step)
    while True:
        positions = np.clip(centre + offsets[:, None], 0, n_values - 1)
        scores = score(positions)
        best = scores.argmax(axis=0)[None]
        centre = np.take_along_axis(positions, best, axis=0)[0]
        if step == 1:
            return np.take_along_axis(scores, best, axis=0)[0], centre
        finer = max(1, step // REFINEMENT)
        offsets = np.arange(finer - step, step, finer)
        step = finer
