"""A Gaussian kernel density of few rows.

All pairs of rows are computed at once, which is many times faster than scikit-learn's trees.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

NEGLIGIBLE = -80.0  # nats; numbers below its exponential slow float32 down many times


class _Columns(NamedTuple):
    """Which columns are present, for pairs of rows and centres: tensors (n_rows, n_centres).

    Attributes
    ----------
    n_shared : tensor
        How many columns are present in both.
    n_unknown : tensor
        How many are present in the row and missing in the centre.
    unknown_squares : tensor
        Sum of the row's squares in the latter.
    """

    n_shared: torch.Tensor
    n_unknown: torch.Tensor
    unknown_squares: torch.Tensor


@dataclass(frozen=True, eq=False)
class Kernel:
    """The density of weighted rows with normal noise of one or several levels, each as often.

    Attributes
    ----------
    bandwidths : ndarray
        Standard deviations of the noise.
    centres : ndarray of shape (n_centres, n_columns)
        The rows, with NaN where a cell is missing.
    weights : ndarray of shape (n_centres,)
    """

    bandwidths: np.ndarray
    centres: np.ndarray
    weights: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """Probability of each centre."""
        return self.weights / self.weights.sum()

    def log_prob(self, Z: np.ndarray) -> np.ndarray:
        """Log-density of each row, shape (n_rows,).

        Of a row with missing cells, NaN, it is that of the others.
        """
        squares, columns = self._distances(Z)
        return self._log_prob(squares, columns)

    def sample(self, n_samples: int, rng: np.random.RandomState) -> np.ndarray:
        """Draw rows, shape (n_samples, n_columns), without missing cells."""
        centres = self.centres[rng.choice(len(self.centres), n_samples, p=self.shares)]
        centres = np.where(np.isnan(centres), rng.standard_normal(centres.shape), centres)
        levels = rng.choice(self.bandwidths, (n_samples, 1))
        return centres + levels * rng.standard_normal(centres.shape)

    def _distances(self, Z: np.ndarray) -> tuple[np.ndarray, _Columns | None]:
        """Squared distances of rows and centres in the columns that both have, and which these are.

        The latter is None where no cell is missing.
        """
        present = ~np.isnan(Z)
        known = ~np.isnan(self.centres)
        if present.all() and known.all():
            return _squared_distances(Z, self.centres), None
        rows = np.where(present, Z, 0.0)
        centres = np.where(known, self.centres, 0.0)
        # as numbers, so that matrix products count columns
        in_row = present.astype(float)
        in_centre = known.astype(float).T
        squares = rows**2 @ in_centre - 2 * rows @ centres.T + in_row @ centres.T**2
        columns = _Columns(
            torch.from_numpy(in_row @ in_centre),
            torch.from_numpy(in_row @ (1 - in_centre)),
            torch.from_numpy(rows**2 @ (1 - in_centre)),
        )
        return np.maximum(squares, 0), columns

    def _log_prob(self, squares: np.ndarray, columns: _Columns | None) -> np.ndarray:
        log_sizes = np.log(self.bandwidths * np.sqrt(2 * np.pi))
        if columns is None:
            return self._log_prob_of_whole_rows(squares, log_sizes)
        distances = torch.from_numpy(squares)
        log_shares = torch.from_numpy(np.log(self.shares))
        log_probs = []
        for h, log_size in zip(self.bandwidths, log_sizes):
            # a cell that a centre lacks is as in the whole table: standard normal, and noise
            variance = 1 + h**2
            log_size = columns.n_shared * log_size
            log_size = log_size + 0.5 * columns.n_unknown * np.log(2 * np.pi * variance)
            exponents = log_shares - log_size - distances / (2 * h**2)
            exponents = exponents - columns.unknown_squares / (2 * variance)
            log_probs.append(exponents.logsumexp(1))  # a third of the time of scipy's
        return torch.stack(log_probs).logsumexp(0).numpy() - np.log(len(log_probs))

    def _log_prob_of_whole_rows(self, squares: np.ndarray, log_sizes: np.ndarray) -> np.ndarray:
        """Return log-densities where no cell is missing: every kernel has the same shape."""
        distances = torch.from_numpy(squares)
        nearest = distances.amin(1, keepdim=True)
        # beyond the nearest centre float32 is exact enough, and its exponentials are fast
        beyond = (distances - nearest).float()
        shares = torch.from_numpy(self.shares.astype(np.float32))
        parts = torch.empty_like(beyond)
        log_probs = []
        for h, log_size in zip(self.bandwidths, log_sizes):
            torch.mul(beyond, -0.5 / h**2, out=parts)
            sums = parts.clamp_(min=NEGLIGIBLE).exp_() @ shares
            of_nearest = nearest[:, 0] / (-2 * h**2) - self.centres.shape[1] * log_size
            log_probs.append(sums.double().log() + of_nearest)
        return torch.stack(log_probs).logsumexp(0).numpy() - np.log(len(log_probs))


def _squared_distances(Z: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the squared distances of rows and centres, shape (n_rows, n_centres)."""
    # torch, whose threads are bounded: those of numpy wait for each other on a busy machine
    products = torch.from_numpy(Z) @ torch.from_numpy(centres).T
    squares = (Z**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1)
    return np.maximum(np.subtract(squares, 2 * products.numpy(), out=squares), 0, out=squares)
