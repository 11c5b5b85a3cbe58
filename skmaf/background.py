"""What is known of a table without a flow: simple densities that share the probability with it.

A flow that saw few rows can be far worse than a Gaussian, and any flow can be absurdly sure about a single row. So the density
is a mixture: the flow, a Gaussian with shrunk covariance [1]_ and heavy tails, and where rows are few a kernel density.
Held-out rows give the shares, as in stacking [2]_: the mixture is nearly as good as the best of its parts, row by row,
whichever that is.

References
----------
.. [1] Ledoit and Wolf (2004). A well-conditioned estimator for large-dimensional covariance matrices. J. Multivariate Analysis.
.. [2] Smyth and Wolpert (1999). Linearly combining density estimators via stacking. Machine Learning 36.
"""

import numpy as np
from scipy.special import expit, logit
from scipy.stats import multivariate_normal, multivariate_t
from sklearn.covariance import ledoit_wolf_shrinkage, shrunk_covariance
from sklearn.model_selection import KFold

from .kernel import Kernel

KERNEL_ROWS = 1000  # beyond which a flow beats a kernel density, which gets slow there
BANDWIDTHS = np.geomspace(0.05, 2, 12)  # in standard deviations of a column
N_FOLDS = 5
MIN_SHRINKAGE = 1e-4  # keeps the covariance of columns that follow from each other regular
MIN_SHARE = 0.02  # a kernel density with less is not worth its time
TAIL_FREEDOM = 3  # degrees of freedom of Student's t: the fewest whole ones that a covariance allows
N_STEPS = 1000  # of EM, at most
IMAGINARY_ROWS = 1, 4  # of a density, and of the simpler one beside it


class Background:
    """A Gaussian with heavy tails, and perhaps a kernel density, beside a flow.

    Parameters
    ----------
    Z : ndarray of shape (n_rows, n_columns)
        Training rows in flow space, spread over their grids.
    weights : ndarray of shape (n_rows,)

    Attributes
    ----------
    share : float
        Probability of the background in the mixture with the flow; 0 until `share_out`.
    bandwidth : float or None
        Of the kernel density, in standard deviations of a column; None if there is none.
    kernel_share : float
        Probability of the kernel density in the background; the rest is the Gaussian's.
    """

    def __init__(self, Z, weights):
        self.share, self.bandwidth, self.kernel_share = 0.0, None, 0.0
        if 2 * N_FOLDS <= len(Z) <= KERNEL_ROWS:
            self._choose_kernel(Z, weights)
        self.refit(Z, weights)

    def _choose_kernel(self, Z, weights):
        """Find the bandwidth, and the share beside the Gaussian, that are best for rows left out, by cross-validation."""
        log_probs = np.empty((len(Z), 1 + len(BANDWIDTHS)))
        for fit, rest in KFold(N_FOLDS).split(Z):
            parts = [_Gaussian(Z[fit], weights[fit]), *(Kernel([h], Z[fit], weights[fit]) for h in BANDWIDTHS)]
            log_probs[rest] = np.column_stack([part.score_samples(Z[rest]) for part in parts])
        gaussian, *kernels = log_probs.T
        shares = [best_share(kernel, gaussian, weights) for kernel in kernels]
        best = np.argmax([weights @ _mix(gaussian, kernel, share) for kernel, share in zip(kernels, shares)])
        self.bandwidth, self.kernel_share = BANDWIDTHS[best], shares[best]

    def refit(self, Z, weights):
        """Learn from other rows, at the shares and the bandwidth that were found."""
        self._gaussian = _Gaussian(Z, weights)
        self._kernel = None if self.bandwidth is None else Kernel([self.bandwidth], Z, weights)

    def share_out(self, flow_log_prob, Z, weights):
        """Find the share by rows ``Z`` that neither the flow nor the background was fitted on."""
        flow_log_prob = _finite(flow_log_prob)
        self.share = 1 - best_share(flow_log_prob, self.score_samples(Z), weights)
        if 0 < self.kernel_share * self.share < MIN_SHARE:
            self.bandwidth, self.kernel_share, self._kernel = None, 0.0, None
            self.share = 1 - best_share(flow_log_prob, self.score_samples(Z), weights)

    def score_samples(self, Z):
        """Log-density of the background alone, shape (n,)."""
        log_prob = self._gaussian.score_samples(Z)
        return log_prob if self._kernel is None else _mix(log_prob, self._kernel.score_samples(Z), self.kernel_share)

    def mix(self, flow_log_prob, Z):
        """Log-density of the mixture, shape (n,), given that of the flow."""
        return _mix(_finite(flow_log_prob), self.score_samples(Z), self.share)

    def scatter(self, Z, rng):
        """Replace rows ``Z`` that the flow drew, in place, by the background's own draws, as often as its share says."""
        rows = np.flatnonzero(rng.random_sample(len(Z)) < self.share)
        from_kernel = rng.random_sample(len(rows)) < self.kernel_share
        for part, places in [(self._gaussian, rows[~from_kernel]), (self._kernel, rows[from_kernel])]:
            if len(places):
                Z[places] = part.sample(len(places), rng)


def _mix(a, b, share_of_b):
    return np.logaddexp(a + np.log1p(-share_of_b), b + np.log(share_of_b)) if share_of_b else a


def _finite(log_prob):
    """A flow that gives no number gives no probability."""
    return np.where(np.isnan(log_prob), -np.inf, log_prob)


class _Gaussian:
    """A normal distribution, mixed with a Student's t of the same mean and covariance as far as rows ask for heavier tails.

    It has the methods of `Kernel`.
    """

    def __init__(self, Z, weights):
        mean = np.average(Z, axis=0, weights=weights)
        covariance = np.atleast_2d(np.cov(Z.T, aweights=weights, bias=True))
        covariance = shrunk_covariance(covariance, max(ledoit_wolf_shrinkage(Z), MIN_SHRINKAGE))
        self.normal = multivariate_normal(mean, covariance)
        self.tails = multivariate_t(mean, covariance * (1 - 2 / TAIL_FREEDOM), df=TAIL_FREEDOM)
        self.tail_share = best_share(self.tails.logpdf(Z), self.normal.logpdf(Z), weights)

    def score_samples(self, Z):
        return np.atleast_1d(_mix(self.normal.logpdf(Z), self.tails.logpdf(Z), self.tail_share))

    def sample(self, n_samples, rng):
        n_tails = rng.binomial(n_samples, self.tail_share)
        parts = [(self.normal, n_samples - n_tails), (self.tails, n_tails)]
        return rng.permutation(np.concatenate([part.rvs(n, random_state=rng).reshape(n, -1) for part, n in parts if n]))


def best_share(log_prob, simpler_log_prob, weights):
    """Share of a density in its mixture with a simpler one that maximises the likelihood, by expectation-maximisation.

    To both belong some imaginary rows, to the simpler one more: it stands unless a number of rows speak against it. Nor can
    few rows rule either out, and the rarest of rows finds a density that is not too sure of itself.

    Parameters
    ----------
    log_prob, simpler_log_prob : ndarray of shape (n_rows,)
    weights : ndarray of shape (n_rows,)

    Returns
    -------
    share : float
    """
    own, all_ = IMAGINARY_ROWS[0], sum(IMAGINARY_ROWS)
    share = 0.5
    for _ in range(N_STEPS):
        responsibility = expit(log_prob - simpler_log_prob + logit(share))
        before, share = share, float((weights @ responsibility + own) / (weights.sum() + all_))
        if abs(share - before) < 1e-6:
            break
    return share
