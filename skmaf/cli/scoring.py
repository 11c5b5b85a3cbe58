"""What a model says of rows: log-densities, outlier scores, p-values, expectations."""

import math
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from .._text import number_text
from ..table.cells import NewCategories
from .files import listing
from .messages import Messages
from .model import Model
from .rows import Rows

COVERAGE = 0.9  # of the interval of a target
COLUMNS = {
    "density": ["log_density"],
    "detector": ["score", "p_value", "outlier"],
    "conditional density": ["log_density", "mean", "low", "high"],
}


@dataclass
class Scorer:
    """Scores rows by a model, a block at a time, and remembers what there is to say of them.

    Attributes
    ----------
    model : Model
    n_rows, n_scored : int
        How many rows there were, and how many of them have a score.
    total : float
        The sum of the scores.
    new : dict of str to dict
        For each column the categories that the fit did not see, in the order in which they came.
    """

    model: Model
    n_rows: int = 0
    n_scored: int = 0
    total: float = 0.0
    new: dict[str, dict] = field(default_factory=dict)

    def scores(self, rows: Rows) -> pd.DataFrame:
        """Return a line for each row, with what the model says; NaN where it cannot say."""
        columns = COLUMNS[self.model.kind]
        takes_missing = self.model.codec is None or self.model.codec.has_missing
        is_scored = takes_missing | rows.X.notna().all(axis=1).to_numpy()
        numbers = np.full((len(rows.names), len(columns)), np.nan)
        if is_scored.any():
            numbers[is_scored] = self._numbers(rows, is_scored)
        lines = pd.DataFrame(numbers, columns=columns)
        if "outlier" in lines:
            lines["outlier"] = lines["outlier"].astype("Int64")
        lines.insert(0, "row", rows.names)
        self._count(numbers[:, 0])
        return lines

    def _numbers(self, rows: Rows, is_scored: np.ndarray) -> np.ndarray:
        estimator = self.model.estimator
        X = rows.X[is_scored]
        if self.model.kind == "conditional density":
            return self._of_target(X, rows.y[is_scored] if rows.y is not None else None)
        N = self._encode(X)
        if self.model.kind == "density":
            return estimator.density_.log_prob(N)[:, None]
        score = estimator.ensemble_.log_prob(N, estimator.n_jobs)
        p_value = estimator.calibration_.p_values(score)
        return np.column_stack([score, p_value, score < estimator.offset_])

    def _of_target(self, X: pd.DataFrame, y: pd.Series | None) -> np.ndarray:
        """Return log-densities of the target where it is there, its means and intervals."""
        estimator = self.model.estimator
        self._encode(X)
        log_density = np.full(len(X), np.nan)
        is_there = np.zeros(len(X), dtype=bool) if y is None else y.notna().to_numpy()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of new categories, which are noted
            if y is not None and is_there.any():
                log_density[is_there] = estimator.score_samples(X[is_there], y[is_there])
            mean = np.ravel(estimator.predict(X))
            interval = np.asarray(estimator.predict_interval(X, COVERAGE)).reshape(len(X), 2)
        return np.column_stack([log_density, mean, interval])

    def _encode(self, X: pd.DataFrame) -> Any:
        N, findings = self.model.estimator.codec_.encode(X)
        for finding in findings:
            self._note_new(finding)
        return N

    def _note_new(self, finding: NewCategories) -> None:
        known = self.new.setdefault(finding.column, {})
        known.update(dict.fromkeys(finding.categories))

    def _count(self, scores: np.ndarray) -> None:
        kept = scores[~np.isnan(scores)]
        self.n_rows += len(scores)
        self.n_scored += len(kept)
        self.total += float(kept.sum())

    @property
    def mean(self) -> float:
        """The mean score, NaN if there is none."""
        return self.total / self.n_scored if self.n_scored else math.nan

    def report(self, messages: Messages) -> None:
        """Note what was found in the rows."""
        for column, categories in self.new.items():
            messages.note(
                f"{column} holds {listing(map(repr, categories))}, which the fit did not see: such "
                "cells count as new values."
            )
        if self.n_scored < self.n_rows:
            reason = "the table of the model had no missing cells"
            if self.model.kind == "conditional density":
                reason = "their target is not there, or other cells are missing"
            messages.note(
                f"{self.n_rows - self.n_scored:,} of {self.n_rows:,} rows have no score: {reason}."
            )

    @property
    def summary(self) -> str:
        """The mean of the scores, in words."""
        mean = number_text(self.mean)
        return f"Mean log-density  {mean} nats per row ({self.n_scored:,} rows)"
