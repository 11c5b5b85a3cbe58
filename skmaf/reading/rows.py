"""The lines of a text that are rows: cells as they are written, at once or in blocks."""

import csv
import io
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TextIO

import pandas as pd

from .dialects import BLANKS, Dialect

TAIL_CHARACTERS = 10_000  # in which lines are that are no rows
CHUNK = 2**20  # characters that are read at a time
MOST_LONG = 0.25  # lines with too many cells, for each other line


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


def read_rows(text: RowLines, exact: list[int]) -> tuple[pd.DataFrame, int, bool]:
    """Return the cells of all rows, how many lines were too long, and whether quotes count.

    Columns whose positions are among ``exact`` stay text.
    """
    lines = text.body.read()
    options = {"dtype": dict.fromkeys(exact, str), **_options(text)}
    has_quotes = True
    try:
        frame, n_long = _counting(lambda: pd.read_csv(io.StringIO(lines), **options))
    except pd.errors.EmptyDataError:
        return pd.DataFrame(columns=range(text.width)), 0, True
    except pd.errors.ParserError:  # a quote that does not end
        has_quotes = False
        options["quoting"] = csv.QUOTE_NONE
        frame, n_long = _counting(lambda: pd.read_csv(io.StringIO(lines), **options))
    return *_without_long(frame, text.width, n_long), has_quotes


def read_blocks_of_rows(
    text: RowLines, n_rows: int, has_quotes: bool
) -> Iterator[tuple[pd.DataFrame, int]]:
    """Yield the cells of some rows at a time, as text, and how many lines were too long.

    The index counts the rows of all blocks.
    """
    quoting = csv.QUOTE_MINIMAL if has_quotes else csv.QUOTE_NONE
    options = {"dtype": str, "chunksize": n_rows, "quoting": quoting, **_options(text)}
    start = 0
    try:
        reader = pd.read_csv(text.body, **options)
        while True:
            block, n_long = _counting(lambda: next(reader, None))
            if block is None:
                return
            frame, n_long = _without_long(block, text.width, n_long)
            yield frame.set_axis(range(start, start + len(frame)), axis=0), n_long
            start += len(frame)
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
        "names": range(text.longest),
        "index_col": False,
        "decimal": text.decimal,
        "na_values": [""],
        "keep_default_na": False,
        "skipinitialspace": True,
        "low_memory": False,
        "on_bad_lines": "warn",
    }


def _counting(read: Callable[[], Any]) -> tuple[Any, int]:
    """Return what pandas reads, and how many lines it left out since they are too long."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        frame = read()
    return frame, sum(str(warning.message).count("Skipping line") for warning in caught)


def _without_long(frame: pd.DataFrame, width: int, n_long: int) -> tuple[pd.DataFrame, int]:
    """Return the rows of at most ``width`` cells, and how many others there were."""
    is_long = frame.iloc[:, width:].notna().any(axis=1)
    frame = frame.loc[~is_long, : width - 1].reset_index(drop=True)
    return frame, n_long + int(is_long.sum())


def long_notes(n_long: int, n_rows: int, width: int) -> list[str]:
    """Return what to say of lines that are too long; refuse a text in which they are many."""
    if n_long > MOST_LONG * n_rows:
        raise ValueError(
            f"{n_long} of {n_long + n_rows} lines have more than {width} cells, so that this "
            "looks like no table; if it is one, say what divides its cells (separator)."
        )
    return [f"{n_long} lines have more cells than the others: left out."] if n_long else []
