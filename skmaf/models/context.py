"""What a density is conditional on: the columns of a table as the context of a flow."""

import numpy as np

from ..table.column_kinds import find_columns, smooth

FAR = 20.0  # standard deviations, at which a value is cut: what a network makes of such a one is no better


class Given:
    """Standardised numbers, indicators of categories, and indicators of missing cells where `fit` saw some.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Numbers, and codes of categories; NaN where a cell is missing.
    weights : ndarray of shape (n_samples,)
    n_categories : list of int or None
        For each column; None if it holds numbers.
    """

    def __init__(self, X, weights, n_categories):
        self.columns = find_columns(smooth, X, weights, n_categories)
        self.gappy = np.isnan(self.columns.to_flow(X)).any(axis=0)

    def __call__(self, X):
        """The context of each row, shape (n, n_given), float64."""
        Z = self.columns.to_flow(X)
        missing = np.isnan(Z)
        return np.hstack([np.where(missing, 0.0, np.clip(Z, -FAR, FAR)), missing[:, self.gappy]])
