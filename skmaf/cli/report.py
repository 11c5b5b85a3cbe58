"""The texts that the command prints."""

import textwrap
from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from .._text import cell_text, number_text, short
from .files import Scores, Table, listing

SHOWN_COLUMNS = 8
NAME_WIDTH = 40
REASON_WIDTH = 24  # of the name of a column in a reason
ROW_WIDTH = 28  # of one beside drawn rows
CELL_WIDTH = 26  # of a text, in a reason: two stand in a line
DRAWN_WIDTH = 12
REASONS = 3  # cells of a row, at most; both of a pair
NO_BREAK = "\xa0"  # a space at which no line ends


def header_text(table: Table, n_train: int) -> str:
    """What the table is, and what is about to happen."""
    lines = [
        table.title,
        f"{len(table.X):,} rows, {table.X.shape[1]:,} columns: "
        + listing(short(name, NAME_WIDTH) for name in table.X),
    ]
    if table.labels is not None:
        counts = ", ".join(
            f"{value} ({n} rows)" for value, n in table.labels.value_counts().items()
        )
        lines.append(f"Label {table.labels.name}: {counts}; {table.normal} is normal")
    lines += [f"Note: {note}" for note in table.notes]
    lines = [textwrap.fill(line, 100, subsequent_indent="  ") for line in lines]
    return "\n".join([*lines, "", f"Fitting the density to {n_train:,} rows ..."])


def quality_text(table: Table, scores: Scores, train: np.ndarray, held_out: np.ndarray) -> str:
    """Held-out log-likelihood, ROC AUC if there are labels, and how many rows are outliers."""
    kept = scores.log_density[held_out]
    with np.errstate(over="ignore", invalid="ignore"):  # scores may be as low as float64 goes
        mean = kept.mean()
        error = kept.std(ddof=1) / np.sqrt(len(kept))
    groups = {"rows": np.arange(len(table.X))}
    lines = [
        f"Held-out log-likelihood  {number_text(mean)} nats per row "
        f"(standard error {number_text(error)}, {len(kept):,} rows)"
    ]
    if table.labels is not None:
        abnormal = np.flatnonzero(table.labels != table.normal)
        is_abnormal = np.repeat([0, 1], [len(held_out), len(abnormal)])
        auc = roc_auc_score(is_abnormal, -scores.score[np.concatenate([held_out, abnormal])])
        groups = {"fitted rows": train, "held-out rows": held_out}
        groups[f"rows with {table.labels.name} = {table.labels.iloc[abnormal[0]]}"] = abnormal
        lines.append(
            f"ROC AUC                  {auc:.3f} "
            f"({len(held_out):,} held-out rows against {len(abnormal):,} anomalies)"
        )
    lines.append(f"Threshold                {number_text(scores.threshold)} nats; below it are")
    lines += [
        f"{'':25}{(scores.score[rows] < scores.threshold).sum():,} of {len(rows):,} {name}"
        for name, rows in groups.items()
    ]
    return "\n".join(lines)


def lowest_rows(score: np.ndarray, n_rows: int) -> np.ndarray:
    """Positions of the rows of lowest score, lowest first."""
    return np.argsort(score, kind="stable")[:n_rows]


def top_text(table: Table, scores: Scores, lowest: np.ndarray, reasons: list[str]) -> str:
    """The rows at the positions ``lowest``, each with its reason in the line below it."""
    start = " (row 0 is the first)" if table.index.name is None else ""
    title = (
        f"The {len(lowest)} most anomalous of all rows{start}; "
        "p-value: how often a normal row looks as odd"
    )
    top = pd.DataFrame(
        {
            "row": table.X.index[lowest],
            "score": scores.score[lowest],
            "p-value": scores.p_value[lowest],
        }
    )
    if table.labels is not None:
        top[table.labels.name] = table.labels.to_numpy()[lowest]
    if table.names is not None:
        top[short(table.names.name, NAME_WIDTH)] = table.names.to_numpy()[lowest]
    return "\n".join([title, *row_lines(top, reasons)])


def row_lines(rows: pd.DataFrame, reasons: list[str]) -> list[str]:
    """A header, and a line for each row with its reason below it."""
    if len(rows) == 0:
        return []
    shown = rows.map(lambda cell: short(cell, NAME_WIDTH) if isinstance(cell, str) else cell)
    header, *lines = shown.to_string(index=False, float_format=number_text).splitlines()
    return [header, *(f"{line}\n{reason}" for line, reason in zip(lines, reasons))]


def reason_texts(rows: pd.DataFrame, gains: np.ndarray, expected: np.ndarray) -> Iterator[str]:
    """A text for each row: the cells that make it unlikely, and the values expected.

    Two cells with the same gain are a pair, which is odd together.

    Parameters
    ----------
    rows : DataFrame of shape (n_rows, n_columns)
    gains : ndarray of the same shape
        How much more likely the row would be with the expected value in the cell, in nats.
    expected : ndarray of the same shape
        The most likely value of each cell given the others.
    """
    for (_, row), gain, values in zip(rows.iterrows(), gains, expected):
        texts: dict[float, list[str]] = {}
        for j in np.argsort(-gain, kind="stable"):
            if gain[j] > 0:
                name = short(rows.columns[j], REASON_WIDTH)
                found = cell_text(row.iloc[j], CELL_WIDTH)
                text = f"{name} {found} (expected {cell_text(values[j], CELL_WIDTH)})"
                # lines break between cells, not in them
                texts.setdefault(float(gain[j]), []).append(text.replace(" ", NO_BREAK))
        reasons: list[str] = []
        n_cells = 0
        for cells in texts.values():
            n_cells += len(cells)
            if reasons and n_cells > REASONS:
                break
            reasons.append(" together with ".join(cells))
        text = ", ".join(reasons) or "no cell or pair of cells stands out"
        lines = textwrap.wrap(
            text, 100, initial_indent=" " * 4, subsequent_indent=" " * 6, break_on_hyphens=False
        )
        yield "\n".join(lines).replace(NO_BREAK, " ")


def drawn_text(X: pd.DataFrame, drawn: pd.DataFrame) -> str:
    """Fresh rows side by side, a line for each column.

    They stand beside the median, or the most frequent value, of the fitted rows ``X``.
    """
    typical = {name: x.median() if is_amount(x) else x.mode().iloc[0] for name, x in X.items()}
    shown = pd.DataFrame(
        {"typical": typical.values()}, index=[short(name, ROW_WIDTH) for name in X], dtype=object
    )
    for i, (_, row) in enumerate(drawn.iterrows(), 1):
        shown[f"new row {i}"] = row.to_numpy(object)
    hidden = len(shown) - SHOWN_COLUMNS
    more = f"\n(and {hidden} more columns)" if hidden > 0 else ""
    text = shown.head(SHOWN_COLUMNS).map(cell_text, width=DRAWN_WIDTH).to_string()
    return f"{len(drawn)} rows drawn from the density\n{text}{more}"


def is_amount(column: pd.Series) -> bool:
    """Whether a column holds numbers that have a median."""
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
