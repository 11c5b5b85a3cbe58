"""Missing cells: how many there are in each column, and which are missing together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .._text import count
from .run import Run
from .words import name_label, percent

MOST_COLUMNS = 30
MOST_PATTERNS = 12
MOST_NAMED = 8  # columns of a pattern


@dataclass(frozen=True)
class MissingRow:
    """A column, or columns that are missing together, in a share of the rows.

    Attributes
    ----------
    names : sequence of str
    n_more : int
        How many more columns there are.
    n_rows : int
    share : float
    share_text : str
    """

    names: Sequence[str]
    n_more: int
    n_rows: int
    share: float
    share_text: str


@dataclass(frozen=True)
class MissingSection:
    """What the page says of missing cells.

    Attributes
    ----------
    columns, patterns : sequence of MissingRow
        The most frequent first.
    n_hidden, n_hidden_patterns : int
    share : str
        Of all cells, in words.
    summary : str
        Nothing where no cell is missing.
    """

    columns: Sequence[MissingRow]
    patterns: Sequence[MissingRow]
    n_hidden: int
    n_hidden_patterns: int
    share: str
    summary: str


def missing_section(run: Run) -> MissingSection:
    """Return what the page says of missing cells."""
    missing = np.isnan(run.N)
    per_column = missing.sum(axis=0)
    columns = np.argsort(-per_column, kind="stable")[: np.count_nonzero(per_column)]
    patterns, counts = np.unique(missing, axis=0, return_counts=True)
    of_several = patterns.sum(axis=1) > 1
    patterns = patterns[of_several]
    counts = counts[of_several]
    order = np.argsort(-counts, kind="stable")
    n_incomplete = int(missing.any(axis=1).sum())
    share = percent(float(missing.mean()))
    summary = (
        f"{count(int(missing.sum()), 'cell')} of {missing.size:,} are missing "
        f"({share}), in {count(n_incomplete, 'row')} of {len(missing):,}."
    )
    return MissingSection(
        columns=[_row(run, [j], int(per_column[j])) for j in columns[:MOST_COLUMNS]],
        patterns=[
            _row(run, np.flatnonzero(patterns[i]), int(counts[i])) for i in order[:MOST_PATTERNS]
        ],
        n_hidden=max(0, len(columns) - MOST_COLUMNS),
        n_hidden_patterns=max(0, len(order) - MOST_PATTERNS),
        share=share if n_incomplete else "none",
        summary=summary if n_incomplete else "",
    )


def _row(run: Run, columns: Iterable[int], n_rows: int) -> MissingRow:
    names = [name_label(run.X.columns[j]) for j in columns]
    shown = names[:MOST_NAMED]
    share = n_rows / len(run.X)
    return MissingRow(shown, len(names) - len(shown), n_rows, share, percent(share))
