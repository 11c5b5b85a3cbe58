"""What a density is conditional on: columns of a table as the context of a flow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..table.column_kinds import Kind, find_columns, standardised_column
from ..table.cycles import Cycles
from ..table.flow_space import Columns

FAR = 20.0  # standard deviations at which values are cut: networks make nothing of farther ones


@dataclass(frozen=True, eq=False)
class ContextEncoder:
    """Turns rows of a table into standardised numbers and indicators.

    Categories become indicators, and so do missing cells, of which `learn` must have seen some in
    the column; elsewhere a missing cell counts as the mean.

    Attributes
    ----------
    columns : Columns
        The way of each column to standardised numbers and indicators of categories.
    missing_columns : ndarray of bool
        Which of these get an indicator of missing cells.
    """

    columns: Columns
    missing_columns: np.ndarray

    @classmethod
    def learn(
        cls,
        N: np.ndarray,
        weights: np.ndarray,
        n_categories: Sequence[int | None],
        cycles: Mapping[int, Cycles] | None = None,
        declared: Mapping[int, Kind] | None = None,
    ) -> ContextEncoder:
        """The encoder of a table's columns.

        Parameters
        ----------
        N : ndarray of shape (n_rows, n_features)
            Numbers, and codes of categories; NaN where a cell is missing.
        weights : ndarray of shape (n_rows,)
        n_categories : sequence of int or None
            For each column; None if it holds numbers.
        cycles : mapping, default=None
            What cycles of the calendar columns of dates are in, by position.
        declared : mapping, default=None
            Positions of columns to their kinds: those on circles become cosines and sines.
        """
        columns = find_columns(standardised_column, N, weights, n_categories, declared, cycles)
        return cls(columns, np.isnan(columns.to_flow(N)).any(axis=0))

    def encode(self, N: np.ndarray) -> np.ndarray:
        """The context of each row, float64, shape (n_rows, n_context); it has no missing cell."""
        Z = self.columns.to_flow(N)
        missing = np.isnan(Z)
        numbers = np.where(missing, 0.0, np.clip(Z, -FAR, FAR))
        return np.hstack([numbers, missing[:, self.missing_columns]])
