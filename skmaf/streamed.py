"""Tables that are too large for memory: what `fit` reads of them, and scores of their blocks."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .table.codec import TableCodec
from .table.constraints import RowConstraints
from .table.shards import Shard, ShardStream
from .table.streams import (
    SAMPLE_ROWS,
    ArrayStream,
    TableStream,
    as_stream,
    is_large,
    sample_stream,
)

if TYPE_CHECKING:
    from .models.row_file import AllRows


def stream_of(X: Any, sample_weight: Any) -> TableStream | None:
    """Return a table that `fit` reads in blocks, or of which it has a shard; None for others.

    An array in memory is read in blocks if it is large, so that memory holds no copies of it; with
    weights of its rows it is not.
    """
    if isinstance(X, Shard):
        return ShardStream(X.rows)
    if is_large(X) and sample_weight is None:
        return ArrayStream(X)
    return as_stream(X)


def sample_of(stream: TableStream, seed: int) -> tuple[Any, np.ndarray]:
    """Return rows that describe a table, and their positions; those of other shards have -1."""
    if isinstance(stream, ShardStream):
        return stream.sample(seed, SAMPLE_ROWS)
    return sample_stream(stream, seed, SAMPLE_ROWS)


def read_all(
    stream: TableStream, codec: TableCodec, constraints: RowConstraints, positions: np.ndarray
) -> tuple[RowConstraints, "AllRows"]:
    """Return the constraints that all rows of a table keep, and the rows, to train on.

    Parameters
    ----------
    stream : TableStream
    codec : TableCodec
        Learned from some rows.
    constraints : RowConstraints
        Learned from the same.
    positions : ndarray of int
        Of these rows.

    Raises
    ------
    ValueError
        If a row holds what those did not prepare for, such as infinity or a date of another form,
        or breaks a relation that was declared.
    """
    from .models.row_file import AllRows, RowFile

    is_plain = isinstance(stream, ArrayStream) and stream.array.dtype.kind == "f"
    reader: Any = stream if is_plain else RowFile(codec.n_features, codec.dtype)
    found = constraints.relations
    for block in stream.blocks():
        N, _ = codec.encode(block)
        constraints = constraints.kept_by(N)
        if not is_plain:  # what an array holds need not be written again
            reader.append(N)
    if not isinstance(stream, ShardStream):
        return constraints, AllRows(reader, positions)
    kept = stream.agreed([i for i, each in enumerate(found) if each in constraints.relations])
    constraints = replace(constraints, relations=[found[i] for i in kept])
    return constraints, AllRows(reader, positions, stream.rank, is_shared=True)


def by_blocks(function: Callable[[Any], np.ndarray], X: Any) -> np.ndarray:
    """Return a number for each row of a table, which may be one that is read in blocks."""
    stream = as_stream(X)
    if stream is None:
        return function(X)
    return np.concatenate([function(block) for block in stream.blocks()])
