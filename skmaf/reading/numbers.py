"""Numbers as people write them, and what they write where a cell is missing."""

import math
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from .._date_text import texts_but_dates

SIGNS = {"", "?", "-", "--", "---", "\u2013", "\u2014", ".", "..", "...", "*", "**", "***"}
ERRORS = {"#null!", "#n/a", "#na", "#div/0!", "#value!", "#ref!", "#num!", "1.#qnan", "-1.#ind"}
ABBREVIATIONS = {"n/a", "na", "n.a.", "nan", "-nan", "null", "nil", "none", "<na>"}
PLACEHOLDERS = SIGNS | ERRORS | ABBREVIATIONS
WORDS = {"unknown", "missing", "not available", "nd", "n.d.", "tba", "tbd"}  # among numbers
LEVEL = "none"  # stands for a missing cell, but is a level among words: none, some, many
# A column holds numbers if so many of its cells are such; or so many, and all others one word. It
# holds dates if so many of its cells are such, of one format.
MOST = 0.9
MANY = 0.5
SCALES = {"k": 1e3, "m": 1e6, "b": 1e9, "mn": 1e6, "bn": 1e9}  # of amounts of money
ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")  # in a network
CURRENCY = r"(?:[$\u20ac\u00a3\u00a5\u20b9\u20bd\u20a9]|USD|EUR|GBP|CHF)"
NUMBER = re.compile(
    rf"""(?P<open>\()?\s*(?P<sign>[-+\u2212]?)\s*(?P<currency>{CURRENCY}?)\s*
    (?P<inner>[-+\u2212]?)(?P<digits>[\d.,'\u2019\s]*\d[.,]?)(?P<power>(?:[eE][-+]?\d+)?)
    \s*(?P<unit>[^\W\d_]{{0,10}}|[%\u2030\u00b0]\w?|{CURRENCY})(?(open)\))""",
    re.VERBOSE,
)
# a number of which only a bound is known: <5, >= 90, 90+
BOUND = re.compile(r"(?P<side>[<>\u2264\u2265])=?\s*(?P<above>.*)|(?P<below>.*\d)\+")
LESS = ("<", "\u2264")
TOTAL_TOLERANCE = 1e-6  # relative, of the sum of a column
MIN_PLAIN = 3  # different numbers that a column with bounds holds, too
# digits in groups of three, or in the groups of two of India before the last three
GROUPS = {
    ".": re.compile(r"(?:\d{1,3}(?:[,'\u2019\s]\d{2,3})*[,'\u2019\s]\d{3}|\d*)(?:\.\d*)?"),
    ",": re.compile(r"(?:\d{1,3}(?:[.'\u2019\s]\d{2,3})*[.'\u2019\s]\d{3}|\d*)(?:,\d*)?"),
}


@dataclass
class CellNotes:
    """What was assumed of cells.

    Attributes
    ----------
    missing : dict of str to dict
        For each text that stands for a missing cell: in how many cells of which column.
    units : dict of str to list
        For each unit that was left out its columns.
    bounds : dict of str to list
        For each bound that counts as a number its columns.
    marks : dict of column names to str
        What marks decimals in the columns whose numbers are written as people write them.
    """

    missing: dict[str, dict] = field(default_factory=dict)
    units: dict[str, list] = field(default_factory=dict)
    bounds: dict[str, list] = field(default_factory=dict)
    marks: dict[Any, str] = field(default_factory=dict)

    def add_missing(self, text: object, column: object, n_cells: int) -> None:
        """Note what stands for a missing cell."""
        self.missing.setdefault(str(text), {})[column] = n_cells


def is_placeholder(cell: str) -> bool:
    """Return whether a text says that a cell is missing."""
    return cell.casefold() in PLACEHOLDERS


def parse_number(cell: str, decimal: str) -> tuple[float, str] | None:
    """Return the number that a cell holds, and its unit, or None if it holds none.

    A number has a decimal point or comma, groups of three digits, a sign, perhaps in the manner of
    accountants, (1.50), and a currency, a percent sign or another unit at one end.
    """
    match = NUMBER.fullmatch(cell)
    if match is None or ADDRESS.fullmatch(cell):
        return _infinite(cell)
    digits = match["digits"].strip()
    if GROUPS[decimal].fullmatch(digits) is None:
        return None
    other = "," if decimal == "." else "."
    plain = re.sub(r"['\u2019\s]", "", digits).replace(other, "").replace(decimal, ".")
    number = float(plain + match["power"])
    unit = match["unit"]
    if match["currency"]:
        number *= SCALES.get(unit.casefold(), 1)
        unit = match["currency"] + ("" if unit.casefold() in SCALES else unit)
    is_negative = match["open"] or (match["sign"] or match["inner"]) in ("-", "\u2212")
    return -number if is_negative else number, unit


def _infinite(cell: str) -> tuple[float, str] | None:
    return (float(cell), "") if cell.casefold().lstrip("+-") in ("inf", "infinity") else None


def convert_column(
    column: pd.Series, decimal: str, declared: str | None, notes: CellNotes
) -> pd.Series:
    """Return a column of text as numbers if it holds such, without the placeholders.

    Parameters
    ----------
    column : Series
    decimal : {".", ","}
    declared : {"numbers", "text"} or None
        What the user says of the column, None to find it out.
    notes : CellNotes
        Gets what was assumed.
    """
    cells = column.map(lambda cell: str(cell).strip(), na_action="ignore")
    if declared == "text":
        return cells.mask(cells == "")
    counts = cells.value_counts()
    placeholders = [cell for cell in counts.index if is_placeholder(cell)]
    others = counts.drop(placeholders)
    parsed, mark = _parse_all(others, decimal, declared == "numbers")
    if parsed:
        notes.marks[column.name] = mark
        placeholders += [cell for cell in others.index if cell not in parsed]
    elif (no_dates := texts_but_dates(others, MOST)) is not None:
        placeholders += no_dates
    elif len(others):
        placeholders = [cell for cell in placeholders if cell.casefold() != LEVEL]
    for cell in placeholders:
        if cell:
            notes.add_missing(cell, column.name, int(counts[cell]))
    if not parsed:
        return cells.mask(cells.isin(placeholders))
    for cell in parsed:
        if BOUND.fullmatch(cell):
            notes.bounds.setdefault(cell, []).append(column.name)
    unit = next((unit for _, unit in parsed.values() if unit), "")
    if unit:
        notes.units.setdefault(unit, []).append(column.name)
    numbers = cells.map({cell: number for cell, (number, _) in parsed.items()}).astype(float)
    return as_whole(numbers)


def _parse_all(
    counts: pd.Series, decimal: str, is_declared: bool
) -> tuple[dict[str, tuple[float, str]], str]:
    """Return the numbers of cells by their texts, and what marks decimals in them.

    There are none if the column holds something else.
    """
    for mark in (decimal, "," if decimal == "." else "."):
        parsed = {cell: parse_number(bare(cell), mark) for cell in counts.index}
        numbers = {cell: number for cell, number in parsed.items() if number is not None}
        numbers = _without_odd_bounds(_without_odd_units(numbers, counts))
        others = counts.drop(list(numbers))
        is_word = all(_is_word(cell) for cell in others.index)
        is_word &= len(others) == 1 or all(cell.casefold() in WORDS for cell in others.index)
        share = (counts.sum() - others.sum()) / max(1, counts.sum())
        units = {unit for _, unit in numbers.values()} - {""}
        if len(units) <= 1 and (share >= MOST or (share > MANY and is_word) or is_declared):
            return numbers, mark
    return {}, decimal


def _without_odd_units(
    numbers: dict[str, tuple[float, str]], counts: pd.Series
) -> dict[str, tuple[float, str]]:
    """Return numbers without those followed by a word where most stand alone."""
    odd = [cell for cell, (_, unit) in numbers.items() if unit.isalpha()]
    if counts[odd].sum() >= counts[list(numbers)].sum() / 2:
        return numbers
    return {cell: number for cell, number in numbers.items() if cell not in odd}


def bare(cell: str) -> str:
    """Return the number of a bound, or the cell as it is."""
    found = BOUND.fullmatch(cell)
    return cell if found is None else found["above"] or found["below"] or ""


def _without_odd_bounds(numbers: dict[str, tuple[float, str]]) -> dict[str, tuple[float, str]]:
    """Return numbers without bounds, if these are not at the ends of several others."""
    sides = {cell: found["side"] for cell in numbers if (found := BOUND.fullmatch(cell))}
    plain = {number for cell, (number, _) in numbers.items() if cell not in sides}
    low = [numbers[cell][0] for cell, side in sides.items() if side in LESS]
    high = [numbers[cell][0] for cell, side in sides.items() if side not in LESS]
    if len(plain) >= MIN_PLAIN and len(low) <= 1 and len(high) <= 1:
        ends = [*low, min(plain), max(plain), *high]
        if ends == sorted(ends):
            return numbers
    return {cell: number for cell, number in numbers.items() if cell not in sides}


def _is_word(cell: str) -> bool:
    return not any(character.isdigit() for character in cell)


def as_whole(numbers: pd.Series) -> pd.Series:
    """Return numbers as integers if they are whole, and none is missing."""
    values = numbers.to_numpy()
    if len(values) and np.isfinite(values).all() and np.abs(values).max() < 2**53:
        whole = values.astype(np.int64)
        if (whole == values).all():
            return pd.Series(whole, numbers.index, name=numbers.name)
    return numbers


def sentinels_in(column: pd.Series, declared: Collection[object]) -> list:
    """Return the values of a column that are declared to mean that a cell is missing."""
    if not declared:
        return []
    return [value for value in column.dropna().unique() if is_sentinel(value, declared)]


def is_sentinel(cell: object, declared: Collection[object]) -> bool:
    """Return whether a cell is one of the texts or numbers declared to mean that it is missing."""
    if str(cell).strip() in {str(value) for value in declared}:
        return True
    number = _as_float(cell)
    return not math.isnan(number) and number in {_as_float(value) for value in declared}


def _as_float(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return math.nan
