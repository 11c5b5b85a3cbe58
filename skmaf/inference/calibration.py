"""Conformal calibration: what a score means, from the scores of rows that took no part in the fit.

A new row from the same source as the calibration rows is as likely as each of these to have the lowest score. Its p-value, the
share of rows, itself included, that score no higher, is therefore at most ``a`` with probability at most ``a``: for finite
samples, whatever the density is worth [1]_. Where rows are few each takes its turn, fold by fold, and a new row is compared
with the rows of a fold by the density that was fitted without them [2]_. The worst case is then a probability of 2 ``a``, which
folds of stable densities do not come near.

References
----------
.. [1] Bates, Candes, Lei, Romano and Sesia (2023). Testing for outliers with conformal p-values. Annals of Statistics 51.
.. [2] Barber, Candes, Ramdas and Tibshirani (2021). Predictive inference with the jackknife+. Annals of Statistics 49.
"""

import math

import numpy as np


class Calibration:
    """Scores of calibration rows, by the density of each fold that was fitted without them.

    Parameters
    ----------
    scores : list of ndarray of shape (n_rows_of_the_fold,)
    weights : list of ndarray, of the same shapes
        Weights of the rows; with mean 1 over all of them.
    """

    def __init__(self, scores, weights):
        orders = [np.argsort(s) for s in scores]
        self.scores = [s[order] for s, order in zip(scores, orders)]
        self._weights = [w[order] for w, order in zip(weights, orders)]
        self._below = [np.concatenate([[0.0], np.cumsum(w)]) for w in self._weights]
        self.total = sum(below[-1] for below in self._below)

    def p_values(self, scores):
        """P-values of rows from their scores by the density of each fold, shape (n_folds, n).

        Returns
        -------
        p_values : ndarray of shape (n,)
            In (0, 1]; no smaller than 1 / (number of calibration rows + 1).
        """
        counts = sum(
            below[np.searchsorted(own, s, side="right")]
            for own, below, s in zip(self.scores, self._below, scores)
        )
        return (counts + 1) / (self.total + 1)

    @property
    def finest_rate(self):
        """The lowest false-alarm rate that the rows can tell from 0."""
        return 1 / (self.total + 1)

    def threshold(self, rate):
        """The highest score that a new row falls below with probability at most ``rate``, or `finest_rate` if that is more."""
        scores = np.concatenate(self.scores)
        order = np.argsort(scores)
        weights = np.concatenate(self._weights)[order]
        allowed = math.floor(1e-9 + max(rate, self.finest_rate) * (self.total + 1))
        return float(
            scores[order][np.searchsorted(np.cumsum(weights), allowed + 1e-9, side="right") - 1]
        )
