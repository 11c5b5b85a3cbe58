"""dtypes, indexes and data frames as plain values, and back."""

import re
from collections.abc import Callable
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

Write = Callable[[Any], Any]
DTYPE_TEXT = re.compile(r"[<>|=]?[a-zA-Z]\d*(\[(\d*[a-zA-Z]+)\])?")
# what narwhals' dtypes of data frames are made of
DTYPE_PARTS = ("time_unit", "time_zone", "categories", "precision", "scale")


def describe_dtype(dtype: Any, write: Write) -> dict | None:
    """Return a dtype of NumPy, pandas or narwhals as plain values, None for what is none."""
    if isinstance(dtype, np.dtype):
        return {"dtype": dtype.str}
    if isinstance(dtype, pd.CategoricalDtype):
        return {"categorical_dtype": [write(dtype.categories), bool(dtype.ordered)]}
    if isinstance(dtype, pd.StringDtype):
        return {"string_dtype": [dtype.storage, dtype.na_value is pd.NA]}
    if isinstance(dtype, pd.api.extensions.ExtensionDtype):
        text = str(dtype)
        return {"pandas_dtype": text} if pd.api.types.pandas_dtype(text) == dtype else None
    if isinstance(dtype, nw.dtypes.DType):
        parts = {name: getattr(dtype, name) for name in DTYPE_PARTS if hasattr(dtype, name)}
        return {"frame_dtype": [type(dtype).__name__, write(parts)]}
    return None


def numpy_dtype(text: str) -> np.dtype:
    """Return the NumPy dtype of this text."""
    if not DTYPE_TEXT.fullmatch(text):
        raise ValueError(f"{text!r} is no dtype")
    return np.dtype(text)


def string_dtype(parts: list) -> pd.StringDtype:
    """Return pandas' dtype of text with this storage, and NA or NaN for what is missing."""
    storage, has_na = parts
    return pd.StringDtype(storage, pd.NA if has_na else np.nan)


def categorical_dtype(parts: list) -> pd.CategoricalDtype:
    """Return pandas' dtype of these categories."""
    categories, is_ordered = parts
    return pd.CategoricalDtype(categories, bool(is_ordered))


def frame_dtype(parts: list) -> Any:
    """Return the dtype of this name that narwhals has."""
    name, arguments = parts
    kind = getattr(nw, name)
    if not (isinstance(kind, type) and issubclass(kind, nw.dtypes.DType)):
        raise ValueError(f"{name!r} is no dtype")
    if not arguments.keys() <= set(DTYPE_PARTS):
        raise ValueError(f"no {name} is made of {sorted(arguments)}")
    return kind(**arguments)


def describe_index(index: pd.Index, write: Write) -> dict:
    """Return an index as plain values: those that it holds, its dtype and its name."""
    if isinstance(index, pd.MultiIndex):
        return {"multi_index": [write(list(index)), write(list(index.names))]}
    is_plain = isinstance(index.dtype, np.dtype) and index.dtype.kind in "biuf"
    values = index.to_numpy() if is_plain else list(index)
    return {"index": [write(values), write(index.dtype), write(index.name)]}


def make_index(parts: list) -> pd.Index:
    """Return the index of these values, this dtype and this name."""
    values, dtype, name = parts
    if isinstance(dtype, pd.CategoricalDtype):
        return pd.CategoricalIndex(values, dtype=dtype, name=name)
    return pd.Index(values, dtype=dtype, name=name, tupleize_cols=False)


def make_multi_index(parts: list) -> pd.MultiIndex:
    """Return the index of these tuples, with these names."""
    keys, names = parts
    return pd.MultiIndex.from_tuples(keys, names=names)


def describe_frame(frame: pd.DataFrame, write: Write) -> dict:
    """Return a data frame as plain values: its columns, their names, and its index."""
    columns = write([_values_of(frame.iloc[:, j]) for j in range(frame.shape[1])])
    return {"frame": [columns, write(frame.columns), write(frame.index)]}


def _values_of(column: pd.Series) -> pd.Index | np.ndarray:
    """Return the cells of a column as an index, or as an array if none can be of its dtype."""
    return column.to_numpy() if column.dtype == np.float16 else pd.Index(column)


def make_frame(parts: list) -> pd.DataFrame:
    """Return the data frame of these columns, with these names and this index."""
    columns, names, index = parts
    series = {j: pd.Series(column, index=index) for j, column in enumerate(columns)}
    return pd.DataFrame(series, index=index).set_axis(names, axis=1)


def describe_instant(value: Any) -> dict | None:
    """Return a date, duration, period or interval of pandas as plain values."""
    if isinstance(value, pd.Timestamp):
        zone = None if value.tzinfo is None else str(value.tzinfo)
        return {"timestamp": [int(value.asm8.astype(np.int64)), value.unit, zone]}
    if isinstance(value, pd.Timedelta):
        return {"timedelta": [int(value.asm8.astype(np.int64)), value.unit]}
    if isinstance(value, pd.Period):
        return {"period": [value.ordinal, value.freqstr]}
    return None


def make_timestamp(parts: list) -> pd.Timestamp:
    """Return the point in time that is this many units after 1970."""
    n_units, unit, zone = parts
    instant = pd.Timestamp(np.datetime64(n_units, unit))
    return instant if zone is None else instant.tz_localize("UTC").tz_convert(zone)


def make_timedelta(parts: list) -> pd.Timedelta:
    """Return the duration of this many units."""
    n_units, unit = parts
    return pd.Timedelta(np.timedelta64(n_units, unit))


def make_period(parts: list) -> pd.Period:
    """Return the period of this number and frequency."""
    ordinal, freq = parts
    return pd.Period(ordinal=ordinal, freq=freq)
