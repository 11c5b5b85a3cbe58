"""What a report is about: a table, how its rows were divided, and what was fitted to them."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

MOST_DRAWN = 2000  # rows
FEWEST_DRAWN = 500


@dataclass(frozen=True, eq=False)
class Run:
    """A table, how its rows were divided, and what was fitted to them.

    Attributes
    ----------
    title : str
        What the table is; of a file its name.
    X : DataFrame of shape (n_rows, n_columns)
        All rows that have a score; the index holds what they are called.
    train, held_out : ndarray of int
        Positions of the rows that the density was fitted to, and of rows held out from that.
    density : MAFDensity
        Fitted to the rows ``train``.
    detector : DensityOutlierDetector
        Fitted to all rows, or where there are labels to the rows ``train``.
    labels : Series or None, default=None
        Two-valued label of each row.
    normal : object, default=None
        The label of normal rows.
    names : Series or None, default=None
        A column by which a person knows the rows.
    notes : sequence of str, default=()
        What was assumed in reading the table, and what was left out.
    messages : sequence of str, default=()
        What the fit warned of.
    commands : sequence of (str, str), default=()
        How to go on: what for, and the lines to type.
    seconds : float or None, default=None
        How long the fit took.
    seed : int, default=0
        Of all draws.
    """

    title: str
    X: pd.DataFrame
    train: np.ndarray
    held_out: np.ndarray
    density: Any
    detector: Any
    labels: pd.Series | None = None
    normal: object = None
    names: pd.Series | None = None
    notes: Sequence[str] = ()
    messages: Sequence[str] = ()
    commands: Sequence[tuple[str, str]] = ()
    seconds: float | None = None
    seed: int = 0

    @cached_property
    def _encoded(self) -> tuple[np.ndarray, list]:
        return self.density.codec_.encode(self.X)

    @property
    def N(self) -> np.ndarray:
        """The rows as numbers, with codes for categories and NaN for missing cells."""
        return self._encoded[0]

    @property
    def findings(self) -> list[str]:
        """What the fit warned of, and what was found in rows that it did not see."""
        return [*self.messages, *(finding.message for finding in self._encoded[1])]

    @cached_property
    def log_density(self) -> np.ndarray:
        """By the density, in nats, shape (n_rows,)."""
        return self.density.density_.log_prob(self.N)

    @cached_property
    def score(self) -> np.ndarray:
        """By the detector, in nats, shape (n_rows,)."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # which `findings` holds
            return self.detector.score_samples(self.X)

    @cached_property
    def p_value(self) -> np.ndarray:
        """How often a normal row looks as odd, shape (n_rows,)."""
        return self.detector.calibration_.p_values(self.score)

    @property
    def normal_rows(self) -> np.ndarray:
        """Positions of all rows without labels, and else of those with the normal one."""
        return np.sort(np.concatenate([self.train, self.held_out]))

    @property
    def abnormal_rows(self) -> np.ndarray:
        """Positions of the rows with the other label."""
        if self.labels is None:
            return np.empty(0, dtype=int)
        return np.flatnonzero((self.labels != self.normal).to_numpy())

    @cached_property
    def drawn(self) -> np.ndarray:
        """Rows drawn from the density, as `N` has them."""
        n_rows = int(np.clip(len(self.normal_rows), FEWEST_DRAWN, MOST_DRAWN))
        table = self.density.sample(n_rows, random_state=self.seed)
        return self.density.codec_.encode(table)[0]
