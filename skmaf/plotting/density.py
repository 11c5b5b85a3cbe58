"""DensityDisplay: the density of two columns of a table, with rows on top."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from .._validation import check_count
from ..base import encode_rows
from .axes import background, dots, fading_map, foreground, one_axes, percent, pyplot, styled
from .column_axis import ColumnAxis, trimmed
from .tables import check_draws_rows, feature_position, subsampled

N_BINS = 50  # of an axis of numbers
MOST_WITH_TEXT = 8  # categories of a column whose probabilities are written


class DensityDisplay:
    """The density of two columns of a table, with rows on top.

    Use `DensityDisplay.from_estimator` to make one. Colours tell the density of both columns: of
    two columns of numbers or dates a map; of a column of categories a strip for each; and of two
    such the probabilities themselves, which are written down where they are few. Missing cells have
    a strip of their own beyond the values. A colour times its area is a probability: over the
    picture they add up to 1, and a category has a width of 1.

    Parameters
    ----------
    x_axis, y_axis : ColumnAxis
        How the two columns lie along the axes.
    probability : ndarray of shape (n_x_intervals, n_y_intervals)
        Of the cells of the map.
    rows : ndarray of shape (n_rows, 2) or None, default=None
        The two columns of rows to show, as the codec of the estimator gives them.
    subsample : int or None, default=1_000
        The most rows that are shown as dots.

    Attributes
    ----------
    mesh_ : QuadMesh
        The map.
    scatter_ : PathCollection or None
        The rows.
    texts_ : list of Text
        The probabilities of categories, and below them the shares of the rows.
    colorbar_ : Colorbar or None
    ax_ : Axes
    figure_ : Figure

    See Also
    --------
    PairDisplay : Compares drawn rows with real ones, in many columns.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skmaf import DensityDisplay, MAFDensity
    >>> X = load_iris(as_frame=True).data
    >>> density = MAFDensity(max_iter=50, early_stopping=False, random_state=0).fit(X)
    >>> display = DensityDisplay.from_estimator(density, X, features=(2, 3), random_state=0)
    >>> display.ax_.get_xlabel()
    'petal length (cm)'
    """

    def __init__(
        self,
        *,
        x_axis: ColumnAxis,
        y_axis: ColumnAxis,
        probability: np.ndarray,
        rows: np.ndarray | None = None,
        subsample: int | None = 1_000,
    ):
        self.x_axis = x_axis
        self.y_axis = y_axis
        self.probability = probability
        self.rows = rows
        self.subsample = subsample

    @property
    def density(self) -> np.ndarray:
        """Probabilities over the area of their cells, shape (n_x_intervals, n_y_intervals)."""
        return self.probability / np.outer(self.x_axis.measures, self.y_axis.measures)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        *,
        features: Sequence[Hashable] = (0, 1),
        n_samples: int = 20_000,
        subsample: int | None = 1_000,
        random_state: Any = None,
        ax: Any = None,
        scatter_kwargs: dict | None = None,
        **kwargs: Any,
    ) -> "DensityDisplay":
        """Draw the density of two columns of a fitted estimator.

        It is that of rows which the estimator draws, in a histogram that is smoothed by a bin where
        numbers are continuous: so all other columns are integrated out, whatever they hold, and
        the picture shows what `sample` gives, with its missing cells and relations. A fit to the
        two columns alone would show another density than that of the estimator.

        Parameters
        ----------
        estimator : MAFDensity or MultiscaleDensity
            Fitted.
        X : array-like of shape (n_samples, n_features), default=None
            Rows to show on top, like those of `fit`; dots of categories and of missing cells are
            spread over their strips. Of two columns of few categories their shares are written.
        features : pair of str or int, default=(0, 1)
            The two columns, by name or position.
        n_samples : int, default=20_000
            Rows that are drawn. A tenth has more noise, and serves where columns are hundreds.
        subsample : int or None, default=1_000
            The most rows of X to show as dots, chosen at random; None shows all. Shares are those
            of all rows.
        random_state : int, RandomState instance or None, default=None
            Governs the draw.
        ax : Axes, default=None
            Where to draw; None makes a new figure.
        scatter_kwargs : dict, default=None
            Properties of the dots, for ``scatter`` of matplotlib.
        **kwargs
            Of the map, for ``pcolormesh`` of matplotlib.

        Returns
        -------
        display : DensityDisplay

        Raises
        ------
        ValueError
            If the estimator is another one, ``features`` are not two columns of its table, or X
            does not fit it.
        ImportError
            If matplotlib is not installed.
        """
        pyplot(f"{cls.__name__}.from_estimator")
        check_draws_rows(estimator, cls.__name__)
        check_count("n_samples", n_samples)
        codec = estimator.codec_
        i, j = _pair_of(codec, features)
        drawn = codec.encode(estimator.sample(n_samples, random_state))[0][:, [i, j]]
        rows = None if X is None else encode_rows(estimator, X)[:, [i, j]]
        x_axis = _axis(codec, i, drawn[:, 0], None if rows is None else rows[:, 0])
        y_axis = _axis(codec, j, drawn[:, 1], None if rows is None else rows[:, 1])
        shares = _joint_shares(x_axis, y_axis, drawn)
        probability = y_axis.smoothed(x_axis.smoothed(shares).T).T
        display = cls(
            x_axis=x_axis, y_axis=y_axis, probability=probability, rows=rows, subsample=subsample
        )
        return display.plot(ax, scatter_kwargs=scatter_kwargs, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        scatter_kwargs: dict | None = None,
        colorbar: bool = True,
        **kwargs: Any,
    ) -> "DensityDisplay":
        """Draw the density.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; None makes a new figure.
        scatter_kwargs : dict, default=None
            Properties of the dots, for ``scatter`` of matplotlib.
        colorbar : bool, default=True
            Whether to draw one.
        **kwargs
            Of the map, for ``pcolormesh`` of matplotlib.

        Returns
        -------
        self : DensityDisplay
        """
        ax = one_axes(ax, f"{type(self).__name__}.plot")
        are_categories = self.x_axis.is_categorical and self.y_axis.is_categorical
        density = self.y_axis.with_gaps(self.x_axis.with_gaps(self.density).T)
        defaults = {"cmap": fading_map(ax), "vmin": None if "norm" in kwargs else 0.0}
        self.mesh_ = ax.pcolormesh(
            self.x_axis.edges, self.y_axis.edges, density, **{**defaults, **kwargs}
        )
        few = max(len(self.x_axis.intervals), len(self.y_axis.intervals)) <= MOST_WITH_TEXT
        self.texts_ = self._write_shares(ax) if are_categories and few else []
        self.scatter_ = None
        if self.rows is not None and not self.texts_:
            self.scatter_ = self._scatter(ax, scatter_kwargs)
        self.colorbar_ = None
        if colorbar:
            label = "probability" if are_categories else "probability density"
            self.colorbar_ = ax.figure.colorbar(self.mesh_, ax=ax, label=label)
            if "norm" not in kwargs:
                self.colorbar_.formatter.set_powerlimits((-2, 4))
        self.x_axis.dress(ax.xaxis)
        self.y_axis.dress(ax.yaxis)
        self.ax_ = ax
        self.figure_ = ax.figure
        return self

    def _scatter(self, ax: Any, scatter_kwargs: dict | None) -> Any:
        from matplotlib.collections import PathCollection

        rows = subsampled(self.rows, self.subsample, 0)
        rng = np.random.RandomState(0)  # spreads dots: the same picture each time
        x = self.x_axis.dots(rows[:, 0], rng)
        y = self.y_axis.dots(rows[:, 1], rng)
        return ax.scatter(x, y, **styled(dots(ax, len(x)), scatter_kwargs, PathCollection))

    def _write_shares(self, ax: Any) -> list:
        """Write the probability of each pair of categories, and its share of the rows."""
        of_rows = None
        if self.rows is not None:
            of_rows = _joint_shares(self.x_axis, self.y_axis, self.rows)
        colours = self.mesh_.cmap(self.mesh_.norm(self.density))
        texts = []
        for (i, k), share in np.ndenumerate(self.probability):
            text = percent(float(share))
            if of_rows is not None:
                text += f"\nrows {percent(float(of_rows[i, k]))}"
            colour = _readable(ax, colours[i, k])
            texts.append(ax.text(i, k, text, color=colour, ha="center", va="center"))
        return texts


def _pair_of(codec: Any, features: Sequence[Hashable]) -> tuple[int, int]:
    if isinstance(features, str) or len(features) != 2:
        raise ValueError(f"features must be two columns, by name or position, got {features!r}.")
    i, j = (feature_position(codec, feature) for feature in features)
    if i == j:
        raise ValueError(f"features must be two different columns, got {features!r}.")
    return i, j


def _axis(codec: Any, j: int, drawn: np.ndarray, rows: np.ndarray | None) -> ColumnAxis:
    """Return the axis of a column that holds all rows to show, and almost all that are drawn."""
    shown = [drawn if codec.schema.categories[j] is not None else trimmed(drawn)]
    return ColumnAxis.of_column(codec, j, shown if rows is None else [*shown, rows], N_BINS)


def _joint_shares(x_axis: ColumnAxis, y_axis: ColumnAxis, rows: np.ndarray) -> np.ndarray:
    """Return the share of rows in each cell of a map."""
    shape = (len(x_axis.intervals), len(y_axis.intervals))
    cells = np.ravel_multi_index((x_axis.find(rows[:, 0]), y_axis.find(rows[:, 1])), shape)
    return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape) / len(rows)


def _readable(ax: Any, colour: np.ndarray) -> Any:
    """Return the colour of text on a colour: that of other text or of the background."""
    from matplotlib.colors import to_rgb

    luminance = np.array([0.2126, 0.7152, 0.0722])
    choices = [to_rgb(foreground(ax)), background(ax)]
    distances = [abs(luminance @ np.array(choice) - luminance @ colour[:3]) for choice in choices]
    return choices[int(np.argmax(distances))]
