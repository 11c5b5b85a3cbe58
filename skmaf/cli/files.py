"""Tables to fit: scikit-learn's example, the user's file; and the file of scores beside it."""

import os
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer

from ..reading.conventions import Conventions
from ..reading.sources import Source
from ..reading.tables import read_with_conventions
from ..table.codec import TableCodec

MIN_ROWS = 10
# rows with missing cells are fitted too if there are so many of them, and such a share of all
MIN_INCOMPLETE_ROWS = 10
MIN_INCOMPLETE_SHARE = 0.02
LONGEST_NAME = 40  # characters of the half of the names of rows
PACKED = {".gz", ".zip", ".zst", ".bz2", ".xz"}
# names of columns that tell the rows apart: in any order, or only if they count on
IDENTIFIER = re.compile(r"(?:.*[ _.-])?(?:id|Id|ID)|.*[a-z](?:Id|ID)")
COUNTER = re.compile(r"row[ _.]?names?|row|index|obs|no\.?|nr\.?|#|unnamed.*|x0", re.IGNORECASE)


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
        Names of all rows; without a name of its own, their numbers in the file.
    names : Series or None
        A column of words, by which a person knows the rows of ``X``.
    labels : Series or None
        Two-valued label of each row of ``X``.
    normal : object
        The label of the rows to fit.
    notes : list of str
        What was left out, and why.
    conventions : Conventions
        How the file was read.
    row_names : str or None
        The column of identifiers that names the rows.
    """

    title: str
    X: pd.DataFrame
    scored: np.ndarray
    index: pd.Index
    names: pd.Series | None = None
    labels: pd.Series | None = None
    normal: object = None
    notes: list[str] = field(default_factory=list)
    conventions: Conventions = Conventions()
    row_names: str | None = None


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
    frame, conventions = read_with_conventions(source, **options)
    notes = _reading_notes(frame)
    labels = None
    normal = None
    if label is not None:
        labels, normal = take_label(frame, label)
    frame, row_names, more_notes = _named_rows(frame, str(source), options, notes)
    notes += more_notes
    kinds = options.get("column_kinds") or {}
    is_normal = np.ones(len(frame), dtype=bool) if labels is None else (labels == normal).to_numpy()
    X, scored, more_notes = usable_cells(frame, kinds, is_normal)
    notes += more_notes
    _refuse_no_columns(X, str(source), notes)
    if labels is not None:
        labels = labels[scored].set_axis(X.index[scored])
        if labels.nunique() < 2:
            raise ValueError(f"all rows that can be scored have one label. {notes[-1]}")
    names = names_of_rows(frame.drop(columns=X.columns)[scored])
    return Table(
        str(source),
        X[scored],
        scored,
        X.index,
        names,
        labels,
        normal,
        notes,
        conventions,
        row_names,
    )


def load_rows(source: Source, options: dict[str, Any]) -> Table:
    """Read the columns that a density can use from a file, in all of its rows.

    Parameters and errors are those of `load_table`.
    """
    frame, conventions = read_with_conventions(source, **options)
    return as_rows(frame, conventions, source.name, options)


def as_rows(
    frame: pd.DataFrame, conventions: Conventions, title: str, options: dict[str, Any]
) -> Table:
    """Return the columns of a frame that a density can use, in all of its rows."""
    notes = _reading_notes(frame)
    frame, row_names, more_notes = _named_rows(frame, title, options, notes)
    notes += more_notes
    kinds = options.get("column_kinds") or {}
    X, of_infinite = finite_cells(frame, kinds)
    notes += of_infinite
    silent = say_nothing(X, kinds)
    notes += _silent_notes([_example(X, name) for name in silent])
    X = X.drop(columns=silent)
    _refuse_no_columns(X, title, notes)
    return Table(
        title,
        X,
        np.ones(len(X), dtype=bool),
        X.index,
        names_of_rows(frame.drop(columns=X.columns)),
        notes=notes,
        conventions=conventions,
        row_names=row_names,
    )


def _reading_notes(frame: pd.DataFrame) -> list[str]:
    said = frame.attrs.get("reading")
    return [" ".join(said)] if said else []


def _named_rows(
    frame: pd.DataFrame, source: str, options: dict[str, Any], notes: list[str]
) -> tuple[pd.DataFrame, str | None, list[str]]:
    """Return what `name_rows` does; refuse a table of too few rows."""
    if len(frame) < MIN_ROWS:
        raise ValueError(
            f"{source}: too few rows to fit: {len(frame)}; a density needs {MIN_ROWS} at the very "
            f"least. {' '.join(notes)}"
        )
    kinds = options.get("column_kinds") or {}
    return name_rows(frame, {*kinds, *(options.get("only") or ())})


def _refuse_no_columns(X: pd.DataFrame, source: str, notes: list[str]) -> None:
    if X.shape[1] == 0:
        raise ValueError(f"{source} has no column to fit. {' '.join(notes)}")


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


def name_rows(
    frame: pd.DataFrame, wanted: Collection[str]
) -> tuple[pd.DataFrame, str | None, list[str]]:
    """Leave out identifiers, integers that tell the rows apart, but for wanted ones, with a note.

    A first column of them names the rows; its own name is returned.
    """
    names = [name for name in frame if name not in wanted and _is_identifier(frame[name])]
    if not names:
        return frame, None, []
    is_first = names[0] == frame.columns[0] and frame.index.name is None
    index = pd.Index(frame[names[0]]) if is_first else frame.index
    note = (
        f"Identifiers tell the rows apart, and are left out: {listing(names)}. "
        "To keep one: --kind COLUMN=grid."
    )
    frame = frame.drop(columns=names).set_axis(index, axis=0)
    return frame, names[0] if is_first else None, [note]


def _is_identifier(column: pd.Series) -> bool:
    if not pd.api.types.is_integer_dtype(column) or not column.is_unique:
        return False
    is_counter = (np.diff(column.to_numpy()) > 0).all() and COUNTER.fullmatch(str(column.name))
    return bool(is_counter or IDENTIFIER.fullmatch(str(column.name)))


def names_of_rows(left_out: pd.DataFrame) -> pd.Series | None:
    """The column of the most different short words, if half of these are different."""
    words = left_out.select_dtypes(exclude="number").astype(object).fillna("").astype(str)
    words = words.loc[:, [column.str.len().median() <= LONGEST_NAME for _, column in words.items()]]
    n_different = words.nunique()
    if n_different.max() >= len(words) / 2:
        return words[n_different.idxmax()]
    return None


def usable_cells(
    frame: pd.DataFrame, kinds: dict[str, Any], is_normal: np.ndarray
) -> tuple[pd.DataFrame, np.ndarray, list[str]]:
    """The columns that say something of a row, which rows to score, and notes on the others."""
    X, notes = finite_cells(frame, kinds)
    examples: list[str] = []
    while True:  # columns decide which rows are complete, and rows which columns say something
        scored, row_notes = rows_to_score(X, is_normal)
        names = say_nothing(X[scored], kinds)
        if not names:
            break
        examples += [_example(X, name) for name in names]
        X = X.drop(columns=names)
    return X, scored, [*notes, *_silent_notes(examples), *row_notes]


def count_infinite(frame: pd.DataFrame) -> pd.Series:
    """How many infinite numbers each column holds."""
    return frame.isin([np.inf, -np.inf]).sum()


def infinite_notes(counts: pd.Series, n_rows: int) -> list[str]:
    """What to say of infinite numbers, of which each column has so many."""
    places = [f"{n:,} of {n_rows:,} in {name}" for name, n in counts.items() if n]
    return [f"Infinite numbers are missing cells: {listing(places)}."] if places else []


def finite_cells(frame: pd.DataFrame, kinds: dict[str, Any]) -> tuple[pd.DataFrame, list[str]]:
    """The columns that hold anything; infinite numbers become missing cells, and are noted.

    What is declared to be categories has their dtype.
    """
    notes = infinite_notes(count_infinite(frame), len(frame))
    X = frame.replace([np.inf, -np.inf], np.nan)
    X = X.loc[:, X.notna().any()]
    categorical = [name for name, kind in kinds.items() if kind == "categorical" and name in X]
    return X.astype(dict.fromkeys(categorical, "category")), notes


def _example(X: pd.DataFrame, name: str) -> str:
    return f"{name} (such as {str(X[name].dropna().iloc[0])[:20]!r})"


def _silent_notes(examples: list[str]) -> list[str]:
    """What to say of columns that say nothing."""
    if not examples:
        return []
    return [
        "Columns of names or free text say nothing of a row, and are left out: "
        f"{listing(examples)}. To keep one: --kind COLUMN=categorical."
    ]


def say_nothing(X: pd.DataFrame, kinds: dict[str, Any]) -> list[str]:
    """Names of columns of which no category is frequent enough to learn from.

    In a column of few words these may all be different, too, but for declared ones.
    """
    if X.shape[1] == 0:
        return []
    known = {name: kind for name, kind in kinds.items() if name in X}
    codec, _, findings = TableCodec.learn(X, known)
    rare = {X.columns[finding.position] for finding in findings if finding.n_kept == 0}
    for name, categories in zip(X, codec.schema.categories):
        if categories is not None and name not in known and X[name].dropna().is_unique:
            rare.add(name)
    return [name for name in X if name in rare]


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


def beside(source: Path, suffix: str) -> Path:
    """A file of the name of another one, with this suffix instead of its own."""
    name = source.with_suffix("") if source.suffix in PACKED else source
    return name.with_suffix(suffix)


def check_output(output: Path, source: Path | None, force: bool) -> None:
    """Refuse before the fit what could not be written after it."""
    if not output.parent.is_dir():
        problem = f"{output.parent} is not a directory"
    elif output.is_dir() or (source is not None and output.exists() and output.samefile(source)):
        problem = f"{output} is a directory or the table itself"
    elif output.is_file() and not force:
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
