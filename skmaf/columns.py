"""What each column of a table is, and the way to flow space and back with its exact log-Jacobian.

A column is *continuous*, *grid* or *constant*. All but constants are standardised. The values of a grid column (integers,
rounded values, ties) have a width, its step: training rows are spread uniformly over it, so that a density on them stays
bounded; a row is evaluated at its own value, and samples fall back on the grid. A constant column is left out of the flow and
has a law of its own (`constant_log_prob`).
"""

from dataclasses import dataclass

import numpy as np

MIN_STEP = 1e-6  # a step below this share of the range is floating-point resolution, not a grid
FAR = 1e15  # standardised values are cut here, where squares still fit float32


@dataclass(frozen=True)
class Column:
    """Location and scale of a column (scale 0: constant), and of a grid column the step and the values that attract.

    Attributes
    ----------
    mean, scale : float
        In units of X.
    step : float
        Width of a value, in units of X; 0 for a continuous column.
    levels : ndarray
        The distinct values of a regular grid, or the repeated values where ties follow none.
    regular : bool
        Whether the values lie on ``levels[0] + k * step``.
    """

    mean: float
    scale: float
    step: float = 0.0
    levels: np.ndarray | None = None
    regular: bool = False

    @property
    def constant(self):
        return self.scale == 0

    def snap(self, x):
        """Move values to the nearest level within half a step, or else to the regular grid, if there is one."""
        if self.step == 0:
            return x
        nearest = self.levels[np.searchsorted((self.levels[1:] + self.levels[:-1]) / 2, x)]
        grid = self.levels[0] + np.round((x - self.levels[0]) / self.step) * self.step if self.regular else x
        return np.where(np.abs(x - nearest) <= self.step / 2, nearest, grid)


def describe(x, resolution, weights=None):
    """Find out what the weighted values ``x`` of one column are; ``resolution`` is the relative rounding error of a value."""
    size = np.abs(x).max()
    values, counts = np.unique(x, return_counts=True)
    if values[-1] - values[0] <= 2 * resolution * size:
        return Column(mean=float(values[0]), scale=0.0, step=4 * resolution * size, levels=values[:1])
    # divided by the largest magnitude, squares neither overflow nor vanish
    mean = size * np.average(x / size, weights=weights)
    scale = size * np.sqrt(np.average((x / size - mean / size) ** 2, weights=weights))
    step = grid_step(values, resolution)
    if step > 0:
        return Column(mean, scale, step, values, regular=True)
    if len(values) < len(x):
        return Column(mean, scale, float(np.median(np.diff(values))), values[counts > 1])
    return Column(mean, scale)


def grid_step(values, resolution):
    """The step of the regular grid that the sorted distinct values lie on, or 0 if they lie on none.

    It is the greatest common divisor of the gaps, by Euclid's algorithm up to the rounding error of the values.
    """
    tolerance = 8 * resolution * np.abs(values).max()
    gaps = np.unique(np.diff(values))
    smallest = max(16 * tolerance, MIN_STEP * (values[-1] - values[0]))
    step, rest = 0.0, gaps[0]
    while rest > 0:
        if rest <= smallest:
            return 0.0
        step, rest = _divide(gaps, rest, tolerance)
    return float(step)


def _divide(gaps, step, tolerance):
    """The step, more exact, and the smallest rest that the sorted gaps leave when divided by it, 0 if they leave none.

    Gaps are taken in blocks of rising size: each block makes the step more exact, as the longer gaps after it need it.
    """
    start, n_exact = 0, 1.0
    while start < len(gaps):
        stop = max(start + 1, np.searchsorted(gaps, 2 * gaps[start], side="right"))
        block = gaps[start:stop]
        counts = np.round(block / step)
        rests = np.abs(block - counts * step)
        rests = rests[rests > np.minimum(tolerance * (1 + counts / n_exact), step / 8)]
        if len(rests):
            return step, rests.min()
        start, n_exact = stop, counts[-1]
        step = block[-1] / n_exact
    return step, 0.0


class Columns:
    """The columns of a table: to flow space and back.

    Attributes
    ----------
    columns : list of Column
    varying : ndarray of int
        The columns that are not constant; flow space has one dimension for each.
    widths : ndarray of shape (n_varying,)
        Steps in flow space.
    log_scale_jacobian : float
        Log-determinant of the standardisation, in nats.
    """

    def __init__(self, X, resolution, weights=None):
        X = np.asarray(X, dtype=np.float64)
        self.n_rows = len(X)
        self.columns = [describe(x, resolution, weights) for x in X.T]
        self.varying = np.array([j for j, c in enumerate(self.columns) if not c.constant], dtype=int)
        varying = [self.columns[j] for j in self.varying]
        self._mean = np.array([c.mean for c in varying])
        self._scale = np.array([c.scale for c in varying])
        self.widths = np.array([c.step for c in varying]) / self._scale
        self.log_scale_jacobian = float(-np.log(self._scale).sum())

    def to_flow(self, X):
        """Standardised varying columns, float64 of shape (n, n_varying)."""
        with np.errstate(over="ignore"):
            Z = (np.asarray(X, dtype=np.float64)[:, self.varying] - self._mean) / self._scale
        return np.clip(Z, -FAR, FAR)

    def from_flow(self, Z):
        """Rows in units of X, on their grids, with the constant columns in place."""
        X = np.empty((len(Z), len(self.columns)))
        X[:] = [c.mean for c in self.columns]
        X[:, self.varying] += Z * self._scale
        for j in self.varying:
            X[:, j] = self.columns[j].snap(X[:, j])
        return X

    def log_jacobian(self, X):
        """What to add to the log-density in flow space to get that in units of X, shape (n,)."""
        constants = [(c, c.snap(X[:, j])) for j, c in enumerate(self.columns) if c.constant]
        return self.log_scale_jacobian + sum(constant_log_prob(x, c.mean, self.n_rows) for c, x in constants) + np.zeros(len(X))


def constant_log_prob(x, value, n_rows):
    """Log-probability of a column that held one value in all ``n_rows`` training rows.

    The value keeps the mass (n + 1) / (n + 2) that Laplace's rule of succession gives it. What is left is spread over other
    values by a Cauchy density around it, as wide as the value is large: new values are flagged, the farther the more, and
    never by an infinite score.
    """
    size = abs(value) or 1.0
    with np.errstate(over="ignore"):
        distance = np.minimum(np.abs(np.asarray(x, dtype=np.float64) - value) / size, np.finfo(float).max)
    new = -np.log(n_rows + 2) - np.log(np.pi * size) - 2 * np.log(np.hypot(1, distance))
    return np.where(distance == 0, np.log((n_rows + 1) / (n_rows + 2)), new)
