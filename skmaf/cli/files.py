"""Tables for the command: scikit-learn's example, the user's file, and the file of scores."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer

from ..reading import read_table
from ..table.codec import TableCodec

MIN_ROWS = 10
# rows with missing cells are fitted too if there are so many of them, and such a share of all
MIN_INCOMPLETE_ROWS = 10
MIN_INCOMPLETE_SHARE = 0.02


@dataclass
class Table:
    """A table ready for the fit.

    Attributes
    ----------
    title : str
        What the table is.
    X : DataFrame
        The columns to fit, in the rows that get a score.
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


def load_table(source: Path, label: str | None, options: dict[str, Any]) -> Table:
    """Read the columns that a density can use from a file, and its column ``label``.

    Parameters
    ----------
    source : Path
    label : str or None
    options : dict
        Parameters of `skmaf.read_table`.

    Raises
    ------
    ValueError
        If the file is no table, has too little in it, or the label does not have two values.
    """
    frame = read_table(source, **options)
    notes = [" ".join(frame.attrs["reading"])] if frame.attrs["reading"] else []
    labels = None
    normal = None
    if label is not None:
        labels, normal = take_label(frame, label)
    if len(frame) < MIN_ROWS:
        raise ValueError(
            f"{source}: too few rows to fit: {len(frame)}; a density needs {MIN_ROWS} at the very "
            f"least. {' '.join(notes)}"
        )
    X, more_notes = usable_columns(frame, options.get("column_kinds") or {})
    notes += more_notes
    if X.shape[1] == 0:
        raise ValueError(f"{source} has no column to fit. {' '.join(notes)}")
    is_normal = np.ones(len(X), dtype=bool) if labels is None else (labels == normal).to_numpy()
    scored, more_notes = rows_to_score(X, is_normal)
    notes += more_notes
    if labels is not None:
        labels = labels[scored]
        if labels.nunique() < 2:
            raise ValueError(f"all rows that can be scored have one label. {notes[-1]}")
    return Table(str(source), X[scored], scored, X.index, labels, normal, notes)


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


def usable_columns(frame: pd.DataFrame, kinds: dict[str, Any]) -> tuple[pd.DataFrame, list[str]]:
    """The columns that say something of a row, and a note on the others.

    Infinite numbers become missing cells, and what is declared to be categories has their dtype.
    """
    X = frame.replace([np.inf, -np.inf], np.nan)
    X = X.loc[:, X.notna().any()]
    if X.shape[1] == 0:
        return X, []
    categorical = [name for name, kind in kinds.items() if kind == "categorical" and name in X]
    X = X.astype(dict.fromkeys(categorical, "category"))
    _, _, findings = TableCodec.learn(X, {name: kind for name, kind in kinds.items() if name in X})
    names = [X.columns[finding.position] for finding in findings if finding.n_kept == 0]
    if not names:
        return X, []
    examples = [f"{name} (such as {str(X[name].dropna().iloc[0])[:20]!r})" for name in names]
    note = (
        f"Columns of names or free text say nothing of a row, and are left out: "
        f"{listing(examples)}. To keep one: --kind COLUMN=categorical."
    )
    return X.drop(columns=names), [note]


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
