"""Conformal calibration: what a score means, from scores of rows that took no part in the fit.

A new row from the same source as the calibration rows is as likely as each of these to have the
lowest score. Its p-value, the share of rows, itself included, that score no higher, is therefore at
most ``a`` with probability at most ``a``: for finite samples, and however poor the density is [1]_.
Where rows are few each of them calibrates, fold by fold: a new row is compared with the rows of a
fold by the density that was fitted without them [2]_. The probability is then at most 2 ``a``, and
folds of stable densities do not come near that bound.

References
----------
.. [1] Bates, Candes, Lei, Romano and Sesia (2023). Testing for outliers with conformal p-values.
   Annals of Statistics 51.
.. [2] Barber, Candes, Ramdas and Tibshirani (2021). Predictive inference with the jackknife+.
   Annals of Statistics 49.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

ROUNDING = 1e-9  # sums of weights that differ by less are the same


@dataclass(frozen=True, eq=False)
class Calibration:
    """Scores of calibration rows, for each fold by the density that was fitted without its rows.

    Attributes
    ----------
    scores : sequence of ndarray of shape (n_rows_of_the_fold,)
        For each fold; in rising order, in whatever order they were given.
    weights : sequence of ndarray of the same shapes
        Weights of the rows, with mean 1 over all folds.
    """

    scores: Sequence[np.ndarray]
    weights: Sequence[np.ndarray]

    def __post_init__(self) -> None:
        orders = [np.argsort(scores) for scores in self.scores]
        scores = tuple(scores[order] for scores, order in zip(self.scores, orders))
        weights = tuple(weights[order] for weights, order in zip(self.weights, orders))
        object.__setattr__(self, "scores", scores)
        object.__setattr__(self, "weights", weights)

    @cached_property
    def _cumulative(self) -> list[np.ndarray]:
        """For each fold the total weight of the lowest 0, 1, ... rows."""
        return [np.concatenate([[0.0], np.cumsum(weights)]) for weights in self.weights]

    @property
    def total(self) -> float:
        """The total weight of the rows."""
        return sum(cumulative[-1] for cumulative in self._cumulative)

    @property
    def finest_rate(self) -> float:
        """The lowest false-alarm rate that the rows can tell from 0."""
        return 1 / (self.total + 1)

    def p_values(self, scores: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """Return conformal p-values of rows.

        Parameters
        ----------
        scores : sequence of ndarray, shape (n_folds, n)
            Scores of the rows by the density of each fold.

        Returns
        -------
        p_values : ndarray of shape (n,)
            In (0, 1]; no smaller than 1 / (number of calibration rows + 1).
        """
        no_higher = sum(
            cumulative[np.searchsorted(of_fold, of_rows, side="right")]
            for of_fold, cumulative, of_rows in zip(self.scores, self._cumulative, scores)
        )
        return (no_higher + 1) / (self.total + 1)

    def threshold(self, rate: float) -> float:
        """Return the highest score that a new row falls below with probability at most ``rate``.

        A rate below `finest_rate` counts as that.
        """
        scores = np.concatenate(self.scores)
        order = np.argsort(scores)
        cumulative = np.cumsum(np.concatenate(self.weights)[order])
        allowed = math.floor(ROUNDING + max(rate, self.finest_rate) * (self.total + 1))
        n_allowed = np.searchsorted(cumulative, allowed + ROUNDING, side="right")
        # the row of the lowest score alone may weigh more than is allowed: none is below it
        return float(scores[order][max(int(n_allowed) - 1, 0)])
