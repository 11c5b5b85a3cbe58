"""Rows that a model draws or fills, written as the user's table has them."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ..table.rounding import Decimals
from .model import Model
from .rows import Rows


@dataclass
class Filler:
    """Fills the missing cells of a table, a block of rows at a time.

    Attributes
    ----------
    model : Model
    seed : int
        Of the draws of the first block; the others have seeds that follow from it.
    is_text : bool
        Whether the rows are written as text, in which cells stay as they were written.
    n_rows, n_filled : int
        How many rows there were, and how many cells of them were filled.
    """

    model: Model
    seed: int
    is_text: bool
    n_rows: int = 0
    n_filled: int = 0
    _rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)

    def filled(self, rows: Rows) -> pd.DataFrame:
        """Return all columns of the file, with the missing cells of the model's ones filled."""
        seed = self.seed if self.n_rows == 0 else int(self._rng.integers(2**32))
        missing = rows.X.isna()
        codec = self.model.codec
        if missing.any(axis=None) and (codec is None or not codec.has_missing):
            name = missing.any().idxmax()
            raise ValueError(
                f"column {name!r} has missing cells, and the table of {self.model.name} had none, "
                "from which to learn what is to be filled: leave the model out, or fit one to a "
                "table that has."
            )
        self.n_rows += len(rows.X)
        self.n_filled += int(missing.to_numpy().sum())
        estimator = self.model.estimator.set_output(transform="pandas")
        X = as_written(estimator.impute(rows.X, random_state=seed), self.model)
        kept_text = rows.is_text and self.is_text
        columns = {}
        for name, cells in rows.cells.items():
            columns[name] = cells
            if name in X:
                is_plain = name not in self.model.conventions.marks
                columns[name] = _together(cells, X[name], missing[name], kept_text and is_plain)
        filled = pd.DataFrame(columns, index=rows.cells.index)
        if filled.index.name is not None:  # it names the rows
            filled.insert(0, filled.index.name, filled.index)
        return filled


def _together(cells: pd.Series, values: pd.Series, missing: pd.Series, is_kept: bool) -> pd.Series:
    """Return a column as it was written, with values where it was missing; or all its values."""
    if not is_kept:
        return values
    return cells.astype(object).where(~missing, values.astype(object))


def as_written(rows: pd.DataFrame, model: Model) -> pd.DataFrame:
    """Return rows with whole numbers where the table of the model has none but such."""
    schema = model.estimator.codec_.schema
    whole = {}
    for j, grid in enumerate(model.estimator.constraints_.grids):
        name = model.columns[j]
        is_whole = isinstance(grid, Decimals) and grid.n == 0
        timeline = schema.timelines[j]
        is_date = timeline is not None and timeline.form == "integer"
        if (is_whole or is_date) and pd.api.types.is_float_dtype(rows[name].dtype):
            whole[name] = _whole(rows[name])
    return rows.assign(**whole)


def _whole(column: pd.Series) -> pd.Series:
    """Return floats as integers, if they are such."""
    numbers = column.to_numpy(np.float64, na_value=np.nan)
    kept = numbers[~np.isnan(numbers)]
    if len(kept) and (np.abs(kept).max() >= 2**53 or (kept != np.round(kept)).any()):
        return column
    return column.astype("Int64")
