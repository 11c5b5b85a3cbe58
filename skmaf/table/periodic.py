"""Columns on a circle: angles, hours of the day, whatever comes again after a period.

The circle is cut where it has the fewest rows and laid out as a line, on which a flow has a density
that vanishes at both ends of two turns. Each angle lies there twice; the sum of both densities is
that of the angle. So it is continuous all around, and integrates to 1 over one period.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .columns import Column, Continuous
from .transforms import Transform

BINS = 360  # of a circle, in looking for where to cut it
SHARPNESS = 8.0  # of the kernel that counts rows about a cut
END = 1e-12  # share of two turns at which an end counts as reached


def is_periodic(kind: Any) -> bool:
    """Return whether a declared kind is that of a circle: ``("periodic", period)``."""
    return isinstance(kind, tuple) and len(kind) == 2 and kind[0] == "periodic"


@dataclass(frozen=True)
class TwoTurns(Transform):
    """Stretches an open interval to the whole line: nearly linear in its middle half.

    A density with tails no heavier than those of Student's t with 3 degrees of freedom vanishes at
    both ends of the interval.

    Attributes
    ----------
    low, high : float
    """

    low: float
    high: float

    def _position(self, x: np.ndarray) -> np.ndarray:
        """Return where values are between the ends, from -1/2 to 1/2, both excluded."""
        position = (x - self.low) / (self.high - self.low) - 0.5
        return np.clip(position, END - 0.5, 0.5 - END)

    def forward(self, x: np.ndarray) -> np.ndarray:
        position = self._position(x)
        return position / np.sqrt(0.25 - position**2)

    def inverse(self, t: np.ndarray) -> np.ndarray:
        return self.low + (self.high - self.low) * (0.5 + 0.5 * t / np.hypot(1, t))

    def log_derivative(self, x: np.ndarray) -> np.ndarray:
        inside = np.log(0.25) - 1.5 * np.log(0.25 - self._position(x) ** 2)
        is_inside = (x >= self.low) & (x <= self.high)
        return np.where(is_inside, inside - np.log(self.high - self.low), -np.inf)


@dataclass(frozen=True, eq=False)
class Periodic(Column):
    """A column on a circle. A row has a density at both of its `copies`.

    Attributes
    ----------
    period : float
    start : float
        Where values begin: they are from there to one period on.
    cut : float
        Where the circle is cut.
    line : Continuous
        The column on two turns of the circle, half a turn from the cut to either side.
    """

    period: float
    start: float
    cut: float
    line: Continuous

    n_codes = 0
    n_values = 1

    @property
    def step(self) -> float:
        """The interval that a value stands for."""
        return self.line.step

    def copies(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where values lie on the line: in the turn from the cut on, and beside it."""
        first = from_start(x, self.cut, self.period)
        is_early = first < self.cut + self.period / 2
        second = np.where(is_early, first + self.period, first - self.period)
        # a missing cell counts once: beyond the line there is no density
        return first, np.where(np.isnan(x), np.inf, second)

    def values(self, x: np.ndarray) -> np.ndarray:
        return self.line.values(x)

    def steps(self, x: np.ndarray) -> np.ndarray:
        return self.line.steps(x)

    def log_jacobian(self, x: np.ndarray) -> np.ndarray:
        return self.line.log_jacobian(x)

    def back(self, codes: np.ndarray, values: np.ndarray) -> np.ndarray:
        return self.snap(self.untransform(values[:, 0]))

    def untransform(self, z: np.ndarray) -> np.ndarray:
        """Return standardised values in units of the column, on the line of two turns."""
        return self.line.untransform(z)

    def snap(self, x: np.ndarray) -> np.ndarray:
        """Return values moved to the grid, and into the period."""
        return from_start(self.line.snap(x), self.start, self.period)


@dataclass(frozen=True, eq=False)
class OnCircle(Column):
    """A column on a circle as its cosine and sine, for networks that look at it, and for densities
    of values with noise: those of points of a plane.

    Both have one scale, so that it does not matter where the period begins.

    Attributes
    ----------
    turns : Periodic
        The circle laid out as a line.
    centre : ndarray of shape (2,)
        Mean of cosine and sine.
    scale : float
        Standard deviation in the direction in which they vary most.
    """

    turns: Periodic
    centre: np.ndarray
    scale: float

    n_codes = 0
    n_values = 2

    @classmethod
    def of(cls, turns: Periodic, x: np.ndarray, weights: np.ndarray) -> "OnCircle":
        """Return the column of training values with weights."""
        points = _points(x, turns.period)
        centre = np.average(points, axis=0, weights=weights)
        covariance = np.cov(points.T, aweights=weights, ddof=0)
        return cls(turns, centre, float(np.sqrt(np.linalg.eigvalsh(covariance)[-1])))

    def values(self, x: np.ndarray) -> np.ndarray:
        return (_points(x, self.turns.period) - self.centre) / self.scale

    def log_jacobian(self, x: np.ndarray) -> np.ndarray:
        # along the circle, where a radian is so many units
        per_radian = self.turns.period / (2 * np.pi)
        return np.where(np.isnan(x), 0.0, -np.log(per_radian * self.scale))

    def back(self, codes: np.ndarray, values: np.ndarray) -> np.ndarray:
        cosine, sine = (values * self.scale + self.centre).T
        return self.turns.snap(np.arctan2(sine, cosine) / (2 * np.pi) * self.turns.period)


def _points(x: np.ndarray, period: float) -> np.ndarray:
    """Return cosines and sines, shape (n, 2)."""
    angle = 2 * np.pi * np.mod(x, period) / period
    return np.column_stack([np.cos(angle), np.sin(angle)])


def from_start(x: np.ndarray, start: float, period: float) -> np.ndarray:
    """Return values moved by whole periods, to at least ``start`` and less than a period on."""
    turned = start + np.mod(x - start, period)
    return np.where(turned >= start + period, start, turned)


def find_start(x: np.ndarray, period: float) -> float:
    """Return where the user's values begin: minus half a period if they are about zero, or zero."""
    is_centred = x.min() < 0 and np.abs(x).max() <= period / 2
    return -period / 2 if is_centred else 0.0


def find_cut(x: np.ndarray, weights: np.ndarray, period: float) -> float:
    """Return where a circle has the fewest rows about it."""
    share = from_start(x, 0.0, period) / period
    totals, edges = np.histogram(share, BINS, (0.0, 1.0), weights=weights)
    centres = (edges[1:] + edges[:-1]) / 2
    values = np.unique(share)
    between = np.append(values[1:] + values[:-1], values[0] + values[-1] + 1) / 2
    cuts = between[np.linspace(0, len(between) - 1, min(BINS, len(between))).astype(int)]
    near = np.exp(SHARPNESS * np.cos(2 * np.pi * (cuts[:, None] - centres)))
    return float(cuts[(near @ totals).argmin()] * period)
