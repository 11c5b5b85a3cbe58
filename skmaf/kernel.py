"""A Gaussian kernel density, with all pairs of rows at once: for few rows many times faster than scikit-learn's trees."""

import numpy as np
import torch
from sklearn.metrics.pairwise import euclidean_distances


class Kernel:
    """The density of training rows with normal noise: one of several levels, each as often.

    Parameters
    ----------
    bandwidths : sequence of float
        Standard deviations of the noise.
    Z : ndarray of shape (n_rows, n_columns)
        Training rows.
    weights : ndarray of shape (n_rows,)
    """

    def __init__(self, bandwidths, Z, weights):
        self.bandwidths = np.asarray(bandwidths)
        self.Z = Z
        self.shares = weights / weights.sum()

    def score_samples(self, Z):
        """Log-density of each row, shape (n,)."""
        return self._mix(euclidean_distances(Z, self.Z, squared=True))

    def score_by_others(self, Z):
        """Log-density of each row by all training rows but one that is the same: no row speaks for itself."""
        squares = euclidean_distances(Z, self.Z, squared=True)
        nearest = squares.argmin(axis=1)
        rows = np.flatnonzero((Z == self.Z[nearest]).all(axis=1))
        squares[rows, nearest[rows]] = np.inf
        return self._mix(squares)

    def _mix(self, squares):
        squares, log_shares = torch.from_numpy(squares), torch.from_numpy(np.log(self.shares))
        log_sizes = self.Z.shape[1] * np.log(self.bandwidths * np.sqrt(2 * np.pi))
        # torch's is a third of the time of scipy's
        sized = zip(self.bandwidths, log_sizes)
        parts = [torch.logsumexp(log_shares - squares / (2 * h**2), 1) - size for h, size in sized]
        return torch.stack(parts).logsumexp(0).numpy() - np.log(len(parts))

    def sample(self, n_samples, rng):
        """Draw rows, shape (n_samples, n_columns)."""
        centres = self.Z[rng.choice(len(self.Z), n_samples, p=self.shares)]
        return centres + rng.choice(self.bandwidths, (n_samples, 1)) * rng.standard_normal(centres.shape)
