"""Distributions of one number for each row, as weighted points: means, quantiles, and how central a number is."""

import numpy as np

TIE = 1e-9  # probabilities that differ by less are the same


class Points:
    """A distribution for each row.

    Parameters
    ----------
    values, weights : ndarray of shape (n_rows, n_points)
        Weights of a row sum to 1.
    is_discrete : bool
        Whether the points are all there is; otherwise they stand for the numbers about them, too.

    Notes
    -----
    Levels below 0 and above 1 have quantiles, too: half the width of all points further out for each unit. So there is always
    an interval that reaches a number beyond the points.
    """

    def __init__(self, values, weights, is_discrete):
        order = values.argsort(axis=1)
        self.values, self.weights = (
            np.take_along_axis(a, order, axis=1) for a in (values, weights)
        )
        self.is_discrete = is_discrete
        self._upto = self.weights.cumsum(axis=1)
        self._middles = self._upto - self.weights / 2
        self._ends = self.values[:, 0], self.values[:, -1]
        reach = self._ends[1] / 2 - self._ends[0] / 2
        self._reach = np.where(reach > 0, reach, 1.0)

    def means(self):
        """Mean of each row."""
        return (self.values * self.weights).sum(axis=1)

    def quantiles(self, levels):
        """Quantiles of each row at the levels, shape (n_levels,) for all rows alike, shape (n_rows, n_levels)."""
        beyond = np.outer(self._reach, levels - np.clip(levels, 0, 1))
        if not self.is_discrete:
            return beyond + np.stack(
                [np.interp(levels, own, values) for own, values in zip(self._middles, self.values)]
            )
        places = np.stack([np.searchsorted(own, levels - TIE) for own in self._upto])
        return beyond + np.take_along_axis(
            self.values, np.minimum(places, self.values.shape[1] - 1), axis=1
        )

    def excess(self, y):
        """By how much a central interval must reach beyond the median, in probability, to hold the number ``y`` of each row."""
        beyond = np.abs(y - np.clip(y, *self._ends)) / self._reach
        if self.is_discrete:
            upto = (self.weights * (self.values <= y[:, None])).sum(axis=1)
            before = (self.weights * (self.values < y[:, None])).sum(axis=1)
            inside = np.maximum(
                0, np.maximum(0.5 - upto, before - 0.5 + 2 * TIE)
            )  # beyond all that lies below
        else:
            inside = np.abs(
                np.array([np.interp(*each) for each in zip(y, self.values, self._middles)]) - 0.5
            )
        return np.where(beyond > 0, 0.5 + beyond, inside)
