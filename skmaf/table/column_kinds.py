"""Column kinds: what a column is, found from its values or declared by the user.

A column of numbers is *discrete* where it has few values, each with a probability: at most the root
of the number of rows, so that a value has many rows. It *has point masses* where some values (zero,
say) occur again and again between others, and is *continuous* otherwise. Continuous values on a
regular grid (integers, rounded values), or with ties, have a step; where many of them are on a
coarser grid (whole tens among cents) the column is *heaped*.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import iqr

from .calendar import Calendar, WithPhases
from .columns import (
    SAME_VALUE,
    Column,
    Constant,
    Continuous,
    Discrete,
    OneHot,
    PointMasses,
    moments,
)
from .cycles import Cycles
from .date_labels import LabelledLine, MonthlyLine, find_labels
from .flow_space import Columns
from .frames import column_names
from .grids import fine_grid_step, grid_step, support
from .heaped import Heaped, find_coarse_grid
from .periodic import OnCircle, Periodic, TwoTurns, find_cut, find_start, from_start, is_periodic
from .rounding import exact_decimals_of
from .transform_choice import FEWEST_ROWS, choose_description, heaped_transform
from .transforms import Asinh, Transform, bounds_transform

MOST_CIRCLES = 4  # of a table, each of which doubles the cost of a score
INDICATOR_SCALE = 0.5  # of categories: the standard deviation where two are as frequent
MOST_CATEGORIES = 64  # of a discrete column of numbers
# A point mass holds at least this share of the rows, this many rows, and this many times as many
# rows as any value that is none.
POINT_MASS_SHARE = 0.05
OFF_GRID_SHARE = 0.03  # this share is enough where the values lie on no grid
POINT_MASS_ROWS = 5
POINT_MASS_RATIO = 4
MOST_POINT_MASSES = 5
FEW_OTHERS = 5  # with fewer values beside its point masses a column has too few for a density
KINDS = ("continuous", "grid", "categorical", "heavy-tailed")

Kind = str | tuple[Any, Any]


class Described(Protocol):
    """What `check_declared` asks of the form of a table."""

    @property
    def categories(self) -> Sequence[Any]:
        """For each column its categories, or None if it holds numbers."""

    def label(self, j: int) -> str:
        """Return what messages call a column."""


def declared_kinds(X: ArrayLike, column_kinds: Mapping[Any, Kind] | None) -> dict[int, Kind]:
    """Return what a user declares of columns, by their positions.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features)
    column_kinds : mapping or None
        Names or positions of columns to one of `KINDS`, or to bounds ``(low, high)`` of which one
        may be None, or to ``("periodic", period)``.

    Raises
    ------
    ValueError
        If there is no such column or no such kind.
    """
    if not column_kinds:
        return {}
    names = column_names(X) or list(range(np.shape(X)[-1]))
    kinds = {}
    for name, kind in column_kinds.items():
        if name not in names and not (isinstance(name, Integral) and 0 <= int(name) < len(names)):
            raise ValueError(
                f"column_kinds names {name!r}, which is no column; there are {names[:10]}."
            )
        if kind not in KINDS and not _is_bounds(kind) and not _has_period(kind):
            raise ValueError(
                f"column_kinds[{name!r}] must be one of {', '.join(KINDS)}, or bounds (low, high) "
                f"of which one may be None, or ('periodic', period); got {kind!r}."
            )
        kinds[names.index(name) if name in names else int(name)] = kind
    return kinds


def check_shown_kinds(column_kinds: Mapping[Any, Kind] | None) -> None:
    """Refuse kinds that say what density a column has, where it is but shown to a network."""
    for name, kind in (column_kinds or {}).items():
        if kind != "categorical" and not _has_period(kind):
            raise ValueError(
                f"column_kinds[{name!r}] must be 'categorical' or ('periodic', period) here, got "
                f"{kind!r}: leave it out."
            )


def _has_period(kind: Any) -> bool:
    return is_periodic(kind) and isinstance(kind[1], Real) and 0 < float(kind[1]) < np.inf


def _is_bounds(kind: Any) -> bool:
    if not isinstance(kind, tuple) or len(kind) != 2 or kind == (None, None):
        return False
    low, high = _limits(kind)
    return isinstance(low, Real) and isinstance(high, Real) and low < high


def _limits(bounds: tuple[float | None, float | None]) -> tuple[float, float]:
    """Return bounds with infinity for None."""
    low, high = bounds
    return -np.inf if low is None else low, np.inf if high is None else high


def check_declared(declared: Mapping[int, Kind], N: np.ndarray, schema: Described) -> None:
    """Refuse declared kinds that the training values contradict.

    Parameters
    ----------
    declared : mapping
        Positions of columns to their kinds, as from `declared_kinds`.
    N : ndarray of shape (n_samples, n_features)
        Training rows: numbers, and codes of categories; NaN where a cell is missing.
    schema : object
        With ``categories``, for each column its categories or None, and ``label(j)``, what
        messages call a column.

    Raises
    ------
    ValueError
        If a column of categories is declared to be something else, or values are out of bounds.
    """
    for j, kind in declared.items():
        if schema.categories[j] is not None and kind != "categorical":
            raise ValueError(
                f"{schema.label(j)} holds categories, which column_kinds calls {kind!r}: "
                "leave it out of column_kinds."
            )
        if isinstance(kind, tuple) and not is_periodic(kind):
            low, high = _limits(kind)
            outside = (N[:, j] < low) | (N[:, j] > high)
            if outside.any():
                raise ValueError(
                    f"{schema.label(j)} holds {N[outside, j][0]:g}, outside of the bounds {kind} "
                    "that column_kinds gives: widen these, or correct the cell."
                )


def with_few_circles(declared: Mapping[int, Kind]) -> dict[int, Kind]:
    """Return kinds of columns, of which no more are circles than a density can afford.

    A row has two places on each circle, and so ``2 ** n_circles`` densities to add up. Circles
    beyond are left out: their columns are numbers.
    """
    circles = [j for j, kind in declared.items() if is_periodic(kind)]
    left_out = set(sorted(circles)[MOST_CIRCLES:])
    return {j: kind for j, kind in declared.items() if j not in left_out}


@np.errstate(over="ignore")  # numbers too far apart for a float are infinitely far apart
def find_columns(
    make_column: Callable[..., Column],
    N: np.ndarray,
    weights: np.ndarray,
    n_categories: Sequence[int | None],
    declared: Mapping[int, Kind] | None = None,
    cycles: Mapping[int, Cycles] | None = None,
) -> Columns:
    """Return the `Columns` of a table.

    Parameters
    ----------
    make_column : callable
        `exact_column` or `standardised_column`.
    N : ndarray of shape (n_samples, n_features)
        Numbers, and codes of categories; NaN where a cell is missing.
    weights : ndarray of shape (n_samples,)
    n_categories : sequence of int or None
        For each column; None if it holds numbers.
    declared : mapping, default=None
        Positions of columns to their kinds.
    cycles : mapping, default=None
        Positions of columns of dates to the cycles that these are in.
    """
    resolution = float(np.finfo(N.dtype).eps)
    declared = declared or {}
    columns = []
    for j, x in enumerate(N.T.astype(np.float64)):
        present = ~np.isnan(x)
        kind: dict[str, Any] = {"kind": declared[j]} if j in declared else {}
        if cycles and j in cycles:
            kind["cycles"] = cycles[j]
        if present.any():
            column = make_column(x[present], resolution, weights[present], n_categories[j], **kind)
        else:  # nothing is known of the column: it is described as if it held one zero
            column = make_column(np.zeros(1), resolution, np.ones(1), n_categories[j], **kind)
        columns.append(column)
    return Columns(columns)


def exact_column(
    x: np.ndarray,
    resolution: float,
    weights: np.ndarray,
    n_categories: int | None = None,
    kind: Kind | None = None,
    cycles: Cycles | None = None,
) -> Column:
    """Return what a column is, for a density that gives discrete values probabilities.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Values, or codes of categories; none is missing.
    resolution : float
        Relative rounding error of a value.
    weights : ndarray of shape (n,)
    n_categories : int or None, default=None
        How many categories there are, in a column of codes.
    kind : str, tuple or None, default=None
        One of `KINDS`, or bounds ``(low, high)``, or ``("periodic", period)``, or None to find it
        out.
    cycles : Cycles or None, default=None
        Of a column of dates.
    """
    if n_categories is not None:
        return Discrete.of(x, weights, np.arange(n_categories), ordered=False)
    if _is_constant(x, resolution):
        return _constant(x, resolution)
    if is_periodic(kind):
        assert kind is not None
        return _periodic(x, resolution, weights, float(kind[1]))
    values, counts = np.unique(x, return_counts=True)
    is_on_grid = fine_grid_step(values, resolution) > 0
    points = _point_masses(values, counts, is_on_grid, kind)
    n_others = (~np.isin(values, points)).sum()
    if _is_discrete(len(values), n_others, len(x), kind):
        step = grid_step(values, resolution) or float(np.median(_gaps(values)))
        return Discrete.of(x, weights, values, ordered=True, step=step)
    if cycles is not None and kind is None and not len(points):
        whole = _continuous(x, weights, fine_grid_step(values, resolution))
        dates = find_labels(cycles, x, whole.step)
        if dates is not None:
            return _calendar(dates, whole, x, resolution, weights)
    return _numbers(x, resolution, weights, points, kind)


def _numbers(
    x: np.ndarray, resolution: float, weights: np.ndarray, points: np.ndarray, kind: Kind | None
) -> Column:
    """Return a continuous column, with a transform, and with point masses where there are any."""
    values, counts = np.unique(x, return_counts=True)
    is_other = ~np.isin(x, points)
    step = None if kind == "continuous" else fine_grid_step(np.unique(x[is_other]), resolution)
    low, high = support(values, counts)
    transform = None
    coarse = None
    if kind is None and step and not len(points) and len(x) >= FEWEST_ROWS:
        coarse = find_coarse_grid(x, weights, step)
    if coarse is not None:
        transform = heaped_transform(x, weights, coarse, (low, high))
    elif kind is None:
        frequent, transform = choose_description(
            x[is_other], weights[is_other], step or 0.0, (low, high)
        )
        points = np.sort(np.append(points, frequent))
        is_other = ~np.isin(x, points)
    elif kind == "heavy-tailed":
        transform = Asinh.fit(x)
    elif isinstance(kind, tuple):
        transform = bounds_transform(*kind, x[is_other])
        low, high = np.clip([low, high], *_limits(kind)).tolist()
    others = _continuous(x[is_other], weights[is_other], step, transform)
    decimals = exact_decimals_of(values) if others.regular else None
    others = replace(others, low=low, high=high, decimals=decimals)
    if coarse is not None:
        return Heaped.of(coarse, others, x, weights)
    return PointMasses.of(x, weights, points, others) if len(points) else others


def continuous_column(
    x: np.ndarray,
    resolution: float,
    weights: np.ndarray,
    n_categories: int | None = None,
    kind: Kind | None = None,
    cycles: Cycles | None = None,
) -> Column:
    """Return what a column is, for a density that has none but continuous columns.

    Numbers are continuous, perhaps with a step, however few they are. Categories, and a column of
    which the user declared a kind, are what they are for `exact_column`. So are parameters.
    """
    if n_categories is None and kind is None:
        return standardised_column(x, resolution, weights)
    return exact_column(x, resolution, weights, n_categories, kind)


def standardised_column(
    x: np.ndarray,
    resolution: float,
    weights: np.ndarray,
    n_categories: int | None = None,
    kind: Kind | None = None,
    cycles: Cycles | None = None,
) -> Column:
    """Return what a column is, for a density of values with noise.

    Numbers are standardised, categories become indicators, and what is on a circle its
    cosine and sine. The parameters are those of `exact_column`, but for other kinds, which change
    nothing.
    """
    if _is_constant(x, resolution):
        return _constant(x, resolution)
    if is_periodic(kind):
        assert kind is not None
        turns = _periodic(x, resolution, weights, float(kind[1]))
        return OnCircle.of(turns, x, weights) if isinstance(turns, Periodic) else turns
    if n_categories is None:
        line = _continuous(x, weights, grid_step(np.unique(x), resolution))
        return line if cycles is None else WithPhases.of(line, cycles, x, weights)
    categories, codes = np.unique(x, return_inverse=True)
    return OneHot(categories, np.bincount(codes, weights) / weights.sum(), INDICATOR_SCALE)


def _is_constant(x: np.ndarray, resolution: float) -> bool:
    return bool(np.ptp(x) <= 2 * resolution * np.abs(x).max())


def _constant(x: np.ndarray, resolution: float) -> Constant:
    return Constant(float(x.min()), 2 * resolution * float(np.abs(x).max()), len(x))


def _continuous(
    x: np.ndarray,
    weights: np.ndarray,
    step: float | None,
    transform: Transform | None = None,
) -> Continuous:
    """Return a continuous column with the mean and scale of the weighted values.

    ``step`` is that of a regular grid, 0 if there is none, and None if ties have no step either.
    """
    t = x if transform is None else transform.forward(x)
    mean, scale = moments(t, weights)
    # values may be so near to each other that their transforms are the same
    column = Continuous(mean, scale or 1.0, transform=transform)
    values, counts = np.unique(x, return_counts=True)
    if step:
        return replace(column, step=step, grid=values, regular=True)
    if step is not None and len(values) < len(x):
        gaps = _gaps(values)
        transformed_gaps = _gaps(values if transform is None else transform.forward(values))
        # a step is the same everywhere, so it is one where the gaps of most rows are alike
        is_transformed = _unevenness(transformed_gaps, counts) < _unevenness(gaps, counts)
        step = float(np.median(transformed_gaps if is_transformed else gaps))
        return replace(
            column, step=step, grid=values[counts > 1], is_step_transformed=is_transformed
        )
    return column


def _gaps(values: np.ndarray) -> np.ndarray:
    """Return how far sorted values are apart, which is never more than a float can be."""
    return np.minimum(np.diff(values), np.finfo(np.float64).max)


def _unevenness(gaps: np.ndarray, counts: np.ndarray) -> float:
    """Return how much the gaps below the values of rows differ: the spread of their logarithms."""
    sizes = np.log(np.maximum(gaps, np.finfo(float).tiny))
    return float(iqr(np.repeat(sizes, counts[1:])))


def _calendar(
    dates: LabelledLine, whole: Continuous, x: np.ndarray, resolution: float, weights: np.ndarray
) -> Calendar:
    """Return a column of dates that are split into labels and places on a line."""
    places = dates.split(x)[1]
    if isinstance(dates, MonthlyLine):
        line = _continuous(places, weights, None)  # how far apart places are changes
        step = dates.step
    else:
        line = _continuous(places, weights, fine_grid_step(np.unique(places), resolution))
        step = line.step / dates.stretch
    return Calendar.of(dates, line, whole, step, x, weights)


def _periodic(x: np.ndarray, resolution: float, weights: np.ndarray, period: float) -> Column:
    """Return a column on a circle; it has no step where the period is no multiple of it."""
    start = find_start(x, period)
    if np.ptp(from_start(x, start, period)) == 0:
        return _constant(x, resolution)
    cut = find_cut(x, weights, period)
    turns = TwoTurns(cut - period / 2, cut + 1.5 * period)
    laid_out = from_start(x, cut, period)
    places = np.unique(laid_out)
    if len(places) == 1:  # but for rounding
        return _constant(x, resolution)
    step = fine_grid_step(places, resolution)
    fits = step > 0 and abs(period / step - round(period / step)) <= SAME_VALUE
    return Periodic(
        period, start, cut, _continuous(laid_out, weights, step if fits else None, turns)
    )


def most_discrete_values(n_rows: int) -> float:
    """Return how many values a column of numbers has at most if each is to have a probability."""
    return min(MOST_CATEGORIES, np.sqrt(n_rows))


def _is_discrete(n_values: int, n_others: int, n_rows: int, kind: Kind | None) -> bool:
    """Return whether each value of a column of numbers is to have a probability.

    ``n_others`` is the number of values beside the point masses.
    """
    most = 0.0
    if kind is None:
        most = most_discrete_values(n_rows)
    elif kind == "grid":
        most = MOST_CATEGORIES
    return bool(n_values <= most or n_others < min(n_values, FEW_OTHERS))


def _point_masses(
    values: np.ndarray, counts: np.ndarray, is_on_grid: bool, kind: Kind | None
) -> np.ndarray:
    """Return the point masses in order: bounds, occurring or not, or what is far more frequent."""
    if isinstance(kind, tuple):
        return np.array([bound for bound in kind if bound is not None], dtype=float)
    if kind is not None:
        return values[:0]
    order = np.argsort(-counts, kind="stable")
    ranked = np.append(counts[order], 1)
    share = POINT_MASS_SHARE if is_on_grid else OFF_GRID_SHARE
    least = max(POINT_MASS_ROWS, share * counts.sum())
    numbers = [
        n
        for n in range(1, min(MOST_POINT_MASSES, len(values)) + 1)
        if ranked[n - 1] >= max(least, POINT_MASS_RATIO * ranked[n])
    ]
    return np.sort(values[order[: max(numbers, default=0)]])
