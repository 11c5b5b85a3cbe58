"""A linear trend of values in their context."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import RidgeCV

PENALTIES = np.geomspace(0.1, 1000, 9)  # of the regression, in rows


@dataclass(frozen=True, eq=False)
class Trend:
    """A linear function of the context for each value.

    Attributes
    ----------
    slopes : ndarray of shape (n_context, n_values)
    intercepts : ndarray of shape (n_values,)
    """

    slopes: np.ndarray
    intercepts: np.ndarray

    @classmethod
    def learn(cls, values: np.ndarray, context: np.ndarray, weights: np.ndarray) -> Trend:
        """A ridge regression of each value on the context, its strength chosen by rows left out.

        Parameters
        ----------
        values : ndarray of shape (n_rows, n_values)
            NaN where a value is missing: its row does not count for it.
        context : ndarray of shape (n_rows, n_context)
        weights : ndarray of shape (n_rows,)
        """
        slopes = np.zeros((context.shape[1], values.shape[1]))
        intercepts = np.zeros(values.shape[1])
        for j, present in enumerate(~np.isnan(values.T)):
            if present.sum() == 1:  # leaving it out leaves none
                intercepts[j] = values[present, j].item()
            elif present.any():
                regression = RidgeCV(PENALTIES)
                regression.fit(context[present], values[present, j], sample_weight=weights[present])
                slopes[:, j] = regression.coef_
                intercepts[j] = regression.intercept_
        return cls(slopes, intercepts)

    def predict(self, context: np.ndarray) -> np.ndarray:
        """The trend of each row, shape (n_rows, n_values)."""
        return context @ self.slopes + self.intercepts
