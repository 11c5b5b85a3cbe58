"""The columns of a table: each kind to flow space and back, with its exact log-Jacobian or probability.

Rows of flow space hold first the *codes* of discrete values, a number for each column that has such, then the *standardised*
values of continuous ones. An absent value has the code -1, and is NaN among the standardised: a missing cell, or the
continuous part of a cell that holds an atom. A code below -1 is that of a value that `fit` did not see: -2 minus the nearest
level.

The density is one with respect to a product measure. A continuous column has the length of its unit, and so has a column of
numbers on a grid, with atoms or without: each value there stands for one step, so that integers have probabilities, and a
coarser rounding does not change the density. Categories, constants and atoms off a grid count: they have probabilities.
"""

from dataclasses import dataclass

import numpy as np

FAR = 1e15  # standardised values are cut here, where squares still fit float32
ABSENT = -1
WIDE_GAP = 5  # median gaps between levels: what is wider, as before a number that means "unknown", says no more than this
NEW = 6.0  # standard deviations at which a category stands that was not seen


@dataclass(frozen=True)
class Continuous:
    """A column with a density, perhaps spread over the steps of a grid, perhaps warped.

    Attributes
    ----------
    mean, scale : float
        Of the warped values.
    step : float
        Width of a value, in units of X; 0 for a value without one.
    levels : ndarray or None
        The distinct values of a regular grid, or the repeated values where ties follow none.
    regular : bool
        Whether the values lie on ``levels[0] + k * step``.
    warp : Log, Logit, Asinh or None
    """

    mean: float
    scale: float
    step: float = 0.0
    levels: np.ndarray | None = None
    regular: bool = False
    warp: object = None

    n_codes, n_values = 0, 1

    def values(self, x):
        t = x
        if self.warp is not None:
            # the middle of the step, as far as it stretches after the warp
            t = (self.warp.forward(x - self.step / 2) + self.warp.forward(x + self.step / 2)) / 2
        with np.errstate(over="ignore"):
            return np.clip((t - self.mean) / self.scale, -FAR, FAR)[:, None]

    def widths(self, x):
        """Of the values in flow space, shape (n, 1), or one for all."""
        return (
            self.step / self.scale
            if self.step == 0 or self.warp is None
            else self._warped_step(x)[:, None] / self.scale
        )

    def _warped_step(self, x):
        """Width of a value's step after the warp: all steps together leave no gap."""
        return self.warp.forward(x + self.step / 2) - self.warp.forward(x - self.step / 2)

    def log_jacobian(self, x):
        log_derivative = 0.0 if self.warp is None else self.warp.log_derivative(x)
        if self.step and self.warp is not None:
            with np.errstate(divide="ignore"):
                log_derivative = np.where(
                    np.isneginf(log_derivative), -np.inf, np.log(self._warped_step(x) / self.step)
                )
        return np.where(np.isnan(x), 0.0, log_derivative - np.log(self.scale))

    def back(self, codes, values):
        return self.snap(self.unwarp(values[:, 0]))

    def unwarp(self, z):
        """Values in units of X, off the grid; finite."""
        with np.errstate(over="ignore"):
            t = self.mean + z * self.scale
            x = t if self.warp is None else self.warp.inverse(t)
        return np.clip(x, -np.finfo(float).max, np.finfo(float).max)

    def snap(self, x):
        """Move values to the nearest level within half a step, or else to the regular grid, if there is one."""
        if self.step == 0:
            return x
        nearest = self.levels[np.searchsorted((self.levels[1:] + self.levels[:-1]) / 2, x)]
        grid = (
            self.levels[0] + np.round((x - self.levels[0]) / self.step) * self.step
            if self.regular
            else x
        )
        return np.where(np.abs(x - nearest) <= self.step / 2, nearest, grid)


@dataclass(frozen=True)
class Constant:
    """A column that held one value in all training rows; it is outside the flow.

    Attributes
    ----------
    value : float
    tolerance : float
        Rounding error within which a value is the same.
    n_rows : int
    """

    value: float
    tolerance: float
    n_rows: int

    n_codes, n_values = 0, 0

    def log_jacobian(self, x):
        """The value keeps what Laplace's rule of succession gives it: (n + 1) / (n + 2)."""
        old = np.abs(x - self.value) <= self.tolerance
        new = -np.log(self.n_rows + 2) + cauchy(x, self.value, abs(self.value) or 1.0)
        return np.where(
            np.isnan(x), 0.0, np.where(old, np.log((self.n_rows + 1) / (self.n_rows + 2)), new)
        )

    def back(self, codes, values):
        return np.full(len(values), self.value)


@dataclass(frozen=True)
class Discrete:
    """A column of few values, each with a probability: categories, or numbers on a grid.

    A value that `fit` did not see has a probability too, by the rule of Good and Turing: the share of values seen once. Among
    numbers it is spread by a Cauchy density; all new categories together are one event.

    Attributes
    ----------
    levels : ndarray
        The values, in order; of categories 0, 1, ...
    shares : ndarray
        Shares of the levels in the training rows.
    ordered : bool
        Whether these are numbers.
    step : float
        What a value stands for in the measure, in units of X: 1 for categories.
    log_new : float
        Log-probability of a value that `fit` did not see.
    """

    levels: np.ndarray
    shares: np.ndarray
    ordered: bool
    step: float
    log_new: float

    n_codes, n_values = 1, 0

    @classmethod
    def of(cls, x, weights, levels, *, ordered, step=1.0):
        codes = np.searchsorted(levels, x)
        counts = np.bincount(codes, minlength=len(levels))
        # a category that was declared and did not occur has half a row
        shares = np.where(counts, np.bincount(codes, weights, minlength=len(levels)), 0.5)
        return cls(
            levels,
            shares / shares.sum(),
            ordered,
            step,
            float(np.log(max(1, (counts == 1).sum()) / (len(x) + 2))),
        )

    @property
    def numbers(self):
        """What the levels stand for, standardised, wide gaps drawn in; None for categories."""
        if not self.ordered or len(self.levels) < 2:
            return np.zeros(len(self.levels)) if self.ordered else None
        gaps = np.diff(self.levels)
        places = np.append(0.0, np.minimum(gaps, WIDE_GAP * np.median(gaps)).cumsum())
        mean, scale = moments(places, self.shares)
        return (places - mean) / scale

    def codes(self, x):
        nearest, new = self._nearest(x)
        code = np.where(new, -2 - nearest if self.ordered else ABSENT, nearest)
        return np.where(np.isnan(x), ABSENT, code).astype(float)

    def _nearest(self, x):
        nearest = np.searchsorted((self.levels[1:] + self.levels[:-1]) / 2, x)
        # the same number in single precision is no new one
        return nearest, ~(np.abs(x - self.levels[nearest]) <= 1e-3 * self.step)

    def log_jacobian(self, x):
        new = self.log_new
        if self.ordered:
            new = new + cauchy(x, *moments(self.levels, self.shares))
        old = np.log1p(-np.exp(self.log_new)) - np.log(self.step)
        return np.where(np.isnan(x), 0.0, np.where(self._nearest(x)[1], new, old))

    def back(self, codes, values):
        return self.levels[codes.astype(int)]


@dataclass(frozen=True)
class Atomic:
    """A column in which some values, the atoms, come again and again, and have probabilities; the others have a density.

    Attributes
    ----------
    levels : ndarray
        The atoms, in order, and NaN for all other values.
    shares : ndarray
        Weighted shares of the atoms, and of all other values, in the training rows.
    others : Continuous
    tolerance : ndarray
        How far from an atom a value is still that atom, in single precision: never as far as the next value.
    """

    levels: np.ndarray
    shares: np.ndarray
    others: Continuous
    tolerance: np.ndarray

    n_codes, n_values = 1, 1

    @classmethod
    def of(cls, x, weights, atoms, others):
        codes = np.where(np.isin(x, atoms), np.searchsorted(atoms, x), len(atoms))
        counts = np.maximum(
            np.bincount(codes, weights, minlength=len(atoms) + 1), 0.5
        )  # a bound need not occur
        values = np.unique(np.append(x, atoms))
        gaps = np.append(np.insert(np.diff(values), 0, np.inf), np.inf)
        places = np.searchsorted(values, atoms)
        nearest = np.minimum(gaps[places], gaps[places + 1]) / 4
        tolerance = np.minimum(
            1e-6 * np.abs(atoms), 1e-3 * others.step if others.regular else nearest
        )
        return cls(np.append(atoms, np.nan), counts / counts.sum(), others, tolerance)

    numbers = None  # the atoms, and all else, are like categories

    def _atom(self, x):
        """Position of the nearest atom, and whether a value is that atom, in single precision at least."""
        atoms = self.levels[:-1]
        nearest = np.searchsorted((atoms[1:] + atoms[:-1]) / 2, x)
        return nearest, np.abs(x - atoms[nearest]) <= self.tolerance[nearest]

    def codes(self, x):
        nearest, is_atom = self._atom(x)
        code = np.where(is_atom, nearest, len(self.levels) - 1)
        return np.where(np.isnan(x), ABSENT, code).astype(float)

    def values(self, x):
        return self.others.values(np.where(self._atom(x)[1], np.nan, x))

    def widths(self, x):
        return self.others.widths(x)

    def log_jacobian(self, x):
        of_atom = -np.log(self.others.step) if self.others.regular else 0.0
        return np.where(self._atom(x)[1], of_atom, self.others.log_jacobian(x))

    def back(self, codes, values):
        is_atom = codes < len(self.levels) - 1
        return np.where(is_atom, self.levels[codes.astype(int)], self.others.back(codes, values))


@dataclass(frozen=True)
class OneHot:
    """A column of categories as standardised indicators, one for each level that occurs: for densities of values with noise.

    A further one stands far off for a category that did not occur.

    Attributes
    ----------
    levels : ndarray of int
        The codes that occur.
    shares : ndarray
        Their weighted shares in the training rows.
    """

    levels: np.ndarray
    shares: np.ndarray

    n_codes = 0

    @property
    def n_values(self):
        return len(self.levels) + 1

    @property
    def _scale(self):
        return np.sqrt(self.shares * (1 - self.shares))

    def values(self, x):
        is_level = x[:, None] == self.levels
        z = np.column_stack(
            [(is_level - self.shares) / self._scale, np.where(is_level.any(axis=1), 0.0, NEW)]
        )
        return np.where(np.isnan(x)[:, None], np.nan, z)

    def widths(self, x):
        return 0.0

    def log_jacobian(self, x):
        return np.zeros(len(x))

    def back(self, codes, values):
        return self.levels[(values[:, :-1] * self._scale + self.shares).argmax(axis=1)].astype(
            float
        )


class Columns:
    """The columns of a table: to flow space and back.

    Parameters
    ----------
    columns : list of Continuous, Constant, Discrete, Atomic or OneHot

    Attributes
    ----------
    n_codes, n_values : int
        Dimensions of flow space that hold codes, and those that hold standardised values, after them.
    owners : ndarray of int, shape (n_codes + n_values,)
        The column that a dimension belongs to.
    """

    def __init__(self, columns):
        self.columns = columns
        self.n_codes = sum(c.n_codes for c in columns)
        self.n_values = sum(c.n_values for c in columns)
        numbers = np.arange(len(columns))
        counts = [[c.n_codes for c in columns], [c.n_values for c in columns]]
        self.owners = np.concatenate([numbers.repeat(count) for count in counts])
        self._code_places, self._value_places = (np.cumsum([0] + count) for count in counts)
        self._value_places += self.n_codes

    @property
    def discrete(self):
        """The columns with codes, in their order."""
        return [c for c in self.columns if c.n_codes]

    @property
    def gates(self):
        """For each standardised value the dimension of the code of its column and the code at which it is there, or -1, -1."""
        return [
            (self._code_places[j], len(c.levels) - 1) if c.n_codes else (-1, -1)
            for j, c in enumerate(self.columns)
            for _ in range(c.n_values)
        ]

    def to_flow(self, X):
        """Rows in flow space, float64 of shape (n, n_codes + n_values)."""
        X = np.asarray(X, dtype=np.float64)
        Z = np.empty((len(X), self.n_codes + self.n_values))
        for j, column in enumerate(self.columns):
            if column.n_codes:
                Z[:, self._code_places[j]] = column.codes(X[:, j])
            if column.n_values:
                Z[:, self._value_places[j] : self._value_places[j + 1]] = column.values(X[:, j])
        return Z

    def widths(self, X):
        """Steps of the values of ``X``, shape (n, n_codes + n_values), or (1, ...) where all rows have the same."""
        parts = [
            (j, column.widths(X[:, j].astype(np.float64)))
            for j, column in enumerate(self.columns)
            if column.n_values
        ]
        widths = np.zeros(
            (
                max([1] + [len(np.atleast_1d(part)) for _, part in parts]),
                self.n_codes + self.n_values,
            )
        )
        for j, part in parts:
            widths[:, self._value_places[j] : self._value_places[j + 1]] = part
        return widths

    def from_flow(self, Z):
        """Rows in units of X, on their grids, with the constant columns in place."""
        X = np.empty((len(Z), len(self.columns)))
        for j, column in enumerate(self.columns):
            codes = Z[:, self._code_places[j]] if column.n_codes else None
            X[:, j] = column.back(codes, Z[:, self._value_places[j] : self._value_places[j + 1]])
        return X

    def log_jacobian(self, X):
        """What to add to the log-density in flow space to get that in units of X, shape (n,)."""
        X = np.asarray(X, dtype=np.float64)
        return sum(
            column.log_jacobian(X[:, j]) for j, column in enumerate(self.columns)
        ) + np.zeros(len(X))


def moments(t, weights):
    """Weighted mean and standard deviation."""
    size = np.abs(t).max() or 1.0
    # divided by the largest magnitude, squares neither overflow nor vanish
    mean = size * np.average(t / size, weights=weights)
    return mean, size * np.sqrt(np.average((t / size - mean / size) ** 2, weights=weights))


def cauchy(x, centre, size):
    """Log-density of a Cauchy law: finite, however far ``x`` is."""
    with np.errstate(over="ignore"):
        distance = np.minimum(np.abs(x - centre) / size, np.finfo(float).max)
    return -np.log(np.pi * size) - 2 * np.log(np.hypot(1, distance))
