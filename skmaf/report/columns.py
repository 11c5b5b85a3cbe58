"""What each column was taken for, in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._text import number_text
from ..table.calendar import Calendar
from ..table.codec import TableCodec
from ..table.columns import Constant, Continuous, Discrete, PointMasses
from ..table.heaped import Heaped
from ..table.periodic import Periodic
from ..table.transforms import Asinh, Log, Logit, NormalScores
from .charts import bar_path
from .run import Run
from .scale import cell_label, scale_of
from .words import count, name_label, percent

MOST_COLUMNS = 200  # that are listed
NAMED_VALUES = 3  # the most frequent ones
MOST_LISTED = 8  # different numbers, beyond which their range is said
CHART = (120, 28)  # pixels
TRANSFORMS: dict[type, str] = {
    Asinh: "heavy tails",
    Log: "bounded at one end",
    Logit: "bounded at both ends",
    NormalScores: "many scales",
}
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


@dataclass(frozen=True)
class ColumnRow:
    """A column in the list: what it is called, was taken for and holds.

    Attributes
    ----------
    name, kind, values : str
    missing : float
        Share of its cells that are missing.
    missing_text : str
    chart : str
        Path of a histogram.
    chart_text : str
        What it shows.
    """

    name: str
    kind: str
    values: str
    missing: float
    missing_text: str
    chart: str
    chart_text: str


@dataclass(frozen=True)
class ColumnsSection:
    """The list of the columns, and how many are not in it."""

    rows: Sequence[ColumnRow]
    n_hidden: int
    summary: str


def columns_section(run: Run) -> ColumnsSection:
    """Return what the page says of the columns."""
    n_columns = run.X.shape[1]
    quantities = run.density.codec_.quantities
    counts = [f"{quantities.count(q):,} of {q}" for q in dict.fromkeys(quantities)]
    summary = ", ".join(counts) if len(counts) > 1 else f"all of {quantities[0]}"
    rows = [_column_row(run, j) for j in range(min(n_columns, MOST_COLUMNS))]
    return ColumnsSection(rows, n_columns - len(rows), summary)


def _column_row(run: Run, j: int) -> ColumnRow:
    x = run.N[:, j]
    codec = run.density.codec_
    scale = scale_of(codec, j, x)
    shares = scale.shares(x)
    is_range = scale.edges is not None and scale.n_bars > MOST_LISTED
    if not is_range:
        order = np.argsort(-shares, kind="stable")[:NAMED_VALUES]
        values = ", ".join(f"{scale.labels[bar]} ({percent(shares[bar])})" for bar in order)
        hidden = scale.n_bars - len(order)
        values += f" and {hidden} more" if hidden else ""
    else:
        low, middle, high = codec.decode_column(j, np.nanquantile(x, [0, 0.5, 1], method="nearest"))
        values = f"{cell_label(low)} to {cell_label(high)}, median {cell_label(middle)}"
    missing = float(np.isnan(x).mean())
    width, height = CHART
    return ColumnRow(
        name=name_label(run.X.columns[j]),
        kind=kind_text(run.density.columns_.columns[j], codec, j),
        values=values,
        missing=missing,
        missing_text=percent(missing) if missing else "none",
        chart=bar_path(shares, width, height, shares.max(), 1.0 if scale.is_discrete else 0.0),
        chart_text=f"Histogram of {name_label(run.X.columns[j])}: {values}",
    )


def kind_text(column: Any, codec: TableCodec, j: int) -> str:
    """Return what a column was taken for, in words.

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
    return _numbers_text(column)


def _categories_text(codec: TableCodec, j: int) -> str:
    if codec.schema.cell_types[j] == {"truth values"}:
        return "truth values"
    n_categories = len(codec.schema.categories[j])
    rare = codec.schema.rare[j]
    if rare is None:
        return "one category" if n_categories == 1 else f"{n_categories:,} categories"
    return f"{n_categories:,} categories; {len(rare.values):,} rare ones count as one"


def _numbers_text(column: Any) -> str:
    match column:
        case Discrete():
            return f"{len(column.categories):,} different numbers, a probability for each"
        case PointMasses():
            points = ", ".join(number_text(point) for point in column.points)
            verb = "comes" if len(column.points) == 1 else "come"
            return f"{_line_text(column.others)}; {points} {verb} again and again"
        case Heaped():
            coarse = number_text(column.grid.step)
            return f"{_line_text(column.others)}, heaped at multiples of {coarse}"
        case Periodic():
            return f"on a circle of {number_text(column.period)}"
        case _:
            return _line_text(column)


def _line_text(line: Continuous) -> str:
    """Return what a column with a density holds: its grid, and its transform."""
    text = _grid_text(line.step) if line.regular else "continuous numbers"
    transform = TRANSFORMS.get(type(line.transform))
    return text if transform is None else f"{text}, {transform}"


def _grid_text(step: float) -> str:
    """Return what numbers on a grid are: those with three decimals have steps of 0.001."""
    n_decimals = -math.log10(step)
    if abs(n_decimals - round(n_decimals)) > 1e-6 or n_decimals < -0.5:
        return f"numbers in steps of {number_text(step)}"
    if round(n_decimals) == 0:
        return "whole numbers"
    return f"numbers with {count(round(n_decimals), 'decimal')}"
