"""The columns of a table: values to flow space and back, with exact log-Jacobians.

Flow space is where flows learn. A row there holds first the *codes* of discrete values, one for
each column that has such, then the *standardised values* of continuous ones. Where a cell is
missing its code is -1 and its standardised value is NaN; the standardised value is NaN, too, where
a column with point masses holds one of these. A number that `fit` did not see in a column of few
numbers has a code below -1: it is -2 minus the position of the nearest category.

Densities are with respect to a product measure. On a continuous column the measure is length, in
the units of the column. So it is on a column of numbers on a regular grid: each number stands for
one step, so that integers have probabilities, and rounding more coarsely leaves the density as it
is. Categories, constants and point masses off a grid are counted: they have probabilities.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from .transforms import Transform

MAX_STANDARDISED = 1e15  # where standardised values are cut: squares must fit float32
ABSENT = -1  # code of a cell that is missing
MIN_TRANSFORMED_STEP = 1e-9  # below it a difference of transformed values has rounding errors
SAME_VALUE = 1e-3  # of a step: numbers nearer than this are one number in single precision
# A number far above all others may stand for "unknown". Distances between neighbouring categories
# are cut at this many times their median before networks are shown them.
MAX_DISTANCE = 5
UNSEEN = 6.0  # standard deviations: the last indicator in `OneHot` of a category not seen
UNSEEN_WEIGHT = 0.5  # rows that a category or bound counts as if it does not occur


class Column(ABC):
    """What a column of a table holds, and how it is written in flow space.

    In all methods ``x`` is an array of shape (n,) of float64: values, or codes of the user's
    categories, and NaN where a cell is missing.
    """

    @property
    @abstractmethod
    def n_codes(self) -> int:
        """Dimensions of flow space that hold a code of the column."""

    @property
    @abstractmethod
    def n_values(self) -> int:
        """Dimensions of flow space that hold standardised values of the column."""

    @property
    def is_measure(self) -> bool:
        """Whether standardised values may lie anywhere on a scale: two values alone do not."""
        return True

    @property
    def coded(self) -> list["Column"]:
        """What each code is of, with ``shares`` and ``numbers``: most often the column itself."""
        return [self] if self.n_codes else []

    def codes(self, x: np.ndarray) -> np.ndarray:
        """Return the codes, shape (n, `n_codes`)."""
        return np.empty((len(x), 0))

    def values(self, x: np.ndarray) -> np.ndarray:
        """Return the standardised values, shape (n, `n_values`)."""
        return np.empty((len(x), 0))

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the largest value that may be drawn, infinite if there is none."""
        return -np.inf, np.inf

    def copies(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the values whose densities add up to that of ``x``: of most columns x itself."""
        return (x,)

    def steps(self, x: np.ndarray) -> np.ndarray:
        """Return the steps of the values in flow space, shape (n, 1), or (1, 1) if all are alike.

        A value stands for all numbers within half a step of it; a step of 0 is that of a value
        that stands for itself.
        """
        return np.zeros((1, 1))

    @abstractmethod
    def log_jacobian(self, x: np.ndarray) -> np.ndarray:
        """Return what takes log-densities in flow space to those in units of ``x``, shape (n,).

        A value that has no dimension in flow space has its whole log-probability here. Missing
        cells have 0.
        """

    @abstractmethod
    def back(self, codes: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return the values of cells that are not missing from where they are in flow space.

        Parameters
        ----------
        codes : ndarray of shape (n, `n_codes`)
        values : ndarray of shape (n, `n_values`)

        Returns
        -------
        x : ndarray of shape (n,)
        """


@dataclass(frozen=True, eq=False)
class Continuous(Column):
    """A column with a density, of values that may have a step, and may be transformed.

    `log_jacobian`, `untransform` and `snap` take arrays of any shape.

    Attributes
    ----------
    mean, scale : float
        Mean and standard deviation of the transformed values.
    step : float
        The interval that a value stands for; 0 if it stands for itself.
    grid : ndarray or None
        Distinct values in order: all that were seen if they lie on a regular grid, or those that
        were seen repeatedly if they do not. None if there is no step.
    regular : bool
        Whether the values lie on ``grid[0] + k * step``.
    is_step_transformed : bool
        Whether ``step`` is a distance of transformed values, and not in units of the column.
    transform : Log, Logit, SoftLogit, Asinh, NormalScores or None
        Applied before standardising.
    low, high : float
        The least and the largest value that may be drawn.
    decimals : int or None
        How many digits after the point the values on a regular grid have at most.
    """

    mean: float
    scale: float
    step: float = 0.0
    grid: np.ndarray | None = None
    regular: bool = False
    is_step_transformed: bool = False
    transform: Transform | None = None
    low: float = -np.inf
    high: float = np.inf
    decimals: int | None = None

    n_codes = 0
    n_values = 1

    @property
    def is_measure(self) -> bool:
        return not self.regular or self.grid is None or len(self.grid) > 2

    @property
    def limits(self) -> tuple[float, float]:
        return self.low, self.high

    def values(self, x: np.ndarray) -> np.ndarray:
        t = self._transformed(x)
        if self.is_step_stretched:
            # the middle of the transformed step, so that steps of neighbours touch
            low, high = self._transformed_ends(x)
            t = (low + high) / 2
        with np.errstate(over="ignore"):
            z = (t - self.mean) / self.scale
            return np.clip(z, -MAX_STANDARDISED, MAX_STANDARDISED)[:, None]

    def steps(self, x: np.ndarray) -> np.ndarray:
        if not self.is_step_stretched:
            return np.full((1, 1), self.step / self.scale)
        return self._transformed_step(x)[:, None] / self.scale

    @property
    def is_step_stretched(self) -> bool:
        """Whether a step of one width in units of the column has many widths in flow space."""
        return self.step > 0 and self.transform is not None and not self.is_step_transformed

    def _transformed(self, x: np.ndarray) -> np.ndarray:
        return x if self.transform is None else self.transform.forward(x)

    def _transformed_ends(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower and the upper end of the steps of values, transformed."""
        assert self.transform is not None
        low = self.transform.forward(x - self.step / 2)
        high = self.transform.forward(x + self.step / 2)
        return low, high

    def _transformed_step(self, x: np.ndarray) -> np.ndarray:
        low, high = self._transformed_ends(x)
        return high - low

    def log_jacobian(self, x: np.ndarray) -> np.ndarray:
        log_derivative = np.zeros_like(x)
        if self.transform is not None:
            log_derivative = self.transform.log_derivative(x)
        if self.is_step_stretched:
            # a value on a grid has the mean derivative over its step, as far as that is not rounded
            step = self._transformed_step(x)
            with np.errstate(divide="ignore"):
                mean_derivative = np.log(step / self.step)
            is_exact = ~np.isneginf(log_derivative) & (step > MIN_TRANSFORMED_STEP)
            log_derivative = np.where(is_exact, mean_derivative, log_derivative)
        return np.where(np.isnan(x), 0.0, log_derivative - np.log(self.scale))

    def back(self, codes: np.ndarray, values: np.ndarray) -> np.ndarray:
        return self.snap(self.untransform(values[:, 0]))

    def untransform(self, z: np.ndarray) -> np.ndarray:
        """Return standardised values in units of the column, finite, and not moved to a grid."""
        with np.errstate(over="ignore"):
            t = self.mean + z * self.scale
            x = t if self.transform is None else self.transform.inverse(t)
        return np.clip(x, -np.finfo(float).max, np.finfo(float).max)

    def snap(self, x: np.ndarray) -> np.ndarray:
        """Return values moved to the nearest value of ``grid`` if it is within half a step.

        Others are moved to the regular grid if there is one, and else stay where they are. Those
        beyond an edge are reflected by it.
        """
        x = self.reflected(x)
        if self.grid is None:
            return x
        if not self.regular:
            grid = self._transformed(self.grid) if self.is_step_transformed else self.grid
            at = self._transformed(x) if self.is_step_transformed else x
            position = _nearest(grid, at)
            is_near = np.abs(at - grid[position]) <= self.step / 2
            return np.where(is_near, self.grid[position], x)
        nearest = self.grid[_nearest(self.grid, x)]
        others = self.grid[0] + np.round((x - self.grid[0]) / self.step) * self.step
        if self.decimals is not None:
            others = np.round(others, self.decimals)
        snapped = np.where(np.abs(x - nearest) <= self.step / 2, nearest, others)
        return np.clip(snapped, self.low, self.high)

    def reflected(self, x: np.ndarray) -> np.ndarray:
        """Return values between the edges, or within half a step of them on a regular grid."""
        half = self.step / 2 if self.regular else 0.0
        low = self.low - half
        high = self.high + half
        with np.errstate(over="ignore", invalid="ignore"):
            x = np.where(x < low, 2 * low - x, x)
            x = np.where(x > high, 2 * high - x, x)
        return np.clip(x, low, high)


@dataclass(frozen=True, eq=False)
class Constant(Column):
    """A column that held one value in all training rows; it has no dimension in flow space.

    Attributes
    ----------
    value : float
    tolerance : float
        Rounding error within which a value is the same.
    n_rows : int
        Number of training rows.
    """

    value: float
    tolerance: float
    n_rows: int

    n_codes = 0
    n_values = 0

    def log_jacobian(self, x: np.ndarray) -> np.ndarray:
        """Return log-probabilities by Laplace's rule of succession.

        The value has (n + 1) / (n + 2) after n rows; the rest is spread by a Cauchy density.
        """
        is_value = np.abs(x - self.value) <= self.tolerance
        of_value = np.log((self.n_rows + 1) / (self.n_rows + 2))
        scale = abs(self.value) or 1.0
        of_others = -np.log(self.n_rows + 2) + cauchy_log_density(x, self.value, scale)
        return np.where(np.isnan(x), 0.0, np.where(is_value, of_value, of_others))

    def back(self, codes: np.ndarray, values: np.ndarray) -> np.ndarray:
        return np.full(len(values), self.value)


@dataclass(frozen=True, eq=False)
class Discrete(Column):
    """A column of few values, each with a probability: categories, or numbers.

    A value that `fit` did not see has a probability, too, by the rule of Good and Turing: the share
    of values that were seen once. Among numbers it is spread by a Cauchy density; all unseen
    categories together are one event.

    Attributes
    ----------
    categories : ndarray
        The values, in order; 0, 1, ... for a column that holds codes of categories.
    shares : ndarray
        Weighted shares of the categories in the training rows.
    ordered : bool
        Whether the categories are numbers.
    step : float
        What a value stands for in the measure, in units of the column: 1 for categories.
    log_new : float
        Log-probability of a value that `fit` did not see.
    """

    categories: np.ndarray
    shares: np.ndarray
    ordered: bool
    step: float
    log_new: float

    n_codes = 1
    n_values = 0

    @classmethod
    def of(
        cls,
        x: np.ndarray,
        weights: np.ndarray,
        categories: np.ndarray,
        *,
        ordered: bool,
        step: float = 1.0,
    ) -> "Discrete":
        """Return the column of training values, each of them one of the sorted categories."""
        codes = np.searchsorted(categories, x)
        counts = np.bincount(codes, minlength=len(categories))
        totals = np.bincount(codes, weights, minlength=len(categories))
        # a category that was declared need not occur
        shares = np.where(counts, totals, UNSEEN_WEIGHT)
        log_new = float(np.log(max(1, (counts == 1).sum()) / (len(x) + 2)))
        return cls(categories, shares / shares.sum(), ordered, step, log_new)

    @property
    def numbers(self) -> np.ndarray | None:
        """The categories as networks are shown them, standardised; None if they are no numbers.

        Wide distances between neighbours are made shorter.
        """
        if not self.ordered:
            return None
        if len(self.categories) < 2:
            return np.zeros(len(self.categories))
        _, exponent = np.frexp(np.abs(self.categories).max())
        distances = np.diff(np.ldexp(self.categories, -exponent))
        shortened = np.minimum(distances, MAX_DISTANCE * np.median(distances))
        positions = np.append(0.0, shortened.cumsum())
        mean, scale = moments(positions, self.shares)
        return (positions - mean) / scale

    def codes(self, x: np.ndarray) -> np.ndarray:
        nearest, is_new = self._find(x)
        code = np.where(is_new, -2 - nearest if self.ordered else ABSENT, nearest)
        return np.where(np.isnan(x), ABSENT, code).astype(float)[:, None]

    def _find(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return positions of the nearest categories, and whether the values are none of these."""
        nearest = _nearest(self.categories, x)
        return nearest, ~(np.abs(x - self.categories[nearest]) <= SAME_VALUE * self.step)

    def log_jacobian(self, x: np.ndarray) -> np.ndarray:
        of_new = np.full(x.shape, self.log_new)
        if self.ordered:
            mean, scale = moments(self.categories, self.shares)
            of_new = of_new + cauchy_log_density(x, mean, scale)
        of_seen = np.log1p(-np.exp(self.log_new)) - np.log(self.step)
        _, is_new = self._find(x)
        return np.where(np.isnan(x), 0.0, np.where(is_new, of_new, of_seen))

    def back(self, codes: np.ndarray, values: np.ndarray) -> np.ndarray:
        return self.categories[codes[:, 0].astype(int)]


@dataclass(frozen=True, eq=False)
class PointMasses(Column):
    """A column in which a few values, its point masses, have probabilities, and others a density.

    Attributes
    ----------
    categories : ndarray
        The point masses, in order, then NaN, which stands for all other values.
    shares : ndarray
        Weighted shares of the point masses, and of all other values, in the training rows.
    others : Continuous
        The column of all other values.
    tolerance : ndarray
        For each point mass, how far from it a value still counts as the same in single precision:
        never as far as the next value.
    """

    categories: np.ndarray
    shares: np.ndarray
    others: Continuous
    tolerance: np.ndarray

    n_codes = 1
    n_values = 1
    numbers = None  # networks are shown point masses, and all else, like categories

    @classmethod
    def of(
        cls, x: np.ndarray, weights: np.ndarray, points: np.ndarray, others: Continuous
    ) -> "PointMasses":
        """Return the column of training values with point masses at the sorted ``points``."""
        codes = np.where(np.isin(x, points), np.searchsorted(points, x), len(points))
        totals = np.bincount(codes, weights, minlength=len(points) + 1)
        shares = np.maximum(totals, UNSEEN_WEIGHT)  # a bound need not occur
        values = np.unique(np.append(x, points))
        distances = np.append(np.insert(np.diff(values), 0, np.inf), np.inf)
        positions = np.searchsorted(values, points)
        to_next = np.minimum(distances[positions], distances[positions + 1])
        room = SAME_VALUE * others.step if others.regular else to_next / 4
        tolerance = np.minimum(1e-6 * np.abs(points), room)
        return cls(np.append(points, np.nan), shares / shares.sum(), others, tolerance)

    @property
    def points(self) -> np.ndarray:
        """The point masses, in order."""
        return self.categories[:-1]

    @property
    def limits(self) -> tuple[float, float]:
        low, high = self.others.limits
        return min(low, self.points[0]), max(high, self.points[-1])

    def _find(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return positions of the nearest point masses, and whether the values are these."""
        nearest = _nearest(self.points, x)
        return nearest, np.abs(x - self.points[nearest]) <= self.tolerance[nearest]

    def codes(self, x: np.ndarray) -> np.ndarray:
        nearest, is_point = self._find(x)
        code = np.where(is_point, nearest, len(self.points))
        return np.where(np.isnan(x), ABSENT, code).astype(float)[:, None]

    def values(self, x: np.ndarray) -> np.ndarray:
        _, is_point = self._find(x)
        return self.others.values(np.where(is_point, np.nan, x))

    def steps(self, x: np.ndarray) -> np.ndarray:
        return self.others.steps(x)

    def log_jacobian(self, x: np.ndarray) -> np.ndarray:
        _, is_point = self._find(x)
        of_point = -np.log(self.others.step) if self.others.regular else 0.0
        return np.where(is_point, of_point, self.others.log_jacobian(x))

    def back(self, codes: np.ndarray, values: np.ndarray) -> np.ndarray:
        code = codes[:, 0].astype(int)
        others = self.others.back(codes[:, 1:], values)
        return np.where(code < len(self.points), self.categories[code], others)


@dataclass(frozen=True, eq=False)
class OneHot(Column):
    """A column of categories as indicators around 0, for densities of values with noise.

    There is one indicator for each category that occurs, and a last one that is 0 in the training
    rows and `UNSEEN` for a category that does not occur there.

    Attributes
    ----------
    categories : ndarray
        The codes that occur.
    shares : ndarray
        Their weighted shares in the training rows.
    scale : float or None
        What indicators are divided by, so that any two categories are as far apart; None in files
        of before, where each had its standard deviation.
    """

    categories: np.ndarray
    shares: np.ndarray
    scale: float | None = None

    n_codes = 0
    is_measure = False

    @property
    def n_values(self) -> int:
        return len(self.categories) + 1

    @property
    def scales(self) -> np.ndarray:
        """What each indicator is divided by."""
        of_shares = np.sqrt(self.shares * (1 - self.shares))
        return of_shares if self.scale is None else np.full_like(self.shares, self.scale)

    def values(self, x: np.ndarray) -> np.ndarray:
        is_category = x[:, None] == self.categories
        indicators = (is_category - self.shares) / self.scales
        unseen = np.where(is_category.any(axis=1), 0.0, UNSEEN)
        return np.where(np.isnan(x)[:, None], np.nan, np.column_stack([indicators, unseen]))

    def log_jacobian(self, x: np.ndarray) -> np.ndarray:
        return np.zeros(len(x))

    def back(self, codes: np.ndarray, values: np.ndarray) -> np.ndarray:
        likeliest = (values[:, :-1] * self.scales + self.shares).argmax(axis=1)
        return self.categories[likeliest].astype(float)


def _nearest(values: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the position among the sorted ``values`` of the one nearest to each number."""
    return np.searchsorted((values[1:] + values[:-1]) / 2, x)


def moments(t: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Return the weighted mean and standard deviation, whatever the size of the numbers."""
    size = np.abs(t).max() or 1.0
    # divided by the largest magnitude, squares neither overflow nor vanish
    mean = size * np.average(t / size, weights=weights)
    variance = np.average((t / size - mean / size) ** 2, weights=weights)
    least = np.finfo(np.float64).smallest_subnormal if variance > 0 else 0.0
    return mean, max(size * np.sqrt(variance), least)


def cauchy_log_density(x: np.ndarray, centre: float, scale: float) -> np.ndarray:
    """Return the log-density of a Cauchy distribution: finite, however far ``x`` is."""
    scale = min(scale, np.finfo(float).max / 4)
    with np.errstate(over="ignore"):
        distance = np.minimum(np.abs(x - centre) / scale, np.finfo(float).max)
    return -np.log(np.pi * scale) - 2 * np.log(np.hypot(1, distance))
