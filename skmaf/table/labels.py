"""Names on answers about rows: the index of the rows, names of columns, the number of a draw."""

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from .frames import ARRAY, column_names, container_of, write_frame

DRAW = "draw"


def labelled(values: np.ndarray, X: Any, columns: pd.Index | None = None) -> Any:
    """Return numbers about rows as a frame of the kind of these, and as they are beside an array.

    Parameters
    ----------
    values : ndarray of shape (n, ...)
    X : array or data frame of n rows
    columns : Index, default=None
        Names of what is along the other dimensions of ``values``; None takes those of X. Frames
        of other libraries than pandas have the levels of a MultiIndex in one name.
    """
    container = container_of(X)
    if container == ARRAY:
        return values
    if columns is None:
        columns = X.columns if container == "pandas" else pd.Index(column_names(X) or [])
    cells = values.reshape(len(values), len(columns))
    if container == "pandas":
        return pd.DataFrame(cells, X.index, columns)
    names = [_in_one(name) for name in columns]
    return write_frame(container, dict(zip(names, cells.T)), [None] * len(names))


def product_index(levels: dict[str, Any]) -> pd.Index:
    """Return the names of columns that lie along several dimensions, by what is along each."""
    if len(levels) > 1:
        return pd.MultiIndex.from_product(levels.values(), names=levels)
    ((name, values),) = levels.items()
    return pd.Index(values, name=name)


def _in_one(name: Any) -> str:
    return "_".join(map(str, name)) if isinstance(name, tuple) else str(name)


def with_draws(table: Any, n_draws: int) -> Any:
    """Return tables of several draws, one below the other, with the number of the draw of each row.

    A frame of pandas has it in a level of its index before the others, one of another library in a
    column before the others; an array has no place for it. It is called "draw", with underscores
    behind that as long as something in the table is called so.
    """
    container = container_of(table)
    if container == ARRAY:
        return table
    n_rows = len(table) // n_draws
    taken = column_names(table) or []
    if container == "pandas":
        index = table.index[:n_rows]
        name = _free_name([*taken, *index.names])
        rows = [pd.DataFrame(index=index)] * n_draws
        return table.set_axis(pd.concat(rows, keys=range(n_draws), names=[name]).index)
    name = _free_name(taken)
    frame = nw.from_native(table)
    draws = np.arange(n_draws).repeat(n_rows)
    numbers = nw.new_series(name, draws, nw.Int64, backend=frame.implementation)
    return nw.concat([numbers.to_frame(), frame], how="horizontal").to_native()


def _free_name(taken: list) -> str:
    name = DRAW
    while name in taken:
        name += "_"
    return name
