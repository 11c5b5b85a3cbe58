"""What each column of a table was taken for, in words."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from .._text import cell_label
from .calendar import Calendar
from .codec import TableCodec
from .column_text import column_text, count_categories
from .columns import Column, Constant, Discrete

UNITS = {
    "M": "months",
    "D": "days",
    "h": "hours",
    "m": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
}


def kind_text(column: Column, codec: TableCodec, j: int) -> str:
    """Return what a column of a table was taken for, in words.

    Parameters
    ----------
    column : Column
        What it is to the density.
    codec : TableCodec
    j : int
        Its position.
    """
    timeline = codec.schema.timelines[j]
    if isinstance(column, Constant):
        (value,) = codec.decode_column(j, np.array([column.value]))
        return f"constant: {cell_label(value)}"
    if timeline is not None:
        what = f"{codec.quantities[j]}, in {UNITS[timeline.unit]}"
        if isinstance(column, Calendar):
            return f"{what}, with the {' and '.join(column.dates.names)} as categories"
        return f"{what}, a probability for each" if isinstance(column, Discrete) else what
    if codec.schema.categories[j] is not None:
        return _categories_text(codec, j)
    return column_text(column)


def describe_columns(columns: Sequence[Column], codec: TableCodec) -> pd.DataFrame:
    """Return what each column of a table was taken for, as a table."""
    summary = codec.summary
    if summary is None:
        summary = np.full((3, len(columns)), np.nan)
    described = []
    for j, column in enumerate(columns):
        missing, *ends = summary[:, j]
        is_category = codec.schema.categories[j] is not None
        low, high = [None, None] if is_category else codec.decode_column(j, np.array(ends))
        described.append([kind_text(column, codec, j), missing, low, high])
    names = codec.schema.names or range(len(described))
    index = pd.Index(names, name="column", tupleize_cols=False)
    table = pd.DataFrame(described, dtype=object, index=index)
    table.columns = pd.Index(["kind", "missing", "lowest", "highest"])
    return table.astype({"kind": "str", "missing": np.float64})


def _categories_text(codec: TableCodec, j: int) -> str:
    if codec.schema.cell_types[j] == {"truth values"}:
        return "truth values"
    n_categories = len(codec.schema.categories[j])
    rare = codec.schema.rare[j]
    text = count_categories(n_categories)
    return text if rare is None else f"{text}; {len(rare.values):,} rare ones count as one"
