"""PITDisplay: whether the probability integral transform of rows is uniform, as it should be."""

from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.stats import binom
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from .._validation import seed_from
from ..base import encode_rows
from ..conditional import ConditionalMAFDensity
from ..density import MAFDensity
from .axes import foreground, grid_of_axes, plain, pyplot, second_colour, styled
from .tables import feature_position, position_of, read_targets

MOST_PANELS = 36
PANEL = (2.4, 2.0)  # inches
N_POINTS = 100  # intervals of probability, at whose ends curves are compared with the band
N_SIMULATED = 5000  # curves of uniform numbers, whose extremes make the band
N_DRAWS = 199  # of each row, among which a target has a rank
POOLED = "all columns"


class PITDisplay:
    """Whether the probability integral transform (PIT) of rows is uniform, as it should be.

    Use `PITDisplay.from_estimator` or `PITDisplay.from_predictions` to make one. A density that is
    right makes the PIT of each column, given those before it, uniform from 0 to 1. Each panel shows
    the empirical distribution function of that, less the uniform one, and a band that the curves
    of all panels keep to, at all points at once, with the probability ``coverage`` if all is right
    [1]_. A curve like an S that first rises above the band says that the density is too narrow, one
    that first falls below that it is too wide, and an arch that it is off to one side.

    Parameters
    ----------
    pit : list of ndarray
        The PIT of each column, between 0 and 1, without missing cells.
    names : list of str
        Of the columns.
    coverage : float, default=0.95
        Of the band.

    Attributes
    ----------
    outside_ : ndarray of bool, shape (n_columns,)
        Which curves leave the band.
    axes_ : ndarray of Axes
        The grid; surplus panels are empty.
    lines_ : list of Line2D
    bands_ : list of FillBetweenPolyCollection
    bounding_ax_ : Axes or None
        The axes that the grid takes the place of.
    figure_ : Figure

    References
    ----------
    .. [1] Säilynoja, Bürkner and Vehtari (2022). Graphical test for discrete uniformity and its
           applications in goodness-of-fit evaluation and multiple sample comparison. Statistics and
           Computing 32.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skmaf import MAFDensity, PITDisplay
    >>> X = load_iris(as_frame=True).data
    >>> density = MAFDensity(max_iter=50, early_stopping=False, random_state=0).fit(X[::2])
    >>> display = PITDisplay.from_estimator(density, X[1::2], random_state=0)
    >>> len(display.lines_)
    4
    """

    def __init__(self, *, pit: list[np.ndarray], names: Sequence[str], coverage: float = 0.95):
        self.pit = pit
        self.names = names
        self.coverage = coverage

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        features: Sequence[Hashable] | None = None,
        pooled: bool = False,
        coverage: float = 0.95,
        random_state: Any = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> "PITDisplay":
        """Draw the PIT of rows, by the flow that learned their table, or of targets.

        Of a table it is that of the flow alone, as in `MAFDensity.transform`: the simple densities
        beside it have no part, so that with few rows it may look worse than the density is. A cell
        has one for each base dimension: the discrete part of a column that has two by itself. In
        the interval of a category, and in the step of a grid, it is random. Of a target it is the
        rank among 199 draws, each target by itself.

        Parameters
        ----------
        estimator : MAFDensity or ConditionalMAFDensity
            Fitted.
        X : array-like of shape (n_samples, n_features)
            Rows that were held out: of rows that were fitted it looks too good.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            Targets, for `ConditionalMAFDensity`.
        features : list of str or int, default=None
            The columns to show, by name or position, or the targets. None shows all.
        pooled : bool, default=False
            Whether one panel is to show all of these together: independent, if the density is
            right.
        coverage : float, default=0.95
            Of the band.
        random_state : int, RandomState instance or None, default=None
            Governs what is random in categories and grids, and the draws.
        ax : Axes or array of Axes, default=None
            Axes that the panels take the place of, or the axes of the panels; None makes a new
            figure.
        **kwargs
            Properties of the curves, for ``plot`` of matplotlib.

        Returns
        -------
        display : PITDisplay

        Raises
        ------
        ValueError
            If the estimator is another one, X or y do not fit it, or there would be more than 36
            panels.
        ImportError
            If matplotlib is not installed.
        """
        pyplot(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        rng = np.random.RandomState(seed_from(random_state))
        if isinstance(estimator, ConditionalMAFDensity):
            pit, names = _of_targets(estimator, X, y, features, rng)
        elif isinstance(estimator, MAFDensity):
            pit, names = _of_table(estimator, X, features, rng)
        else:
            raise ValueError(
                f"{type(estimator).__name__} has no base space: give a MAFDensity, or a "
                "ConditionalMAFDensity and y. PITDisplay.from_predictions takes any PIT."
            )
        if pooled:
            pit = pit.reshape(-1, 1)
            names = [POOLED]
        return cls.from_predictions(pit, names=names, coverage=coverage, ax=ax, **kwargs)

    @classmethod
    def from_predictions(
        cls,
        pit: Any,
        *,
        names: Sequence[str] | None = None,
        coverage: float = 0.95,
        ax: Any = None,
        **kwargs: Any,
    ) -> "PITDisplay":
        """Draw a PIT that is known.

        Parameters
        ----------
        pit : array-like of shape (n_samples,) or (n_samples, n_columns)
            Numbers from 0 to 1; NaN where there is none.
        names : list of str, default=None
            Of the columns.
        coverage : float, default=0.95
            Of the band.
        ax : Axes or array of Axes, default=None
            Axes that the panels take the place of, or the axes of the panels; None makes a new
            figure.
        **kwargs
            Properties of the curves, for ``plot`` of matplotlib.

        Returns
        -------
        display : PITDisplay

        Raises
        ------
        ValueError
            If there are numbers that are not from 0 to 1, no numbers at all, not as many names as
            columns, more than 36 columns, or ``coverage`` is not between 0 and 1.
        ImportError
            If matplotlib is not installed.
        """
        pyplot(f"{cls.__name__}.from_predictions")
        pit = np.asarray(pit, dtype=np.float64)
        if pit.ndim == 1:
            pit = pit[:, None]
        if pit.ndim != 2 or ((pit < 0) | (pit > 1)).any():
            raise ValueError("pit must be numbers from 0 to 1, in one column or several.")
        if not 0 < coverage < 1:
            raise ValueError(f"coverage must be between 0 and 1, both excluded, got {coverage!r}.")
        if names is None:
            names = ["PIT"] if pit.shape[1] == 1 else [f"x{j}" for j in range(pit.shape[1])]
        if len(names) != pit.shape[1]:
            raise ValueError(f"There are {len(names)} names and {pit.shape[1]} columns.")
        shown = np.flatnonzero(~np.isnan(pit).all(axis=0))
        if not len(shown):
            raise ValueError("There is no PIT to show: give rows that have cells.")
        if len(shown) > MOST_PANELS:
            raise ValueError(
                f"There are {len(shown)} columns to show, and room for {MOST_PANELS}: name some "
                "in features, or show all in one with pooled=True."
            )
        columns = [x[~np.isnan(x)] for x in pit.T[shown]]
        display = cls(pit=columns, names=[str(names[int(j)]) for j in shown], coverage=coverage)
        return display.plot(ax, **kwargs)

    def plot(self, ax: Any = None, **kwargs: Any) -> "PITDisplay":
        """Draw the panels.

        Parameters
        ----------
        ax : Axes or array of Axes, default=None
            Axes that the panels take the place of, or the axes of the panels; None makes a new
            figure.
        **kwargs
            Properties of the curves, for ``plot`` of matplotlib.

        Returns
        -------
        self : PITDisplay
        """
        n = len(self.pit)
        n_columns = min(n, max(3, int(np.ceil(np.sqrt(n)))))
        shape = (-(-n // n_columns), n_columns)
        caller = f"{type(self).__name__}.plot"
        self.axes_, self.bounding_ax_ = grid_of_axes(ax, caller, shape, PANEL)
        self.figure_ = self.axes_[0, 0].figure
        self.lines_: list = []
        self.bands_: list = []
        outside = []
        for ax, name, x in zip(self.axes_.flat, self.names, self.pit):
            outside.append(self._draw_panel(ax, x, kwargs))
            ax.set_title(plain(name))
        self.outside_ = np.array(outside)
        for ax in self.axes_.flat[n:]:
            ax.set_axis_off()
        self._share_limits()
        return self

    def _draw_panel(self, ax: Any, x: np.ndarray, kwargs: dict) -> bool:
        """Draw the curve of a column and its band; return whether it leaves the band."""
        from matplotlib.lines import Line2D

        points = np.arange(N_POINTS + 1) / N_POINTS
        below = np.searchsorted(np.sort(x), points, side="right") / len(x)
        # at least so for each panel that it is so for all
        low, high = uniform_band(len(x), 1 - (1 - self.coverage) / len(self.pit))
        is_outside = bool(((below < low) | (below > high)).any())
        style = {"color": foreground(ax), "alpha": 0.2, "linewidth": 0}
        self.bands_.append(ax.fill_between(points, low - points, high - points, **style))
        style = {"color": second_colour() if is_outside else "C0"}
        self.lines_ += ax.plot(points, below - points, **styled(style, kwargs, Line2D))
        return is_outside

    def _share_limits(self) -> None:
        """Give all panels the same limits, and labels to the outer ones."""
        n = len(self.pit)
        largest = max(abs(limit) for ax in self.axes_.flat[:n] for limit in ax.get_ylim())
        for k, ax in enumerate(self.axes_.flat[:n]):
            ax.set(xlim=(0, 1), ylim=(-largest, largest))
            is_left = k % self.axes_.shape[1] == 0
            is_bottom = k + self.axes_.shape[1] >= n
            ax.tick_params(labelleft=is_left, labelbottom=is_bottom)
            if is_bottom:
                ax.set_xlabel("PIT")
            if is_left:
                ax.set_ylabel("ECDF − uniform")


@lru_cache(maxsize=64)
def uniform_band(n: int, coverage: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the band about the distribution function of ``n`` uniform numbers.

    At each point it is as improbable as at any other that their empirical one leaves it. How
    improbable, so that it keeps to the band at all points at once with the probability
    ``coverage``, is found by simulation.

    Returns
    -------
    low, high : ndarray of shape (N_POINTS + 1,)
        At equally distant points from 0 to 1.
    """
    rng = np.random.RandomState(0)
    shares = np.full(N_POINTS, 1 / N_POINTS)
    counts = rng.multinomial(n, shares, size=N_SIMULATED).cumsum(axis=1)[:, :-1]
    points = np.arange(1, N_POINTS) / N_POINTS
    tails = np.minimum(binom.cdf(counts, n, points), binom.sf(counts - 1, n, points))
    # a little less, for what is just as improbable is inside
    tail = np.quantile(tails.min(axis=1), 1 - coverage, method="lower") * (1 - 1e-9)
    low = binom.ppf(tail, n, points) / n
    high = binom.isf(tail, n, points) / n
    return np.concatenate([[0], low, [1]]), np.concatenate([[0], high, [1]])


def _of_table(
    density: MAFDensity, X: Any, features: Sequence[Hashable] | None, rng: np.random.RandomState
) -> tuple[np.ndarray, list[str]]:
    """Return the PIT of the base dimensions of some columns, and their names."""
    from ..inference.pit import randomised_pit

    pit = randomised_pit(density.density_, encode_rows(density, X), rng)
    names = density.get_feature_names_out()
    if features is None:
        return pit, list(names)
    columns = [feature_position(density.codec_, feature) for feature in features]
    shown = np.isin(density.columns_.owners, columns)
    return pit[:, shown], list(names[shown])


def _of_targets(
    density: ConditionalMAFDensity,
    X: Any,
    y: Any,
    features: Sequence[Hashable] | None,
    rng: np.random.RandomState,
) -> tuple[np.ndarray, list[str]]:
    """Return the ranks of targets among draws, as shares, and the names of the targets."""
    if y is None:
        raise ValueError("ConditionalMAFDensity needs y: give the targets of the rows.")
    check_consistent_length(X, y)
    Y, names = read_targets(y, len(density.columns_.columns))
    drawn = density.sample(X, n_samples=N_DRAWS, random_state=rng)
    drawn = drawn.reshape(len(Y), N_DRAWS, -1)
    below = (drawn < Y[:, None]).sum(axis=1)
    ties = (drawn == Y[:, None]).sum(axis=1)
    pit = (below + rng.random_sample(below.shape) * (ties + 1)) / (N_DRAWS + 1)
    targets = list(range(len(names)))
    if features is not None:
        targets = [position_of(names, feature) for feature in features]
    return pit[:, targets], [names[j] for j in targets]
