"""The containers of tables: arrays, and data frames of pandas or what else narwhals knows.

Frames of pandas are read as they are, since their extension types say more than narwhals does.
"""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from sklearn.utils.validation import check_array

ARRAY = "array"


def as_table(X: Any, min_rows: int = 1) -> Any:
    """Return ``X`` as a 2-d array or a data frame.

    Parameters
    ----------
    X : array-like or data frame of shape (n_samples, n_features)
    min_rows : int, default=1

    Returns
    -------
    table : ndarray or data frame

    Raises
    ------
    ValueError
        If X is no table, or has too few rows or no column; the message says what to do.
    TypeError
        If X is sparse.
    """
    X = unwrapped("X", X)
    _refuse_series(X)
    checks = {"dtype": None, "ensure_all_finite": False, "ensure_min_samples": min_rows}
    if container_of(X) != ARRAY:
        check_array(np.broadcast_to(0, X.shape), **checks)
        return X
    if isinstance(X, (list, tuple)):
        X = _from_rows(X)
    X = check_array(X, **checks)
    # neither torch nor pandas takes numbers of another byte order
    return X if X.dtype.isnative else X.astype(X.dtype.newbyteorder("="))


def container_of(X: Any) -> str:
    """Return "pandas", "polars", "pyarrow" or another name of narwhals, or "array" for the rest."""
    if isinstance(X, pd.DataFrame):
        return "pandas"
    if not nw.dependencies.is_into_dataframe(X):
        return ARRAY
    return str(nw.from_native(X).implementation.value)


def column_names(X: Any) -> list | None:
    """Return the names of the columns of a table; None if it is an array."""
    container = container_of(X)
    if container == ARRAY:
        return None
    return list(X.columns if container == "pandas" else nw.from_native(X).columns)


def column_series(X: Any) -> list[pd.Series]:
    """Return the columns of a table as Series of pandas, with numbers of other frames as floats."""
    container = container_of(X)
    if container == "pandas":
        return [X.iloc[:, j] for j in range(X.shape[1])]
    if container == ARRAY:
        return [pd.Series(column) for column in X.T]
    return [_to_series(column) for column in nw.from_native(X).iter_columns()]


def write_frame(container: str, columns: dict[Any, np.ndarray], dtypes: list) -> Any:
    """Return a frame of a library other than pandas.

    Parameters
    ----------
    container : str
        The name of the library, as `container_of` gives it.
    columns : dict of str to ndarray
        Floats, NaN where a cell is missing, or objects, None where it is.
    dtypes : list
        A dtype of narwhals for each column, or None to let it follow from the values.
    """
    backend: Any = nw.Implementation(container)
    series = [
        _new_series(str(name), values, dtype, backend)
        for (name, values), dtype in zip(columns.items(), dtypes)
    ]
    return nw.concat([column.to_frame() for column in series], how="horizontal").to_native()


def stack_columns(columns: list[np.ndarray]) -> np.ndarray:
    """Return columns as an array: of objects, unless all are numbers or of one dtype."""
    is_number = [column.dtype.kind in "iuf" for column in columns]
    if all(is_number) or all(column.dtype == columns[0].dtype for column in columns):
        return np.column_stack(columns)
    return np.column_stack([_as_objects(column) for column in columns])


def _as_objects(column: np.ndarray) -> np.ndarray:
    """Return cells as objects: of dates and durations in nanoseconds NumPy would make integers."""
    is_time = column.dtype.kind in "mM"
    return pd.Series(column).astype(object).to_numpy() if is_time else column.astype(object)


def with_values(X: Any, columns: list[np.ndarray], changed: np.ndarray) -> Any:
    """Return a table with other values in some cells, and in its own dtypes where they can be.

    Parameters
    ----------
    X : array or data frame of shape (n, n_features)
    columns : list of ndarray of shape (n,)
        Values of each column.
    changed : ndarray of bool, shape (n, n_features)
        Where they go; where a cell is missing, at least.
    """
    container = container_of(X)
    if container == ARRAY:
        return with_own_cells(stack_columns(columns), X, changed)
    if container == "pandas":
        series = [_to_dtype(pd.Series(x), X.dtypes.iloc[j]) for j, x in enumerate(columns)]
        table = pd.DataFrame(dict(enumerate(series))).set_axis(X.columns, axis=1)
    else:
        cells = [x if x.dtype.kind in "iuf" else _as_objects(x) for x in columns]
        table = write_frame(container, dict(zip(column_names(X) or [], cells)), [None] * len(cells))
    return put_back(table, X, changed)


def _to_dtype(values: pd.Series, dtype: Any) -> pd.Series:
    # `_filled` widens categories, and integers where numbers are not whole
    if isinstance(dtype, pd.CategoricalDtype) or pd.api.types.is_integer_dtype(dtype):
        return values
    try:
        return values.astype(dtype)
    except (TypeError, ValueError):
        return values


def with_own_cells(values: np.ndarray, X: Any, changed: np.ndarray) -> np.ndarray:
    """Return cells with those of a table itself where they are not changed.

    Among objects these may be categories that have no other name.
    """
    if values.dtype != object:
        return values
    own = stack_columns([column.to_numpy() for column in column_series(X)])
    return np.where(changed, values, own)


def integers_as_floats(X: Any, positions: Sequence[int]) -> Any:
    """Return a data frame with columns at some positions as floats if they are of integers."""
    names = [name for j, name in enumerate(column_names(X) or []) if j in positions]
    if container_of(X) == "pandas":
        integers = [name for name in names if pd.api.types.is_integer_dtype(X[name])]
        return X.astype(dict.fromkeys(integers, np.float64))
    frame = nw.from_native(X)
    integers = [name for name in names if frame[name].dtype.is_integer()]
    return frame.with_columns(nw.col(*integers).cast(nw.Float64)).to_native() if integers else X


def put_back(table: Any, X: Any, missing: np.ndarray) -> Any:
    """Return ``table`` with the cells of ``X`` that are not missing, which are thus as they were.

    Of different containers the table has the values that it can hold, and takes what it lacks:
    categories that were not seen.
    """
    container = container_of(X)
    if container != container_of(table):
        return _with_unknown(table, X, missing)
    if container == ARRAY:
        if table.dtype.kind == "f" and table.dtype != X.dtype:
            table = table.astype(np.float64)  # the cells of X may be too large for float32
        table[~missing] = X[~missing]
        return table
    if container == "pandas":
        table.index = X.index
        for j in range(X.shape[1]):
            table.isetitem(j, _filled(X.iloc[:, j], table.iloc[:, j], missing[:, j]))
        return table
    frame = nw.from_native(table)
    for j, column in enumerate(nw.from_native(X).iter_columns()):
        name = frame.columns[j]
        if missing[:, j].any():
            kept = nw.new_series("kept", ~missing[:, j], nw.Boolean, backend=frame.implementation)
            values = frame[name]
            if column.dtype.is_integer() and not are_whole(values.to_numpy()[missing[:, j]]):
                column = column.cast(nw.Float64)
            column = column.zip_with(kept, values.cast(column.dtype))
        frame = frame.with_columns(column.alias(name))
    return frame.to_native()


def _with_unknown(table: Any, X: Any, missing: np.ndarray) -> Any:
    """Return ``table`` with cells of ``X`` that are not missing there, and are in the table."""
    rows = as_pandas(table)
    cells = pd.DataFrame(as_pandas(X))
    if isinstance(rows, np.ndarray):
        unknown = pd.isna(rows) & ~missing
        rows[unknown] = cells.to_numpy(object)[unknown]
        return rows
    for j in range(cells.shape[1]):
        unknown = rows.iloc[:, j].isna().to_numpy() & ~missing[:, j]
        if unknown.any():
            values = cells.iloc[:, j].set_axis(rows.index)
            table = _with_column(table, j, _filled(rows.iloc[:, j], values, unknown))
    return table


def _with_column(table: Any, j: int, column: pd.Series) -> Any:
    """Return a frame with another column at a position."""
    if container_of(table) == "pandas":
        table.isetitem(j, column)
        return table
    frame = nw.from_native(table)
    cells = column.astype(object).where(column.notna(), None).tolist()
    name = frame.columns[j]
    series = nw.new_series(name, cells, backend=frame.implementation)
    return frame.with_columns(series).to_native()


def _filled(column: pd.Series, values: pd.Series, missing: np.ndarray) -> pd.Series:
    """Return a column with values where it is missing; they may be no categories of its own."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        values = values.astype(object)
        categories = column.cat.categories
        new = [cell for cell in pd.unique(values[missing]) if cell not in categories]
        dtype = pd.CategoricalDtype([*categories, *new], column.cat.ordered)
        column = column.astype(dtype)
        values = values.where(missing, None).astype(dtype)
    elif isinstance(values.dtype, pd.CategoricalDtype):
        # pandas 2 cannot put categories among numbers
        values = pd.Series(np.asarray(values), index=values.index)
    elif pd.api.types.is_integer_dtype(column) and not are_whole(values.to_numpy()[missing]):
        column = column.astype("Float64")
    return column.where(~missing, values)


def are_whole(values: np.ndarray) -> bool:
    """Return whether a column of integers can hold all of some numbers."""
    return bool(np.all(values % 1 == 0))


def take_rows(X: Any, positions: np.ndarray) -> Any:
    """Return the rows of a table at these positions, any of them several times."""
    container = container_of(X)
    if container == ARRAY:
        return X[positions]
    return X.iloc[positions] if container == "pandas" else nw.from_native(X)[positions].to_native()


def as_pandas(X: Any) -> Any:
    """Return a frame of any library as one of pandas; arrays as they are."""
    if container_of(X) in (ARRAY, "pandas"):
        return X
    columns = nw.from_native(X).iter_columns()
    return pd.DataFrame({column.name: _cells(column) for column in columns})


def is_dask(X: Any) -> bool:
    """Return whether X is a collection of Dask, which need not be installed."""
    return type(X).__module__.partition(".")[0] == "dask"


def unwrapped(name: str, X: Any) -> Any:
    """Return what is an array or a frame inside of X, and refuse what is neither by what to do.

    Parameters
    ----------
    name : str
        What messages call it.
    X : array-like, data frame or Series
    """
    if isinstance(X, pd.DataFrame):
        _refuse_equal_names(name, X)
        return X
    if hasattr(X, "detach"):  # a tensor of torch
        X = X.detach().cpu()
        return (X.float() if X.dtype.itemsize < 4 and X.is_floating_point() else X).numpy()
    module = type(X).__module__.partition(".")[0]
    if module == "xarray" and type(X).__name__ == "Dataset":
        raise ValueError(
            f"{name} is a Dataset of xarray: give a table, such as "
            f"{name}.to_dataframe().reset_index()."
        )
    if module == "pyarrow" and type(X).__name__ == "RecordBatch":
        raise ValueError(
            f"{name} is a RecordBatch of pyarrow: give a table, such as "
            f"pyarrow.Table.from_batches([{name}])."
        )
    if module == "pyarrow" and hasattr(X, "to_batches") and hasattr(X, "scanner"):
        raise ValueError(
            f"{name} is a dataset of pyarrow, whose rows are not read yet: give {name}.to_table()."
        )
    if is_dask(X):
        raise ValueError(
            f"{name} is a Dask {type(X).__name__}, whose rows are not in memory, and here all of "
            f"them are needed: give {name}.compute(), or compute as many rows as fit in memory."
        )
    if isinstance(X, np.ma.MaskedArray):
        return _without_mask(X)
    X = nw.to_native(X, pass_through=True)
    if isinstance(nw.from_native(X, pass_through=True), nw.LazyFrame):
        raise ValueError(
            f"{name} is a {type(X).__name__}, whose rows are not computed yet: give "
            f"{name}.collect()."
        )
    return X


def _without_mask(X: np.ma.MaskedArray) -> np.ndarray:
    """Return an array in which masked cells are missing."""
    mask = np.ma.getmaskarray(X)
    cells = X.data
    if not mask.any():
        return cells
    if cells.dtype.kind in "iuf":
        return np.where(mask, np.nan, cells.astype(np.result_type(cells, np.float32)))
    cells = cells.astype(object)
    cells[mask] = None
    return cells


def _refuse_series(X: Any) -> None:
    if isinstance(X, pd.Series) or nw.dependencies.is_into_series(X):
        raise ValueError(
            "Expected a 2-dimensional container but got a Series, which is one column: give a "
            "table, such as X.to_frame()."
        )


def _refuse_equal_names(name: str, X: pd.DataFrame) -> None:
    equal = X.columns[X.columns.duplicated()]
    if len(equal):
        raise ValueError(
            f"{name} has several columns called {equal[0]!r}: give each a name of its own."
        )


def _from_rows(rows: Any) -> np.ndarray:
    """Return an array of rows in lists: of objects, unless all cells are numbers."""
    # by itself NumPy makes text of a number beside text, and a number of a truth value
    cells = np.array(rows, dtype=object)
    types = set(map(type, cells.flat))
    is_numbers = all(issubclass(cell, Real) and not issubclass(cell, bool) for cell in types)
    plain = np.array(rows) if is_numbers and types else cells
    return plain if plain.dtype.kind in "iuf" else cells


def _cells(column: nw.Series) -> Any:
    is_whole = column.dtype.is_integer() and column.null_count() == 0
    return column.to_numpy() if column.dtype.is_float() or is_whole else column.to_list()


def _to_series(column: nw.Series) -> pd.Series:
    if column.dtype.is_numeric():
        if column.dtype.is_decimal() or column.dtype in (nw.Int128, nw.UInt128):
            column = column.cast(nw.Float64)
        is_single = column.dtype == nw.Float32
        # NumPy rounds large integers, which not all libraries do
        return pd.Series(column.to_numpy().astype(np.float32 if is_single else np.float64))
    dtype: Any = object
    if isinstance(column.dtype, nw.Enum):
        dtype = pd.CategoricalDtype(list(column.dtype.categories))
    return pd.Series(column.to_list(), dtype=dtype)


def _dtype_of_durations(cells: np.ndarray) -> Any:
    """Return the dtype of durations of pandas, which not all libraries find; else None."""
    present = [cell for cell in cells if cell is not None]
    if not present or not all(isinstance(cell, pd.Timedelta) for cell in present):
        return None
    return nw.Duration("ns" if any(cell.nanoseconds for cell in present) else "us")


def _new_series(name: str, values: np.ndarray, dtype: Any, backend: Any) -> nw.Series:
    if values.dtype == object:
        is_mixed = len({type(cell) for cell in values if cell is not None}) > 1
        if dtype is None and is_mixed:  # of one column most libraries want cells of one type
            values = np.array([cell if cell is None else str(cell) for cell in values], object)
        dtype = dtype or _dtype_of_durations(values)
        return nw.new_series(name, values.tolist(), dtype, backend=backend)
    series = nw.new_series(name, values, nw.Float64, backend=backend)
    missing = np.isnan(values)
    if missing.any():
        cells = values.astype(object)
        cells[missing] = None
        series = nw.new_series(name, cells.tolist(), nw.Float64, backend=backend)
    # libraries make categories of text alone
    return series if dtype is None or dtype == nw.Categorical else series.cast(dtype)
