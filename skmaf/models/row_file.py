"""All rows of a table that is too large for memory, as numbers in a file, and batches of them."""

import tempfile
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
import torch.distributed

from ..table.flow_space import Columns
from ..table.shards import gathered, with_clear_errors
from ..training.hiding import Hiding
from ..training.loop import Batch
from ..training.noise import dequantise

PIECE_BYTES = 2**20  # of rows that are read at once
PIECES = 32  # read at a time, from all over the file, and shuffled together


class RowReader(Protocol):
    """Rows of numbers that are read by their positions."""

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns there are."""

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return rows."""


class RowFile:
    """Rows of numbers in a temporary file, which goes with the object.

    Parameters
    ----------
    n_columns : int
    dtype : numpy dtype
    """

    def __init__(self, n_columns: int, dtype: np.dtype) -> None:
        self.n_columns = n_columns
        self.dtype = dtype
        self.n_rows = 0
        self._file: Any = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the object
        weakref.finalize(self, self._file.close)

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns there are."""
        return self.n_rows, self.n_columns

    def append(self, N: np.ndarray) -> None:
        """Write rows behind those that are there."""
        N = np.ascontiguousarray(N, dtype=self.dtype)
        self._file.seek(self.n_rows * self.n_columns * self.dtype.itemsize)
        self._file.write(N.data)
        self.n_rows += len(N)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return rows."""
        n_rows = min(stop, self.n_rows) - start
        self._file.seek(start * self.n_columns * self.dtype.itemsize)
        numbers = np.fromfile(self._file, dtype=self.dtype, count=n_rows * self.n_columns)
        return numbers.reshape(n_rows, self.n_columns)


@dataclass(frozen=True, eq=False)
class AllRows:
    """All rows of a table of which a fit holds some in memory.

    Attributes
    ----------
    reader : RowReader
    positions : ndarray of int
        Of the rows in memory, among those that are read; -1 for one that another process reads.
    hashes : list of str
        Of all rows that each process reads, one after another.
    rank : int, default=0
        Of this process.
    is_shared : bool, default=False
        Whether other processes read rows, too.
    """

    reader: RowReader
    positions: np.ndarray
    hashes: list[str]
    rank: int = 0
    is_shared: bool = False

    def take(self, order: np.ndarray) -> "AllRows":
        """Return the same for rows in memory that are taken in another order."""
        return replace(self, positions=self.positions[order])

    def stream(
        self, columns: Columns, validation: np.ndarray, hiding: Hiding | None
    ) -> "RowStream":
        """Return all rows but some of those in memory."""
        left_out = self.positions[validation]
        left_out = np.sort(left_out[left_out >= 0])
        n_own = self.reader.shape[0] - len(left_out)
        sizes = tuple(gathered(n_own)) if self.is_shared else (n_own,)
        return RowStream(self.reader, columns, left_out, hiding, self.rank, sizes)


@dataclass(frozen=True, eq=False)
class RowStream:
    """Batches of the rows to train on: all but some.

    Attributes
    ----------
    reader : RowReader
    columns : Columns
        Take rows to flow space.
    left_out : ndarray of int
        Positions of the rows that validate, in rising order.
    hiding : Hiding or None
        Hides cells.
    rank : int
        Of this process.
    sizes : tuple of int
        How many rows to train on each process has.
    tensor : callable
        Makes a tensor, where the flow is, of an array.
    """

    reader: RowReader
    columns: Columns
    left_out: np.ndarray
    hiding: Hiding | None
    rank: int = 0
    sizes: tuple[int, ...] = ()
    tensor: Callable[[np.ndarray], torch.Tensor] = torch.tensor

    def __len__(self) -> int:
        return sum(self.sizes)

    @property
    def sum_over_processes(self) -> Callable[[torch.Tensor], None] | None:
        """What adds up a tensor of all processes, in place; None where this one has all rows."""
        return None if len(self.sizes) == 1 else summed

    def batches(self, n_batches: int, generator: torch.Generator) -> Iterator[Batch]:
        """Yield all rows in batches of even size, spread over their steps, in a new order.

        Rows of a batch come from pieces all over the table, as many of them as memory allows. Of
        several processes each yields its part of every batch.
        """
        # one number, so that the generator is the same in all processes, whatever rows these have
        [seed] = torch.randint(2**62, (1,), generator=generator).tolist()
        own = torch.Generator().manual_seed(seed + self.rank)
        sizes = np.array([_even_sizes(n, n_batches) for n in self.sizes])
        left = self.tensor(np.empty((0, len(self.columns.owners))))
        parts = self._shuffled(own)
        for n, n_in_all in zip(sizes[self.rank], sizes.sum(axis=0)):
            while len(left) < n:
                left = torch.cat([left, next(parts)])
            x, left = left.split([n, len(left) - n])
            if self.hiding is not None:
                x = self.hiding.hide(x, own)
            yield x, torch.ones_like(x[:, 0]), None, int(n_in_all)

    def _shuffled(self, generator: torch.Generator) -> Iterator[torch.Tensor]:
        n_rows, n_columns = self.reader.shape
        piece = max(1, PIECE_BYTES // (8 * max(1, n_columns)))
        order = torch.randperm(-(-n_rows // piece), generator=generator)
        for group in order.split(PIECES):
            N = np.concatenate([self._read(int(i) * piece, piece) for i in group])
            N = N[torch.randperm(len(N), generator=generator).numpy()]
            N = self.columns.copies(N)[0]
            x = self.tensor(self.columns.to_flow(N))
            yield dequantise(x, self.tensor(self.columns.steps(N)), 0, generator)

    def _read(self, start: int, n_rows: int) -> np.ndarray:
        N = self.reader.read(start, start + n_rows)
        first, last = np.searchsorted(self.left_out, [start, start + n_rows])
        return np.delete(N, self.left_out[first:last] - start, axis=0)


def _even_sizes(n_rows: int, n_batches: int) -> np.ndarray:
    """Return how many rows each batch has."""
    size, n_larger = divmod(n_rows, n_batches)
    return size + (np.arange(n_batches) < n_larger)


def summed(tensor: torch.Tensor) -> None:
    """Add up a tensor over all processes, in place."""
    with_clear_errors(lambda: torch.distributed.all_reduce(tensor))
