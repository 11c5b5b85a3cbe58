"""The simple densities beside a flow in torch, with gradients: what `Baseline.mix` gives."""

import math

import numpy as np
import torch

from .baseline import Baseline
from .gaussian import TAIL_FREEDOM, Gaussian
from .kernel import Kernel


def mix(
    baseline: Baseline,
    flow_log_probs: tuple[torch.Tensor, torch.Tensor],
    Z: np.ndarray,
    values: torch.Tensor,
) -> torch.Tensor:
    """Return the log-density of each row under the mixture of a flow and a baseline.

    Parameters
    ----------
    baseline : Baseline
        Without a trend.
    flow_log_probs : pair of tensor of shape (n,)
        Of the codes, and of the values given these.
    Z : ndarray of shape (n, n_codes + n_values)
        Rows of flow space, without gradients.
    values : tensor of shape (n, n_values)
        Their values, NaN where one is absent.

    Returns
    -------
    log_prob : tensor of shape (n,)
    """
    flow_codes, flow_values = flow_log_probs
    codes = torch.from_numpy(baseline.log_probs(Z)[0])
    of_codes = _log_mixture(flow_codes, codes, baseline.code_share)
    return of_codes + _log_mixture(flow_values, _values_log_prob(baseline, values), baseline.share)


def _values_log_prob(baseline: Baseline, values: torch.Tensor) -> torch.Tensor:
    assert baseline.gaussian is not None
    log_prob = _gaussian_log_prob(baseline.gaussian, values)
    if baseline.kernel is None:
        return log_prob
    of_kernel = _kernel_log_prob(baseline.kernel, values)
    return _log_mixture(log_prob, of_kernel, baseline.kernel_share)


def _log_mixture(log_prob: torch.Tensor, other: torch.Tensor, other_share: float) -> torch.Tensor:
    """Return log-densities of the mixture with another density, which has a share."""
    if other_share == 0:
        return log_prob
    return torch.logaddexp(log_prob + math.log1p(-other_share), other + math.log(other_share))


def _gaussian_log_prob(gaussian: Gaussian, values: torch.Tensor) -> torch.Tensor:
    """Return log-densities of a normal law mixed with a Student's t of the same covariance."""
    present = ~values.isnan()
    patterns = present[:1] if present.all() else present  # one covariance does for whole rows
    both = patterns[:, :, None] & patterns[:, None]
    # absent columns are independent, of variance 1, and so add nothing
    absent = torch.diag_embed((~patterns).double())
    root = torch.linalg.cholesky(torch.where(both, torch.from_numpy(gaussian.covariance), absent))
    centred = torch.where(present, values - torch.from_numpy(gaussian.mean), 0.0)
    scaled = torch.linalg.solve_triangular(root, centred[:, :, None], upper=False)
    squares = scaled.square().sum((1, 2))
    log_det = 2 * root.diagonal(dim1=1, dim2=2).log().sum(1)
    n = present.sum(1).double()
    df = TAIL_FREEDOM
    shrink = 1 - 2 / df
    normal = -0.5 * (squares + log_det + n * math.log(2 * math.pi))
    log_size = torch.lgamma((df + n) / 2) - math.lgamma(df / 2)
    log_size = log_size - 0.5 * (n * math.log(df * math.pi * shrink) + log_det)
    tails = log_size - 0.5 * (df + n) * torch.log1p(squares / (df * shrink))
    return _log_mixture(normal, tails, gaussian.tail_share)


def _kernel_log_prob(kernel: Kernel, values: torch.Tensor) -> torch.Tensor:
    """Return log-densities of a kernel density of one bandwidth.

    A value that a centre lacks is as in the whole table: standard normal, and noise.
    """
    (bandwidth,) = kernel.bandwidths
    present = ~values.isnan()
    rows = torch.where(present, values, 0.0)
    in_row = present.double()
    in_centre = torch.from_numpy(~np.isnan(kernel.centres)).double()
    centres = torch.from_numpy(np.nan_to_num(kernel.centres))
    squares = rows**2 @ in_centre.T - 2 * rows @ centres.T + in_row @ (centres**2).T
    unknown = rows**2 @ (1 - in_centre).T
    variances = bandwidth**2, 1 + bandwidth**2
    sizes = [0.5 * math.log(2 * math.pi * variance) for variance in variances]
    log_size = sizes[0] * in_row @ in_centre.T + sizes[1] * in_row @ (1 - in_centre).T
    exponents = -squares / (2 * variances[0]) - unknown / (2 * variances[1]) - log_size
    return torch.logsumexp(exponents + torch.from_numpy(kernel.shares).log(), 1)
