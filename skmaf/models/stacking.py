"""Mixtures of a density with a simpler one: their share by stacking, and their log-density.

Rows that neither density was fitted on give the share, as in stacking [1]_: the mixture is nearly
as good as the better of the two, row by row, whichever that is.

References
----------
.. [1] Smyth and Wolpert (1999). Linearly combining density estimators via stacking. Machine
   Learning 36.
"""

import numpy as np
from scipy.special import expit, logit

N_STEPS = 1000  # of expectation-maximisation, at most
PRIOR_ROWS = 1  # imaginary ones that belong to a density
SIMPLER_PRIOR_ROWS = 4  # and to the simpler one beside it


def best_share(log_prob: np.ndarray, simpler_log_prob: np.ndarray, weights: np.ndarray) -> float:
    """Share of a density in its mixture with a simpler one that maximises the likelihood.

    To both belong some imaginary rows, to the simpler one more: it stands unless a number of rows
    speak against it. Nor can few rows rule either out, and the rarest of rows finds a density that
    is not too sure of itself.

    Parameters
    ----------
    log_prob, simpler_log_prob : ndarray of shape (n_rows,)
    weights : ndarray of shape (n_rows,)

    Returns
    -------
    share : float
    """
    n_prior = PRIOR_ROWS + SIMPLER_PRIOR_ROWS
    share = 0.5
    for _ in range(N_STEPS):
        responsibility = expit(log_prob - simpler_log_prob + logit(share))
        before = share
        share = float((weights @ responsibility + PRIOR_ROWS) / (weights.sum() + n_prior))
        if abs(share - before) < 1e-6:
            break
    return share


def log_mixture(log_prob: np.ndarray, other_log_prob: np.ndarray, other_share: float) -> np.ndarray:
    """Log-density of each row under a mixture of two densities, of which the other has a share."""
    if other_share == 0:
        return log_prob
    return np.logaddexp(log_prob + np.log1p(-other_share), other_log_prob + np.log(other_share))
