"""Monotone maps of a column before it is standardised, each with its exact derivative: for bounds, and for heavy tails."""

from dataclasses import dataclass

import numpy as np

EDGE = 1e-12  # of the distance between bounds: how near to a bound a value may come


@dataclass(frozen=True)
class Log:
    """Logarithm of the distance from one bound, turned so that it rises (``side`` 1: from below, -1: from above)."""

    bound: float
    side: int

    def forward(self, x):
        return self.side * np.log(np.maximum(self.side * (x - self.bound), np.finfo(float).tiny))

    def inverse(self, t):
        return self.bound + self.side * np.exp(np.minimum(self.side * t, 700))

    def log_derivative(self, x):
        return np.where(self.side * (x - self.bound) >= 0, -self.side * self.forward(x), -np.inf)


@dataclass(frozen=True)
class Logit:
    """Log-odds of the place between two bounds."""

    low: float
    high: float

    def _place(self, x):
        return np.clip((x - self.low) / (self.high - self.low), EDGE, 1 - EDGE)

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


def bounded(low, high):
    """The map of a column with these bounds; None: there is none on that side."""
    if low is None:
        return Log(high, -1)
    return Log(low, 1) if high is None else Logit(low, high)
