"""Tables for the command line: the one that scikit-learn ships, or the user's CSV file."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer

MIN_ROWS = 10
MIN_INCOMPLETE = (
    10,
    0.02,
)  # rows, and their share of all, from which rows with missing cells are fitted too
MOST_WORDS = 20  # different ones that a column may hold in any case; else one in two rows


@dataclass
class Table:
    """A table made ready for the fit.

    Attributes
    ----------
    title : str
        What the table is.
    X : DataFrame
        Columns of numbers, float64, and of categories, in the rows that get a score.
    scored : ndarray of bool
        Which of the rows in ``index`` these are.
    index : Index
        Names of all rows.
    labels : Series or None
        Two-valued label of each row of ``X``.
    normal : object
        The label of the rows to fit.
    notes : list of str
        What was left out, and why.
    """

    title: str
    X: pd.DataFrame
    scored: np.ndarray
    index: pd.Index
    labels: pd.Series | None = None
    normal: object = None
    notes: list = field(default_factory=list)


def example_table():
    """The breast cancer table that scikit-learn ships."""
    data = load_breast_cancer(as_frame=True)
    labels = pd.Series(data.target_names[data.target], name="diagnosis")
    title = "Breast cancer, Wisconsin (shipped with scikit-learn): cell nuclei of tumours"
    return Table(
        title, data.data, np.ones(len(labels), dtype=bool), data.data.index, labels, "benign"
    )


def read_table(path, label=None):
    """The columns of numbers and of categories in a CSV file, and its column ``label``.

    Raises
    ------
    ValueError
        If the file is no table, has too little in it, or the label does not have two values.
    """
    frame = read_csv(path)
    labels, normal = (None, None) if label is None else take_label(frame, label)
    X, notes = usable_columns(frame)
    if X.shape[1] == 0:
        raise ValueError(f"{path} has no column of numbers or categories under a header line.")
    scored = rows_to_score(
        X, np.ones(len(X), dtype=bool) if labels is None else (labels == normal).to_numpy(), notes
    )
    if labels is not None:
        labels = labels[scored]
        if labels.nunique() < 2:
            raise ValueError(f"all rows that can be scored have one label. {notes[-1]}")
    return Table(str(path), X[scored], scored, X.index, labels, normal, notes)


def rows_to_score(X, is_normal, notes):
    """All rows, if enough of the normal ones have missing cells to learn from, or else the complete ones; adds a note."""
    missing = X.isna()
    complete = ~missing.any(axis=1).to_numpy()
    if complete.all():
        return complete
    what = f"{(~complete).sum()} of {len(X)} rows have empty or infinite cells, most in column {missing.sum().idxmax()!r}"
    if (~complete & is_normal).sum() >= max(MIN_INCOMPLETE[0], MIN_INCOMPLETE[1] * is_normal.sum()):
        notes.append(f"{what}: they are scored by the cells that they have.")
        return np.ones(len(X), dtype=bool)
    notes.append(
        f"{what}: too few to learn from; they are left out and get no score. Fill the cells to keep the rows."
    )
    return complete


def read_csv(path):
    """A CSV file as it is, with the rows named by a first column that has no name."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            separator = max(",;\t", key=file.readline().count)
        frame = pd.read_csv(
            path, sep=separator, encoding="utf-8-sig", skipinitialspace=True, low_memory=False
        )
    except pd.errors.EmptyDataError as error:
        raise ValueError(f"{path} is empty.") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text: save the table as CSV, in UTF-8.") from error
    except pd.errors.ParserError as error:
        raise ValueError(f"{path} is not a CSV table: {error}") from error
    if str(frame.columns[0]).startswith("Unnamed:"):
        frame = frame.set_index(frame.columns[0])
    return frame


def take_label(frame, name):
    """Remove the two-valued column ``name`` from the frame; return it with the value of normal rows: 0, or the majority's."""
    if name not in frame:
        raise ValueError(f"no column {name!r} for --label; the columns are {listing(frame)}.")
    labels = frame.pop(name)
    counts = labels.value_counts()
    if len(counts) != 2 or labels.isna().any():
        raise ValueError(
            f"the label column {name!r} must hold two values and no empty cell; it has {len(counts)} different values and "
            f"{labels.isna().sum()} empty cells."
        )
    return labels, min(counts.index) if set(counts.index) == {0, 1} else counts.index[0]


def usable_columns(frame):
    """Columns of numbers as float64, infinity as NaN, and of words as categories; and notes on those that were left out."""
    usable, text, empty, notes = {}, [], [], []
    for name, cells in frame.items():
        values = pd.to_numeric(cells, errors="coerce")
        words = cells[values.isna() & cells.notna()]
        if (
            cells.dtype == bool
            or len(words)
            and len(words) == cells.notna().sum()
            and is_few(words)
        ):
            usable[name] = cells.astype("category")
        elif len(words):
            text.append(f"{name} (such as {words.iloc[0]!r})")
        elif values.notna().any():
            usable[name] = values.astype(float).replace([np.inf, -np.inf], np.nan)
        else:
            empty.append(name)
    if text:
        notes.append(
            f"Columns are left out that hold other text in most rows, or text among numbers: {listing(text)}. Group it, or "
            "encode it as numbers, to use them."
        )
    if empty:
        notes.append(f"Columns without values are left out: {listing(empty)}.")
    if all(is_number(name) for name in frame):
        notes.append(
            "All column names are numbers. If the first line is data, put a header line above it."
        )
    return pd.DataFrame(usable, index=frame.index), notes


def is_few(words):
    return words.nunique() <= max(MOST_WORDS, len(words) / 2)


def is_number(text):
    return not np.isnan(pd.to_numeric(text, errors="coerce"))


def listing(names, n_shown=4):
    """The first names, and how many more there are."""
    names = [str(name) for name in names]
    more = [f"and {len(names) - n_shown} more"] if len(names) > n_shown else []
    return ", ".join(names[:n_shown] + more)
