"""The cells of one column: their types, their numbers, and the codes of categories."""

from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from numbers import Complex, Real

import numpy as np
import pandas as pd

from .rare import RareCategories, group_rare

# the first that fits counts: to Python a truth value is a number, and to NumPy a time span is one
CELL_TYPES: dict[str, tuple[type, ...]] = {
    "truth values": (bool, np.bool_),
    "dates": (date, np.datetime64, pd.Period),
    "times": (time,),
    "durations": (timedelta, np.timedelta64),
    "numbers": (Real, Decimal),
    "complex numbers": (Complex,),
    "text": (str, bytes),
}
TIMELIKE = {"dates", "times", "durations"}


@dataclass(frozen=True)
class NewCategories:
    """A finding: a column holds categories that it did not hold in `fit`.

    Attributes
    ----------
    column : str
        What messages call the column.
    categories : list
    """

    column: str
    categories: list

    @property
    def message(self) -> str:
        """What to tell the user."""
        shown = ", ".join(map(repr, self.categories[:3]))
        more = ", ..." if len(self.categories) > 3 else ""
        return (
            f"{self.column} holds {shown}{more}, which fit did not see: such cells count as new "
            "values."
        )


def read_cells(column: pd.Series, label: str) -> tuple[np.ndarray, set[str]]:
    """Return the cells of a column, and the types of these.

    Parameters
    ----------
    column : Series
    label : str
        What messages call the column.

    Returns
    -------
    cells : ndarray of shape (n,)
        Floats with NaN where all cells are numbers, and otherwise objects.
    cell_types : set of str
        Names in `CELL_TYPES`; none for a column without values.
    """
    if column.dtype.kind in "iuf":
        is_single = column.dtype.name.lower() == "float32"
        cells = column.to_numpy(np.float32 if is_single else np.float64, na_value=np.nan)
        cell_types = set() if np.isnan(cells).all() else {"numbers"}
    else:
        cells = column.to_numpy(object)
        missing = pd.isna(cells)
        cell_types = types_of(cells[~missing])
        if not isinstance(column.dtype, pd.CategoricalDtype):
            _refuse_types(cell_types, label)
        if cell_types <= {"numbers"}:
            cells = np.where(missing, np.nan, cells).astype(np.float64)
    if cell_types <= {"numbers"}:
        check_finite(cells[:, None], [label])
    return cells, cell_types


def types_of(values: np.ndarray) -> set[str]:
    """Return the names of all types of cells among ``values``."""
    return {_type_name(cell_type) for cell_type in set(map(type, values))}


def _type_name(cell_type: type) -> str:
    for name, types in CELL_TYPES.items():
        if issubclass(cell_type, types):
            return name
    return f"cells of type {cell_type.__name__}"


def _refuse_types(cell_types: set[str], label: str) -> None:
    for name in sorted(cell_types - CELL_TYPES.keys()):
        raise TypeError(f"{label} holds {name}: argument must be a string or a number.")
    if cell_types & TIMELIKE and len(cell_types) > 1:
        raise ValueError(
            f"{label} holds {' and '.join(sorted(cell_types))}: give all of its cells one kind, "
            "and leave those empty that have none."
        )
    if "complex numbers" in cell_types:
        raise ValueError(f"Complex data not supported: {label} holds complex numbers.")


def check_finite(table: np.ndarray, labels: list[str]) -> None:
    """Refuse infinite cells, by the column that holds most of them."""
    counts = np.isinf(table).sum(axis=0)
    if counts.any():
        j = int(counts.argmax())
        raise ValueError(
            f"{labels[j]} contains inf in {counts[j]} of {len(table)} rows: replace it or drop "
            "those rows."
        )


def learn_categories(
    column: pd.Series, cells: np.ndarray, is_declared: bool
) -> tuple[pd.Index | None, RareCategories | None]:
    """Return the categories of a column in the order of their codes, and those that are too rare.

    None and None for a column of numbers.
    """
    has_list = isinstance(column.dtype, pd.CategoricalDtype)
    is_numbers = cells.dtype != object
    if is_numbers and not is_declared and not has_list:
        return None, None
    present = cells[~pd.isna(cells)]
    if has_list:
        values = column.cat.categories
    else:
        values = sorted(pd.unique(present), key=None if is_numbers else str)
    kept, rare = group_rare(values, present, is_declared)
    return pd.Index(kept, dtype=np.float64 if types_of(values) == {"numbers"} else object), rare


def encode_cells(
    cells: np.ndarray, categories: pd.Index, label: str
) -> tuple[np.ndarray, list[NewCategories]]:
    """Return the codes of cells, NaN where a cell is missing, and findings.

    A value that is no category has the code after the last one.
    """
    codes = np.full(len(cells), np.nan)
    present = ~pd.isna(cells)
    codes[present] = categories.get_indexer(pd.Index(cells[present], dtype=categories.dtype))
    is_new = codes == -1
    if not is_new.any():
        return codes, []
    codes[is_new] = len(categories)
    return codes, [NewCategories(label, pd.unique(cells[is_new]).tolist())]


def decode_cells(
    numbers: np.ndarray,
    categories: pd.Index | None,
    rare: RareCategories | None,
    rng: np.random.RandomState,
) -> np.ndarray:
    """Return the values of a column from numbers or codes: floats with NaN, objects with None.

    Where the code is that of the rare categories one of them is drawn.
    """
    if categories is None:
        return numbers
    values = np.full(len(numbers), None, dtype=object)  # None, too, for what `fit` did not see
    known = numbers < len(categories)
    values[known] = categories.to_numpy(object)[numbers[known].astype(int)]
    is_rare = numbers == len(categories)
    if rare is not None and is_rare.any():
        values[is_rare] = rare.draw(int(is_rare.sum()), rng)
    return values if categories.dtype == object else values.astype(np.float64)
