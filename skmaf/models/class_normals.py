"""Normal distributions about the means of classes, of one covariance: linear discriminants."""

from dataclasses import dataclass

import numpy as np

from ..table.column_kinds import find_columns, standardised_column
from ..table.flow_space import Columns
from .gaussian import Gaussian
from .trend import Trend


@dataclass(frozen=True, eq=False)
class ClassNormals:
    """A normal distribution for each class, of standardised numbers and category indicators.

    Attributes
    ----------
    columns : Columns
    means : ndarray of shape (n_classes, n_values)
    errors : Gaussian or None
        The distribution of rows off the mean of their class; None if all columns are constant.
    """

    columns: Columns
    means: np.ndarray
    errors: Gaussian | None

    @classmethod
    def learn(
        cls, N: np.ndarray, weights: np.ndarray, indicators: np.ndarray, n_categories: list
    ) -> "ClassNormals":
        """Learn from rows of numbers and codes, and indicators of their classes."""
        columns = find_columns(standardised_column, N, weights, n_categories)
        Z = columns.to_flow(N)
        trend = Trend.learn(Z, indicators, weights)
        errors = None
        if columns.n_values:
            errors = Gaussian.learn(Z - trend.predict(indicators), weights)
        return cls(columns, trend.predict(np.eye(indicators.shape[1])), errors)

    def log_probs(self, N: np.ndarray) -> np.ndarray:
        """Return the log-density of each row in each class, up to what is the same in all."""
        if self.errors is None:
            return np.zeros((len(N), len(self.means)))
        Z = self.columns.to_flow(N)
        return np.column_stack([self.errors.log_prob(Z - mean) for mean in self.means])
