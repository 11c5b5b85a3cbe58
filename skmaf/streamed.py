"""Tables that are too large for memory: what `fit` reads of them, and answers about blocks."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ._validation import seed_from
from .table.codec import TableCodec
from .table.constraints import RowConstraints
from .table.frames import as_table
from .table.shards import MemoryStream, Shard, ShardStream, gathered
from .table.streams import (
    SAMPLE_ROWS,
    ArrayStream,
    ArrowStream,
    PolarsStream,
    TableStream,
    as_stream,
    is_large,
    sample_stream,
)

if TYPE_CHECKING:
    from .models.row_file import AllRows

# what a user writes for 100,000 rows of X, drawn at random, and for all of them
IN_MEMORY: dict[type, tuple[str, str]] = {
    ArrayStream: (
        "X[np.sort(np.random.default_rng(0).choice(len(X), 100_000, replace=False))]",
        "np.asarray(X)",
    ),
    ArrowStream: (
        "X.take(np.sort(np.random.default_rng(0).choice(X.count_rows(), 100_000, replace=False)))",
        "X.to_table()",
    ),
    PolarsStream: (
        "X.filter(pl.int_range(pl.len()).shuffle(0) < 100_000).collect()",
        "X.collect()",
    ),
}


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


def seed_of(estimator: Any, stream: TableStream | None) -> int:
    """Return the seed of a fit, which is one for all processes that have shards of a table."""
    seed = seed_from(estimator.random_state)
    if isinstance(stream, ShardStream):
        return stream.shared_seed(seed, estimator.get_params(deep=False))
    return seed


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
    hashed = hashlib.sha256()
    for block in stream.blocks():
        N, _ = codec.encode(block)
        hashed.update(np.ascontiguousarray(N).data)
        constraints = constraints.kept_by(N)
        if not is_plain:  # what an array holds need not be written again
            reader.append(N)
    if not isinstance(stream, ShardStream):
        return constraints, AllRows(reader, positions, [hashed.hexdigest()])
    kept = stream.agreed([i for i, each in enumerate(found) if each in constraints.relations])
    constraints = replace(constraints, relations=[found[i] for i in kept])
    hashes = gathered(hashed.hexdigest())
    return constraints, AllRows(reader, positions, hashes, stream.rank, is_shared=True)


def refuse_stream(estimator: Any, X: Any) -> None:
    """Refuse a table that is read in blocks, and say how to get rows that an estimator takes."""
    name = type(estimator).__name__
    if isinstance(X, Shard):
        raise ValueError(f"X is a Shard, which MAFDensity takes, and {name} does not: give rows.")
    stream = as_stream(X)
    if stream is None:
        return
    sample, whole = IN_MEMORY[type(stream)]
    raise ValueError(
        f"X is read in blocks, and {name} needs all rows of a fit in memory: give a sample, such "
        f"as {sample}, or all of them if they fit, {whole}. Its methods take X as it is with "
        "skmaf.iter_blocks."
    )


def by_blocks(function: Callable[[Any], np.ndarray], X: Any) -> np.ndarray:
    """Return a number for each row of a table, which may be one that is read in blocks."""
    return function(X) if as_stream(X) is None else np.concatenate(list(iter_blocks(function, X)))


def iter_blocks(method: Callable[[Any], Any], X: Any) -> Iterator[Any]:
    """Ask a method of a fitted estimator about one block of rows after another.

    For a table of which not even the answers fit in memory, or are to be written as they come. A
    block is some 16 MiB of numbers, in the order of the table.

    Parameters
    ----------
    method : callable
        Takes rows, and answers about each: ``density.score_samples``, or `predict`, `p_values`,
        `predict_proba`, `transform` and the like.
    X : array-like or table that is read in blocks, of shape (n_samples, n_features)
        A scan of polars, a dataset of pyarrow, a memmap of NumPy, as `MAFDensity.fit` takes them;
        or rows in memory.

    Yields
    ------
    answer : ndarray or data frame
        Of the next rows, as ``method`` gives it.

    Raises
    ------
    ValueError
        If X is no table, or as ``method`` does.

    See Also
    --------
    sklearn.metrics.pairwise_distances_chunked : Yields distances of some rows after others.

    Examples
    --------
    Scores in a file, of as many rows as there are on the disk:

    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from skmaf import MAFDensity, iter_blocks
    >>> X = load_iris().data
    >>> density = MAFDensity(max_iter=5, early_stopping=False, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "scores.npy")
    ...     scores = np.lib.format.open_memmap(path, "w+", shape=(len(X),))
    ...     start = 0
    ...     for block in iter_blocks(density.score_samples, X):
    ...         scores[start : start + len(block)] = block
    ...         start += len(block)
    ...     kept = np.array(scores)
    ...     del scores
    >>> bool((kept == density.score_samples(X)).all())
    True
    """
    stream = as_stream(X) or MemoryStream(as_table(X))
    return map(method, stream.blocks())
