"""A mixture of normals of one column, and its normal scores.

scikit-learn's takes no weights, and has no floor for the scales.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

N_COMPONENTS = 8
ROWS_PER_COMPONENT = 10
MAX_ROUNDS = 50  # of expectation and maximisation
MIN_GAIN = 1e-4  # nats, below which the rounds end
PRIOR_ROWS = 2.0  # rows that the scale at the start counts as
BROAD_ROWS = 3.0  # rows that the component which reaches everywhere counts as
BROAD_SCALE = 2.0  # its scale, in standard deviations of the values
MAX_SCORE = 8.0  # scores up to which `ndtr` keeps its precision
PRECISION = 1e-14  # of scores
MAX_STEPS = 200  # of Newton's method and bisection
LOG_ROOT = np.log(2 * np.pi) / 2


@dataclass(frozen=True, eq=False)
class NormalMixture:
    """A mixture of normal densities.

    Attributes
    ----------
    shares, means, scales : ndarray of shape (n_components,)
    """

    shares: np.ndarray
    means: np.ndarray
    scales: np.ndarray

    @classmethod
    def fit(cls, u: np.ndarray, weights: np.ndarray, floor: float = 0.0) -> "NormalMixture":
        """Return a mixture by maximum likelihood, with a broad component beside it.

        Parameters
        ----------
        u : ndarray of shape (n,)
        weights : ndarray of shape (n,)
        floor : float, default=0.0
            The least scale of a component.
        """
        order = np.argsort(u, kind="stable")
        u = u[order]
        weights = weights[order] / weights.sum()
        mean = weights @ u
        scale = np.sqrt(weights @ (u - mean) ** 2)
        k = max(1, min(N_COMPONENTS, len(u) // ROWS_PER_COMPONENT))
        mixture = cls._at_quantiles(u, weights, k, max(floor, 1e-9 * scale))
        mixture = _maximised(mixture, u, weights, floor)
        broad = min(0.05, BROAD_ROWS / len(u))
        return cls(
            np.append((1 - broad) * mixture.shares, broad),
            np.append(mixture.means, mean),
            np.append(mixture.scales, BROAD_SCALE * max(scale, floor)),
        )

    @classmethod
    def _at_quantiles(
        cls, u: np.ndarray, weights: np.ndarray, k: int, floor: float
    ) -> "NormalMixture":
        """Return components that each have an equal share of sorted values."""
        block = np.minimum((np.cumsum(weights) - weights / 2) * k, k - 1e-9).astype(int)
        shares = np.bincount(block, weights, minlength=k)
        shares = np.maximum(shares, 1e-12)
        means = np.bincount(block, weights * u, minlength=k) / shares
        variances = np.bincount(block, weights * (u - means[block]) ** 2, minlength=k) / shares
        return cls(shares / shares.sum(), means, np.maximum(np.sqrt(variances), floor))

    def scaled(self, mean: float, scale: float) -> "NormalMixture":
        """Return the mixture of values times ``scale`` plus ``mean``."""
        return NormalMixture(self.shares, mean + scale * self.means, scale * self.scales)

    def _standardised(self, u: np.ndarray) -> np.ndarray:
        """Return values standardised by each component, shape (n_components, *u.shape)."""
        ones = (1,) * np.ndim(u)
        return (u - self.means.reshape(-1, *ones)) / self.scales.reshape(-1, *ones)

    def densities(self, u: np.ndarray) -> np.ndarray:
        """Return the density of each component times its share."""
        z = self._standardised(u)
        heights = (self.shares / self.scales).reshape(-1, *(1,) * np.ndim(u))
        return heights * np.exp(-z * z / 2 - LOG_ROOT)

    def log_density(self, u: np.ndarray) -> np.ndarray:
        """Return the log-density, no lower than a float can hold."""
        return np.log(np.maximum(self.densities(u).sum(axis=0), np.finfo(float).tiny))

    def score(self, u: np.ndarray) -> np.ndarray:
        """Return the normal scores: those numbers below which a normal has as much."""
        z = self._standardised(u)
        below = np.tensordot(self.shares, ndtr(z), 1)
        above = np.tensordot(self.shares, ndtr(-z), 1)
        return np.where(below < 0.5, ndtri(below), -ndtri(above))

    def log_slope(self, u: np.ndarray) -> np.ndarray:
        """Return the logarithm of the derivative of `score`."""
        return self.log_density(u) + self.score(u) ** 2 / 2 + LOG_ROOT

    def quantile(self, t: np.ndarray) -> np.ndarray:
        """Return the values with given normal scores."""
        unique, position = np.unique(t, return_inverse=True)
        return self._solved(unique)[position].reshape(np.shape(t))

    def _solved(self, t: np.ndarray) -> np.ndarray:
        """Return the values with scores of shape (n,), by Newton's method within brackets."""
        of_components = self.means[:, None] + self.scales[:, None] * t
        low = of_components.min(axis=0)
        high = of_components.max(axis=0)
        u = (low + high) / 2
        is_open = np.isfinite(t)
        for _ in range(MAX_STEPS):
            at = u[is_open]
            error = self.score(at) - t[is_open]
            low[is_open] = np.where(error < 0, at, low[is_open])
            high[is_open] = np.where(error < 0, high[is_open], at)
            newton = at - error * np.exp(-self.log_slope(at))
            is_inside = (newton >= low[is_open]) & (newton <= high[is_open])
            u[is_open] = np.where(is_inside, newton, (low + high)[is_open] / 2)
            is_open[is_open] = (np.abs(error) > PRECISION) & (u[is_open] != at)
            if not is_open.any():
                break
        return u


def _maximised(
    start: NormalMixture, u: np.ndarray, weights: np.ndarray, floor: float
) -> NormalMixture:
    """Return the mixture after expectation-maximisation from a start."""
    prior = PRIOR_ROWS / len(u)
    prior_variances = start.scales**2
    mixture = start
    last = -np.inf
    for _ in range(MAX_ROUNDS):
        densities = mixture.densities(u)
        total = np.maximum(densities.sum(axis=0), np.finfo(float).tiny)
        log_likelihood = weights @ np.log(total)
        if log_likelihood < last + MIN_GAIN:
            break
        last = log_likelihood
        owned = densities * (weights / total)
        shares = np.maximum(owned.sum(axis=1), 1e-12)
        means = owned @ u / shares
        squares = (owned * (u - means[:, None]) ** 2).sum(axis=1)
        variances = (squares + prior * prior_variances) / (shares + prior)
        scales = np.maximum(np.sqrt(variances), floor)
        mixture = NormalMixture(shares / shares.sum(), means, scales)
    return mixture
