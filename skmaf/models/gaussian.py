"""A Gaussian with shrunk covariance and heavy tails, for rows with missing cells too.

References
----------
Ledoit and Wolf (2004). A well-conditioned estimator for large-dimensional covariance matrices.
J. Multivariate Analysis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import gammaln
from sklearn.covariance import ledoit_wolf_shrinkage, shrunk_covariance
from sklearn.utils import gen_batches

from .stacking import best_share, log_mixture

MIN_SHRINKAGE = 1e-4  # keeps the covariance of columns that follow from each other regular
MIN_VARIANCE = 1e-12  # for rows that are all the same
TAIL_FREEDOM = 3  # degrees of freedom of Student's t: the fewest with which it has a covariance
MOST_EXPONENT = 12  # of two, beyond which rows are so far out that others vanish beside them
BATCH_NUMBERS = 2**20  # in the covariances of rows with missing cells, at a time
FILL_ROWS = 5000  # of those with missing cells, at most, to learn from
FILL_STEPS = 10  # of expectation-maximisation for these


@dataclass(frozen=True, eq=False)
class Gaussian:
    """A normal distribution, mixed with a Student's t of the same mean and covariance.

    The t has a share as far as rows ask for heavier tails. Of a row with missing cells, NaN, the
    density is that of the others.

    Attributes
    ----------
    mean : ndarray of shape (n_columns,)
    covariance : ndarray of shape (n_columns, n_columns)
    tail_share : float
        Probability of the t in the mixture.
    """

    mean: np.ndarray
    covariance: np.ndarray
    tail_share: float

    @classmethod
    def learn(cls, Z: np.ndarray, weights: np.ndarray) -> Gaussian:
        """The Gaussian of weighted rows.

        Parameters
        ----------
        Z : ndarray of shape (n_rows, n_columns)
            Rows, with NaN where a cell is missing.
        weights : ndarray of shape (n_rows,)
        """
        units = _units(Z)
        Z = Z / units
        filled = Z
        missing_covariance: np.ndarray | float = 0.0
        if np.isnan(Z).any():
            kept = slice(None, None, -(-len(Z) // FILL_ROWS))
            Z = Z[kept]
            weights = weights[kept]
            filled, missing_covariance = _fill(Z, weights)
        mean, covariance = _moments(filled, weights)
        covariance = covariance + missing_covariance
        # of one row scikit-learn says nothing but that it may be a column
        shrinkage = ledoit_wolf_shrinkage(filled) if len(filled) > 1 else 0.0
        shrinkage = max(shrinkage, MIN_SHRINKAGE)
        covariance = shrunk_covariance(covariance, shrinkage)
        covariance[np.diag_indices_from(covariance)] += MIN_VARIANCE
        normal, tails = _log_probs(Z, mean, covariance)
        tail_share = best_share(tails, normal, weights)
        return cls(mean * units, covariance * np.outer(units, units), tail_share)

    def log_prob(self, Z: np.ndarray) -> np.ndarray:
        """Log-density of each row, shape (n_rows,)."""
        normal, tails = _log_probs(Z, self.mean, self.covariance)
        return log_mixture(normal, tails, self.tail_share)

    def sample(self, n_samples: int, rng: np.random.RandomState) -> np.ndarray:
        """Draw rows, shape (n_samples, n_columns)."""
        root = np.linalg.cholesky(self.covariance)
        rows = rng.standard_normal((n_samples, len(self.mean))) @ root.T
        in_tails = rng.random_sample(n_samples) < self.tail_share
        freedom = np.sqrt(rng.chisquare(TAIL_FREEDOM, n_samples) / (TAIL_FREEDOM - 2))
        return self.mean + rows / np.where(in_tails, freedom, 1.0)[:, None]


def _units(Z: np.ndarray) -> np.ndarray:
    """Return for each column 1, or a power of two to measure it in where rows are too far out."""
    _, exponents = np.frexp(np.fmax.reduce(np.abs(Z), axis=0))
    return np.where(exponents > MOST_EXPONENT, np.exp2(exponents - MOST_EXPONENT), 1.0)


def _moments(Z: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean, and weighted covariance of shape (n_columns, n_columns)."""
    covariance = np.atleast_2d(np.cov(Z.T, aweights=weights, bias=True))
    return np.average(Z, axis=0, weights=weights), covariance


def _log_probs(
    Z: np.ndarray, mean: np.ndarray, covariance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Log-density of each row by the normal distribution, and by Student's t."""
    squares, log_det, d = _mahalanobis(Z - mean, covariance)
    normal = -0.5 * (squares + log_det + d * np.log(2 * np.pi))
    df = TAIL_FREEDOM
    shrink = 1 - 2 / df  # the t has this covariance if its scale is smaller
    log_size = (
        gammaln((df + d) / 2) - gammaln(df / 2) - 0.5 * (d * np.log(df * np.pi * shrink) + log_det)
    )
    return normal, log_size - 0.5 * (df + d) * np.log1p(squares / (df * shrink))


def _mahalanobis(
    centred: np.ndarray, covariance: np.ndarray
) -> tuple[np.ndarray, np.ndarray | float, np.ndarray | int]:
    """Squared Mahalanobis distance of each row in the columns that are present in it.

    Also the logarithm of their covariance's determinant, and how many they are: numbers where all
    cells are present, else arrays with one for each row.
    """
    absent = np.isnan(centred)
    if not absent.any():
        root = np.linalg.cholesky(covariance)
        squares = (solve_triangular(root, centred.T, lower=True) ** 2).sum(0)
        return squares, 2 * np.log(np.diag(root)).sum(), centred.shape[1]
    squares = np.empty(len(centred))
    log_dets = np.empty(len(centred))
    for rows in _batches(len(centred), covariance):
        root = np.linalg.cholesky(_without_absent(covariance, absent[rows]))
        shown = np.where(absent[rows], 0.0, centred[rows])[:, :, None]
        squares[rows] = (np.linalg.solve(root, shown) ** 2).sum((1, 2))
        log_dets[rows] = 2 * np.log(np.diagonal(root, axis1=1, axis2=2)).sum(1)
    return squares, log_dets, (~absent).sum(1)


def _batches(n_rows: int, covariance: np.ndarray) -> list[slice]:
    """Batches of rows which may have a covariance each."""
    return list(gen_batches(n_rows, max(1, BATCH_NUMBERS // covariance.size)))


def _without_absent(covariance: np.ndarray, absent: np.ndarray) -> np.ndarray:
    """For each row the covariance with its absent columns independent, of variance 1.

    These columns then add nothing to squared distances and log-determinants.
    """
    present = ~absent
    both = present[:, :, None] & present[:, None]
    ones = np.einsum("ni,ij->nij", absent, np.eye(absent.shape[1]))
    return np.where(both, covariance, 0.0) + ones


def _fill(Z: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows with absent cells at their conditional mean, by expectation-maximisation.

    Also the mean over rows of the covariance of the absent cells given the others.
    """
    # flow space is made to have this mean and covariance
    mean = np.zeros(Z.shape[1])
    covariance = np.eye(Z.shape[1])
    for _ in range(FILL_STEPS):
        filled, missing = _expected(Z, weights, mean, covariance)
        mean, covariance = _moments(filled, weights)
        covariance = covariance + missing
        covariance[np.diag_indices_from(covariance)] += MIN_SHRINKAGE
    return filled, missing


def _expected(
    Z: np.ndarray, weights: np.ndarray, mean: np.ndarray, covariance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One step of `_fill`: what it returns, given a mean and a covariance."""
    absent = np.isnan(Z)
    filled = np.where(absent, mean, Z)
    missing = np.zeros_like(covariance)
    for rows in _batches(len(Z), covariance):
        hidden = absent[rows]
        gain = np.where(hidden[:, :, None] & ~hidden[:, None], covariance, 0.0)
        gain = gain @ np.linalg.inv(_without_absent(covariance, hidden))
        offsets = np.where(hidden, 0.0, Z[rows] - mean)
        filled[rows] += np.einsum("nij,nj->ni", gain, offsets)
        both = hidden[:, :, None] & hidden[:, None]
        rest = np.where(both, covariance - gain @ covariance, 0.0)
        missing += np.tensordot(weights[rows], rest, 1)
    return filled, missing / weights.sum()
