"""The cells of a column as values of the kind that they are known to be.

`numbers.convert_column` finds out from a whole column what it holds. Here that is known, from a
file that was read before, so that a cell has the same value in any block of rows.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .._date_text import DateText
from .numbers import LEVEL, WORDS, bare, is_placeholder, parse_number, sentinels_in

TRUTH = {"True": True, "TRUE": True, "true": True, "False": False, "FALSE": False, "false": False}


@dataclass(frozen=True)
class ExpectedColumn:
    """What the cells of a column are to be.

    Attributes
    ----------
    kind : {"numbers", "truth values", "dates", "text"} or None
        None leaves cells as the file has them.
    categories : frozenset, default=frozenset()
        Texts that are values, though they look like a missing cell.
    mark : {".", ","}, default="."
        What marks decimals.
    is_plain : bool, default=True
        Whether numbers have nothing but digits, a sign, and a mark of decimals.
    missing : tuple of str, default=()
        What stands for a missing cell, beside what always does.
    dates : DateText or None, default=None
        The format of text that is dates or times.
    """

    kind: str | None
    categories: frozenset = frozenset()
    mark: str = "."
    is_plain: bool = True
    missing: tuple[str, ...] = ()
    dates: DateText | None = None


def as_expected(column: pd.Series, expected: ExpectedColumn) -> pd.Series:
    """Return a column with values of the kind that is expected, where its cells are text.

    Raises
    ------
    ValueError
        If a text is no number, or no date, where such are expected.
    """
    column = column.mask(column.isin(sentinels_in(column, expected.missing)))
    is_category = isinstance(column.dtype, pd.CategoricalDtype)
    if is_category or (column.dtype.kind not in "OUTS" and expected.kind != "text"):
        return column
    read = READERS.get(expected.kind or "")
    return column if read is None else read(column, expected)


def _numbers(column: pd.Series, expected: ExpectedColumn) -> pd.Series:
    cells = column.to_numpy(object)
    numbers = np.full(len(cells), np.nan)
    if expected.is_plain:
        numbers = _plain_numbers(cells, expected.mark)
    left = np.isnan(numbers) & ~pd.isna(cells)
    parsed: dict[object, float] = {}
    for i in np.flatnonzero(left):
        if cells[i] not in parsed:
            number = _number(str(cells[i]).strip(), expected.mark)
            if number is None:
                raise _unlike(column, int(i), "numbers")
            parsed[cells[i]] = number
        numbers[i] = parsed[cells[i]]
    return pd.Series(numbers, column.index, name=column.name)


def _plain_numbers(cells: np.ndarray, mark: str) -> np.ndarray:
    """Return plain numbers as pandas reads them in files, and NaN for other cells."""
    if mark == ",":
        swap = str.maketrans(",.", ".,")
        cells = np.array([c.translate(swap) if isinstance(c, str) else c for c in cells], object)
    numbers = pd.to_numeric(pd.Series(cells, dtype=object), errors="coerce")
    return np.array(numbers, dtype=np.float64)


def _number(text: str, mark: str) -> float | None:
    """Return the number that a text means, NaN for a missing cell, None if it is something else."""
    if text == "" or is_placeholder(text) or text.casefold() in WORDS:
        return np.nan
    found = parse_number(bare(text), mark)
    return None if found is None else found[0]


def _truth_values(column: pd.Series, expected: ExpectedColumn) -> pd.Series:
    cells = _without_placeholders(column.astype(object), frozenset())
    return cells.map(lambda cell: TRUTH.get(cell, cell), na_action="ignore")


def _dates(column: pd.Series, expected: ExpectedColumn) -> pd.Series:
    cells = _without_placeholders(column.astype(object), frozenset())
    if not cells.dropna().map(lambda cell: isinstance(cell, str)).all():
        return cells
    dates = pd.to_datetime(cells, format="ISO8601", errors="coerce")
    wrong = np.flatnonzero(dates.isna() & cells.notna())
    if len(wrong):
        raise _unlike(column, int(wrong[0]), "dates")
    return dates


def _text(column: pd.Series, expected: ExpectedColumn) -> pd.Series:
    cells = _without_placeholders(column.astype(object).map(_as_text), expected.categories)
    if expected.dates is not None:
        texts = np.flatnonzero(cells.map(lambda cell: isinstance(cell, str)))
        wrong = texts[np.isnat(expected.dates.parse(cells.to_numpy()[texts]))]
        if len(wrong):
            raise _unlike(column, int(wrong[0]), expected.dates.words)
    return cells


def _as_text(cell: object) -> object:
    """Return a number as text; of others, no blanks at the ends."""
    if isinstance(cell, str):
        return cell.strip()
    is_number = isinstance(cell, int | float | np.number) and not isinstance(cell, bool)
    return f"{cell:.15g}" if is_number and cell == cell else cell


def _without_placeholders(cells: pd.Series, categories: frozenset) -> pd.Series:
    texts = [cell for cell in cells.dropna().unique() if isinstance(cell, str)]
    placeholders = [
        text
        for text in texts
        if is_placeholder(text.strip()) and text.casefold() != LEVEL and text not in categories
    ]
    return cells.mask(cells.isin(placeholders))


READERS: dict[str, Callable[[pd.Series, ExpectedColumn], pd.Series]] = {
    "numbers": _numbers,
    "truth values": _truth_values,
    "dates": _dates,
    "text": _text,
}


def _unlike(column: pd.Series, position: int, quantity: str) -> ValueError:
    return ValueError(
        f"column {column.name!r} should hold {quantity}, and holds {column.iloc[position]!r} in "
        f"row {column.index[position]}: correct it, or say that it stands for a missing cell "
        "(missing)."
    )
