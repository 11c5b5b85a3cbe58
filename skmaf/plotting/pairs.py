"""PairDisplay: rows that are drawn beside real ones, in each column and each pair of columns."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from ..table.codec import TableCodec
from ..table.frames import as_table
from .axes import grid_of_axes, pyplot, second_colour, styled
from .column_axis import ColumnAxis
from .tables import check_draws_rows, feature_position, subsampled

N_BINS = 25  # of an axis of numbers
N_CATEGORIES = 10  # of an axis of categories
MOST_COLUMNS = 8  # that are shown where no features are named
PANEL = (2.2, 2.0)  # inches


class PairDisplay:
    """Rows that are drawn beside real ones, in each column and each pair of columns.

    Use `PairDisplay.from_estimator` or `PairDisplay.from_predictions` to make one. On the diagonal
    is the share of rows of each value: real rows in solid bars, drawn ones as an outline. Missing
    cells have a bar of their own, and all bars of a column add up to 1. Below the diagonal are the
    rows themselves: in the strip of a category, or of missing cells, those drawn are to the right
    of the real ones, or above them. Where the two differ, the density is wrong.

    Parameters
    ----------
    axes : list of ColumnAxis
        How the columns lie along the axes.
    X : ndarray of shape (n_real, n_columns)
        The columns of the real rows, as a codec gives them.
    drawn : ndarray of shape (n_drawn, n_columns)
        Those of the rows that are drawn.
    subsample : int or None, default=1_000
        The most rows of each kind that are shown as dots.

    Attributes
    ----------
    axes_ : ndarray of Axes, shape (n_columns, n_columns)
        Those above the diagonal are empty.
    bars_ : list of tuple (StepPatch, StepPatch)
        The bars of each column, of real and of drawn rows.
    scatters_ : dict of tuple (int, int) to tuple (PathCollection, PathCollection)
        The real and the drawn rows, by row and column of the grid.
    legend_ : Legend
    bounding_ax_ : Axes or None
        The axes that the grid takes the place of.
    figure_ : Figure

    See Also
    --------
    DensityDisplay : The density of two columns.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skmaf import MAFDensity, PairDisplay
    >>> X = load_iris(as_frame=True).data
    >>> density = MAFDensity(max_iter=50, early_stopping=False, random_state=0).fit(X)
    >>> PairDisplay.from_estimator(density, X, random_state=0).axes_.shape
    (4, 4)
    """

    def __init__(
        self,
        *,
        axes: list[ColumnAxis],
        X: np.ndarray,
        drawn: np.ndarray,
        subsample: int | None = 1_000,
    ):
        self.axes = axes
        self.X = X
        self.drawn = drawn
        self.subsample = subsample

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        features: Sequence[Hashable] | None = None,
        n_samples: int | None = None,
        subsample: int | None = 1_000,
        random_state: Any = None,
        ax: Any = None,
        scatter_kwargs: dict | None = None,
    ) -> "PairDisplay":
        """Compare rows with those that a fitted estimator draws.

        Parameters
        ----------
        estimator : MAFDensity or MultiscaleDensity
            Fitted.
        X : array-like of shape (n_samples, n_features)
            Rows; best such that were held out.
        features : list of str or int, default=None
            The columns to show, by name or position; None shows all, up to 8.
        n_samples : int, default=None
            How many rows to draw; None draws as many as X has.
        subsample : int or None, default=1_000
            The most rows of each kind to show as dots, chosen at random; bars are those of all.
        random_state : int, RandomState instance or None, default=None
            Governs the draw.
        ax : Axes or array of Axes, default=None
            Axes that the grid takes the place of, or the axes of the grid; None makes a new figure.
        scatter_kwargs : dict, default=None
            Properties of the dots, for ``scatter`` of matplotlib.

        Returns
        -------
        display : PairDisplay

        Raises
        ------
        ValueError
            If the estimator is another one, X does not fit it, or X has more than 8 columns and no
            ``features`` are named.
        ImportError
            If matplotlib is not installed.
        """
        pyplot(f"{cls.__name__}.from_estimator")
        check_draws_rows(estimator, cls.__name__)
        X = as_table(X)
        columns = _positions(estimator.codec_, features)
        drawn = estimator.sample(len(X) if n_samples is None else n_samples, random_state)
        display = cls._of_tables(estimator.codec_, X, drawn, columns, subsample)
        return display.plot(ax, scatter_kwargs=scatter_kwargs)

    @classmethod
    def from_predictions(
        cls,
        X: Any,
        drawn: Any,
        *,
        column_kinds: dict | None = None,
        features: Sequence[Hashable] | None = None,
        subsample: int | None = 1_000,
        ax: Any = None,
        scatter_kwargs: dict | None = None,
    ) -> "PairDisplay":
        """Compare rows with others, wherever these come from.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Real rows, whose columns say what there is: numbers, dates, categories.
        drawn : array-like of shape (n_drawn, n_features)
            Rows of the same columns.
        column_kinds : dict, default=None
            Columns of numbers that are "categorical", by name or position, as in `MAFDensity`.
        features, subsample, ax, scatter_kwargs
            As in `from_estimator`.

        Returns
        -------
        display : PairDisplay

        Raises
        ------
        ValueError
            If the rows do not fit each other, or have more than 8 columns and no ``features`` are
            named.
        ImportError
            If matplotlib is not installed.
        """
        pyplot(f"{cls.__name__}.from_predictions")
        X = as_table(X)
        codec, _, _ = TableCodec.learn(X, column_kinds)
        columns = _positions(codec, features)
        display = cls._of_tables(codec, X, drawn, columns, subsample)
        return display.plot(ax, scatter_kwargs=scatter_kwargs)

    @classmethod
    def _of_tables(
        cls, codec: Any, X: Any, drawn: Any, columns: list[int], subsample: int | None
    ) -> "PairDisplay":
        tables = [codec.encode(table)[0][:, columns] for table in (X, drawn)]
        axes = [
            ColumnAxis.of_column(codec, j, [table[:, k] for table in tables], N_BINS, N_CATEGORIES)
            for k, j in enumerate(columns)
        ]
        return cls(axes=axes, X=tables[0], drawn=tables[1], subsample=subsample)

    def plot(self, ax: Any = None, *, scatter_kwargs: dict | None = None) -> "PairDisplay":
        """Draw the grid.

        Parameters
        ----------
        ax : Axes or array of Axes, default=None
            Axes that the grid takes the place of, or the axes of the grid; None makes a new figure.
        scatter_kwargs : dict, default=None
            Properties of the dots, for ``scatter`` of matplotlib.

        Returns
        -------
        self : PairDisplay
        """
        n_columns = len(self.axes)
        shape = (n_columns, n_columns)

        self.axes_, self.bounding_ax_ = grid_of_axes(
            ax, f"{type(self).__name__}.plot", shape, PANEL
        )
        self.figure_ = self.axes_[0, 0].figure
        self.bars_ = [self._draw_bars(k) for k in range(n_columns)]
        below = [(i, k) for i in range(n_columns) for k in range(i)]
        self.scatters_ = self._draw_dots(below, scatter_kwargs)
        for i, k in np.ndindex(shape):
            if k > i:
                self.axes_[i, k].set_axis_off()
            else:
                self._dress(i, k)
        self.figure_.align_ylabels(self.axes_[:, 0])
        self.legend_ = self._add_legend()
        return self

    def _draw_bars(self, k: int) -> tuple[Any, Any]:
        """Draw the shares of rows in the intervals of a column."""
        ax = self.axes_[k, k]
        axis = self.axes[k]
        patches = []
        styles: list[dict] = [
            {"fill": True, "color": "C0", "alpha": 0.6},
            {"color": second_colour(), "linewidth": 1.5},
        ]
        for x, style in zip((self.X[:, k], self.drawn[:, k]), styles):
            shares = axis.with_gaps(axis.shares(x))
            patches.append(ax.stairs(shares, axis.edges, **style))
        return patches[0], patches[1]

    def _draw_dots(self, panels: list[tuple[int, int]], scatter_kwargs: dict | None) -> dict:
        """Draw the rows of pairs of columns: real ones to the left of those drawn in a strip."""
        from matplotlib.collections import PathCollection

        scatters: dict = dict.fromkeys(panels, ())
        for table, side, colour in ((self.X, -1, "C0"), (self.drawn, 1, second_colour())):
            rows = subsampled(table, self.subsample, 0)
            rng = np.random.RandomState(0)  # spreads dots: the same picture each time
            size = float(np.clip(2000 / len(rows), 3, 12))
            style = {"s": size, "alpha": 0.5, "linewidths": 0, "color": colour}
            style = styled(style, scatter_kwargs, PathCollection)
            places = [axis.dots(rows[:, k], rng, side) for k, axis in enumerate(self.axes)]
            for i, k in panels:
                scatters[i, k] += (self.axes_[i, k].scatter(places[k], places[i], **style),)
        return scatters

    def _dress(self, i: int, k: int) -> None:
        """Name and number the axes on the left and at the bottom of the grid."""
        ax = self.axes_[i, k]
        self.axes[k].dress(ax.xaxis)
        if i == k:
            ax.set(ylabel="share of rows" if i == 0 else "")
            ax.set_ylim(bottom=0)
        else:
            self.axes[i].dress(ax.yaxis)
            if k > 0:
                ax.set_ylabel("")
                ax.tick_params(labelleft=False)
        if i < len(self.axes) - 1:
            ax.set_xlabel("")
            ax.tick_params(labelbottom=False)
            ax.xaxis.get_offset_text().set_visible(False)

    def _add_legend(self) -> Any:
        last = self.axes_[0, -1]
        labels = [f"real, {len(self.X):,} rows", f"drawn, {len(self.drawn):,} rows"]
        return last.legend(self.bars_[0], labels, loc="upper right")


def _positions(codec: Any, features: Sequence[Hashable] | None) -> list[int]:
    """Return the positions of the columns to show."""
    if features is None:
        if codec.n_features > MOST_COLUMNS:
            raise ValueError(
                f"X has {codec.n_features} columns, of which a picture shows {MOST_COLUMNS} by "
                "itself: name those to show in features."
            )
        return list(range(codec.n_features))
    if isinstance(features, str) or len(features) == 0:
        raise ValueError(f"features must be a list of columns, got {features!r}.")
    return [feature_position(codec, feature) for feature in features]
