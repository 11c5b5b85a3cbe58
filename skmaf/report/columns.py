"""What each column was taken for, in words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .._text import cell_label
from ..table.description import kind_text
from .charts import bar_path
from .run import Run
from .scale import scale_of
from .words import name_label, percent

MOST_COLUMNS = 200  # that are listed
NAMED_VALUES = 3  # the most frequent ones
MOST_LISTED = 8  # different numbers, beyond which their range is said
CHART = (120, 28)  # pixels


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
