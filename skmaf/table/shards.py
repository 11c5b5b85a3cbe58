"""A table of which each process of torch.distributed holds some rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .frames import as_table, column_names, container_of, take_rows
from .streams import TableStream, as_stream, block_rows, concatenated, sample_stream

OWN_PARAMETERS = {"callbacks", "device", "random_state", "verbose"}  # may differ by process


@dataclass(frozen=True, eq=False)
class Shard:
    """The rows that this process holds of a table, whose other rows other processes hold.

    All processes of the default process group of torch.distributed call `fit` with their shards at
    the same time, and end with the same density: that of all rows. A shard may be a table in memory
    or one that is read in blocks, and all must have the same columns. The parameters must be the
    same, too, but for ``callbacks``, ``device``, ``verbose``, and ``random_state``, of which that
    of the first process counts.

    Parameters
    ----------
    rows : array-like, data frame or table that is read in blocks
        At least one row.

    Examples
    --------
    In a script that ``torchrun --nproc-per-node 2 script.py`` runs::

        torch.distributed.init_process_group("gloo")
        rank = torch.distributed.get_rank()
        rows = pyarrow.dataset.dataset(f"table/part-{rank}.parquet")
        density = MAFDensity(random_state=0).fit(skmaf.Shard(rows))

    >>> import numpy as np
    >>> from skmaf import Shard
    >>> Shard(np.zeros((10, 3))).rows.shape
    (10, 3)
    """

    rows: Any


@dataclass(frozen=True, eq=False)
class MemoryStream:
    """A table in memory, in blocks."""

    table: Any

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns there are."""
        return self.table.shape

    def blocks(self) -> Iterator[Any]:
        """Yield some rows each."""
        n_rows, n_columns = self.shape
        size = block_rows(n_columns)
        for start in range(0, n_rows, size):
            yield take_rows(self.table, np.arange(start, min(start + size, n_rows)))


class ShardStream:
    """The shard of this process as a stream, and what it agrees on with the others.

    Parameters
    ----------
    rows : table
    """

    def __init__(self, rows: Any) -> None:
        self._local: TableStream = as_stream(rows) or MemoryStream(as_table(rows, min_rows=0))
        self.rank = _group().get_rank()
        self.sizes: list[int] = gathered(self._local.shape[0])
        if 0 in self.sizes:
            raise ValueError(
                f"Found array with 0 sample(s) in process {self.sizes.index(0)}: give each process "
                "some rows, or start fewer."
            )

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns there are in this process."""
        return self.sizes[self.rank], self._local.shape[1]

    def blocks(self) -> Iterator[Any]:
        """Yield tables of some rows of this process each, one after another."""
        return self._local.blocks()

    def shared_seed(self, seed: int, parameters: dict[str, Any]) -> int:
        """Return the seed of the first process.

        Parameters
        ----------
        seed : int
        parameters : dict of str to object
            Those of the estimator.

        Raises
        ------
        ValueError
            If a parameter differs between processes that must not.
        """
        told = {name: repr(x) for name, x in parameters.items() if name not in OWN_PARAMETERS}
        seeds, told_by_all = zip(*gathered((seed, told)))
        for name in told:
            _refuse_difference(name, [each[name] for each in told_by_all])
        return seeds[0]

    def sample(self, seed: int, n_rows: int) -> tuple[Any, np.ndarray]:
        """Return rows drawn from all shards, and where they are in that of this process, or -1.

        Raises
        ------
        ValueError
            If the columns of the shards differ.
        """
        n_own = max(1, round(n_rows * self.sizes[self.rank] / sum(self.sizes)))
        own, positions = sample_stream(self._local, seed + self.rank, n_own)
        parts = gathered(own)
        _refuse_other_columns(parts)
        places = [np.full(len(part), -1) for part in parts]
        places[self.rank] = positions
        return concatenated(parts), np.concatenate(places)

    def agreed(self, kept: list[int]) -> list[int]:
        """Return what all processes keep."""
        return sorted(set.intersection(*map(set, gathered(kept))))


def _refuse_other_columns(tables: list) -> None:
    """Refuse tables of the processes that do not make one."""
    _refuse_difference("The container of the shard", [container_of(table) for table in tables])
    _refuse_difference("The number of columns", [table.shape[1] for table in tables])
    all_names = [column_names(table) for table in tables]
    if all_names[0] is None:
        return
    for j, names in enumerate(zip(*all_names)):
        _refuse_difference(f"The name of column {j}", list(map(repr, names)))
    for name, types in zip(all_names[0], zip(*map(_types_of, tables))):
        _refuse_difference(f"The type of column {name!r}", list(types))


def _types_of(table: Any) -> list[str]:
    """Return what must be the same of the types of columns: pandas joins all but categories."""
    if container_of(table) == "pandas":
        return [
            repr(dtype) if isinstance(dtype, pd.CategoricalDtype) else "not categorical"
            for dtype in table.dtypes
        ]
    is_arrow = container_of(table) == "pyarrow"
    return list(map(str, table.schema.types if is_arrow else table.dtypes))


def _refuse_difference(what: str, values: list) -> None:
    """Refuse what is not the same in all processes; each of them gets the same error."""
    for rank, value in enumerate(values):
        if value != values[0]:
            raise ValueError(
                f"{what} differs: {values[0]} in process 0, {value} in process {rank}. Give all "
                "processes the same."
            )


def gathered(value: Any) -> list:
    """Return the values of all processes, in the order of their ranks.

    Raises
    ------
    RuntimeError
        If another process has ended.
    """
    group = _group()
    values: list = [None] * group.get_world_size()
    with_clear_errors(lambda: group.all_gather_object(values, value))
    return values


def with_clear_errors(communicate: Callable[[], Any]) -> None:
    """Talk to the other processes; say what to do where one of them has ended."""
    try:
        communicate()
    except RuntimeError as error:
        raise RuntimeError(
            "Another process of the fit has ended, or cannot be reached: see its error, and run "
            "all of them again; with the same checkpoint they go on from where it was written."
        ) from error


def _group() -> Any:
    import torch.distributed

    group = torch.distributed
    if not (group.is_available() and group.is_initialized()):
        raise ValueError(
            "A Shard needs torch.distributed: call torch.distributed.init_process_group first, in "
            "each process, as torchrun starts them."
        )
    return group
