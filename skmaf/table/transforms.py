"""Monotone transforms of a column before it is standardised: for bounds, and for heavy tails.

Each is a plain frozen value of a few numbers, with its inverse and its exact derivative.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from .normal_mixture import MAX_SCORE, NormalMixture

# The density of a column with bounds would be infinite at them. Values are told apart no nearer to
# a bound than this share of the least distance that a training value has from one.
EDGE_SHARE = 0.01
# Of a column with ends that nobody has declared, which a new value may be beyond: of the least
# distance that a training value has from one.
SOFT_EDGE_SHARE = 0.1
MAX_EXPONENT = 700  # exp of more overflows float64


class Transform(ABC):
    """A strictly rising map of the values of a column."""

    @abstractmethod
    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return the transformed values."""

    @abstractmethod
    def inverse(self, t: np.ndarray) -> np.ndarray:
        """Return the values whose transforms are ``t``."""

    @abstractmethod
    def log_derivative(self, x: np.ndarray) -> np.ndarray:
        """Return the logarithm of the derivative of `forward` at ``x``, -inf out of bounds."""


@dataclass(frozen=True)
class Log(Transform):
    """Logarithm of the distance from one bound, with a sign that makes it rise.

    Attributes
    ----------
    bound : float
    side : {1, -1}
        1 if values are above the bound, -1 if they are below it.
    edge : float
        Nearer to the bound than this, transform and density are those at this distance.
    """

    bound: float
    side: int
    edge: float

    def forward(self, x: np.ndarray) -> np.ndarray:
        return self.side * np.log(np.maximum(self.side * (x - self.bound), self.edge))

    def inverse(self, t: np.ndarray) -> np.ndarray:
        return self.bound + self.side * np.exp(np.minimum(self.side * t, MAX_EXPONENT))

    def log_derivative(self, x: np.ndarray) -> np.ndarray:
        return np.where(self.side * (x - self.bound) >= 0, -self.side * self.forward(x), -np.inf)


@dataclass(frozen=True)
class Logit(Transform):
    """Log-odds of the position between two bounds.

    Attributes
    ----------
    low, high : float
        The bounds.
    edge : float
        Share of the distance between the bounds: nearer to one of them than this, transform and
        density are those at this distance.
    """

    low: float
    high: float
    edge: float

    def _position(self, x: np.ndarray) -> np.ndarray:
        """Return where values are between the bounds, from ``edge`` to 1 - ``edge``."""
        return np.clip((x - self.low) / (self.high - self.low), self.edge, 1 - self.edge)

    def forward(self, x: np.ndarray) -> np.ndarray:
        position = self._position(x)
        return np.log(position) - np.log1p(-position)

    def inverse(self, t: np.ndarray) -> np.ndarray:
        exponent = np.clip(-t, -MAX_EXPONENT, MAX_EXPONENT)
        return self.low + (self.high - self.low) / (1 + np.exp(exponent))

    def log_derivative(self, x: np.ndarray) -> np.ndarray:
        position = self._position(x)
        inside = -np.log(position) - np.log1p(-position) - np.log(self.high - self.low)
        return np.where((x >= self.low) & (x <= self.high), inside, -np.inf)


@dataclass(frozen=True)
class SoftLogit(Transform):
    """Log-odds of the position between two ends that are a guess: values beyond have a place.

    It is the sum of the inverse hyperbolic sines of the distances from the ends: between them the
    log-odds, but within ``scale`` of an end linear, and beyond it a logarithm of the distance.

    Attributes
    ----------
    low, high : float
        The ends.
    scale : float
    """

    low: float
    high: float
    scale: float

    @classmethod
    def fit(cls, low: float, high: float, x: np.ndarray) -> "SoftLogit":
        """Return the transform of values ``x`` strictly between two ends."""
        distances = np.minimum(x - low, high - x)
        return cls(low, high, SOFT_EDGE_SHARE * float(distances.min()))

    def _distances(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with np.errstate(over="ignore"):
            return _finite((x - self.low) / self.scale), _finite((x - self.high) / self.scale)

    def forward(self, x: np.ndarray) -> np.ndarray:
        of_low, of_high = self._distances(x)
        return np.arcsinh(of_low) + np.arcsinh(of_high)

    def inverse(self, t: np.ndarray) -> np.ndarray:
        # sinh(u + v) and cosh(u + v), solved for the place between sinh(u) and sinh(v)
        half = np.clip(t / 2, -MAX_EXPONENT, MAX_EXPONENT)
        reach = (self.high - self.low) / (2 * self.scale)
        place = np.hypot(np.sinh(half), reach * np.tanh(half))
        with np.errstate(over="ignore"):
            return self.low / 2 + self.high / 2 + np.sign(half) * self.scale * place

    def log_derivative(self, x: np.ndarray) -> np.ndarray:
        of_low, of_high = self._distances(x)
        slopes = 1 / np.hypot(1, of_low) + 1 / np.hypot(1, of_high)
        return np.log(slopes) - np.log(self.scale)


@dataclass(frozen=True)
class Asinh(Transform):
    """Inverse hyperbolic sine: linear near the centre, a logarithm of the distance far from it.

    Attributes
    ----------
    centre : float
    scale : float
        Distance from the centre at which the one goes over into the other.
    """

    centre: float
    scale: float

    @classmethod
    def fit(cls, x: np.ndarray) -> "Asinh":
        """Return the transform by the median of the values and their median distance from it."""
        with np.errstate(over="ignore"):
            centre = _finite(np.median(x))
            distances = _finite(np.abs(x - centre))
            scale = _finite(np.median(distances[distances > 0]))
        return cls(float(centre), float(scale))

    def forward(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return np.arcsinh(_finite((x - self.centre) / self.scale))

    def inverse(self, t: np.ndarray) -> np.ndarray:
        return self.centre + self.scale * np.sinh(np.clip(t, -MAX_EXPONENT, MAX_EXPONENT))

    def log_derivative(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            distances = _finite((x - self.centre) / self.scale)
        return -np.log(self.scale) - np.log(np.hypot(1, distances))


def _finite(x: np.ndarray) -> np.ndarray:
    """Return numbers of which none is larger in magnitude than a float can be."""
    return np.clip(x, -np.finfo(np.float64).max, np.finfo(np.float64).max)


def bounds_transform(low: float | None, high: float | None, x: np.ndarray) -> Log | Logit:
    """Return the transform of a column with bounds, one of which may be None.

    Parameters
    ----------
    low, high : float or None
        Not both None.
    x : ndarray of shape (n,)
        Training values strictly between the bounds.
    """
    distances = [np.abs(x - bound).min() for bound in (low, high) if bound is not None]
    edge = EDGE_SHARE * min(distances)
    if low is not None and high is not None:
        return Logit(low, high, min(edge / (high - low), EDGE_SHARE))
    if low is not None:
        return Log(low, 1, edge)
    if high is not None:
        return Log(high, -1, edge)
    raise ValueError("low and high are both None: give at least one bound.")


@dataclass(frozen=True, eq=False)
class NormalScores(Transform):
    """Normal scores of a mixture of normals, perhaps after another transform.

    Where the values have the density of the mixture, their transforms are standard normal. Beyond
    scores of `MAX_SCORE` the transform is linear.

    Attributes
    ----------
    mixture : NormalMixture
        Of the values, after ``inner`` if there is one.
    inner : Transform or None
    low, high : float
        Where the mixture has the scores -`MAX_SCORE` and `MAX_SCORE`.
    low_slope, high_slope : float
        Derivatives of the scores there.
    """

    mixture: NormalMixture
    inner: Transform | None
    low: float
    high: float
    low_slope: float
    high_slope: float

    @classmethod
    def of(cls, mixture: NormalMixture, inner: Transform | None) -> "NormalScores":
        """Return the transform to the normal scores of a mixture."""
        low, high = mixture.quantile(np.array([-MAX_SCORE, MAX_SCORE]))
        low_slope, high_slope = np.exp(mixture.log_slope(np.array([low, high])))
        return cls(mixture, inner, float(low), float(high), float(low_slope), float(high_slope))

    def forward(self, x: np.ndarray) -> np.ndarray:
        u = x if self.inner is None else self.inner.forward(x)
        inside = self.mixture.score(np.clip(u, self.low, self.high))
        below = self.low_slope * np.minimum(u - self.low, 0.0)
        above = self.high_slope * np.maximum(u - self.high, 0.0)
        return inside + below + above

    def inverse(self, t: np.ndarray) -> np.ndarray:
        inside = self.mixture.quantile(np.clip(t, -MAX_SCORE, MAX_SCORE))
        below = np.minimum(t + MAX_SCORE, 0.0) / self.low_slope
        above = np.maximum(t - MAX_SCORE, 0.0) / self.high_slope
        u = inside + below + above
        return u if self.inner is None else self.inner.inverse(u)

    def log_derivative(self, x: np.ndarray) -> np.ndarray:
        u = x if self.inner is None else self.inner.forward(x)
        of_scores = self.mixture.log_slope(np.clip(u, self.low, self.high))
        return of_scores if self.inner is None else of_scores + self.inner.log_derivative(x)
