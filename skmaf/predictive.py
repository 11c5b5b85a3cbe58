"""Distributions of one number for each row, as weighted points: means, quantiles, and how central a number is."""

import numpy as np


class Points:
    """A distribution for each row.

    Parameters
    ----------
    values, weights : ndarray of shape (n_rows, n_points)
        Weights of a row sum to 1.
    is_discrete : bool
        Whether the points are all there is; otherwise they stand for the numbers about them, too.
    """

    def __init__(self, values, weights, is_discrete):
        order = values.argsort(axis=1)
        self.values, self.weights = (np.take_along_axis(a, order, axis=1) for a in (values, weights))
        self.is_discrete = is_discrete
        self._upto = self.weights.cumsum(axis=1)
        self._middles = self._upto - self.weights / 2

    def means(self):
        """Mean of each row."""
        return (self.values * self.weights).sum(axis=1)

    def quantiles(self, levels):
        """Quantiles of each row at the levels, shape (n_levels,) for all rows alike, shape (n_rows, n_levels)."""
        if not self.is_discrete:
            return np.stack([np.interp(levels, own, values) for own, values in zip(self._middles, self.values)])
        places = np.stack([np.searchsorted(own, levels - 1e-9) for own in self._upto])
        return np.take_along_axis(self.values, np.minimum(places, self.values.shape[1] - 1), axis=1)

    def excess(self, y):
        """By how much a central interval must reach beyond the median, in probability, to hold the number ``y`` of each row."""
        if not self.is_discrete:
            return np.abs(np.array([np.interp(*each) for each in zip(y, self.values, self._middles)]) - 0.5)
        upto = (self.weights * (self.values <= y[:, None])).sum(axis=1)
        before = (self.weights * (self.values < y[:, None])).sum(axis=1)
        return np.maximum(0, np.maximum(0.5 - upto, before - 0.5))
