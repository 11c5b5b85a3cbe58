"""ScoreDisplay: how scores are distributed, with the threshold of a detector and its p-values."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from ..inference.calibration import Calibration
from .axes import foreground, one_axes, percent, plain, pyplot, styled

N_BINS = 40
LEVELS = (0.05, 0.01, 0.5, 0.001, 0.2)  # p-values that are marked, those first that matter most
HEADROOM = 0.3  # above the bars, for the legend
INCHES_BETWEEN = 0.4  # marks, at least
MAX_CLASSES = 10  # that are told apart
TAIL = 4.0  # how far below the median scores are shown, in their range between 5% and 95%
CLASS_NAMES = {-1: "outliers", 1: "inliers"}  # as scikit-learn labels them


class ScoreDisplay:
    """How the scores of rows are distributed, with the threshold of a detector and its p-values.

    Use `ScoreDisplay.from_estimator` or `ScoreDisplay.from_predictions` to make one. Bars are
    shares of the rows; of each class where there are labels, so that few outliers are seen beside
    many other rows. Scores that are far below all others are in the lowest bar, and counted there.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Log-densities, in nats: the lower, the more abnormal.
    threshold : float or None, default=None
        Rows below it are outliers.
    y : ndarray of shape (n_samples,) or None, default=None
        Labels.
    p_value_scores : dict of float to float, default=None
        P-values, and the scores up to which they are no higher.
    calibration : Calibration or None, default=None
        The scores of the rows of `fit`, each by densities that have not seen it.

    Attributes
    ----------
    bars_ : list of StepPatch
        One for each class.
    calibration_bars_ : StepPatch or None
        The outline.
    threshold_line_ : Line2D or None
    p_value_axis_ : SecondaryAxis or None
        The axis of p-values, at the top.
    ax_ : Axes
    figure_ : Figure

    See Also
    --------
    ExplanationDisplay : Why a row is unlikely.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neighbors import KernelDensity
    >>> from skmaf import DensityOutlierDetector, ScoreDisplay
    >>> X = load_iris().data
    >>> detector = DensityOutlierDetector(KernelDensity(bandwidth=0.3), random_state=0).fit(X)
    >>> display = ScoreDisplay.from_estimator(detector, X)
    >>> bool(display.threshold_line_.get_xdata()[0] == detector.offset_)
    True
    """

    def __init__(
        self,
        *,
        scores: np.ndarray,
        threshold: float | None = None,
        y: np.ndarray | None = None,
        p_value_scores: dict[float, float] | None = None,
        calibration: Calibration | None = None,
    ):
        self.scores = scores
        self.threshold = threshold
        self.y = y
        self.p_value_scores = p_value_scores
        self.calibration = calibration

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any = None, *, ax: Any = None, **kwargs: Any
    ) -> "ScoreDisplay":
        """Draw the scores that a detector, or a density, gives rows.

        Parameters
        ----------
        estimator : estimator
            Fitted, with ``score_samples``. The threshold is ``offset_``, where there is one, and
            p-values are those of `DensityOutlierDetector`.
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,), default=None
            Labels of the rows, such as -1 for known outliers and 1 for others.
        ax : Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs
            Properties of the bars, for ``stairs`` of matplotlib.

        Returns
        -------
        display : ScoreDisplay

        Raises
        ------
        ValueError
            If X does not fit the estimator, or y does not fit X or holds more than 10 labels.
        ImportError
            If matplotlib is not installed.
        """
        pyplot(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        levels = None
        calibration = getattr(estimator, "calibration_", None)
        if calibration is not None:
            told = [level for level in LEVELS if level >= calibration.finest_rate]
            levels = {level: calibration.threshold(level) for level in told}
        display = cls(
            scores=np.asarray(estimator.score_samples(X)),
            threshold=getattr(estimator, "offset_", None),
            y=_labels(X, y),
            p_value_scores=levels,
            calibration=calibration,
        )
        return display.plot(ax, **kwargs)

    @classmethod
    def from_predictions(
        cls,
        scores: Any,
        threshold: float | None = None,
        *,
        y: Any = None,
        p_values: Any = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> "ScoreDisplay":
        """Draw scores that are known.

        Parameters
        ----------
        scores : array-like of shape (n_samples,)
            The lower, the more abnormal.
        threshold : float, default=None
            Rows below it are outliers.
        y : array-like of shape (n_samples,), default=None
            Labels of the rows.
        p_values : array-like of shape (n_samples,), default=None
            P-values of the rows.
        ax : Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs
            Properties of the bars, for ``stairs`` of matplotlib.

        Returns
        -------
        display : ScoreDisplay

        Raises
        ------
        ValueError
            If there are no scores, some are no finite numbers, there are not as many labels or
            p-values, or more than 10 labels.
        ImportError
            If matplotlib is not installed.
        """
        pyplot(f"{cls.__name__}.from_predictions")
        scores = np.asarray(scores, dtype=np.float64)
        if scores.ndim != 1 or len(scores) == 0 or not np.isfinite(scores).all():
            raise ValueError("scores must be finite numbers in one dimension, one at least.")
        levels = None
        if p_values is not None:
            check_consistent_length(scores, p_values)
            levels = _scores_of_levels(scores, np.asarray(p_values, dtype=np.float64))
        y = _labels(scores, y)
        display = cls(scores=scores, threshold=threshold, y=y, p_value_scores=levels)
        return display.plot(ax, **kwargs)

    def plot(self, ax: Any = None, **kwargs: Any) -> "ScoreDisplay":
        """Draw the scores.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs
            Properties of the bars, for ``stairs`` of matplotlib.

        Returns
        -------
        self : ScoreDisplay
        """
        from matplotlib.patches import StepPatch

        ax = one_axes(ax, f"{type(self).__name__}.plot")
        edges = self._edges()
        self.bars_ = []
        for i, (name, rows) in enumerate(self._classes().items()):
            shares = _shares(self.scores[rows], edges)
            defaults = {"fill": True, "alpha": 0.6, "color": f"C{i}", "label": name}
            self.bars_.append(ax.stairs(shares, edges, **styled(defaults, kwargs, StepPatch)))
        self.calibration_bars_ = None
        if self.calibration is not None:
            shares = _shares(self.calibration.scores, edges, self.calibration.weights)
            style = {"color": foreground(ax), "linewidth": 0.8, "label": "rows of fit"}
            self.calibration_bars_ = ax.stairs(shares, edges, **style)
        self.threshold_line_ = self._mark_threshold(ax)
        label = "score: log-density, nats"
        lower = self.scores[self.scores < edges[0]]
        if len(lower):
            label += f"\n(in the first bar: {_rows(len(lower))} lower, down to {lower.min():.3g})"
        share = "share of rows" if self.y is None else "share of the rows of a class"
        ax.set(xlabel=label, ylabel=share)
        self.p_value_axis_ = self._mark_p_values(ax)
        ax.margins(y=HEADROOM)
        ax.legend()
        self.ax_ = ax
        self.figure_ = ax.figure
        return self

    def _edges(self) -> np.ndarray:
        """Return the ends of the bars: over all scores, but those that are far too low."""
        known = [] if self.calibration is None else [self.calibration.scores]
        scores = np.concatenate([self.scores, *known])
        low, median, high = np.quantile(scores, [0.05, 0.5, 0.95])
        ends = [max(scores.min(), median - TAIL * (high - low)), scores.max()]
        if self.threshold is not None:
            ends.append(self.threshold)
        lowest = min(ends)
        highest = max(ends)
        if lowest == highest:
            half = 0.5 * (abs(lowest) or 1.0)
            return np.array([lowest - half, highest + half])
        return np.linspace(lowest, highest, N_BINS + 1)

    def _classes(self) -> dict[str, np.ndarray]:
        """Return which rows are of each class, by its name."""
        if self.y is None:
            return {_rows(len(self.scores)): np.ones(len(self.scores), dtype=bool)}
        y = pd.Series(self.y)
        classes = {_class_name(label): (y == label).to_numpy() for label in _sorted(y)}
        if y.isna().any():
            classes["without a label"] = y.isna().to_numpy()
        return {f"{name}, {rows.sum():,}": rows for name, rows in classes.items()}

    def _mark_threshold(self, ax: Any) -> Any:
        if self.threshold is None:
            return None
        below = percent(float(np.mean(self.scores < self.threshold)))
        label = f"threshold, {self.threshold:.4g}: {below} below"
        return ax.axvline(self.threshold, color=foreground(ax), linestyle="--", label=label)

    def _mark_p_values(self, ax: Any) -> Any:
        """Put the scores of some p-values at the top of the axes, as far as there is room."""
        if not self.p_value_scores:
            return None
        low, high = ax.get_xlim()
        room = (high - low) * INCHES_BETWEEN * ax.figure.dpi / ax.bbox.width
        marked: dict[float, float] = {}
        for level, score in self.p_value_scores.items():
            is_clear = all(abs(score - other) >= room for other in marked.values())
            if low <= score <= high and is_clear:
                marked[level] = score
        axis = ax.secondary_xaxis("top")
        axis.set_xlabel("p-value")
        axis.set_xticks(list(marked.values()), [f"{level:g}" for level in marked])
        return axis


def _rows(n: int) -> str:
    return f"{n:,} row" + "s" * (n != 1)


def _shares(scores: np.ndarray, edges: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the share of scores between edges; those beyond are in the outermost bars."""
    counts, _ = np.histogram(np.clip(scores, edges[0], edges[-1]), edges, weights=weights)
    return counts / counts.sum()


def _sorted(y: pd.Series) -> list:
    """Return the labels of classes in order, those of mixed types by their text."""
    labels = list(pd.unique(y.dropna()))
    try:
        return sorted(labels)
    except TypeError:
        return sorted(labels, key=str)


def _labels(X: Any, y: Any) -> np.ndarray | None:
    if y is None:
        return None
    check_consistent_length(X, y)
    labels = np.asarray(y)
    if labels.ndim != 1:
        raise ValueError(f"y must hold one label for each row, and has shape {labels.shape}.")
    n_labels = len(pd.unique(labels))
    if n_labels > MAX_CLASSES:
        raise ValueError(
            f"y holds {n_labels} different labels, of which {MAX_CLASSES} can be told apart: give "
            "fewer."
        )
    return labels


def _class_name(label: Any) -> str:
    is_number = isinstance(label, (int, float, np.number)) and not isinstance(label, bool)
    if is_number and label in CLASS_NAMES:
        return f"{CLASS_NAMES[label]} ({label:+g})"
    return plain(label)


def _scores_of_levels(scores: np.ndarray, p_values: np.ndarray) -> dict[float, float]:
    """Return the highest score of a row whose p-value is no higher than each level."""
    found = {}
    for level in LEVELS:
        if (p_values <= level).any():
            found[level] = float(scores[p_values <= level].max())
    return found
