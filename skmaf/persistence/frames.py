"""dtypes, indexes and data frames as plain values, and back."""

import datetime
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

Write = Callable[[Any], Any]
DTYPE_TEXT = re.compile(r"[<>|=]?[a-zA-Z]\d*(\[(\d*[a-zA-Z]+)\])?")
# what narwhals' dtypes of data frames are made of
DTYPE_PARTS = ("time_unit", "time_zone", "categories", "precision", "scale")
NESTED = (nw.List, nw.Array, nw.Struct)  # made of other dtypes: cells that no density has


def describe_dtype(dtype: Any, write: Write) -> dict | None:
    """Return a dtype of NumPy, pandas or narwhals as plain values, None for what is none."""
    if isinstance(dtype, np.dtype):
        return {"dtype": dtype.str}
    if isinstance(dtype, pd.CategoricalDtype):
        return {"categorical_dtype": [write(dtype.categories), bool(dtype.ordered)]}
    if isinstance(dtype, pd.StringDtype):
        return {"string_dtype": [dtype.storage, dtype.na_value is pd.NA]}
    if isinstance(dtype, pd.api.extensions.ExtensionDtype):
        return _describe_extension(dtype, write)
    if isinstance(dtype, nw.dtypes.DType) and not isinstance(dtype, NESTED):
        parts = {name: getattr(dtype, name) for name in DTYPE_PARTS if hasattr(dtype, name)}
        return {"frame_dtype": [type(dtype).__name__, write(parts)]}
    return None


def _describe_extension(dtype: Any, write: Write) -> dict | None:
    """Return a dtype of pandas as its text; as its parts, where pandas reads another of that."""
    if _is_read_of(str(dtype), dtype):
        return {"pandas_dtype": str(dtype)}
    if isinstance(dtype, pd.SparseDtype):
        return {"sparse_dtype": [write(dtype.subtype), write(dtype.fill_value)]}
    if isinstance(dtype, pd.DatetimeTZDtype):
        return {"zoned_dtype": [dtype.unit, write(dtype.tz)]}
    if isinstance(dtype, pd.ArrowDtype):
        parts = _arrow_parts(dtype.pyarrow_dtype)
        return None if parts is None else {"arrow_dtype": parts}
    return None


def _arrow_parts(kind: Any) -> list | None:
    """Return a type of Arrow as its name, and what it is made of; None for those of other parts."""
    import pyarrow as pa

    if pa.types.is_decimal128(kind):
        return ["decimal128", kind.precision, kind.scale]
    if pa.types.is_dictionary(kind):
        inner = [_arrow_parts(kind.index_type), _arrow_parts(kind.value_type)]
        return None if None in inner else ["dictionary", *inner, kind.ordered]
    with suppress(ValueError):
        if pa.type_for_alias(str(kind)) == kind:
            return [str(kind)]
    return None


def _arrow_type(parts: list) -> Any:
    """Return the type of Arrow of this name that is made of these parts."""
    import pyarrow as pa

    name, *rest = parts
    if name == "decimal128":
        return pa.decimal128(*rest)
    if name == "dictionary":
        codes, values, is_ordered = rest
        return pa.dictionary(_arrow_type(codes), _arrow_type(values), is_ordered)
    return pa.type_for_alias(name)


def arrow_dtype(parts: list) -> pd.ArrowDtype:
    """Return pandas' dtype of this type of Arrow."""
    return pd.ArrowDtype(_arrow_type(parts))


def _is_read_of(text: str, dtype: Any) -> bool:
    """Return whether pandas reads a dtype of a text; it has errors of several kinds for others."""
    try:
        return bool(pandas_dtype(text) == dtype)
    except (KeyError, NotImplementedError, TypeError, ValueError):
        return False


def pandas_dtype(text: str) -> Any:
    """Return the dtype of pandas' own of this text."""
    dtype = pd.api.types.pandas_dtype(text) if isinstance(text, str) else None
    if not isinstance(dtype, pd.api.extensions.ExtensionDtype):
        raise ValueError(f"{text!r} is no dtype of pandas")
    return dtype


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


def describe_instant(value: Any, write: Write) -> dict | None:
    """Return a date, duration, period or interval of pandas as plain values."""
    if isinstance(value, pd.Timestamp):
        zone = None if value.tzinfo is None else _describe_zone(value.tzinfo, write)
        return {"timestamp": [int(value.asm8.astype(np.int64)), value.unit, zone]}
    if isinstance(value, pd.Timedelta):
        return {"timedelta": [int(value.asm8.astype(np.int64)), value.unit]}
    if isinstance(value, pd.Period):
        return {"period": [value.ordinal, value.freqstr]}
    return None


def _describe_zone(zone: datetime.tzinfo, write: Write) -> Any:
    """Return a time zone as the text that pandas reads it of, or else as plain values."""
    dtype = pd.DatetimeTZDtype("ns", zone)
    return str(zone) if _is_read_of(str(dtype), dtype) else write(zone)


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
