"""Tables for the command: scikit-learn's example, the user's CSV file, and the file of scores."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer

MIN_ROWS = 10
# rows with missing cells are fitted too if there are so many of them, and such a share of all
MIN_INCOMPLETE_ROWS = 10
MIN_INCOMPLETE_SHARE = 0.02
# a column of words is categorical if it has so many different ones, or one in two rows
MAX_CATEGORIES = 20


@dataclass
class Table:
    """A table ready for the fit.

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
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Scores:
    """What the fitted densities say of each row of ``Table.X``.

    Attributes
    ----------
    log_density : ndarray
        By the density of all fitted rows, in nats.
    score : ndarray
        By the outlier detector, in nats; low for anomalous rows.
    p_value : ndarray
        How often a normal row has a score as low.
    threshold : float
        The score below which a row is called an outlier.
    """

    log_density: np.ndarray
    score: np.ndarray
    p_value: np.ndarray
    threshold: float


def example_table() -> Table:
    """The breast cancer table that scikit-learn ships."""
    data = load_breast_cancer(as_frame=True)
    labels = pd.Series(data.target_names[data.target], name="diagnosis")
    return Table(
        title="Breast cancer, Wisconsin (shipped with scikit-learn): cell nuclei of tumours",
        X=data.data,
        scored=np.ones(len(labels), dtype=bool),
        index=data.data.index,
        labels=labels,
        normal="benign",
    )


def read_table(path: Path, label: str | None = None) -> Table:
    """Read the numbers and categories of a CSV file, and its column ``label``.

    Raises
    ------
    ValueError
        If the file is no table, has too little in it, or the label does not have two values.
    """
    frame = read_csv(path)
    labels = None
    normal = None
    if label is not None:
        labels, normal = take_label(frame, label)
    X, notes = usable_columns(frame)
    if X.shape[1] == 0:
        raise ValueError(f"{path} has no column of numbers or categories under a header line.")
    is_normal = np.ones(len(X), dtype=bool) if labels is None else (labels == normal).to_numpy()
    scored, more_notes = rows_to_score(X, is_normal)
    notes += more_notes
    if labels is not None:
        labels = labels[scored]
        if labels.nunique() < 2:
            raise ValueError(f"all rows that can be scored have one label. {notes[-1]}")
    return Table(str(path), X[scored], scored, X.index, labels, normal, notes)


def read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV file; a first column without a name names its rows."""
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


def take_label(frame: pd.DataFrame, name: str) -> tuple[pd.Series, Any]:
    """Remove the two-valued column ``name`` from the frame, and return it with its normal value.

    That is 0 of 0 and 1, and else the more frequent of the two.
    """
    if name not in frame:
        raise ValueError(f"no column {name!r} for --label; the columns are {listing(frame)}.")
    labels = frame.pop(name)
    counts = labels.value_counts()
    if len(counts) != 2 or labels.isna().any():
        raise ValueError(
            f"the label column {name!r} must hold two values and no empty cell; it has "
            f"{len(counts)} different values and {labels.isna().sum()} empty cells."
        )
    return labels, min(counts.index) if set(counts.index) == {0, 1} else counts.index[0]


def usable_columns(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The columns that a density can use, and notes on the others.

    Numbers become float64, infinity NaN, and words and truth values categories.
    """
    usable = {}
    text = []
    empty = []
    for name, cells in frame.items():
        values = pd.to_numeric(cells, errors="coerce")
        words = cells[values.isna() & cells.notna()]
        if cells.dtype == bool or are_categories(words, cells.notna().sum()):
            usable[name] = cells.astype("category")
        elif len(words):
            text.append(f"{name} (such as {words.iloc[0]!r})")
        elif values.notna().any():
            usable[name] = values.astype(float).replace([np.inf, -np.inf], np.nan)
        else:
            empty.append(name)
    return pd.DataFrame(usable, index=frame.index), column_notes(frame, text, empty)


def are_categories(words: pd.Series, n_cells: int) -> bool:
    """Whether a column of ``n_cells`` cells holds these words alone, and few different ones."""
    most = max(MAX_CATEGORIES, len(words) / 2)
    return len(words) > 0 and len(words) == n_cells and words.nunique() <= most


def column_notes(frame: pd.DataFrame, text: list[str], empty: list[object]) -> list[str]:
    """What the user should know of columns of text, empty ones, and their names."""
    notes = []
    if text:
        notes.append(
            "Columns are left out that hold other text in most rows, or text among numbers: "
            f"{listing(text)}. Group it, or encode it as numbers, to use them."
        )
    if empty:
        notes.append(f"Columns without values are left out: {listing(empty)}.")
    if all(is_number(name) for name in frame):
        notes.append(
            "All column names are numbers. If the first line is data, put a header line above it."
        )
    return notes


def rows_to_score(X: pd.DataFrame, is_normal: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Which rows to score, and notes on incomplete ones.

    All rows, if enough of the normal ones have missing cells to learn from; or else those that
    are complete.
    """
    missing = X.isna()
    complete = ~missing.any(axis=1).to_numpy()
    if complete.all():
        return complete, []
    what = (
        f"{(~complete).sum()} of {len(X)} rows have empty or infinite cells, most in column "
        f"{missing.sum().idxmax()!r}"
    )
    enough = max(MIN_INCOMPLETE_ROWS, MIN_INCOMPLETE_SHARE * is_normal.sum())
    if (~complete & is_normal).sum() >= enough:
        all_rows = np.ones(len(X), dtype=bool)
        return all_rows, [f"{what}: they are scored by the cells that they have."]
    note = (
        f"{what}: too few to learn from; they are left out and get no score. "
        "Fill the cells to keep the rows."
    )
    return complete, [note]


def check_output(output: Path, source: Path | None, force: bool) -> None:
    """Refuse before the fit what could not be written after it."""
    if not output.parent.is_dir():
        problem = f"{output.parent} is not a directory"
    elif output.is_dir() or (source is not None and output.exists() and output.samefile(source)):
        problem = f"{output} is a directory or the table itself"
    elif output.exists() and not force:
        problem = f"{output} exists: overwrite it with --force"
    elif not os.access(output if output.exists() else output.parent, os.W_OK):
        problem = f"{output} may not be written"
    else:
        return
    raise ValueError(f"{problem}; or choose another --output.")


def write_scores(output: Path, table: Table, scores: Scores, force: bool) -> None:
    """Write a line for each row of the table, also for those without a score."""
    numbers = {
        "log_density": scores.log_density,
        "score": scores.score,
        "p_value": scores.p_value,
    }
    result = pd.DataFrame({**dict.fromkeys(numbers, np.nan), "outlier": pd.NA}, index=table.index)
    result["outlier"] = result["outlier"].astype("Int64")
    for name, values in numbers.items():
        result.loc[table.scored, name] = values
    result.loc[table.scored, "outlier"] = (scores.score < scores.threshold).astype(int)
    result.to_csv(output, index_label="row", mode="w" if force else "x")


def listing(names: Iterable[object], n_shown: int = 4) -> str:
    """The first names, and how many more there are."""
    texts = [str(name) for name in names]
    more = [f"and {len(texts) - n_shown} more"] if len(texts) > n_shown else []
    return ", ".join(texts[:n_shown] + more)


def is_number(text: object) -> bool:
    """Whether a text, such as a column's name, is a number."""
    return not np.isnan(pd.to_numeric(text, errors="coerce"))
