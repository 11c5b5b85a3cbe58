"""Conformal calibration: what a score means, from scores of rows that took no part in it.

A new row from the same source as the calibration rows is as likely as each of these to have the
lowest score. Its p-value, the share of rows, itself included, that score no higher, is therefore at
most ``a`` with probability at most ``a``, however poor the density is, if one that saw none of the
rows scored them all [1]_. Here every row calibrates: each is scored by the densities of the folds
that left it out, and a new row by all of them [2]_. The probability may then differ by what one row
changes in a density, which is little; a simulation in the tests shows how little.

References
----------
.. [1] Bates, Candes, Lei, Romano and Sesia (2023). Testing for outliers with conformal p-values.
   Annals of Statistics 51.
.. [2] Vovk (2015). Cross-conformal predictors. Annals of Mathematics and Artificial Intelligence
   74.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

ROUNDING = 1e-9  # sums of weights that differ by less are the same
# scores that differ by less, for each nat of them or in all, tie: some estimators round a row that
# is alone in another way than one among others
TIE = 1e-7


@dataclass(frozen=True, eq=False)
class Calibration:
    """Scores of calibration rows, each by densities that were fitted without it.

    Attributes
    ----------
    scores : ndarray of shape (n_rows,)
        In rising order, in whatever order they were given.
    weights : ndarray of shape (n_rows,)
        Weights of the rows.
    """

    scores: np.ndarray
    weights: np.ndarray

    def __post_init__(self) -> None:
        order = np.argsort(self.scores, kind="stable")
        object.__setattr__(self, "scores", self.scores[order])
        object.__setattr__(self, "weights", self.weights[order])

    @cached_property
    def _cumulative(self) -> np.ndarray:
        """The total weight of the lowest 0, 1, ... rows."""
        return np.concatenate([[0.0], np.cumsum(self.weights)])

    @property
    def total(self) -> float:
        """The total weight of the rows."""
        return float(self._cumulative[-1])

    @property
    def finest_rate(self) -> float:
        """The lowest false-alarm rate that the rows can tell from 0."""
        return 1 / (self.total + 1)

    def p_values(self, scores: np.ndarray) -> np.ndarray:
        """Return conformal p-values of rows with these scores.

        They depend on the score alone, and do not fall where it rises.

        Returns
        -------
        p_values : ndarray of the shape of ``scores``
            In (0, 1]; no smaller than 1 / (number of calibration rows + 1).
        """
        highest = scores + tie_width(scores)
        no_higher = self._cumulative[np.searchsorted(self.scores, highest, side="right")]
        return (no_higher + 1) / (self.total + 1)

    def threshold(self, rate: float) -> float:
        """Return the highest score that a new row falls below with probability at most ``rate``.

        A rate below `finest_rate` counts as that.
        """
        allowed = math.floor(ROUNDING + max(rate, self.finest_rate) * (self.total + 1))
        n_allowed = np.searchsorted(self._cumulative[1:], allowed + ROUNDING, side="right")
        # the row of the lowest score alone may weigh more than is allowed: none is below it
        score = self.scores[max(int(n_allowed) - 1, 0)]
        return float(score - tie_width(score))

    def quantile(self, share: float) -> float:
        """Return the score below which a share of the rows lies, by weight.

        Of rows that tie there all are below or none, whichever is nearer to the share.
        """
        places = self._cumulative[:-1] / max(self.total - self.weights[-1], ROUNDING)
        score = float(np.interp(share, places, self.scores))
        width = float(tie_width(score))
        below = self._cumulative[np.searchsorted(self.scores, score - width, side="left")]
        up_to = self._cumulative[np.searchsorted(self.scores, score + width, side="right")]
        if below == up_to:
            return score
        return score + width if below + up_to < 2 * share * self.total else score - width


def tie_width(score: Any) -> Any:
    """Return how close to a score others tie with it."""
    return TIE * np.maximum(1.0, np.abs(score))
