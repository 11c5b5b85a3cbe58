"""The integral of an unnormalised density by importance sampling, and whether to trust it."""

import math
import warnings
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp
from scipy.stats import genpareto

SAME = 1e-5  # nats: log-weights this close differ by rounding alone
TAIL_SHARE = 0.2  # of the weights, at most, are their tail
PRIOR_SHAPE = 0.5  # towards which the shape of a tail is drawn, as by so many weights
PRIOR_WEIGHTS = 10


class Evidence(NamedTuple):
    """What importance sampling from a flow says.

    Attributes
    ----------
    log_evidence : float
        Logarithm of the integral of the density, in nats.
    standard_error : float
        Of that, in nats.
    k_hat : float
        Shape of the tail of the importance weights: up to 0.5 all is well, beyond 0.7 neither of
        the others can be trusted.
    """

    log_evidence: float
    standard_error: float
    k_hat: float


def estimate_evidence(log_weights: np.ndarray) -> Evidence:
    """The `Evidence` by importance weights: of draws from q, the logarithms of p/q."""
    n = len(log_weights)
    log_mean = logsumexp(log_weights) - math.log(n)
    error = np.exp(log_weights - log_mean).std(ddof=1) / math.sqrt(n)
    return Evidence(float(log_mean), float(error), tail_shape(log_weights))


def tail_shape(log_weights: np.ndarray) -> float:
    """Shape of the generalised Pareto distribution of the largest importance weights, k-hat [1]_.

    By arviz where it is installed, and else by scipy.

    References
    ----------
    .. [1] Vehtari, Simpson, Gelman, Yao and Gabry (2024). Pareto smoothed importance sampling.
       JMLR 25(72).
    """
    if np.ptp(log_weights) < SAME:
        return -math.inf  # no tail
    try:
        from arviz_stats.base import array_stats  # of arviz 1

        # which takes the log-likelihoods of rows left out
        return float(array_stats.psislw(-log_weights)[1])
    except ImportError:
        pass
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of the versions before 1, about these
            from arviz import psislw
        return float(psislw(log_weights)[1])
    except ImportError:
        return _tail_shape_by_scipy(log_weights)


def _tail_shape_by_scipy(log_weights: np.ndarray) -> float:
    """The shape by maximum likelihood, drawn towards 0.5 as much as in arviz."""
    weights = np.sort(np.exp(log_weights - log_weights.max()))
    n_tail = math.ceil(min(TAIL_SHARE * len(weights), 3 * math.sqrt(len(weights))))
    excess = weights[-n_tail:] - weights[-n_tail - 1]
    shape = genpareto.fit(excess / excess.mean(), floc=0)[0]
    prior = PRIOR_WEIGHTS * PRIOR_SHAPE
    return float((n_tail * shape + prior) / (n_tail + PRIOR_WEIGHTS))
