"""Monotone maps of a column before it is standardised, each with its exact derivative: for bounds, and for heavy tails."""

from dataclasses import dataclass

import numpy as np

EDGE = 0.01  # of the least distance that a training value has from a bound: nearer to it values are not told apart


@dataclass(frozen=True)
class Log:
    """Logarithm of the distance from one bound, turned so that it rises (``side`` 1: from below, -1: from above).

    Nearer than ``edge`` the density stays what it is there, so that it is bounded.
    """

    bound: float
    side: int
    edge: float

    def forward(self, x):
        return self.side * np.log(np.maximum(self.side * (x - self.bound), self.edge))

    def inverse(self, t):
        return self.bound + self.side * np.exp(np.minimum(self.side * t, 700))

    def log_derivative(self, x):
        return np.where(self.side * (x - self.bound) >= 0, -self.side * self.forward(x), -np.inf)


@dataclass(frozen=True)
class Logit:
    """Log-odds of the place between two bounds; nearer to one than ``edge``, a share of the whole, those at the edge."""

    low: float
    high: float
    edge: float

    def _place(self, x):
        return np.clip((x - self.low) / (self.high - self.low), self.edge, 1 - self.edge)

    def forward(self, x):
        place = self._place(x)
        return np.log(place) - np.log1p(-place)

    def inverse(self, t):
        return self.low + (self.high - self.low) / (1 + np.exp(np.clip(-t, -700, 700)))

    def log_derivative(self, x):
        place = self._place(x)
        inside = -np.log(place) - np.log1p(-place) - np.log(self.high - self.low)
        return np.where((x >= self.low) & (x <= self.high), inside, -np.inf)


@dataclass(frozen=True)
class Asinh:
    """Inverse hyperbolic sine: linear within ``width`` of the centre, a logarithm of the distance far from it."""

    centre: float
    width: float

    @classmethod
    def around(cls, x):
        """By the median of the values, and the median distance from it."""
        centre = np.median(x)
        distances = np.abs(x - centre)
        return cls(float(centre), float(np.median(distances[distances > 0])))

    def forward(self, x):
        return np.arcsinh((x - self.centre) / self.width)

    def inverse(self, t):
        return self.centre + self.width * np.sinh(np.clip(t, -700, 700))

    def log_derivative(self, x):
        with np.errstate(over="ignore"):
            return -np.log(self.width) - np.log(np.hypot(1, (x - self.centre) / self.width))


def bounded(low, high, x):
    """The map of a column with these bounds, None if there is none on that side, and of values ``x`` between them."""
    edge = EDGE * min(np.abs(x - bound).min() for bound in (low, high) if bound is not None)
    if low is None:
        return Log(high, -1, edge)
    return Log(low, 1, edge) if high is None else Logit(low, high, min(edge / (high - low), EDGE))
