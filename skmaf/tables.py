"""Tables for the command line: the one that scikit-learn ships, or the user's CSV file."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer

MIN_ROWS = 10


@dataclass
class Table:
    """A table made ready for the fit.

    Attributes
    ----------
    title : str
        What the table is.
    X : DataFrame
        Numeric columns of the complete rows, float64.
    complete : ndarray of bool
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
    complete: np.ndarray
    index: pd.Index
    labels: pd.Series | None = None
    normal: object = None
    notes: list = field(default_factory=list)


def example_table():
    """The breast cancer table that scikit-learn ships."""
    data = load_breast_cancer(as_frame=True)
    labels = pd.Series(data.target_names[data.target], name="diagnosis")
    title = "Breast cancer, Wisconsin (shipped with scikit-learn): cell nuclei of tumours"
    return Table(title, data.data, np.ones(len(labels), dtype=bool), data.data.index, labels, "benign")


def read_table(path, label=None):
    """The numeric columns and complete rows of a CSV file, and its column ``label``.

    Raises
    ------
    ValueError
        If the file is no table, has too little in it, or the label does not have two values.
    """
    frame = read_csv(path)
    labels, normal = (None, None) if label is None else take_label(frame, label)
    X, notes = numeric_columns(frame)
    if X.shape[1] == 0:
        raise ValueError(f"{path} has no numeric column under a header line; encode text as numbers first.")
    missing = X.isna()
    complete = ~missing.any(axis=1).to_numpy()
    if not complete.all():
        worst = missing.sum().idxmax()
        left_out = f"{(~complete).sum()} of {len(X)} rows have empty or infinite cells, most in column {worst!r}"
        if complete.sum() < MIN_ROWS:
            raise ValueError(f"{left_out}: too few are left; fill or remove that column.")
        notes.append(f"{left_out}: they are left out and get no score. Fill the cells to keep the rows.")
    if labels is not None:
        labels = labels[complete]
        if labels.nunique() < 2:
            raise ValueError(f"all complete rows have one label, {labels.iloc[0]}: fill cells of column {worst!r}.")
    return Table(str(path), X[complete], complete, X.index, labels, normal, notes)


def read_csv(path):
    """A CSV file as it is, with the rows named by a first column that has no name."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            separator = max(",;\t", key=file.readline().count)
        frame = pd.read_csv(path, sep=separator, encoding="utf-8-sig", skipinitialspace=True, low_memory=False)
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


def numeric_columns(frame):
    """The columns of numbers as float64, infinity as NaN, and notes on the columns that were left out."""
    numeric, text, empty, notes = {}, [], [], []
    for name, cells in frame.items():
        values = pd.to_numeric(cells, errors="coerce")
        words = cells[values.isna() & cells.notna()]
        if len(words):
            text.append(f"{name} (such as {words.iloc[0]!r})")
        elif values.notna().any():
            numeric[name] = values.astype(float).replace([np.inf, -np.inf], np.nan)
        else:
            empty.append(name)
    if text:
        notes.append(f"Columns with text are left out: {listing(text)}. Encode them as numbers to use them.")
    if empty:
        notes.append(f"Columns without values are left out: {listing(empty)}.")
    if all(is_number(name) for name in frame):
        notes.append("All column names are numbers. If the first line is data, put a header line above it.")
    return pd.DataFrame(numeric, index=frame.index), notes


def is_number(text):
    return not np.isnan(pd.to_numeric(text, errors="coerce"))


def listing(names, n_shown=4):
    """The first names, and how many more there are."""
    names = [str(name) for name in names]
    more = [f"and {len(names) - n_shown} more"] if len(names) > n_shown else []
    return ", ".join(names[:n_shown] + more)
