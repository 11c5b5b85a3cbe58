"""The form of a user's table: names, container, dtypes and categories."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from .cells import decode_cells
from .cycles import Cycles
from .frames import ARRAY, container_of, stack_columns, write_frame
from .rare import RareCategories
from .timeline import Timeline


@dataclass(frozen=True, eq=False)
class Schema:
    """The form of the table that `fit` saw, to read others like it and to write one.

    Attributes
    ----------
    names : list or None
        Names of the columns.
    container : str
        "array", "pandas", "polars", or what else narwhals calls the library of a data frame.
    dtypes : list
        Of the columns; those of an array are all the same.
    categories : list of Index or None
        The values of each column in the order of their codes, or None for a column of numbers.
    cell_types : list of set
        What the cells of each column may be, among the names of `CELL_TYPES`.
    timelines : list of Timeline or None
        How the dates, times or durations of each column are numbered, None where it has none.
    rare : list of RareCategories or None
        The categories of each column that count as one, which has the code after the last.
    """

    names: list | None
    container: str
    dtypes: list
    categories: list
    cell_types: list
    timelines: Sequence[Timeline | None]
    rare: Sequence[RareCategories | None]

    @classmethod
    def blank(cls, X: Any) -> "Schema":
        """Return the schema of a table of numbers, before anything is learned from its cells."""
        container = container_of(X)
        n_columns = X.shape[1]
        unknown: list = [None] * n_columns
        numbers = [{"numbers"} for _ in range(n_columns)]
        if container == ARRAY:
            return cls(None, container, [X.dtype] * n_columns, unknown, numbers, unknown, unknown)
        if container == "pandas":
            dtypes = list(X.dtypes)
            return cls(list(X.columns), container, dtypes, unknown, numbers, unknown, unknown)
        schema = nw.from_native(X).schema
        dtypes = list(schema.dtypes())
        return cls(list(schema.names()), container, dtypes, unknown, numbers, unknown, unknown)

    @property
    def n_categories(self) -> list[int | None]:
        """How many categories each column has, None for one of numbers."""
        return [
            None if known is None else len(known) + (rare is not None)
            for known, rare in zip(self.categories, self.rare)
        ]

    @property
    def cycles(self) -> dict[int, Cycles]:
        """What cycles of the calendar columns of dates are in, by position."""
        return {
            j: timeline.cycles
            for j, timeline in enumerate(self.timelines)
            if timeline is not None and timeline.cell_type != "durations"
        }

    @property
    def periods(self) -> dict[int, tuple[str, float]]:
        """The kind of columns of times of day, by position: midnight comes again."""
        return {
            j: ("periodic", timeline.day)
            for j, timeline in enumerate(self.timelines)
            if timeline is not None and timeline.cell_type == "times" and timeline.day
        }

    def label(self, j: int) -> str:
        """Return what messages call a column."""
        return f"Column {j}" if self.names is None else f"Column {self.names[j]!r}"

    def decode(self, j: int, numbers: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
        """Return the values of a column from its numbers or codes; rare categories are drawn."""
        timeline = self.timelines[j]
        if timeline is not None:
            return timeline.decode(numbers)
        return decode_cells(numbers, self.categories[j], self.rare[j], rng)

    def write(
        self, N: np.ndarray, container: str | None = None, rng: np.random.RandomState | None = None
    ) -> Any:
        """Return a matrix of numbers in the form of the user's table.

        Parameters
        ----------
        N : ndarray of shape (n, n_features)
            NaN where a cell is missing, and codes for categories.
        container : str, default=None
            Another container than that of the table; dtypes then follow from the values.
        rng : RandomState, default=None
            Draws rare categories; by default always the same ones.
        """
        container = container or self.container
        N = np.asarray(N, dtype=np.float64)
        rng = rng or np.random.RandomState(0)
        columns = [self.decode(j, numbers, rng) for j, numbers in enumerate(N.T)]
        names = self.names or [f"x{j}" for j in range(len(columns))]
        is_same = container == self.container
        dtypes = self.dtypes if is_same else [None] * len(columns)
        if container == "pandas":
            series = [_to_pandas(*column) for column in zip(columns, dtypes)]
            return pd.DataFrame(dict(enumerate(series))).set_axis(names, axis=1)
        if container != ARRAY:
            fitting = [_within(*column) for column in zip(columns, dtypes)]
            return write_frame(container, dict(zip(names, fitting)), dtypes)
        table = stack_columns(columns)
        dtype = self.dtypes[0]
        has_form = dtype.name in ("bool", "float32") or dtype.kind in "mM"
        return _within(table, dtype).astype(dtype) if has_form else table


def _within(values: np.ndarray, dtype: Any) -> np.ndarray:
    """Return values within what a dtype of numbers can hold, rounded for one of integers."""
    name = str(dtype).lower()
    if values.dtype.kind == "f" and name in ("float16", "float32"):
        largest = float(np.finfo(name).max)
        return np.clip(values, -largest, largest)
    if decimal := re.match(r"decimal\w*\((?:precision=)?(\d+), (?:scale=)?(\d+)\)", name):
        precision, scale = map(int, decimal.groups())
        bound = 10.0 ** (precision - scale)
        highest = min(bound - 10.0**-scale, np.nextafter(bound, 0))
        return np.clip(values, -highest, highest)
    match = re.match(r"(u?)int(\d+)", name)
    if match is None:
        return values
    is_signed = not match[1]
    bound = 2.0 ** (int(match[2]) - is_signed)
    # the bound itself would wrap around, and as a float 2**63 - 1 is 2**63
    highest = np.floor(np.nextafter(bound, 0))
    return np.clip(np.rint(values), -bound if is_signed else 0.0, highest)


def _to_pandas(values: np.ndarray, dtype: Any) -> Any:
    if isinstance(dtype, pd.CategoricalDtype):
        codes = dtype.categories.astype(object).get_indexer(pd.Index(values, dtype=object))
        return pd.Categorical.from_codes(codes, dtype=dtype)
    cannot_miss = isinstance(dtype, np.dtype) and dtype.kind in "biu"
    return pd.Series(
        _within(values, dtype), dtype=None if cannot_miss and pd.isna(values).any() else dtype
    )
