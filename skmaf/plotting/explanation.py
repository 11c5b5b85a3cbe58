"""ExplanationDisplay: the cells that make a row unlikely."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from ..table.frames import column_series
from .axes import foreground, one_axes, plain, pyplot, styled
from .tables import one_row

BAR_INCHES = 0.55  # height of a bar of a new figure, with its label
OTHER_INCHES = 1.3  # and of what is around the bars
WIDTH_INCHES = 6.4
MOST_NAMES = 4  # of missing cells
REACH = 1.25  # of the axis beyond the longest bar, where numbers are and pairs are marked
BRACKET = np.array([0.12, 0.15])  # places of the mark of a pair beyond its bars


class ExplanationDisplay:
    """The cells that make a row unlikely, and what would be likely there.

    Use `ExplanationDisplay.from_estimator` to make one. A bar says how much the log-density gains,
    in nats, if the cell held its expected value; cells that are silent have none. Two cells that
    are odd only together have bars of the same length, each half of what both gain, and a bracket.

    Parameters
    ----------
    gains : array-like of shape (n_features,)
        In nats; 0 for cells that are silent.
    observed, expected : array-like of shape (n_features,)
        The values of the row, and the likely ones.
    feature_names : list of str or None, default=None
        Names of the columns; None numbers them.
    score : float or None, default=None
        The log-density of the row.
    threshold : float or None, default=None
        Rows below it are outliers.

    Attributes
    ----------
    bars_ : BarContainer
        The cells that gain, those that gain most at the top.
    features_ : ndarray of int
        The positions of their columns.
    pairs_ : list of tuple of int
        The positions of columns that are pairs.
    brackets_ : list of Line2D
        The marks of pairs.
    ax_ : Axes
    figure_ : Figure

    See Also
    --------
    DensityOutlierDetector.explain : The numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neighbors import KernelDensity
    >>> from skmaf import DensityOutlierDetector, ExplanationDisplay
    >>> X = load_iris(as_frame=True).data
    >>> X.iloc[7] = [5.0, 3.5, 6.0, 0.2]
    >>> detector = DensityOutlierDetector(KernelDensity(bandwidth=0.3), random_state=0).fit(X)
    >>> display = ExplanationDisplay.from_estimator(detector, X.iloc[7])
    >>> X.columns[display.features_].tolist()
    ['petal length (cm)']
    """

    def __init__(
        self,
        *,
        gains: Any,
        observed: Any,
        expected: Any,
        feature_names: Sequence[str] | None = None,
        score: float | None = None,
        threshold: float | None = None,
    ):
        self.gains = gains
        self.observed = observed
        self.expected = expected
        self.feature_names = feature_names
        self.score = score
        self.threshold = threshold

    @classmethod
    def from_estimator(
        cls, detector: Any, row: Any, *, ax: Any = None, **kwargs: Any
    ) -> "ExplanationDisplay":
        """Draw why a detector finds a row unlikely.

        Parameters
        ----------
        detector : DensityOutlierDetector
            Fitted.
        row : array-like of shape (n_features,) or (1, n_features)
            The row, such as ``X.iloc[i]`` or ``X.iloc[[i]]``.
        ax : Axes, default=None
            Where to draw; None makes a new figure, whose height follows from the number of bars.
        **kwargs
            Properties of the bars, for ``barh`` of matplotlib.

        Returns
        -------
        display : ExplanationDisplay

        Raises
        ------
        ValueError
            If the estimator explains no rows, or ``row`` is not one row like those of `fit`.
        ImportError
            If matplotlib is not installed.
        """
        pyplot(f"{cls.__name__}.from_estimator")
        check_is_fitted(detector)
        if not hasattr(detector, "counterfactuals"):
            raise ValueError(
                f"{type(detector).__name__} explains no rows: give a DensityOutlierDetector."
            )
        X = one_row(row)
        gains, expected = detector.counterfactuals(X)
        names = getattr(detector, "feature_names_in_", None)
        display = cls(
            gains=gains[0],
            observed=[column.iloc[0] for column in column_series(X)],
            expected=list(expected[0]),
            feature_names=None if names is None else [str(name) for name in names],
            score=float(detector.score_samples(X)[0]),
            threshold=detector.offset_,
        )
        return display.plot(ax, **kwargs)

    def plot(self, ax: Any = None, **kwargs: Any) -> "ExplanationDisplay":
        """Draw the explanation.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; None makes a new figure, whose height follows from the number of bars.
        **kwargs
            Properties of the bars, for ``barh`` of matplotlib.

        Returns
        -------
        self : ExplanationDisplay
        """
        from matplotlib.patches import Rectangle

        gains = np.asarray(self.gains, dtype=float)
        order = np.argsort(-gains, kind="stable")
        self.features_ = order[gains[order] > 0]
        shown = gains[self.features_]
        height = OTHER_INCHES + BAR_INCHES * max(len(shown), 1)
        ax = one_axes(ax, f"{type(self).__name__}.plot", (WIDTH_INCHES, height))
        places = np.arange(len(shown))
        style = styled({"height": 0.6, "color": "C0"}, kwargs, Rectangle)
        self.bars_ = ax.barh(places, shown, **style)
        ax.bar_label(self.bars_, [f"{gain:.1f}" for gain in shown], padding=3)
        ax.set_yticks(places, [self._label(j) for j in self.features_])
        self._mark_pairs(ax, shown)
        ax.set(xlabel=self._note("gain of the log-density, nats"), title=self._title())
        ax.set_xlim(0, REACH * shown.max() if len(shown) else 1)
        ax.set_ylim(max(len(shown), 1) - 0.5, -0.5)
        if not len(shown):
            style = {"ha": "center", "va": "center", "transform": ax.transAxes}
            ax.text(0.5, 0.5, "No cell, and no pair of cells, explains this row.", **style)
        self.ax_ = ax
        self.figure_ = ax.figure
        return self

    def _mark_pairs(self, ax: Any, shown: np.ndarray) -> None:
        """Put a bracket beside two bars that are a pair: those of the same gain."""
        self.pairs_ = []
        self.brackets_ = []
        for k in np.flatnonzero(shown[1:] == shown[:-1]):
            self.pairs_.append((int(self.features_[k]), int(self.features_[k + 1])))
            inner, outer = shown[k] + BRACKET * shown.max()
            style = {"color": foreground(ax), "linewidth": 1.0}
            self.brackets_ += ax.plot([inner, outer, outer, inner], [k, k, k + 1, k + 1], **style)
            text = {"rotation": 90, "va": "center", "ha": "left", "color": foreground(ax)}
            ax.annotate("pair", (outer, k + 0.5), (3, 0), textcoords="offset points", **text)

    def _name(self, j: int) -> str:
        return plain(f"x{j}" if self.feature_names is None else self.feature_names[j])

    def _label(self, j: int) -> str:
        return f"{self._name(j)}\n{_shown(self.observed[j])} → {_shown(self.expected[j])}"

    def _title(self) -> str | None:
        """Say what the log-density is, and what it would be with all expected values."""
        if self.score is None:
            return None
        title = f"log-density {self.score:.1f}"
        total = float(np.sum(self.gains))
        if total > 0:
            title += f" → {self.score + total:.1f}"
        return title if self.threshold is None else f"{title}; threshold {self.threshold:.1f}"

    def _note(self, label: str) -> str:
        """Return a label and, below it, the names of cells that are missing."""
        missing = [self._name(j) for j, cell in enumerate(self.observed) if pd.isna(cell)]
        if not missing:
            return label
        names = ", ".join(missing[:MOST_NAMES])
        more = f" and {len(missing) - MOST_NAMES} more" if len(missing) > MOST_NAMES else ""
        return f"{label}\nmissing: {names}{more}"


def _shown(value: Any) -> str:
    """Return a value as text: numbers in few digits, dates without a midnight."""
    if pd.isna(value):
        return "missing"
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return f"{number:.0f}" if 1e5 <= abs(number) < 1e15 else f"{number:.6g}"
    text = str(value)
    return plain(text.removesuffix(" 00:00:00") if isinstance(value, date) else text)
