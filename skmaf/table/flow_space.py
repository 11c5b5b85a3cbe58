"""All columns of a table together: its rows to flow space and back.

What a row of flow space holds is said in `columns`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .column_text import column_text
from .columns import Column, PointMasses

MOST_SHOWN = 10  # columns that a representation tells of


@dataclass(frozen=True, eq=False, repr=False)
class Columns:
    """The columns of a table: its rows to flow space and back.

    Attributes
    ----------
    columns : sequence of Continuous, Constant, Discrete, PointMasses or OneHot
    """

    columns: Sequence[Column]

    def __repr__(self) -> str:
        """Say what each column is, in words, of the first ones."""
        told = [f"{j}: {column_text(each)}" for j, each in enumerate(self.columns[:MOST_SHOWN])]
        n_hidden = len(self.columns) - len(told)
        return f"Columns({'; '.join(told)}{f'; and {n_hidden:,} more' if n_hidden else ''})"

    @property
    def n_codes(self) -> int:
        """Dimensions of flow space that hold codes."""
        return sum(column.n_codes for column in self.columns)

    @property
    def n_values(self) -> int:
        """Dimensions of flow space that hold standardised values; they follow the codes."""
        return sum(column.n_values for column in self.columns)

    @cached_property
    def owners(self) -> np.ndarray:
        """The position of the column that each dimension of flow space belongs to."""
        positions = np.arange(len(self.columns))
        of_codes = positions.repeat([column.n_codes for column in self.columns])
        of_values = positions.repeat([column.n_values for column in self.columns])
        return np.concatenate([of_codes, of_values])

    @cached_property
    def are_measures(self) -> np.ndarray:
        """Which standardised values may lie anywhere on a scale, shape (n_values,)."""
        are_measures = np.array([column.is_measure for column in self.columns])
        return are_measures.repeat([column.n_values for column in self.columns])

    @property
    def discrete(self) -> list[Any]:
        """What has a code, in the order of the codes."""
        return [part for column in self.columns for part in column.coded]

    @property
    def presence_conditions(self) -> list[tuple[int, int]]:
        """For each standardised value, what decides whether it is there.

        The dimension of the code of its column, and the value of that code at which the
        standardised value is there; -1 and -1 if no code decides.
        """
        conditions = []
        for column, codes, _ in self._dimensions:
            if isinstance(column, PointMasses):
                conditions.append((codes.start, len(column.points)))
            else:
                conditions += [(-1, -1)] * column.n_values
        return conditions

    @cached_property
    def _dimensions(self) -> list[tuple[Column, slice, slice]]:
        """Each column with the dimensions of flow space of its codes and of its values."""
        dimensions = []
        next_code = 0
        next_value = self.n_codes
        for column in self.columns:
            codes = slice(next_code, next_code + column.n_codes)
            values = slice(next_value, next_value + column.n_values)
            dimensions.append((column, codes, values))
            next_code = codes.stop
            next_value = values.stop
        return dimensions

    def copies(self, N: np.ndarray) -> list[np.ndarray]:
        """Return the rows whose densities add up to those of rows: more than one for circles."""
        copies = [N]
        for j, column in enumerate(self.columns):
            parts = column.copies(N[:, j])
            if len(parts) > 1:
                copies = [_with_column(copy, j, part) for part in parts for copy in copies]
        return copies

    # numbers too far apart for a float are infinitely far apart, here and in all that follows
    @np.errstate(over="ignore")
    def to_flow(self, N: np.ndarray) -> np.ndarray:
        """Return rows in flow space.

        Parameters
        ----------
        N : ndarray of shape (n, n_columns)
            Numbers, and codes of categories; NaN where a cell is missing.

        Returns
        -------
        Z : ndarray of shape (n, n_codes + n_values), float64
        """
        Z = np.empty((len(N), self.n_codes + self.n_values))
        for x, (column, codes, values) in zip(_float64(N).T, self._dimensions):
            Z[:, codes] = column.codes(x)
            Z[:, values] = column.values(x)
        return Z

    @np.errstate(over="ignore")
    def steps(self, N: np.ndarray) -> np.ndarray:
        """Return the steps of the values of rows in flow space; those of codes are 0.

        Returns
        -------
        steps : ndarray of shape (n, n_codes + n_values)
            Or (1, n_codes + n_values) where all rows have the same.
        """
        parts = [column.steps(x) for x, column in zip(_float64(N).T, self.columns)]
        n_rows = max([1] + [len(part) for part in parts])
        steps = np.zeros((n_rows, self.n_codes + self.n_values))
        for part, (_, _, values) in zip(parts, self._dimensions):
            steps[:, values] = part
        return steps

    @np.errstate(over="ignore")
    def from_flow(self, Z: np.ndarray) -> np.ndarray:
        """Return rows of flow space, of which no cell is missing, as rows of numbers.

        Numbers are moved to their grids, and constants are put in place.
        """
        N = np.empty((len(Z), len(self.columns)))
        for j, (column, codes, values) in enumerate(self._dimensions):
            N[:, j] = column.back(Z[:, codes], Z[:, values])
        return N

    @np.errstate(over="ignore")
    def log_jacobian(self, N: np.ndarray) -> np.ndarray:
        """Return what takes log-densities in flow space to those in units of ``N``, shape (n,)."""
        total = np.zeros(len(N))
        for x, column in zip(_float64(N).T, self.columns):
            total += column.log_jacobian(x)
        return total


def _with_column(N: np.ndarray, j: int, x: np.ndarray) -> np.ndarray:
    """Return rows with other values in one column."""
    N = N.copy()
    N[:, j] = x
    return N


def _float64(N: np.ndarray) -> np.ndarray:
    return np.asarray(N, dtype=np.float64)
