"""Values that a cell might have had: from training rows that are like its row elsewhere."""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri
from sklearn.covariance import ledoit_wolf

from .._validation import columns
from ..table.frames import are_whole, take_rows

KEPT_ROWS = 2000  # of the training rows, at most
N_NEAREST = 8  # training rows whose values are considered
FARTHEST = 4.0  # squared difference of two cells, at most: a second wrong cell must not decide
UNLIKE = 2.0  # squared difference of two categories, the mean of that of two numbers
UNKNOWN = 1.0  # squared difference to a cell that is missing in a training row
OUTSIDE = 3.0  # times as far out as any training row a cell may count, at most
RIDGE = 1e-3  # on correlations


@dataclass(frozen=True, eq=False)
class Donors:
    """Training rows, whose cells stand in for those of other rows.

    Cells are compared as normal scores: the ranks of numbers as quantiles of a normal law, which
    are the same in all units, and bounded. A row is searched for the cells that look wrong, and for
    values in their place, by the nearest training rows and by linear predictions.

    Attributes
    ----------
    rows : ndarray or DataFrame of shape (n_donors, n_features)
        Those that are kept.
    values : list of ndarray
        The distinct values of each column, in order: numbers, or categories.
    counts : list of ndarray
        How many of the rows hold a value up to each of these.
    categorical : ndarray of bool, shape (n_features,)
    scores : ndarray of shape (n_donors, n_features)
        Normal scores, or codes of categories; NaN where a cell is missing.
    levels : list of ndarray of int
        For each column the first of the rows that holds each value.
    """

    rows: Any
    values: list
    counts: list
    categorical: np.ndarray
    scores: np.ndarray
    levels: list

    @property
    def fractional(self) -> list[int]:
        """The columns of numbers that are not all whole."""
        return [
            j
            for j, values in enumerate(self.values)
            if values.dtype.kind == "f" and not are_whole(values)
        ]

    @classmethod
    def learn(cls, X: Any, categorical: Any = None) -> "Donors":
        """Return the donors of a training table.

        Parameters
        ----------
        X : ndarray or DataFrame of shape (n, n_features)
        categorical : array-like of bool, shape (n_features,), default=None
            Which columns hold codes of categories. Those that hold no numbers are categorical, too.
        """
        if len(X) > KEPT_ROWS:
            X = take_rows(X, np.linspace(0, len(X) - 1, KEPT_ROWS).round().astype(int))
        cells = columns(X)
        is_number = np.array([_holds_numbers(x) for x in cells])
        declared = np.zeros(len(cells), dtype=bool) if categorical is None else categorical
        is_category = np.asarray(declared, dtype=bool) | ~is_number
        values = []
        counts = []
        levels = []
        for x, is_code in zip(cells, is_category):
            known = np.flatnonzero(~pd.isna(x))
            x = np.array([str(cell) for cell in x[known]]) if is_code else _numbers(x[known])
            distinct, first, n = np.unique(x, return_index=True, return_counts=True)
            values.append(distinct)
            counts.append(np.cumsum(n))
            levels.append(known[first])
        blank = cls(X, values, counts, is_category, np.empty((0, len(cells))), levels)
        scores = blank.encode(X)
        return cls(X, values, counts, is_category, scores, levels)

    def encode(self, X: Any) -> np.ndarray:
        """Return rows as normal scores, and codes of categories, -1 where it is a new one."""
        return np.column_stack([self._encode_column(j, x) for j, x in enumerate(columns(X))])

    def _encode_column(self, j: int, x: np.ndarray) -> np.ndarray:
        known = ~pd.isna(x)
        scores = np.full(len(x), np.nan)
        values = self.values[j]
        if self.categorical[j]:
            text = np.array([str(cell) for cell in x[known]], dtype=str)
            places = np.searchsorted(values, text)
            found = values[np.minimum(places, len(values) - 1)] == text if len(values) else False
            scores[known] = np.where(found, places, -1)
            return scores
        numbers = _numbers(x[known])
        upto = np.concatenate([[0], self.counts[j]])
        below = upto[np.searchsorted(values, numbers, side="left")]
        not_above = upto[np.searchsorted(values, numbers, side="right")]
        inside = ndtri((below + not_above + 1) / 2 / (upto[-1] + 1))
        scores[known] = inside * self._reach(j, numbers)
        return scores

    def _reach(self, j: int, numbers: np.ndarray) -> np.ndarray:
        """Return how many times as far from the median numbers are as the last on that side."""
        values = self.values[j]
        if len(values) < 2:
            return np.ones(len(numbers))
        median = values[np.searchsorted(self.counts[j], self.counts[j][-1] / 2)]
        last = np.where(numbers < median, values[0], values[-1])
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            ratio = (numbers / 2 - median / 2) / (last / 2 - median / 2)
        return np.where(ratio > 1, np.minimum(ratio, OUTSIDE), 1.0)

    @cached_property
    def typical(self) -> np.ndarray:
        """For each column the row that holds the median or the most frequent category, or -1."""
        rows = []
        for is_code, counts, levels in zip(self.categorical, self.counts, self.levels):
            if len(levels) == 0:
                rows.append(-1)
            elif is_code:
                rows.append(levels[np.diff(counts, prepend=0).argmax()])
            else:
                rows.append(levels[np.searchsorted(counts, counts[-1] / 2)])
        return np.array(rows)

    @cached_property
    def precision(self) -> np.ndarray:
        """The inverse of the correlations of the normal scores, those of categories being 0."""
        Z = self._linear(self.scores)
        covariance, _ = ledoit_wolf(Z, assume_centered=True)
        return np.linalg.inv(covariance + RIDGE * np.eye(Z.shape[1]))

    def _linear(self, z: np.ndarray) -> np.ndarray:
        return np.where(self.categorical | np.isnan(z), 0.0, z)

    def squares(self, z: np.ndarray) -> np.ndarray:
        """Return bounded squared differences of a row from all donors, (n_donors, n_features)."""
        squares = np.minimum(np.square(self.scores - z), FARTHEST)
        codes = self.categorical
        squares[:, codes] = np.where(self.scores[:, codes] == z[codes], 0.0, UNLIKE)
        squares[np.isnan(self.scores)] = UNKNOWN
        squares[:, np.isnan(z)] = 0.0
        return squares

    def linear_gains(self, z: np.ndarray) -> np.ndarray:
        """Return what each cell would gain in a normal law, shape (n_features,)."""
        slopes = self.precision @ self._linear(z)
        return 0.5 * slopes**2 / np.diag(self.precision)

    def linear_gains_of_pairs(self, z: np.ndarray) -> np.ndarray:
        """Return what each pair of cells would gain in a normal law, (n_features, n_features)."""
        slopes = self.precision @ self._linear(z)
        scale = np.sqrt(np.diag(self.precision))
        slopes = slopes / scale
        r = self.precision / scale / scale[:, None]
        np.fill_diagonal(r, 0.0)
        squares = slopes**2 + slopes[:, None] ** 2 - 2 * r * slopes * slopes[:, None]
        return 0.5 * squares / np.maximum(1 - r**2, RIDGE)

    def linear_prediction(self, z: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Return the scores of these cells that a normal law predicts from the others."""
        x = self._linear(z)
        x[cells] = 0.0
        within = self.precision[np.ix_(cells, cells)]
        return -np.linalg.solve(within, self.precision[cells] @ x)

    def snap(self, j: int, score: float) -> int:
        """Return a row that holds the value of column j that is nearest to a normal score."""
        return int(self.levels[j][np.abs(self.scores[self.levels[j], j] - score).argmin()])

    def nearest(self, z: np.ndarray, squares: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Return rows that are nearest but for these cells, and hold other values in them all."""
        far = squares.sum(axis=1) - squares[:, cells].sum(axis=1)
        theirs = self.scores[:, cells]
        rows = np.flatnonzero(~(np.isnan(theirs) | (theirs == z[cells])).any(axis=1))
        n = min(N_NEAREST, len(rows))
        if n < len(rows):
            rows = rows[np.argpartition(far[rows], n)[:n]]
        return rows[np.argsort(far[rows], kind="stable")]

    def candidates(self, z: np.ndarray, squares: np.ndarray, j: int) -> list[int]:
        """Return rows of which each holds another value for a cell, the most promising first.

        Parameters
        ----------
        z : ndarray of shape (n_features,)
            A row as normal scores.
        squares : ndarray of shape (n_donors, n_features)
            Its `squares`.
        j : int
            The column of the cell.
        """
        nearest = self.nearest(z, squares, np.array([j]))
        theirs = self.scores[nearest, j]
        if len(nearest) == 0:
            return []
        if self.categorical[j]:
            votes = np.bincount(theirs.astype(int), minlength=len(self.levels[j]))
            shares = np.diff(self.counts[j], prepend=0) / self.counts[j][-1]
            ranked = np.argsort(-(votes + shares), kind="stable")
            return [int(self.levels[j][code]) for code in ranked if code != z[j]]
        by_value = nearest[np.argsort(theirs, kind="stable")]
        [prediction] = self.linear_prediction(z, np.array([j]))
        n = len(by_value)
        rows = [self.snap(j, prediction), by_value[n // 2], nearest[0], by_value[n // 4]]
        rows += [by_value[n - 1 - n // 4], self.typical[j]]
        different = {self.scores[i, j]: int(i) for i in reversed(rows)}
        kept = [different[score] for score in dict.fromkeys(self.scores[rows, j])]
        return [i for i in kept if self.scores[i, j] != z[j]]

    def suspicious(
        self, z: np.ndarray, squares: np.ndarray, free: np.ndarray, n_cells: int
    ) -> list[int]:
        """Return the cells that look wrong: to a normal law, or beside the nearest rows.

        Parameters
        ----------
        z : ndarray of shape (n_features,)
            A row as normal scores.
        squares : ndarray of shape (n_donors, n_features)
            Its `squares`.
        free : ndarray of bool, shape (n_features,)
            Cells that may be wrong.
        n_cells : int
            How many to return, at most.
        """
        cells = np.flatnonzero(free)
        if len(cells) <= n_cells:
            return cells.tolist()
        by_law = cells[np.argsort(-self.linear_gains(z)[cells], kind="stable")]
        unlike = self._unlike_nearest(squares)
        by_rows = cells[np.argsort(-unlike[cells], kind="stable")]
        merged = np.column_stack([by_law, by_rows]).ravel()
        return list(dict.fromkeys(merged.tolist()))[:n_cells]

    def suspicious_pairs(
        self,
        z: np.ndarray,
        squares: np.ndarray,
        free: np.ndarray,
        n_linear: int,
        n_suspects: int,
    ) -> list[tuple[int, int]]:
        """Return pairs of cells that look wrong together.

        Parameters
        ----------
        z, squares, free
            As `suspicious` takes them.
        n_linear : int
            How many pairs to return by which a normal law would gain most.
        n_suspects : int
            Of how many cells, those that are most unlike the nearest rows, to return all pairs.
        """
        cells = np.flatnonzero(free)
        gains = self.linear_gains_of_pairs(z)[np.ix_(cells, cells)]
        gains = np.where(np.tri(len(cells), dtype=bool), -np.inf, gains).ravel()  # each pair once
        n_linear = min(n_linear, len(cells) * (len(cells) - 1) // 2)
        best = np.argpartition(-gains, n_linear)[:n_linear] if n_linear else np.empty(0, dtype=int)
        best = best[np.argsort(-gains[best], kind="stable")]
        pairs = [(int(cells[i // len(cells)]), int(cells[i % len(cells)])) for i in best]
        unlike = self._unlike_nearest(squares)
        suspects = sorted(cells[np.argsort(-unlike[cells], kind="stable")[:n_suspects]].tolist())
        return list(dict.fromkeys([*pairs, *combinations(suspects, 2)]))

    def _unlike_nearest(self, squares: np.ndarray) -> np.ndarray:
        """Return the mean squared difference of each cell from the nearest rows."""
        far = squares.sum(axis=1)
        n = min(N_NEAREST, len(far) - 1)
        return squares[np.argpartition(far, n)[: n + 1]].mean(axis=0)


def _holds_numbers(x: np.ndarray) -> bool:
    if x.dtype.kind in "biufmM":
        return True
    known = x[~pd.isna(x)]
    return bool(
        x.dtype == object
        and all(isinstance(cell, (int, float, np.number)) for cell in known)
        and not all(isinstance(cell, (bool, np.bool_)) for cell in known)
    )


def _numbers(x: np.ndarray) -> np.ndarray:
    """Return cells as numbers; what is none, in a column of numbers, is beyond all of them."""
    if x.dtype.kind in "biuf":
        return x.astype(np.float64)
    if x.dtype.kind in "mM":
        return x.astype(f"{x.dtype.kind}8[us]").astype(np.int64).astype(np.float64)
    return pd.to_numeric(pd.Series(x), errors="coerce").fillna(np.inf).to_numpy(np.float64)
