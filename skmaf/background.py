"""What is known of a table without a flow: simple densities that share the probability with it.

A flow that saw few rows can be far worse than a Gaussian, and any flow can be absurdly sure about a single row. So the density
is a mixture: the flow, a Gaussian with shrunk covariance [1]_, and where rows are few a kernel density. Held-out rows give the
shares, as in stacking [2]_: the mixture is nearly as good as the best of its parts, row by row, whichever that is.

References
----------
.. [1] Ledoit and Wolf (2004). A well-conditioned estimator for large-dimensional covariance matrices. J. Multivariate Analysis.
.. [2] Smyth and Wolpert (1999). Linearly combining density estimators via stacking. Machine Learning 36.
"""

import numpy as np
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.covariance import ledoit_wolf_shrinkage, shrunk_covariance
from sklearn.model_selection import KFold
from sklearn.neighbors import KernelDensity

KERNEL_ROWS = 1000  # beyond which a flow beats a kernel density, which gets slow there
BANDWIDTHS = np.geomspace(0.05, 2, 12)  # in standard deviations of a column
N_FOLDS = 3
MIN_SHRINKAGE = 1e-4  # keeps the covariance of columns that follow from each other regular
MIN_SHARE = 0.02  # a kernel density with less is not worth its time
N_STEPS = 1000  # of EM, at most


class Background:
    """A Gaussian, and perhaps a kernel density, beside a flow.

    Parameters
    ----------
    Z : ndarray of shape (n_rows, n_columns)
        Training rows in flow space, spread over their grids.
    weights : ndarray of shape (n_rows,)

    Attributes
    ----------
    shares : ndarray
        Probability of the flow, of the Gaussian, and of the kernel density if there is one; 0 but for the flow until
        `share_out`.
    """

    def __init__(self, Z, weights):
        self.bandwidth = _bandwidth(Z, weights) if 2 * N_FOLDS <= len(Z) <= KERNEL_ROWS else None
        self._fit(Z, weights)
        self.shares = np.zeros(len(self._parts) + 1)
        self.shares[0] = 1

    def _fit(self, Z, weights):
        mean = np.average(Z, axis=0, weights=weights)
        shrinkage = max(ledoit_wolf_shrinkage(Z), MIN_SHRINKAGE)
        covariance = shrunk_covariance(np.atleast_2d(np.cov(Z.T, aweights=weights, bias=True)), shrinkage)
        self._parts = [_Gaussian(mean, covariance)]
        if self.bandwidth is not None:
            self._parts.append(KernelDensity(bandwidth=self.bandwidth).fit(Z, sample_weight=weights))

    def share_out(self, flow_log_prob, Z, weights):
        """Find the shares by rows ``Z`` that neither the flow nor the background was fitted on."""
        log_probs = self._log_probs(flow_log_prob, Z)
        self.shares = best_shares(log_probs, weights)
        if len(self.shares) > 2 and self.shares[2] < MIN_SHARE:
            self.bandwidth = None
            del self._parts[1]
            self.shares = best_shares(log_probs[:, :2], weights)

    def refit(self, Z, weights):
        """Learn from all rows, at the shares and the bandwidth that were found."""
        self._fit(Z, weights)

    def mix(self, flow_log_prob, Z):
        """Log-density of the mixture, shape (n,), given that of the flow."""
        return logsumexp(self._log_probs(flow_log_prob, Z), axis=1, b=self.shares)

    def scatter(self, Z, rng):
        """Replace rows ``Z`` that the flow drew, in place, by the background's own draws, as often as its shares say."""
        part_of_row = rng.choice(len(self.shares), size=len(Z), p=self.shares)
        for i, part in enumerate(self._parts, start=1):
            rows = np.flatnonzero(part_of_row == i)
            if len(rows):
                Z[rows] = part.sample(len(rows), rng)

    def _log_probs(self, flow_log_prob, Z):
        flow_log_prob = np.where(np.isnan(flow_log_prob), -np.inf, flow_log_prob)
        return np.column_stack([flow_log_prob, *(part.score_samples(Z) for part in self._parts)])


class _Gaussian:
    """A normal distribution with the methods of a kernel density."""

    def __init__(self, mean, covariance):
        self._normal = multivariate_normal(mean, covariance)

    def score_samples(self, Z):
        return np.atleast_1d(self._normal.logpdf(Z))

    def sample(self, n_samples, rng):
        return self._normal.rvs(n_samples, random_state=rng).reshape(n_samples, -1)


def _bandwidth(Z, weights):
    """The bandwidth that is best for rows left out, by cross-validation."""
    scores = np.zeros(len(BANDWIDTHS))
    for fit, rest in KFold(N_FOLDS).split(Z):
        kernels = [KernelDensity(bandwidth=h).fit(Z[fit], sample_weight=weights[fit]) for h in BANDWIDTHS]
        scores += [weights[rest] @ kernel.score_samples(Z[rest]) for kernel in kernels]
    return BANDWIDTHS[scores.argmax()]


def best_shares(log_probs, weights):
    """Shares of densities that maximise the likelihood of their mixture, by expectation-maximisation.

    To each density belongs one imaginary row: few rows cannot rule any of them out, and the rarest of rows finds a density
    that is not too sure of itself.

    Parameters
    ----------
    log_probs : ndarray of shape (n_rows, n_densities)
    weights : ndarray of shape (n_rows,)

    Returns
    -------
    shares : ndarray of shape (n_densities,)
    """
    n_densities = log_probs.shape[1]
    shares = np.full(n_densities, 1 / n_densities)
    # relative to the best density of each row, nothing overflows
    ratios = np.exp(log_probs - log_probs.max(axis=1, keepdims=True))
    for _ in range(N_STEPS):
        joint = ratios * shares
        counts = weights @ (joint / joint.sum(axis=1, keepdims=True)) + 1
        before, shares = shares, counts / counts.sum()
        if np.abs(shares - before).max() < 1e-6:
            break
    return shares
