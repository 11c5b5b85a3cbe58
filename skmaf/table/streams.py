"""Tables that are too large for memory, read a block of rows at a time.

What describes a table is learned from some of its rows, drawn uniformly, and with them the rows
that hold the extremes of a column of numbers, the first of each category and the first missing
cell: no other row then holds what these do not prepare for. The share of rows below a value is that
of all rows within 0.52%, for all values of a column at once, with a probability of 99% (the
inequality of Dvoretzky, Kiefer and Wolfowitz).
"""

import mmap
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from .cells import TIMELIKE, read_cells
from .frames import ARRAY, column_series, container_of, take_rows
from .schema import Schema
from .timeline import read_instants

STREAM_BYTES = 2**29  # from which on an array is read in blocks
BLOCK_BYTES = 2**24  # of numbers
SAMPLE_ROWS = 100_000
MOST_CATEGORIES = 2000  # of a column, of which each gets a row of the sample
ORDERED = {"numbers", *TIMELIKE}  # cells of which a column has extremes


class TableStream(Protocol):
    """A table that is read in blocks, in the same order each time."""

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns there are."""

    def blocks(self) -> Iterator[Any]:
        """Yield tables of some rows each, one after another; one without rows if there are none."""


@dataclass(frozen=True, eq=False)
class ArrayStream:
    """An array, which may be in a file."""

    array: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns there are."""
        return self.array.shape

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield copies of some rows each."""
        size = block_rows(self.shape[1])
        for start in range(0, len(self.array), size):
            yield self.read(start, start + size)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return a copy of some rows."""
        rows = np.array(self.array[start:stop])
        if isinstance(self.array.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            # what was read is not to count as memory in use
            self.array.base.madvise(mmap.MADV_DONTNEED)
        return rows


@dataclass(frozen=True, eq=False)
class ArrowStream:
    """A dataset of pyarrow, such as a folder of Parquet files."""

    dataset: Any

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns there are."""
        return self.dataset.count_rows(), len(self.dataset.schema)

    def blocks(self) -> Iterator[Any]:
        """Yield tables of pyarrow."""
        import pyarrow as pa

        size = block_rows(len(self.dataset.schema))
        batches = self.dataset.to_batches(
            batch_size=size, batch_readahead=1, fragment_readahead=1, use_threads=False
        )
        tables = (pa.Table.from_batches([batch]) for batch in batches if batch.num_rows)
        yield from _or_empty(tables, self.dataset.schema.empty_table())


@dataclass(frozen=True, eq=False)
class PolarsStream:
    """A scan of polars."""

    frame: Any

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns there are."""
        import polars as pl

        n_rows = self.frame.select(pl.len()).collect(engine="streaming").item()
        return n_rows, len(self.frame.collect_schema())

    def blocks(self) -> Iterator[Any]:
        """Yield data frames of polars."""
        import polars as pl

        schema = self.frame.collect_schema()
        size = block_rows(len(schema))
        frames = self.frame.collect_batches(chunk_size=size, maintain_order=True)
        yield from _or_empty(frames, pl.DataFrame(schema=schema))


def _or_empty(blocks: Iterator[Any], empty: Any) -> Iterator[Any]:
    """Yield blocks, or a block without rows if there are none, which whoever reads it refuses."""
    yield next(blocks, empty)
    yield from blocks


def block_rows(n_columns: int) -> int:
    """Return how many rows of numbers make a block."""
    return max(1, BLOCK_BYTES // (8 * max(1, n_columns)))


def is_large(X: Any) -> bool:
    """Return whether a table is an array of numbers that takes much memory for each copy."""
    is_table = isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "fiu"
    return is_table and X.nbytes >= STREAM_BYTES


def as_stream(X: Any) -> TableStream | None:
    """Return a table as one that is read in blocks; None if it is one that fits in memory."""
    if isinstance(X, np.memmap):
        return ArrayStream(X) if is_large(X) else None
    arrow = sys.modules.get("pyarrow.dataset")
    if arrow is not None and isinstance(X, arrow.Dataset):
        return ArrowStream(X)
    polars = sys.modules.get("polars")
    if polars is not None and isinstance(X, polars.LazyFrame):
        return PolarsStream(X)
    return None


def sample_stream(stream: TableStream, seed: int, sample_rows: int) -> tuple[Any, np.ndarray]:
    """Return some rows of a table, drawn uniformly, and with them those that nothing is like.

    Returns
    -------
    sample : table
    positions : ndarray of int
        Of the rows in the whole table, in rising order.
    """
    n_rows, _ = stream.shape
    rng = np.random.RandomState(seed)
    n_drawn = min(n_rows, sample_rows)
    drawn = np.sort(_distinct(rng, n_rows, n_drawn))
    parts = []
    positions = []
    seen = _Seen()
    start = 0
    for block in stream.blocks():
        chosen = drawn[np.searchsorted(drawn, start) : np.searchsorted(drawn, start + len(block))]
        chosen = np.union1d(chosen - start, seen.news(block)).astype(int)
        parts.append(take_rows(block, chosen))
        positions.append(start + chosen)
        start += len(block)
    return concatenated(parts), np.concatenate(positions)


def _distinct(rng: np.random.RandomState, n: int, size: int) -> np.ndarray:
    """Return distinct numbers below ``n``, without an array of all of these where they are many."""
    if n <= 4 * size:
        return rng.permutation(n)[:size]
    chosen = np.unique(rng.randint(n, size=2 * size))
    return rng.permutation(chosen)[:size]


@dataclass(eq=False)
class _Seen:
    """What columns have held so far: their extremes, categories, and whether a cell was missing."""

    extremes: dict[int, tuple[Any, Any]] = field(default_factory=dict)
    categories: dict[int, set] = field(default_factory=dict)
    missing: set[int] = field(default_factory=set)

    def news(self, block: Any) -> np.ndarray:
        """Return the rows of a block that hold what no row before did.

        Cells are read as a codec reads them, so that a column may be all that it may be in memory.

        Raises
        ------
        ValueError
            If a column holds infinity, or cells of kinds that do not go together.
        TypeError
            If a cell holds neither a number nor text nor a truth value nor a date.
        """
        schema = Schema.blank(block)
        found: list[int] = []
        for j, column in enumerate(column_series(block)):
            cells, cell_types = read_cells(column, schema.label(j))
            is_missing = pd.isna(cells)
            if is_missing.any() and j not in self.missing:
                self.missing.add(j)
                found.append(int(is_missing.argmax()))
            present = np.flatnonzero(~is_missing)
            values = cells[present]
            if len(values) == 0:
                continue
            if isinstance(column.dtype, pd.CategoricalDtype) or not cell_types <= ORDERED:
                new = self._new_categories(j, values)
            else:
                is_time = values.dtype == object
                numbers = read_instants(values, cell_types, schema.label(j)) if is_time else values
                new = self._new_extremes(j, pd.Series(numbers))
            found += present[new].tolist()
        return np.unique(np.array(found, dtype=int))

    def _new_extremes(self, j: int, values: pd.Series) -> list[int]:
        lowest = int(values.argmin())
        highest = int(values.argmax())
        low, high = self.extremes.get(j, (None, None))
        found = []
        if low is None or values[lowest] < low:
            low = values[lowest]
            found.append(lowest)
        if high is None or values[highest] > high:
            high = values[highest]
            found.append(highest)
        self.extremes[j] = (low, high)
        return found

    def _new_categories(self, j: int, values: np.ndarray) -> list[int]:
        known = self.categories.setdefault(j, set())
        if len(known) > MOST_CATEGORIES:  # too many for categories, whatever comes
            return []
        cells = values.tolist()
        new = set(cells) - known
        known |= new
        return [cells.index(cell) for cell in new]


def concatenated(parts: list) -> Any:
    """Return one table of the rows of several."""
    if container_of(parts[0]) == ARRAY:
        return np.concatenate(parts)
    return nw.concat([nw.from_native(part) for part in parts]).to_native()
