"""The user's table, of numbers, text and truth values, as one matrix of numbers, and back."""

import re
import sys
import warnings
from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from decimal import Decimal
from numbers import Complex, Real

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_array, validate_data

MAX_CATEGORIES = 1000
FEW_CATEGORIES = 20  # however few rows there are

# the first that fits counts: to Python a truth value is a number, and to NumPy a time span is one
CELL_KINDS = {
    "truth values": (bool, np.bool_),
    "dates": (date, time, timedelta, np.datetime64, np.timedelta64, pd.Period),
    "numbers": (Real, Decimal),
    "complex numbers": (Complex,),
    "text": (str, bytes),
}


@dataclass(frozen=True)
class Schema:
    """The form of the table that `fit` saw, to read others like it and to write one.

    Attributes
    ----------
    names : list or None
        Names of the columns.
    container : {"array", "pandas", "polars"}
    dtypes : list
        Of the columns; those of an array are all the same.
    categories : list of Index or None
        The values of each column in the order of their codes, or None for a column of numbers.
    kinds : list of set
        What the cells of each column may be, among the names of `CELL_KINDS`.
    """

    names: list | None
    container: str
    dtypes: list
    categories: list
    kinds: list

    @property
    def n_categories(self):
        """How many categories each column has, None for one of numbers."""
        return [None if categories is None else len(categories) for categories in self.categories]

    def label(self, j):
        """What messages call a column."""
        return f"Column {j}" if self.names is None else f"Column {self.names[j]!r}"

    def decode(self, j, x):
        """The values of a column from its numbers or codes: floats with NaN, or objects with None."""
        if self.categories[j] is None:
            return x
        missing = np.isnan(x) | (
            x >= len(self.categories[j])
        )  # a category that `fit` did not see has no name
        values = self.categories[j].to_numpy()[np.where(missing, 0, x).astype(int)]
        values[missing] = None  # NaN among floats
        return values

    def write(self, N, container=None):
        """A matrix of numbers, NaN where a cell is missing and codes for categories, in the form of the user's table.

        In another container the dtypes follow from the values.
        """
        container = container or self.container
        N = np.asarray(N, dtype=np.float64)
        columns = [self.decode(j, x) for j, x in enumerate(N.T)]
        names = self.names or [f"x{j}" for j in range(len(columns))]
        dtypes = self.dtypes if container == self.container else [None] * len(columns)
        if container == "pandas":
            series = [_to_pandas(*column) for column in zip(N.T, columns, dtypes)]
            return pd.DataFrame(dict(enumerate(series))).set_axis(names, axis=1)
        if container == "polars":
            import polars

            return polars.DataFrame(
                {name: _to_polars(*column) for name, *column in zip(names, columns, dtypes)}
            )
        table = np.column_stack(columns)
        return table.astype(self.dtypes[0]) if self.dtypes[0].name in ("bool", "float32") else table


def restore(table, X, missing):
    """The cells of ``X`` that are not missing put back where ``table``, of as many rows, has them from numbers.

    A number beyond the precision of a float, and a category that `fit` did not see, are thus as they were.
    """
    if isinstance(X, pd.DataFrame) and isinstance(table, pd.DataFrame):
        table.index = X.index
        for j in range(X.shape[1]):
            table.isetitem(j, X.iloc[:, j].where(~missing[:, j], table.iloc[:, j]))
    elif isinstance(X, np.ndarray) and isinstance(table, np.ndarray):
        table[~missing] = X[~missing]
    elif _container(X) == _container(table) == "polars":
        for j, (own, column) in enumerate(zip(X.get_columns(), table.get_columns())):
            if missing[:, j].any():
                own = own.zip_with(type(own)(~missing[:, j]), column.cast(own.dtype))
            table = table.with_columns(own)
    return table


def read_table(estimator, X, *, reset, categorical=()):
    """``X`` as a 2-d float array: numbers as they are, NaN for missing cells, categories as codes 0, 1, ...

    Text and truth values are categories, and so are the columns of a categorical dtype. A table of nothing but float32 stays
    float32, all else becomes float64.

    Parameters
    ----------
    estimator : estimator
        Where the form of the table is stored as ``schema_`` (``reset=True``) or looked up (``reset=False``).
    X : array-like, pandas.DataFrame or polars.DataFrame of shape (n_samples, n_features)
    reset : bool
    categorical : collection of int, default=()
        Positions of columns of numbers that are categories, too; only for ``reset=True``.

    Returns
    -------
    ndarray of shape (n_samples, n_features)
        A category that `fit` did not see has the code after the last one.

    Raises
    ------
    ValueError
        If a column has no values, infinite ones, dates, too many categories or another kind of values than in `fit`, or the
        shape or the names of the columns do not fit.
    TypeError
        If a cell holds neither a number nor text nor a truth value.
    """
    X = _check_shape(estimator, X, reset)
    schema = _blank_schema(X) if reset else estimator.schema_
    has_categories = len(categorical) > 0 if reset else any(schema.n_categories)
    if isinstance(X, np.ndarray) and X.dtype.kind in "iuf" and not has_categories:
        table = X.astype(np.float32 if X.dtype == np.float32 else np.float64, copy=False)
        _check_finite(table, [schema.label(j) for j in range(X.shape[1])])
    else:
        table, schema = _read_columns(X, schema, reset, categorical)
    if reset:
        for j in np.flatnonzero(np.isnan(table).all(axis=0)):
            raise ValueError(f"{schema.label(j)} has no value in any row: drop it.")
        estimator.schema_ = schema
    return table


def _blank_schema(X):
    container, n_columns = _container(X), X.shape[1]
    names, dtypes = (
        (None, [X.dtype] * n_columns) if container == "array" else (list(X.columns), list(X.dtypes))
    )
    return Schema(names, container, dtypes, [None] * n_columns, [{"numbers"}] * n_columns)


def _container(X):
    if isinstance(X, pd.DataFrame):
        return "pandas"
    polars = sys.modules.get("polars")  # who has a frame of polars has imported it
    return "polars" if polars is not None and isinstance(X, polars.DataFrame) else "array"


def _check_shape(estimator, X, reset):
    """``X`` as a 2-d array or a frame, after the checks of scikit-learn."""
    checks = dict(dtype=None, ensure_all_finite=False, ensure_min_samples=2 if reset else 1)
    if _container(X) == "array":
        if isinstance(X, (list, tuple)):
            X = np.array(X, dtype=object)  # by itself NumPy makes text of a number beside text
        return validate_data(estimator, X, reset=reset, **checks)
    check_array(np.broadcast_to(0, X.shape), estimator=estimator, **checks)
    return validate_data(estimator, X, reset=reset, skip_check_array=True)


def _check_finite(table, labels):
    counts = np.isinf(table).sum(axis=0)
    if counts.any():
        j = int(counts.argmax())
        raise ValueError(
            f"{labels[j]} contains inf in {counts[j]} of {len(table)} rows: replace it or drop those rows."
        )


def _read_columns(X, schema, reset, categorical):
    """The table as numbers, column by column, and the schema with what is learned if ``reset``."""
    numbers, categories, kinds = [], list(schema.categories), list(schema.kinds)
    for j, column in enumerate(_columns(X)):
        label = schema.label(j)
        cells, now = _cells(column, label)
        if reset:
            categories[j] = _learn(column, cells, label, j in categorical)
            kinds[j] = now if categories[j] is None else now | _kinds(categories[j])
        elif now - kinds[j]:
            before, now = (" and ".join(sorted(some)) for some in (kinds[j], now - kinds[j]))
            raise ValueError(
                f"{label} held {before} in fit and holds {now} now: give it the kind of values that it had."
            )
        numbers.append(cells if categories[j] is None else _encode(cells, categories[j], label))
    return np.column_stack(numbers), replace(schema, categories=categories, kinds=kinds)


def _columns(X):
    """The columns of any table as Series of pandas."""
    container = _container(X)
    if container == "pandas":
        return [X.iloc[:, j] for j in range(X.shape[1])]
    return (
        [pd.Series(x) for x in X.T]
        if container == "array"
        else [_from_polars(x) for x in X.get_columns()]
    )


def _from_polars(column):
    import polars

    if column.dtype.is_numeric():
        return pd.Series(
            (column if column.dtype == polars.Float32 else column.cast(polars.Float64)).to_numpy()
        )
    is_declared = isinstance(column.dtype, polars.Enum)
    return pd.Series(
        column.to_list(),
        dtype=pd.CategoricalDtype(column.dtype.categories.to_list()) if is_declared else object,
    )


def _cells(column, label):
    """The cells of a column, floats with NaN where all are numbers and otherwise objects, and the kinds of these."""
    if column.dtype.kind in "iuf":
        cells = column.to_numpy(
            np.float32 if column.dtype.name.lower() == "float32" else np.float64, na_value=np.nan
        )
        kinds = set() if np.isnan(cells).all() else {"numbers"}
    else:
        cells = column.to_numpy(object)
        missing = pd.isna(cells)
        kinds = _kinds(cells[~missing])
        if not isinstance(column.dtype, pd.CategoricalDtype):
            _check_cells(kinds, label)
        if kinds <= {"numbers"}:
            cells = np.where(missing, np.nan, cells).astype(np.float64)
    if kinds <= {"numbers"}:
        _check_finite(cells[:, None], [label])
    return cells, kinds


def _kinds(values):
    """Names of all the kinds of cells among ``values``."""
    return {
        next(
            (kind for kind, types in CELL_KINDS.items() if issubclass(cell, types)),
            f"cells of type {cell.__name__}",
        )
        for cell in set(map(type, values))
    }


def _check_cells(kinds, label):
    for kind in sorted(kinds - CELL_KINDS.keys()):
        raise TypeError(f"{label} holds {kind}: argument must be a string or a number.")
    if "dates" in kinds:
        raise ValueError(
            f"{label} holds dates: turn it into numbers (days since a date, hour, weekday) or drop it."
        )
    if "complex numbers" in kinds:
        raise ValueError(f"Complex data not supported: {label} holds complex numbers.")


def _learn(column, cells, label, is_declared):
    """The categories of a column in the order of their codes, or None for a column of numbers."""
    has_list, is_numbers = isinstance(column.dtype, pd.CategoricalDtype), cells.dtype != object
    if is_numbers and not is_declared and not has_list:
        return None
    observed = pd.unique(cells[~pd.isna(cells)])
    values = (
        column.cat.categories if has_list else sorted(observed, key=None if is_numbers else str)
    )
    if max(len(observed), len(values)) > MAX_CATEGORIES or len(observed) > max(
        FEW_CATEGORIES, len(cells) / 2
    ):
        raise ValueError(
            f"{label} holds {len(observed)} different values in {len(cells)} rows, of {len(values)} categories: group the rare "
            "ones, or drop it if it only names rows."
        )
    return pd.Index(values, dtype=np.float64 if _kinds(values) == {"numbers"} else object)


def _encode(cells, categories, label):
    """Codes of the cells, NaN where there is none; a value that is no category has the code after the last."""
    codes = np.full(len(cells), np.nan)
    present = ~pd.isna(cells)
    codes[present] = categories.get_indexer(pd.Index(cells[present], dtype=categories.dtype))
    is_new = codes == -1
    if is_new.any():
        new = pd.unique(cells[is_new]).tolist()
        some = ", ".join(map(repr, new[:3])) + (", ..." if len(new) > 3 else "")
        message = f"{label} holds {some}, which fit did not see: such cells count as new values."
        warnings.warn(
            message, stacklevel=6
        )  # for the line that calls the method that calls `_read`
        codes[is_new] = len(categories)
    return codes


def _whole(values, dtype):
    """Values rounded to what an integer dtype can hold; for another dtype as they are."""
    match = re.match(r"(u?)int(\d+)", str(dtype).lower())
    if match is None:
        return values
    is_signed, bits = not match[1], int(match[2])
    bound = 2.0 ** (bits - is_signed)
    # the bound itself would wrap around, and as a float 2**63 - 1 is 2**63
    return np.clip(np.rint(values), -bound if is_signed else 0.0, np.floor(np.nextafter(bound, 0)))


def _to_pandas(codes, values, dtype):
    if isinstance(dtype, pd.CategoricalDtype):
        known = codes < len(dtype.categories)
        return pd.Categorical.from_codes(np.where(known, codes, -1).astype(int), dtype=dtype)
    has_no_missing_value = isinstance(dtype, np.dtype) and dtype.kind in "biu"
    return pd.Series(
        _whole(values, dtype),
        dtype=None if has_no_missing_value and pd.isna(values).any() else dtype,
    )


def _to_polars(values, dtype):
    import polars

    if values.dtype == object:
        return polars.Series(values.tolist(), dtype=dtype)
    series = polars.Series(_whole(values, dtype), nan_to_null=True)
    return series if dtype is None else series.cast(dtype)
