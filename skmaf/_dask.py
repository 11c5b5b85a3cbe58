"""Methods that take rows answer lazily where these are a Dask array or dataframe.

A method is asked of each chunk or partition by itself. The estimator is one key of the graph, as
bytes that a worker unpickles: it is sent to a worker once, and a worker that is lost takes nothing
with it that the graph could not make again. Dask is imported where rows are of it.
"""

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from typing import Any, TypeVar, cast

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from ._validation import check_columns, seed_from
from .table.frames import as_pandas, as_table, is_dask

Method = TypeVar("Method", bound=Callable[..., Any])

N_SEEDS = 2**32


def lazy_on_dask(outline: Callable[..., Any]) -> Callable[[Method], Method]:
    """Let a method whose argument ``X`` is rows return a collection of Dask where X is one.

    Of an array it is an array with the chunks of X; of a dataframe a Series or a dataframe with its
    index and divisions, or an array where an answer is one of more than two dimensions. An argument
    ``y`` may be a collection as well. From an argument ``random_state`` each part gets a seed of
    its own.

    Parameters
    ----------
    outline : callable
        Takes what the method takes, with an X of no rows, and returns what the method would return
        of it: an array of shape (0, ...), or a frame of pandas where columns have names.
    """

    def decorate(method: Method) -> Method:
        @wraps(method)
        def answer(self: Any, X: Any, *args: Any, **kwargs: Any) -> Any:
            if not is_dask(X):
                return method(self, X, *args, **kwargs)
            bound = signature(method).bind(self, X, *args, **kwargs)
            bound.apply_defaults()
            others = dict(list(bound.arguments.items())[2:])
            return _ask_parts(self, method.__name__, outline, X, others)

        return cast(Method, answer)

    return decorate


def a_number(estimator: Any, X: Any, *args: Any, **kwargs: Any) -> np.ndarray:
    """Return the outline of a method that gives a number for each row."""
    return np.empty(0)


def shared_estimator(estimator: Any) -> Any:
    """Return an estimator, as it is now, as one key of a graph."""
    import cloudpickle
    from dask import delayed

    return delayed(load_estimator, pure=True)(cloudpickle.dumps(estimator))


def load_estimator(pickled: bytes) -> Any:
    """Return an estimator from its pickle."""
    return pickle.loads(pickled)


def part_seeds(random_state: Any, n_parts: int) -> np.ndarray:
    """Return a seed for each part of a collection; no two are the same."""
    # hashed, so that no part of one seed of the user is the next part of another
    first = np.random.SeedSequence(seed_from(random_state)).generate_state(1)[0]
    return (int(first) + np.arange(n_parts)) % N_SEEDS


def _ask_parts(
    estimator: Any, method: str, outline: Callable[..., Any], X: Any, others: dict[str, Any]
) -> Any:
    """Return the answers about all parts of X; ``others`` are the other arguments."""
    check_is_fitted(estimator)
    rows = as_table(_without_rows(X), min_rows=0)
    check_columns(estimator, rows)
    empty = outline(estimator, rows, **others)
    same = {name: value for name, value in others.items() if name != "random_state"}
    of_parts = {}
    if others.get("y") is not None:
        of_parts["y"] = same.pop("y")
        _check_targets(X, of_parts["y"])
    if "random_state" in others:
        of_parts["random_state"] = part_seeds(others["random_state"], _n_parts(X))
    model = shared_estimator(estimator)
    ask_all = _ask_chunks if _is_array(X) else _ask_partitions
    return ask_all(method, X, model, same, of_parts, empty)


def _ask_chunks(
    method: str, X: Any, model: Any, same: dict[str, Any], of_parts: dict[str, Any], empty: Any
) -> Any:
    import dask.array as da

    empty = np.asarray(empty)
    X = X.rechunk({1: -1})
    if "y" in of_parts and _have_known_lengths(X, of_parts["y"]):
        of_parts["y"] = of_parts["y"].rechunk({0: X.chunks[0]})
    if "random_state" in of_parts:
        of_parts["random_state"] = da.from_array(of_parts["random_state"], chunks=1)
    aligned = []
    for value in of_parts.values():
        aligned += [value, ("row", "target")[: value.ndim]]
    sizes = {f"axis {k}": size for k, size in enumerate(empty.shape[1:], start=1)}
    return da.blockwise(
        _Ask(method, same, tuple(of_parts), empty),
        ("row", *sizes),
        *(X, ("row", "column"), model, None, *aligned),
        new_axes=sizes,
        concatenate=True,
        align_arrays=False,
        meta=empty,
    )


def _ask_partitions(
    method: str, X: Any, model: Any, same: dict[str, Any], of_parts: dict[str, Any], empty: Any
) -> Any:
    import dask.dataframe as dd

    if isinstance(empty, np.ndarray) and empty.ndim < 3:
        index = _without_rows(X).index
        is_table = empty.ndim == 2
        empty = pd.DataFrame(empty, index) if is_table else pd.Series(empty, index, name=method)
    if "random_state" in of_parts:
        of_parts["random_state"] = dd.from_map(_as_series, of_parts["random_state"])
    ask = _Ask(method, same, tuple(of_parts), empty)
    return X.map_partitions(
        ask, model, *of_parts.values(), meta=empty, align_dataframes=False, enforce_metadata=False
    )


@dataclass(frozen=True)
class _Ask:
    """Asks an estimator about the rows of a part, and brings the answer into one form.

    Attributes
    ----------
    method : str
    same : dict
        Arguments that are the same for all parts.
    names : tuple of str
        Those of which each part has its own.
    empty : ndarray, Series or DataFrame
        The answer about no rows.
    """

    method: str
    same: dict[str, Any]
    names: tuple[str, ...]
    empty: Any

    @property
    def __name__(self) -> str:
        """What Dask calls the tasks."""
        return self.method

    def __call__(self, rows: Any, model: Any, *values: Any) -> Any:
        if len(rows) == 0:
            return self.empty
        own = dict(zip(self.names, values))
        if "random_state" in own:
            own["random_state"] = int(np.asarray(own["random_state"])[0])
        answer = as_pandas(getattr(model, self.method)(rows, **self.same, **own))
        if isinstance(self.empty, np.ndarray):
            return np.asarray(answer, dtype=self.empty.dtype)
        if isinstance(self.empty, pd.Series):
            return pd.Series(answer, rows.index, self.empty.dtype, self.empty.name)
        if isinstance(answer, pd.DataFrame):
            return answer.set_axis(rows.index)
        return pd.DataFrame(answer, rows.index, self.empty.columns).astype(self.empty.dtypes)


def _is_array(X: Any) -> bool:
    return type(X).__module__.startswith("dask.array")


def _without_rows(X: Any) -> Any:
    """Return the table that a collection is, without its rows."""
    if _is_array(X):
        return np.empty((0, *X.shape[1:]), X.dtype)
    if not type(X).__module__.startswith("dask.dataframe"):
        raise ValueError(
            f"X is a Dask {type(X).__name__}, which is no table: give a Dask array or dataframe."
        )
    from dask.dataframe.dispatch import make_meta

    return make_meta(X)


def _check_targets(X: Any, y: Any) -> None:
    """Refuse targets that cannot be cut into parts as the rows are."""
    if not is_dask(y) or _is_array(X) != _is_array(y):
        raise ValueError(
            f"X is a Dask {type(X).__name__}, and y is a {type(y).__name__}: give both as Dask "
            "arrays, or both as Dask dataframes."
        )
    count: Callable[[Any], int] = _n_parts
    what = "chunks of rows" if _is_array(X) else "partitions"
    if _is_array(X) and _have_known_lengths(X, y):
        count = len
        what = "rows"
    if count(X) != count(y):
        raise ValueError(f"X has {count(X)} {what}, and y has {count(y)}: give both the same.")


def _n_parts(rows: Any) -> int:
    """Return in how many parts rows come; an array may be cut between its columns, too."""
    return rows.numblocks[0] if _is_array(rows) else rows.npartitions


def _have_known_lengths(X: Any, y: Any) -> bool:
    """Return whether arrays say how many rows they have."""
    return not np.isnan(X.shape[0] + y.shape[0])


def _as_series(value: Any) -> pd.Series:
    return pd.Series([value])


def draw_parts(
    estimator: Any, sizes: list[int], random_state: Any, arguments: dict[str, Any]
) -> Any:
    """Return rows that an estimator draws in parts of some sizes, as an array or a dataframe.

    Parameters
    ----------
    estimator : fitted estimator with `sample`
    sizes : list of int
        Numbers of rows.
    random_state : int, RandomState instance or None
        Gives each part its seed.
    arguments : dict
        Further arguments of `sample`.
    """
    empty = as_pandas(estimator.sample(1, random_state=0, **arguments))[:0]
    model = shared_estimator(estimator)
    seeds = part_seeds(random_state, len(sizes))
    ends = np.cumsum([0, *sizes])
    draw = _Draw(arguments)
    if isinstance(empty, pd.DataFrame):
        import dask.dataframe as dd

        divisions = (*ends[:-1].tolist(), int(ends[-1]) - 1)
        plan = dd.from_map(_as_plan, seeds, ends[:-1], ends[1:], divisions=divisions)
        return plan.map_partitions(draw, model, meta=empty, enforce_metadata=False)
    import dask.array as da

    plan = da.from_array(np.column_stack([seeds, ends[:-1], ends[1:]]), chunks=(1, 3))
    chunks = (tuple(sizes), empty.shape[1:])
    return plan.map_blocks(draw, model, chunks=chunks, meta=empty)


def _as_plan(seed: int, start: int, end: int) -> pd.DataFrame:
    return pd.DataFrame({"seed": [seed], "start": [start], "end": [end]})


@dataclass(frozen=True)
class _Draw:
    """Draws the rows of a part, told its seed and the positions of its first row and the next."""

    arguments: dict[str, Any]
    __name__ = "sample"  # what Dask calls the tasks

    def __call__(self, plan: Any, model: Any) -> Any:
        seed, start, end = np.asarray(plan)[0].tolist()
        drawn = as_pandas(model.sample(end - start, random_state=seed, **self.arguments))
        if isinstance(drawn, pd.DataFrame):
            drawn.index = pd.RangeIndex(start, end)
        return drawn
