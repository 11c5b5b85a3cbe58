"""The most anomalous rows, each with the cells that make it so."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .._text import cell_label
from .charts import bar_path
from .run import Run
from .words import name_label, nats

MOST_ROWS = 20
FEWEST_ROWS = 10  # in a small table a fifth of its rows, but three
MOST_CELLS = 4000  # of whole rows, all together
CELL_WIDTH = 60  # letters of a text
SCORES = (560, 72)  # pixels
N_BINS = 70
FAR = 0.005  # share of the rows, of lowest scores, that are put at the left end
SPREADS = 10  # and those that are so many interquartile ranges below the first quartile


@dataclass(frozen=True)
class Cell:
    """A cell that makes its row unlikely.

    Attributes
    ----------
    name, found, expected : str
    position : int
        Of its column.
    """

    name: str
    found: str
    expected: str
    position: int


@dataclass(frozen=True)
class Reason:
    """A cell, or two that are odd together, and how many nats the row gains without that.

    Attributes
    ----------
    cells : sequence of Cell
    gain : str
    share : float
        Of all gains of the row.
    """

    cells: Sequence[Cell]
    gain: str
    share: float


@dataclass(frozen=True)
class AnomalyRow:
    """A row of the table, with what the detector says of it.

    Attributes
    ----------
    row, name, label : str
    score, p_value : float
    score_text, p_value_text : str
    is_outlier : bool
        Whether the score is below the threshold.
    reasons : sequence of Reason
    cells : sequence of (str, str, bool)
        Names and cells of the row, and whether they are among the reasons.
    n_hidden : int
        How many more cells there are.
    """

    row: str
    name: str
    label: str
    score: float
    score_text: str
    p_value: float
    p_value_text: str
    is_outlier: bool
    reasons: Sequence[Reason]
    cells: Sequence[tuple[str, str, bool]]
    n_hidden: int


@dataclass(frozen=True)
class AnomaliesSection:
    """What the page says of anomalous rows.

    Attributes
    ----------
    rows : sequence of AnomalyRow
        The most anomalous first.
    n_below, n_rows, threshold : str
        How many rows are below the threshold, and how many there are.
    chart : sequence of str
        Paths of the histograms of the scores of normal and of other rows.
    threshold_place : float
        Where the threshold is, in pixels.
    chart_text : str
    chart_ends : (str, str)
    label_name, names_name : str
        Headers of the two columns that may be there.
    normal, other : str
        The two labels.
    counts_from_zero : bool
        Whether rows are called by their number, of which the first is 0.
    """

    rows: Sequence[AnomalyRow]
    n_below: str
    n_rows: str
    threshold: str
    chart: Sequence[str]
    threshold_place: float
    chart_text: str
    chart_ends: tuple[str, str]
    label_name: str
    names_name: str
    normal: str
    other: str
    counts_from_zero: bool


def anomalies_section(run: Run) -> AnomaliesSection:
    """Return what the page says of anomalous rows."""
    threshold = run.detector.offset_
    n_below = int((run.score < threshold).sum())
    fewest = min(FEWEST_ROWS, max(3, len(run.X) // 5))
    n_shown = max(fewest, min(MOST_ROWS, n_below))
    lowest = np.argsort(run.score, kind="stable")[:n_shown]
    paths, place, ends = _score_chart(run, threshold)
    return AnomaliesSection(
        rows=list(_rows(run, lowest)),
        n_below=f"{n_below:,}",
        n_rows=f"{len(run.X):,}",
        threshold=nats(threshold),
        chart=paths,
        threshold_place=place,
        chart_text=f"Histogram of the scores of all rows, from {ends[0]} to {ends[1]} nats",
        chart_ends=ends,
        label_name="" if run.labels is None else name_label(run.labels.name),
        names_name="" if run.names is None else name_label(run.names.name),
        normal=cell_label(run.normal),
        other=_other_label(run),
        counts_from_zero=bool(run.X.index[0] == 0),
    )


def _other_label(run: Run) -> str:
    if run.labels is None:
        return ""
    return cell_label(run.labels.iloc[run.abnormal_rows[0]])


def _score_chart(run: Run, threshold: float) -> tuple[list[str], float, tuple[str, str]]:
    """Return histograms of the scores, where the threshold is, and what is at the ends."""
    lowest, first, third = np.quantile(run.score, [FAR, 0.25, 0.75])
    low = min(max(float(lowest), float(first - SPREADS * (third - first))), threshold)
    high = max(float(run.score.max()), threshold, low + 1e-9)
    edges = np.linspace(low, high, N_BINS + 1)
    groups = [np.delete(run.score, run.abnormal_rows), run.score[run.abnormal_rows]]
    shares = [
        np.bincount(np.searchsorted(edges[1:-1], scores), minlength=N_BINS) for scores in groups
    ]
    top = max(int(part.max()) for part in shares)
    width, height = SCORES
    paths = [bar_path(part, width, height, top, gap=0.5) for part in shares]
    beyond = "\u2264 " if run.score.min() < low else ""
    ends = (f"{beyond}{nats(low)}", nats(high))
    return paths, round(width * (threshold - low) / (high - low), 1), ends


def _rows(run: Run, lowest: np.ndarray) -> Iterator[AnomalyRow]:
    rows = run.X.iloc[lowest]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # which the page has elsewhere
        gains, expected = run.detector.counterfactuals(rows)
    n_cells = max(1, min(run.X.shape[1], MOST_CELLS // max(1, len(lowest))))
    for i, place in enumerate(lowest):
        row = rows.astype(object).iloc[i]  # which leaves integers as they are
        reasons = _reasons(row, gains[i], expected[i])
        odd = {cell.position for reason in reasons for cell in reason.cells}
        yield AnomalyRow(
            row=cell_label(run.X.index[place], CELL_WIDTH),
            name="" if run.names is None else cell_label(run.names.iloc[place], CELL_WIDTH),
            label="" if run.labels is None else cell_label(run.labels.iloc[place], CELL_WIDTH),
            score=float(run.score[place]),
            score_text=nats(run.score[place]),
            p_value=float(run.p_value[place]),
            p_value_text=f"{run.p_value[place]:.4f}",
            is_outlier=bool(run.score[place] < run.detector.offset_),
            reasons=reasons,
            cells=[
                (name_label(name), cell_label(row.iloc[j], CELL_WIDTH), j in odd)
                for j, name in enumerate(row.index[:n_cells])
            ],
            n_hidden=run.X.shape[1] - n_cells,
        )


def _reasons(row: pd.Series, gains: np.ndarray, expected: np.ndarray) -> list[Reason]:
    """Return the cells with a gain, the largest first; two of the same gain are a pair."""
    cells: dict[float, list[Cell]] = {}
    for j in np.argsort(-gains, kind="stable"):
        if gains[j] > 0:
            cell = Cell(
                name=name_label(row.index[j]),
                found=cell_label(row.iloc[j], CELL_WIDTH),
                expected=cell_label(expected[j], CELL_WIDTH),
                position=int(j),
            )
            cells.setdefault(float(gains[j]), []).append(cell)
    return [
        Reason(parts, nats(gain * len(parts)), gain * len(parts) / gains.sum())
        for gain, parts in cells.items()
    ]
