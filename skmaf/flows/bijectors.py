"""Invertible scalar maps, applied to every cell of a (columns, rows) tensor at once.

A bijector is a triple ``n_params``, ``forward``, ``inverse``. ``params`` has shape (n_params, columns, rows): the first
dimension holds the parameters of a cell, so that every operation runs over contiguous columns and rows. ``forward`` goes
from the data to the base distribution and returns the image with its log-derivative; all-zero parameters give the identity.
"""

import math

import torch
import torch.nn.functional as F


class Affine:
    """``z = x exp(a) + b``, the map of the masked autoregressive flow [1]_.

    The log-scale ``a`` is bounded smoothly, so that no row of finite size can be sent to infinity by its neighbours' columns.

    References
    ----------
    .. [1] Papamakarios, Pavlakou and Murray (2017). Masked autoregressive flow for density estimation. NeurIPS 30.
    """

    n_params = 2
    max_log_scale = 7.0

    def forward(self, x, params):
        log_scale = self._log_scale(params)
        return x * log_scale.exp() + params[1], log_scale

    def inverse(self, z, params):
        return (z - params[1]) / self._log_scale(params).exp()

    def _log_scale(self, params):
        return params[0] / (1 + params[0].abs() / self.max_log_scale)


class Spline:
    """A monotone rational-quadratic spline on ``[-bound, bound]``, the identity outside [1]_.

    Parameters
    ----------
    n_bins : int
        Number of bins between the knots.
    bound : float
        Where the spline ends and the identity begins, in units of the base distribution.

    References
    ----------
    .. [1] Durkan, Bekasov, Murray and Papamakarios (2019). Neural spline flows. NeurIPS 32.
    """

    min_bin = 1e-3  # smallest width and height of a bin, as a share of the interval
    min_slope = 1e-3
    slope_offset = math.log(math.expm1(1 - min_slope))  # zero parameters make every slope 1

    def __init__(self, n_bins=8, bound=5.0):
        self.n_bins = n_bins
        self.bound = bound
        self.n_params = 3 * n_bins - 1

    def forward(self, x, params):
        inside = x.abs() < self.bound
        value = torch.where(inside, x, 0.0)
        (left, bottom), (width, height), (slope_0, slope_1) = self._bin(value, params, axis=0)
        t = (value - left) / width
        u = t * (1 - t)
        secant = height / width
        curve = secant + (slope_1 + slope_0 - 2 * secant) * u
        z = bottom + height * (secant * t * t + slope_0 * u) / curve
        derivative = slope_1 * t * t + 2 * secant * u + slope_0 * (1 - t).square()
        log_derivative = derivative.log() + 2 * (secant / curve).log()
        return torch.where(inside, z, x), torch.where(inside, log_derivative, 0.0)

    def inverse(self, z, params):
        inside = z.abs() < self.bound
        value = torch.where(inside, z, 0.0)
        (left, bottom), (width, height), (slope_0, slope_1) = self._bin(value, params, axis=1)
        y = value - bottom
        secant = height / width
        bend = y * (slope_1 + slope_0 - 2 * secant)
        a = height * (secant - slope_0) + bend
        b = height * slope_0 - bend
        c = -secant * y
        # the root in [0, 1], in the form that does not cancel
        t = 2 * c / (-b - (b.square() - 4 * a * c).clamp(min=0).sqrt())
        return torch.where(inside, left + t * width, z)

    def _bin(self, value, params, axis):
        """Lower corner, size, and slopes at both ends of the bin that holds each value along ``axis`` (0: x, 1: z)."""
        sizes, slopes = params[: 2 * self.n_bins].unflatten(0, (2, self.n_bins)).softmax(1), params[2 * self.n_bins :]
        sizes = 2 * self.bound * (self.min_bin + (1 - self.min_bin * self.n_bins) * sizes)
        with torch.no_grad():
            knots = sizes[axis, :-1].cumsum(0) - self.bound
            index = (value >= knots).sum(0, keepdim=True)
            before = (torch.arange(self.n_bins, device=value.device).view(-1, 1, 1) < index).to(value.dtype)
        # the sum over the bins before is cheaper, forward and back, than gathering from all knots
        corner = (sizes * before).sum(1) - self.bound
        size = sizes.gather(1, index.expand(2, 1, *value.shape))[:, 0]
        slopes = F.pad(slopes, (0, 0, 0, 0, 1, 1)).gather(0, torch.cat([index, index + 1]))
        slopes = self.min_slope + F.softplus(slopes + self.slope_offset)
        return corner, size, slopes


class Chain:
    """Bijectors one after another, each with its share of the parameters."""

    def __init__(self, *bijectors):
        self.bijectors = bijectors
        self.n_params = sum(b.n_params for b in bijectors)

    def forward(self, x, params):
        total = 0.0
        for bijector, share in zip(self.bijectors, self._shares(params)):
            x, log_derivative = bijector.forward(x, share)
            total = total + log_derivative
        return x, total

    def inverse(self, z, params):
        for bijector, share in zip(reversed(self.bijectors), reversed(self._shares(params))):
            z = bijector.inverse(z, share)
        return z

    def _shares(self, params):
        return params.split([b.n_params for b in self.bijectors])
