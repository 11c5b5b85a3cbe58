"""Why a row is unlikely: what its density would gain if one cell had another value."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from .._validation import columns

KEPT_VALUES = 1025  # of a column
FIRST_STEPS = 32  # into which the values are divided, at first
REFINEMENT = 4  # of the steps around the best value, then


@dataclass(frozen=True)
class Explainer:
    """Finds, cell by cell, the value that makes a row most likely, the other cells as they are.

    They are searched from coarse to fine: a few of them in order, then those around the best.

    Attributes
    ----------
    values : list of ndarray
        For each column the values that training rows hold, in order, or quantiles of many.
    """

    values: list

    @classmethod
    def learn(cls, X: Any) -> "Explainer":
        """Return an explainer with the values of training rows, an array or a frame of pandas."""
        return cls([_distinct(x) for x in columns(X)])

    def counterfactuals(
        self, log_prob: Callable[[Any], np.ndarray], X: Any
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return the gain by the best value of each cell, and that value.

        Parameters
        ----------
        log_prob : callable
            Gives the log-density of rows like those of ``X``.
        X : ndarray or DataFrame of shape (n, n_features)

        Returns
        -------
        gains : ndarray of shape (n, n_features)
            In nats; 0 where no value is better than that of the row, or where that is missing.
        values : list of ndarray of shape (n,)
            For each column; that of the row itself where none is better.
        """
        before = log_prob(X)
        gains = []
        best = []
        for j, (x, values) in enumerate(zip(columns(X), self.values)):
            # a column without any value has nothing to offer
            values = values if len(values) else x[:1]
            scores, positions = _search(
                partial(_log_prob_with, log_prob, X, j, values), len(values), len(before)
            )
            missing = pd.isna(x)
            gains.append(np.where(missing, 0.0, np.maximum(scores - before, 0.0)))
            best.append(np.where(missing | (scores > before), values[positions], x))
        return np.column_stack(gains), best


def _log_prob_with(
    log_prob: Callable[[Any], np.ndarray],
    X: Any,
    j: int,
    values: np.ndarray,
    positions: np.ndarray,
) -> np.ndarray:
    """Return the log-density of rows with the values at these positions in column j."""
    return log_prob(_variants(X, j, values[positions])).reshape(positions.shape)


def _distinct(x: np.ndarray) -> np.ndarray:
    """Return distinct values in order, at most `KEPT_VALUES`, none missing; text by its letters."""
    x = x[~pd.isna(x)]
    x = np.sort(x) if x.dtype != object else np.array(sorted(x, key=str), dtype=object)
    if len(x) > KEPT_VALUES and len(pd.unique(x)) > KEPT_VALUES:
        x = x[np.linspace(0, len(x) - 1, KEPT_VALUES).round().astype(int)]
    return pd.unique(x)


def _variants(X: Any, j: int, x: np.ndarray) -> Any:
    """Return the rows of ``X`` once for each row of ``x``, which holds values for column ``j``."""
    if isinstance(X, pd.DataFrame):
        rows = pd.concat([X] * len(x), ignore_index=True)
        dtype = X.dtypes.iloc[j]
        kept = dtype if isinstance(dtype, pd.CategoricalDtype) else None
        rows.isetitem(j, pd.Series(x.ravel(), dtype=kept))
        return rows
    rows = np.tile(X, (len(x), 1)).astype(np.result_type(X, x), copy=False)
    rows[:, j] = x.ravel()
    return rows


def _search(
    score: Callable[[np.ndarray], np.ndarray], n_values: int, n_rows: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the highest score of each row over positions, and its position, coarse to fine.

    Parameters
    ----------
    score : callable
        Takes several positions for each row, shape (n_positions, n_rows), and gives their scores.
    n_values : int
        Positions are from 0 to this, exclusive.
    n_rows : int
    """
    step = max(1, -(-n_values // FIRST_STEPS))
    centre = np.zeros(n_rows, dtype=int)
    offsets = np.arange(0, n_values, step)
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
