"""The lines of a text that are rows: cells as they are written, at once or in blocks."""

import csv
import io
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np
import pandas as pd

from .dialects import BLANKS, Dialect

TAIL_CHARACTERS = 10_000  # in which lines are that are no rows
CHUNK = 2**20  # characters that are read at a time
MOST_LONG = 0.25  # lines with too many cells, for each other line
# columns beside those of the table, so that a line with some more cells is a row at first
SPARE = 4
SKIPPED = re.compile(r"Skipping line (\d+)")  # as pandas says it
N_SHOWN = 3  # numbers of rows


class Body:
    """The lines of a text that are rows, read a part at a time: without the footers.

    Attributes
    ----------
    footers : list of str
        Lines at the end that are no rows; they are known when all else has been read.
    """

    def __init__(self, start: str, rest: TextIO, footers_of: Callable[[str], list[str]]) -> None:
        self.footers: list[str] = []
        self._held = start
        self._rest = rest
        self._footers_of = footers_of
        self._is_complete = False

    def read(self, size: int = -1) -> str:
        """Return the next characters, all that are left by default."""
        while not self._is_complete and (size < 0 or len(self._held) < size + TAIL_CHARACTERS):
            more = self._rest.read(CHUNK if size >= 0 else -1)
            self._held += more
            if not more:
                self._complete()
        size = len(self._held) if size < 0 else size
        part = self._held[:size]
        self._held = self._held[size:]
        return part

    def _complete(self) -> None:
        self._is_complete = True
        self.footers = self._footers_of(self._held[-TAIL_CHARACTERS:])
        self._held = self._held[: len(self._held) - len("\n".join(self.footers))]

    def __iter__(self) -> Iterator[str]:  # pandas asks for it, and reads
        yield self.read()


@dataclass
class RowLines:
    """Lines that are rows, and how they are divided.

    Attributes
    ----------
    body : Body
    dialect : Dialect
    decimal : {".", ","}
    width : int
        Number of columns.
    longest : int
        Most cells of a line, of those that were looked at.
    """

    body: Body
    dialect: Dialect
    decimal: str
    width: int
    longest: int


def read_rows(text: RowLines, exact: list[int]) -> tuple[pd.DataFrame, list[int], list[int], bool]:
    """Return the cells of all rows, which lines are too long, which too short; do quotes count?

    The index counts the rows of the file, and those too long with them. Columns whose positions are
    among ``exact`` stay text.
    """
    lines = text.body.read()
    options = {"dtype": dict.fromkeys(exact, str), **_options(text)}
    has_quotes = True
    try:
        frame, skipped = _skipping(lambda: pd.read_csv(io.StringIO(lines), **options))
    except pd.errors.EmptyDataError:
        return pd.DataFrame(columns=range(text.width)), [], [], True
    except pd.errors.ParserError:  # a quote that does not end
        has_quotes = False
        options["quoting"] = csv.QUOTE_NONE
        frame, skipped = _skipping(lambda: pd.read_csv(io.StringIO(lines), **options))
    frame, long = _without_long(frame, text.width, skipped, 0)
    short = _short_lines(lines, text) if has_quotes and frame.iloc[:, -1].isna().any() else []
    return frame, long, short, has_quotes


def read_blocks_of_rows(
    text: RowLines, n_rows: int, has_quotes: bool
) -> Iterator[tuple[pd.DataFrame, list[int]]]:
    """Yield the cells of some rows at a time, as text, and which lines are too long.

    The index counts the rows of all blocks, and those too long with them.
    """
    quoting = csv.QUOTE_MINIMAL if has_quotes else csv.QUOTE_NONE
    options = {"dtype": str, "chunksize": n_rows, "quoting": quoting, **_options(text)}
    start = 0
    try:
        reader = pd.read_csv(text.body, **options)
        while True:
            block, skipped = _skipping(lambda: next(reader, None))
            if block is None:
                return
            yield _without_long(block, text.width, skipped, start)
            start += len(block) + len(skipped)
    except pd.errors.EmptyDataError:
        return
    except pd.errors.ParserError as error:
        raise ValueError(f"a quote does not end: {error}.") from error


def _options(text: RowLines) -> dict[str, Any]:
    """Return how pandas is to read the lines of rows."""
    separator = text.dialect.separator
    return {
        "sep": r"\s+" if separator == BLANKS else separator,
        "quotechar": text.dialect.quote,
        "header": None,
        "names": range(text.longest + SPARE),
        "index_col": False,
        "decimal": text.decimal,
        "na_values": [""],
        "keep_default_na": False,
        "skipinitialspace": True,
        "low_memory": False,
        "on_bad_lines": "warn",
    }


def _skipping(read: Callable[[], Any]) -> tuple[Any, list[int]]:
    """Return what pandas reads, and which lines it left out since they are far too long.

    Empty lines count in their numbers, though not elsewhere.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        frame = read()
    texts = " ".join(str(warning.message) for warning in caught)
    return frame, [int(number) - 1 for number in SKIPPED.findall(texts)]


def _without_long(
    frame: pd.DataFrame, width: int, skipped: list[int], start: int
) -> tuple[pd.DataFrame, list[int]]:
    """Return the rows of at most ``width`` cells, and the numbers of the others.

    The first has the number ``start``, and those that were skipped count.
    """
    if skipped:
        numbers = np.arange(start, start + len(frame) + len(skipped))
        frame = frame.set_axis(np.setdiff1d(numbers, skipped)[: len(frame)], axis=0)
    else:
        frame = frame.set_axis(range(start, start + len(frame)), axis=0)
    is_long = frame.iloc[:, width:].notna().any(axis=1)
    if is_long.any():
        skipped = sorted([*skipped, *frame.index[is_long].tolist()])
        frame = frame[~is_long]
    return frame.loc[:, : width - 1], skipped


def _short_lines(lines: str, text: RowLines) -> list[int]:
    """Return the numbers of the rows that have fewer cells than the table has columns."""
    records = text.dialect.records(lines.split("\n"))
    try:
        n_cells = [len(cells) for _, cells in records if cells not in ([], [""])]
    except csv.Error:  # of a cell that is longer than the module takes
        return []
    return [number for number, n in enumerate(n_cells) if n < text.width]


def long_notes(long: list[int], n_rows: int, width: int) -> list[str]:
    """Return what to say of lines that are too long; refuse a text in which they are many."""
    n_long = len(long)
    if n_long > MOST_LONG * n_rows:
        raise ValueError(
            f"{n_long} of {n_long + n_rows} lines have more than {width} cells, so that this "
            "looks like no table; if it is one, say what divides its cells (separator)."
        )
    return [f"{_lines_have(long)} more cells than the others: left out."] if long else []


def short_notes(short: list[int], n_rows: int) -> list[str]:
    """Return what to say of lines that are too short, unless all of them are."""
    if not 0 < len(short) < n_rows:
        return []
    return [f"{_lines_have(short)} fewer cells than the others: the rest are missing cells."]


def _lines_have(numbers: list[int]) -> str:
    """Return how many lines there are, and the first of their numbers."""
    n_more = len(numbers) - N_SHOWN
    shown = ", ".join(map(str, numbers[:N_SHOWN])) + (f" and {n_more:,} more" if n_more > 0 else "")
    if len(numbers) == 1:
        return f"1 line (row {shown}, counted from 0) has"
    return f"{len(numbers):,} lines (rows {shown}, counted from 0) have"
