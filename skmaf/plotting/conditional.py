"""ConditionalDisplay: the density of a target along one column of its context."""

from collections.abc import Hashable
from typing import Any

import numpy as np
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from .._validation import check_count
from ..base import encode_rows
from ..conditional import ConditionalMAFDensity
from .axes import dots, fading_map, one_axes, percent, pyplot, second_colour, styled
from .column_axis import ColumnAxis, trimmed
from .tables import feature_position, one_row, position_of, read_targets, subsampled, target_names

N_CONTEXTS = 40  # places along a column of numbers
N_BINS = 60  # of the target
VIOLIN = 0.9  # share of an interval that the widest violin takes


class ConditionalDisplay:
    """The density of a target along one column of its context, its median and an interval.

    Use `ConditionalDisplay.from_estimator` to make one. The other columns stay what they are in one
    row. Along numbers and dates there is a map of the density of the target given each of them;
    a category, and a cell that is missing, has a violin.

    Parameters
    ----------
    x_axis, y_axis : ColumnAxis
        How the column, and the target, lie along the axes.
    density : ndarray of shape (n_x_intervals, n_y_intervals)
        Of the target, given the number in the middle of each interval of ``x_axis``.
    median : ndarray of shape (n_x_intervals,)
        Of the target.
    interval : ndarray of shape (n_x_intervals, 2)
        Its prediction intervals.
    coverage : float
        Of these.
    rows : ndarray of shape (n_rows, 2) or None, default=None
        The column, as the codec of the estimator gives it, and the target of rows to show.
    subsample : int or None, default=1_000
        The most rows that are shown.

    Attributes
    ----------
    mesh_ : QuadMesh or None
        The map; None for categories.
    violins_ : list of FillBetweenPolyCollection
        Of categories and of missing cells.
    median_line_ : Line2D or None
    interval_lines_ : list of Line2D
        The lower and the upper ends, along numbers and dates.
    error_bars_ : ErrorbarContainer or None
        Median and interval of categories and of missing cells.
    scatter_ : PathCollection or None
        The rows.
    legend_ : Legend
    ax_ : Axes
    figure_ : Figure

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skmaf import ConditionalDisplay, ConditionalMAFDensity
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> density = ConditionalMAFDensity(n_layers=2, hidden_layer_sizes=(16,), random_state=0)
    >>> density = density.fit(X, y)
    >>> display = ConditionalDisplay.from_estimator(density, X, y, feature="bmi", random_state=0)
    >>> display.ax_.get_xlabel(), display.ax_.get_ylabel()
    ('bmi', 'target')
    """

    def __init__(
        self,
        *,
        x_axis: ColumnAxis,
        y_axis: ColumnAxis,
        density: np.ndarray,
        median: np.ndarray,
        interval: np.ndarray,
        coverage: float,
        rows: np.ndarray | None = None,
        subsample: int | None = 1_000,
    ):
        self.x_axis = x_axis
        self.y_axis = y_axis
        self.density = density
        self.median = median
        self.interval = interval
        self.coverage = coverage
        self.rows = rows
        self.subsample = subsample

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        feature: Hashable = 0,
        row: Any = None,
        target: Hashable = 0,
        coverage: float = 0.9,
        n_samples: int = 2_000,
        subsample: int | None = 1_000,
        random_state: Any = None,
        ax: Any = None,
        scatter_kwargs: dict | None = None,
        **kwargs: Any,
    ) -> "ConditionalDisplay":
        """Draw what a fitted conditional density says along one column.

        Densities are histograms of draws, which take targets as they are: continuous, on a grid, or
        of few values. The interval is conformal: it is that of ``predict_interval``.

        Parameters
        ----------
        estimator : ConditionalMAFDensity
            Fitted.
        X : array-like of shape (n_samples, n_features)
            Rows, whose cells say how far the column reaches, and what is typical of the others.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            Their targets, to show the rows. These differ in all columns: where others matter they
            scatter more than the interval is wide.
        feature : str or int, default=0
            The column, by name or position.
        row : array-like of shape (n_features,) or (1, n_features), default=None
            What the other columns hold; None is the median of each, or its most frequent category.
        target : str or int, default=0
            Which target, if there are several, by its name in y or by its position.
        coverage : float, default=0.9
            Of the interval.
        n_samples : int, default=2_000
            Draws at each place along the column.
        subsample : int or None, default=1_000
            The most rows to show, chosen at random; None shows all.
        random_state : int, RandomState instance or None, default=None
            Governs the draws.
        ax : Axes, default=None
            Where to draw; None makes a new figure.
        scatter_kwargs : dict, default=None
            Properties of the dots, for ``scatter`` of matplotlib.
        **kwargs
            Of the map, for ``pcolormesh`` of matplotlib.

        Returns
        -------
        display : ConditionalDisplay

        Raises
        ------
        ValueError
            If the estimator is another one, X, y or ``row`` do not fit it, there is no such
            column or target, or ``coverage`` is out of its range.
        ImportError
            If matplotlib is not installed.
        """
        pyplot(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        if not isinstance(estimator, ConditionalMAFDensity):
            raise ValueError(
                f"{type(estimator).__name__} is no density of a target: give a "
                "ConditionalMAFDensity."
            )
        check_count("n_samples", n_samples)
        codec = estimator.codec_
        j = feature_position(codec, feature)
        N = encode_rows(estimator, X)
        names = target_names(len(estimator.columns_.columns))
        if y is not None:
            check_consistent_length(X, y)
            Y, names = read_targets(y, len(names))
        k = position_of(names, target)
        x_axis = ColumnAxis.of_column(codec, j, [N[:, j]], N_CONTEXTS)
        others = _typical(N, codec) if row is None else encode_rows(estimator, one_row(row))
        contexts = np.tile(others, (len(x_axis.numbers), 1))
        contexts[:, j] = x_axis.numbers
        table = codec.decode(contexts)
        shape = (len(contexts), -1, len(names))
        drawn = estimator.sample(table, n_samples, random_state).reshape(shape)[:, :, k]
        median = np.asarray(estimator.predict_quantiles(table, 0.5)).reshape(shape)[:, 0, k]
        ends = np.asarray(estimator.predict_interval(table, coverage)).reshape(len(table), -1, 2)
        rows = None if y is None else np.column_stack([N[:, j], Y[:, k]])
        central = trimmed(drawn.ravel())
        shown = [central] if rows is None else [central, rows[:, 1]]
        y_axis = ColumnAxis.of_numbers(names[k], np.concatenate(shown), N_BINS)
        display = cls(
            x_axis=x_axis,
            y_axis=y_axis,
            density=_densities(y_axis, drawn),
            median=median,
            interval=ends[:, k],
            coverage=coverage,
            rows=rows,
            subsample=subsample,
        )
        return display.plot(ax, scatter_kwargs=scatter_kwargs, **kwargs)

    def plot(
        self, ax: Any = None, *, scatter_kwargs: dict | None = None, **kwargs: Any
    ) -> "ConditionalDisplay":
        """Draw the densities.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; None makes a new figure.
        scatter_kwargs : dict, default=None
            Properties of the dots, for ``scatter`` of matplotlib.
        **kwargs
            Of the map, for ``pcolormesh`` of matplotlib.

        Returns
        -------
        self : ConditionalDisplay
        """
        from matplotlib.collections import PathCollection

        ax = one_axes(ax, f"{type(self).__name__}.plot")
        places = np.arange(len(self.x_axis.intervals))
        is_number = np.full(len(places), not self.x_axis.is_categorical)
        is_number[len(places) - self.x_axis.has_missing :] = False
        self._draw_map(ax, places[is_number], kwargs)
        self._draw_violins(ax, places[~is_number])
        self.scatter_ = None
        if self.rows is not None:
            rows = subsampled(self.rows, self.subsample, 0)
            rng = np.random.RandomState(0)  # spreads dots: the same picture each time
            style = {**dots(ax, len(rows)), "label": "rows, with other columns of their own"}
            style = styled(style, scatter_kwargs, PathCollection)
            x = self.x_axis.dots(rows[:, 0], rng)
            y = self.y_axis.dots(rows[:, 1], rng)
            self.scatter_ = ax.scatter(x, y, **style)
        self.x_axis.dress(ax.xaxis)
        self.y_axis.dress(ax.yaxis)
        self.legend_ = ax.legend()
        self.ax_ = ax
        self.figure_ = ax.figure
        return self

    def _draw_map(self, ax: Any, places: np.ndarray, kwargs: dict) -> None:
        """Draw the density, the median and the interval along numbers."""
        self.mesh_ = None
        self.median_line_ = None
        self.interval_lines_ = []
        if not len(places):
            return
        edges = np.append(self.x_axis.intervals[places, 0], self.x_axis.intervals[places[-1], 1])
        style = {"cmap": fading_map(ax), "vmin": None if "norm" in kwargs else 0.0, **kwargs}
        self.mesh_ = ax.pcolormesh(edges, self.y_axis.edges, self.density[places].T, **style)
        x = self.x_axis.centres[places]
        colour = second_colour()
        self.median_line_ = ax.plot(x, self.median[places], color=colour, label="median")[0]
        for k, label in enumerate([f"{percent(self.coverage)} interval", None]):
            style = {"color": colour, "linestyle": "--", "label": label}
            self.interval_lines_ += ax.plot(x, self.interval[places, k], **style)

    def _draw_violins(self, ax: Any, places: np.ndarray) -> None:
        """Draw the densities, the medians and the intervals of categories and missing cells."""
        self.violins_ = []
        self.error_bars_ = None
        if not len(places):
            return
        half = VIOLIN * (self.x_axis.intervals[places, 1] - self.x_axis.intervals[places, 0]) / 2
        widths = half[:, None] * self.density[places] / self.density[places].max()
        centres = self.x_axis.centres[places]
        style = {"color": "C0", "alpha": 0.6, "linewidth": 0}
        for x, width in zip(centres, widths):
            violin = ax.fill_betweenx(self.y_axis.edges, *_outline(x, width), step="post", **style)
            self.violins_.append(violin)
        label = f"median, {percent(self.coverage)} interval" if self.mesh_ is None else None
        median = self.median[places]
        beyond = np.abs(self.interval[places].T - median)
        style = {"fmt": "o", "color": second_colour(), "capsize": 3, "label": label}
        self.error_bars_ = ax.errorbar(centres, median, beyond, **style)


def _outline(x: float, width: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the left and the right side of a violin, at the edges of its bins."""
    width = np.append(width, width[-1])
    return x - width, x + width


def _typical(N: np.ndarray, codec: Any) -> np.ndarray:
    """Return the median of each column, one that it holds, or the most frequent category."""
    typical = np.full(N.shape[1], np.nan)
    for j, (x, categories) in enumerate(zip(N.T, codec.schema.categories)):
        present = x[~np.isnan(x)]
        if len(present) and categories is not None:
            typical[j] = np.bincount(present.astype(int)).argmax()
        elif len(present):
            typical[j] = np.quantile(present, 0.5, method="lower")
    return typical


def _densities(axis: ColumnAxis, drawn: np.ndarray) -> np.ndarray:
    """Return the density of the draws of each row in the intervals of an axis."""
    shares = np.stack([axis.shares(draws) for draws in drawn], axis=1)
    return axis.smoothed(shares).T / axis.measures
