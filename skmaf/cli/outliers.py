"""The outliers of a table, with the cells that make them such."""

import argparse
import warnings
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from .._text import number_text, short
from ..reading.sources import Source
from .messages import Messages
from .model import Model
from .output import as_json
from .report import NAME_WIDTH, reason_texts, row_lines
from .rows import read_rows
from .scoring import Scorer


@dataclass(frozen=True)
class Outliers:
    """Rows whose score is below the threshold of a detector, or the oddest of them.

    Attributes
    ----------
    model : Model
    n_rows, n_outliers : int
        How many rows the table has, and how many of them are outliers.
    lines : DataFrame
        Of each row its name, score and p-value; the oddest first.
    X : DataFrame
        The cells of the rows.
    are_counted : bool
        Whether rows are called by their numbers in the file.
    """

    model: Model
    n_rows: int
    n_outliers: int
    lines: pd.DataFrame
    X: pd.DataFrame
    are_counted: bool

    def oddest(self, n: int | None) -> "Outliers":
        """Return the first ones, all for None."""
        return replace(self, lines=self.lines.iloc[:n], X=self.X.iloc[:n])

    @cached_property
    def reasons(self) -> tuple[np.ndarray, np.ndarray]:
        """What each cell would gain, in nats, by the value that is expected there; these values."""
        if len(self.X) == 0:
            return np.empty(self.X.shape), np.empty(self.X.shape)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of new categories, which are noted
            return self.model.estimator.counterfactuals(self.X)

    def text(self) -> str:
        """Return the rows with their reasons as text."""
        threshold = number_text(self.model.estimator.offset_)
        are = "is an outlier" if self.n_outliers == 1 else "are outliers"
        title = (
            f"{self.n_outliers:,} of {self.n_rows:,} rows {are}: the score is below {threshold} "
            "nats"
        )
        shown = self.lines.rename(columns={"p_value": "p-value"})
        lines = row_lines(shown, list(reason_texts(self.X, *self.reasons)))
        if not lines:
            return title
        explained = "p-value: how often a normal row looks as odd"
        if self.are_counted:
            explained += "; row 0 is the first"
        n_more = self.n_outliers - len(self.lines)
        more = [f"and {n_more:,} more: --top shows more, --output FILE takes all"] if n_more else []
        return "\n".join([title, explained, *lines, *more])

    def table(self) -> pd.DataFrame:
        """Return a line for each row, with its reasons as text."""
        texts = [" ".join(text.split()) for text in reason_texts(self.X, *self.reasons)]
        return self.lines.assign(reasons=pd.Series(texts, self.lines.index, dtype=object))

    def records(self) -> list[dict]:
        """Return an object of JSON for each row."""
        gains, expected = self.reasons
        records = []
        for i, line in enumerate(self.lines.to_dict("records")):
            reasons = [
                {
                    "column": self.X.columns[j],
                    "value": as_json(self.X.iloc[i, j]),
                    "expected": as_json(expected[i, j]),
                    "gain": float(gains[i, j]),
                }
                for j in np.argsort(-gains[i], kind="stable")
                if gains[i, j] > 0
            ]
            cells = {name: as_json(cell) for name, cell in line.items()}
            records.append({**cells, "reasons": reasons})
        return records


def find_outliers(
    model: Model, source: Source, args: argparse.Namespace, messages: Messages
) -> Outliers:
    """Return the outliers of a table by a detector."""
    scorer = Scorer(model)
    lines = []
    cells = []
    for rows in read_rows(model, source, args, messages, "Scored"):
        found = scorer.scores(rows)
        is_outlier = found.pop("outlier").eq(1).to_numpy(bool, na_value=False)
        if model.known_by in rows.cells:
            names = rows.cells[model.known_by].astype(object).to_numpy()
            found[short(model.known_by, NAME_WIDTH)] = names
        lines.append(found[is_outlier])
        cells.append(rows.X[is_outlier])
        are_counted = rows.names.name is None
    scorer.report(messages)
    all_lines = pd.concat(lines, ignore_index=True)
    order = np.argsort(all_lines["score"].to_numpy(), kind="stable")
    X = pd.concat(cells, ignore_index=True)
    shown = all_lines.iloc[order]
    return Outliers(model, scorer.n_rows, len(X), shown, X.iloc[order], are_counted)
