"""What is known of a table without a flow: simple densities that share the probability with it.

A flow that saw few rows can be far worse than a Gaussian, and any flow can be absurdly sure about a single row. So the density
is a mixture: the flow, a Gaussian with shrunk covariance [1]_ and heavy tails, and where rows are few a kernel density.
Where cells are absent the Gaussian is that of the others, and there is no kernel density.
Held-out rows give the shares, as in stacking [2]_: the mixture is nearly as good as the best of its parts, row by row,
whichever that is.

References
----------
.. [1] Ledoit and Wolf (2004). A well-conditioned estimator for large-dimensional covariance matrices. J. Multivariate Analysis.
.. [2] Smyth and Wolpert (1999). Linearly combining density estimators via stacking. Machine Learning 36.
"""

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import expit, gammaln, logit
from sklearn.covariance import ledoit_wolf_shrinkage, shrunk_covariance
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold
from sklearn.utils import gen_batches

from .kernel import Kernel

KERNEL_ROWS = 1000  # beyond which a flow beats a kernel density, which gets slow there
BANDWIDTHS = np.geomspace(0.05, 2, 12)  # in standard deviations of a column
N_FOLDS = 5
MIN_SHRINKAGE = 1e-4  # keeps the covariance of columns that follow from each other regular
MIN_SHARE = 0.02  # a kernel density with less is not worth its time
MIN_VARIANCE = 1e-12  # for rows that are all the same
TAIL_FREEDOM = (
    3  # degrees of freedom of Student's t: the fewest whole ones that a covariance allows
)
N_STEPS = 1000  # of EM, at most
BATCH_NUMBERS = 2**20  # in the covariances of rows with absent cells, at a time
FILL_ROWS, FILL_STEPS = 5000, 10  # of EM for these
RIDGES = np.geomspace(0.1, 1000, 9)  # penalties, in rows
IMAGINARY_ROWS = 1, 4  # of a density, and of the simpler one beside it


class Background:
    """A Gaussian with heavy tails, and perhaps a kernel density, beside a flow; and independent columns beside its codes.

    Parameters
    ----------
    Z : ndarray of shape (n_rows, n_codes + n_values + n_given)
        Training rows in flow space, spread over their grids.
    weights : ndarray of shape (n_rows,)
    level_shares : list of ndarray
        For each column of codes the shares of its levels.
    n_given : int, default=0
        Columns of Z, the last, that the density is conditional on: the values are then taken off their linear trend in these.

    Attributes
    ----------
    share : float
        Probability of the background in the mixture with the flow, given the codes; 0 until `share_out`.
    code_share : float
        That of independent codes in the mixture with the flow's; 0 until `share_out`.
    bandwidth : float or None
        Of the kernel density, in standard deviations of a column; None if there is none.
    kernel_share : float
        Probability of the kernel density in the background; the rest is the Gaussian's.
    """

    def __init__(self, Z, weights, level_shares=(), n_given=0):
        self.share, self.code_share, self.bandwidth, self.kernel_share = 0.0, 0.0, None, 0.0
        self._codes = _Independent(level_shares)
        self._n_given, self._trend = n_given, None
        if n_given:
            values, given = np.split(Z[:, len(level_shares) :], [-n_given], axis=1)
            self._trend = Trend(values, given, weights)
        values = self._split(Z)[1]
        if (
            2 * N_FOLDS <= len(values) <= KERNEL_ROWS
            and values.shape[1]
            and not np.isnan(values).any()
        ):
            self._choose_kernel(values, weights)
        self.refit(Z, weights)

    def _choose_kernel(self, Z, weights):
        """Find the bandwidth, and the share beside the Gaussian, that are best for rows left out, by cross-validation."""
        log_probs = np.empty((len(Z), 1 + len(BANDWIDTHS)))
        for fit, rest in KFold(N_FOLDS).split(Z):
            parts = [
                Gaussian(Z[fit], weights[fit]),
                *(Kernel([h], Z[fit], weights[fit]) for h in BANDWIDTHS),
            ]
            log_probs[rest] = np.column_stack([part.score_samples(Z[rest]) for part in parts])
        gaussian, *kernels = log_probs.T
        shares = [best_share(kernel, gaussian, weights) for kernel in kernels]
        best = np.argmax(
            [weights @ _mix(gaussian, kernel, share) for kernel, share in zip(kernels, shares)]
        )
        self.bandwidth, self.kernel_share = BANDWIDTHS[best], shares[best]

    def refit(self, Z, weights):
        """Learn from other rows, at the shares and the bandwidth that were found."""
        values = self._split(Z)[1]
        self._gaussian = Gaussian(values, weights) if values.shape[1] else None
        self._kernel = None if self.bandwidth is None else Kernel([self.bandwidth], values, weights)

    def _split(self, Z):
        """Codes, and values off their trend in what is given."""
        codes, values = np.split(Z, [self._codes.n_columns], axis=1)
        if self._trend is None:
            return codes, values
        values, given = np.split(values, [-self._n_given], axis=1)
        return codes, values - self.trend(given)

    def share_out(self, flow_log_probs, Z, weights):
        """Find the shares by rows ``Z`` that neither the flow nor the background was fitted on.

        Parameters
        ----------
        flow_log_probs : pair of ndarray of shape (n_rows,)
            Log-probability of the codes by the flow, and log-density of the values given them.
        Z : ndarray of shape (n_rows, n_codes + n_values)
        weights : ndarray of shape (n_rows,)
        """
        codes, values = self._split(Z)
        of_codes, of_values = map(_finite, flow_log_probs)
        if self._codes.n_columns:
            self.code_share = 1 - best_share(of_codes, self._codes.score_samples(codes), weights)
        if self._gaussian is None:
            return
        self.share = 1 - best_share(of_values, self._score_values(values), weights)
        if 0 < self.kernel_share * self.share < MIN_SHARE:
            self.bandwidth, self.kernel_share, self._kernel = None, 0.0, None
            self.share = 1 - best_share(of_values, self._score_values(values), weights)

    def score_parts(self, Z):
        """Log-probability of the codes by the background alone, and log-density of the values."""
        codes, values = self._split(Z)
        return self._codes.score_samples(codes), self._score_values(values)

    def _score_values(self, values):
        if self._gaussian is None:
            return np.zeros(len(values))
        log_prob = self._gaussian.score_samples(values)
        return (
            log_prob
            if self._kernel is None
            else _mix(log_prob, self._kernel.score_samples(values), self.kernel_share)
        )

    def mix(self, flow_log_probs, Z):
        """Log-density of the mixture, shape (n,), given those of the flow, as in `share_out`."""
        codes, values = self._split(Z)
        of_codes, of_values = map(_finite, flow_log_probs)
        of_codes = _mix(of_codes, self._codes.score_samples(codes), self.code_share)
        return of_codes + _mix(of_values, self._score_values(values), self.share)

    def scatter_codes(self, codes, rng):
        """Replace codes that the flow drew, in place, by independent ones, as often as their share says."""
        rows = np.flatnonzero(rng.random_sample(len(codes)) < self.code_share)
        codes[rows] = self._codes.sample(len(rows), rng)

    def scatter(self, values, given, rng):
        """Replace values that the flow drew, in place, by the background's own draws, as often as its share says."""
        rows = np.flatnonzero(rng.random_sample(len(values)) < self.share)
        values[rows] = self.trend(given[rows]) + self.errors(len(rows), rng)

    def errors(self, n_samples, rng):
        """Draws of values off their trend."""
        values = np.empty((n_samples, len(self._gaussian.mean) if self._gaussian else 0))
        from_kernel = rng.random_sample(n_samples) < self.kernel_share
        for part, places in [
            (self._gaussian, np.flatnonzero(~from_kernel)),
            (self._kernel, np.flatnonzero(from_kernel)),
        ]:
            if len(places) and part is not None:
                values[places] = part.sample(len(places), rng)
        return values

    def trend(self, given):
        """The trend of the values in what is given."""
        return np.zeros((len(given), 1)) if self._trend is None else self._trend.predict(given)


class Trend:
    """A ridge regression of each value on what is given, its strength chosen by rows left out."""

    def __init__(self, values, given, weights):
        self.slopes, self.starts = (
            np.zeros((given.shape[1], values.shape[1])),
            np.zeros(values.shape[1]),
        )
        for j, rows in enumerate(~np.isnan(values.T)):
            if rows.any():
                fit = RidgeCV(RIDGES).fit(given[rows], values[rows, j], sample_weight=weights[rows])
                self.slopes[:, j], self.starts[j] = fit.coef_, fit.intercept_

    def predict(self, given):
        return given @ self.slopes + self.starts


class _Independent:
    """Columns of codes that do not depend on each other; absent and new ones get no probability here."""

    def __init__(self, level_shares):
        self.level_shares = level_shares
        self.n_columns = len(level_shares)

    def score_samples(self, codes):
        log_prob = np.zeros(len(codes))
        for x, shares in zip(codes.T, self.level_shares):
            log_prob += np.where(x >= 0, np.log(shares)[np.maximum(x, 0).astype(int)], 0.0)
        return log_prob

    def sample(self, n_samples, rng):
        drawn = [rng.choice(len(shares), n_samples, p=shares) for shares in self.level_shares]
        return np.column_stack(drawn) if drawn else np.empty((n_samples, 0))


def _mix(a, b, share_of_b):
    return np.logaddexp(a + np.log1p(-share_of_b), b + np.log(share_of_b)) if share_of_b else a


def _finite(log_prob):
    """A flow that gives no number gives no probability."""
    return np.where(np.isnan(log_prob), -np.inf, log_prob)


class Gaussian:
    """A normal distribution, mixed with a Student's t of the same mean and covariance as far as rows ask for heavier tails.

    It has the methods of `Kernel`. Of a row with absent cells, NaN, it gives the density of the others.
    """

    def __init__(self, Z, weights):
        filled, missing_covariance = Z, 0.0
        if np.isnan(Z).any():
            some = slice(None, None, -(-len(Z) // FILL_ROWS))
            Z, weights = Z[some], weights[some]
            filled, missing_covariance = _fill(Z, weights)
        self.mean = np.average(filled, axis=0, weights=weights)
        covariance = (
            np.atleast_2d(np.cov(filled.T, aweights=weights, bias=True)) + missing_covariance
        )
        self.covariance = shrunk_covariance(
            covariance, max(ledoit_wolf_shrinkage(filled), MIN_SHRINKAGE)
        )
        self.covariance[np.diag_indices_from(covariance)] += MIN_VARIANCE
        self.tail_share = best_share(*self._log_probs(Z)[::-1], weights)

    def _log_probs(self, Z):
        """Log-density of each row by the normal distribution and by Student's t."""
        squares, log_det, d = _mahalanobis(Z - self.mean, self.covariance)
        normal = -0.5 * (squares + log_det + d * np.log(2 * np.pi))
        # the t has this covariance if its scale is smaller
        shrink, df = 1 - 2 / TAIL_FREEDOM, TAIL_FREEDOM
        log_size = (
            gammaln((df + d) / 2)
            - gammaln(df / 2)
            - 0.5 * (d * np.log(df * np.pi * shrink) + log_det)
        )
        return normal, log_size - 0.5 * (df + d) * np.log1p(squares / (df * shrink))

    def score_samples(self, Z):
        normal, tails = self._log_probs(Z)
        return _mix(normal, tails, self.tail_share)

    def sample(self, n_samples, rng):
        rows = (
            rng.standard_normal((n_samples, len(self.mean))) @ np.linalg.cholesky(self.covariance).T
        )
        in_tails = rng.random_sample(n_samples) < self.tail_share
        freedom = np.sqrt(rng.chisquare(TAIL_FREEDOM, n_samples) / (TAIL_FREEDOM - 2))
        return self.mean + rows / np.where(in_tails, freedom, 1.0)[:, None]


def _mahalanobis(centred, covariance):
    """Squared Mahalanobis distance of each row of the columns that it has, their log-determinant, and their number."""
    absent = np.isnan(centred)
    if not absent.any():
        root = np.linalg.cholesky(covariance)
        return (
            (solve_triangular(root, centred.T, lower=True) ** 2).sum(0),
            2 * np.log(np.diag(root)).sum(),
            centred.shape[1],
        )
    squares, log_dets = np.empty(len(centred)), np.empty(len(centred))
    for rows in gen_batches(len(centred), max(1, BATCH_NUMBERS // covariance.size)):
        root = np.linalg.cholesky(_without(covariance, absent[rows]))
        shown = np.where(absent[rows], 0.0, centred[rows])[:, :, None]
        squares[rows] = (np.linalg.solve(root, shown) ** 2).sum((1, 2))
        log_dets[rows] = 2 * np.log(np.diagonal(root, axis1=1, axis2=2)).sum(1)
    return squares, log_dets, (~absent).sum(1)


def _without(covariance, absent):
    """For each row the covariance with absent columns independent, of variance 1: they add nothing to what is computed."""
    there = ~absent
    ones = np.einsum("ni,ij->nij", absent, np.eye(absent.shape[1]))
    return np.where(there[:, :, None] & there[:, None], covariance, 0.0) + ones


def _fill(Z, weights):
    """Rows with absent cells at their conditional mean, and the mean covariance of what is missing there, by EM."""
    absent = np.isnan(Z)
    mean, covariance = np.zeros(Z.shape[1]), np.eye(Z.shape[1])  # what flow space is made to have
    filled, missing = Z, 0.0
    for _ in range(FILL_STEPS):
        filled, missing = np.where(absent, mean, Z), np.zeros_like(covariance)
        for rows in gen_batches(len(Z), max(1, BATCH_NUMBERS // covariance.size)):
            gain = np.where(absent[rows][:, :, None] & ~absent[rows][:, None], covariance, 0.0)
            gain = gain @ np.linalg.inv(_without(covariance, absent[rows]))
            filled[rows] += np.einsum(
                "nij,nj->ni", gain, np.where(absent[rows], 0.0, Z[rows] - mean)
            )
            both = absent[rows][:, :, None] & absent[rows][:, None]
            rest = np.where(both, covariance - gain @ covariance, 0.0)
            missing += np.tensordot(weights[rows], rest, 1)
        missing /= weights.sum()
        mean = np.average(filled, axis=0, weights=weights)
        covariance = np.atleast_2d(np.cov(filled.T, aweights=weights, bias=True)) + missing
        covariance[np.diag_indices_from(covariance)] += MIN_SHRINKAGE
    return filled, missing


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
