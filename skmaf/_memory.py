"""Batches that become smaller where memory does not suffice for them."""

from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

# of errors of torch that have no class of their own: CUDA and MPS, Linux, Windows
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


class BatchSize:
    """How many rows are computed at once: half as many from when memory did not suffice.

    Parameters
    ----------
    n_rows : int, default=None
        At first; by default all that there are.
    """

    def __init__(self, n_rows: int | None = None) -> None:
        self.n_rows = n_rows

    def call(self, compute: Callable[[int], T], n_rows: int) -> T:
        """Return what a function computes of some rows, so many at once as it is told.

        Parameters
        ----------
        compute : callable
            Starts anew each time it is called.
        n_rows : int

        Raises
        ------
        MemoryError, RuntimeError
            If memory does not suffice for a single row.
        """
        while True:
            size = n_rows if self.n_rows is None else min(n_rows, self.n_rows)
            try:
                return compute(size)
            except (MemoryError, RuntimeError) as error:
                if size <= 1 or not is_out_of_memory(error):
                    raise
            # not before the error is gone, whose traceback holds what was computed
            self.n_rows = (size + 1) // 2

    def batches(self, function: Callable[[slice], T], n_rows: int) -> Iterator[tuple[slice, T]]:
        """Yield rows, and what a function gives of them, until all were taken, or of no rows."""
        start = 0
        while True:

            def compute(size: int, start: int = start) -> tuple[slice, T]:
                rows = slice(start, start + size)
                return rows, function(rows)

            rows, value = self.call(compute, n_rows - start)
            yield rows, value
            start = rows.stop
            if start >= n_rows:
                return


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory does not suffice."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(
        words in str(error).lower() for words in OUT_OF_MEMORY
    )
