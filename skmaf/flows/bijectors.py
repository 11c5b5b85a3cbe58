"""Invertible scalar maps, applied to every cell of a (columns, rows) tensor at once.

A bijector is a triple ``n_params``, ``forward``, ``inverse``. ``params`` has shape (n_params, columns, rows): the first
dimension holds the parameters of a cell, so that every operation runs over contiguous columns and rows. ``forward`` goes
from the data to the base distribution and returns the image with its log-derivative; ``inverse`` goes back and returns ``x``
with the log-derivative of ``forward`` there. Both have gradients, of first order. All-zero parameters give the identity; those
of a `Mixture` give about the identity, for its components have to start apart: equal ones would never part.
"""

import math
from statistics import NormalDist

import torch
import torch.nn.functional as F

MAX_LOG_SCALE = 7.0


def _bounded(log_scale):
    """Smoothly, so that no row of finite size can be sent to infinity by its neighbours' columns."""
    return log_scale / (1 + log_scale.abs() / MAX_LOG_SCALE)


class Additive:
    """``z = x + b``, the map of NICE, which keeps volumes [1]_.

    References
    ----------
    .. [1] Dinh, Krueger and Bengio (2014). NICE: non-linear independent components estimation. arXiv:1410.8516.
    """

    n_params = 1

    def forward(self, x, params):
        return x + params[0], torch.zeros_like(x)

    def inverse(self, z, params):
        return z - params[0], torch.zeros_like(z)


class Affine:
    """``z = x exp(a) + b``, the map of the masked autoregressive flow [1]_.

    The log-scale ``a`` is bounded.

    References
    ----------
    .. [1] Papamakarios, Pavlakou and Murray (2017). Masked autoregressive flow for density estimation. NeurIPS 30.
    """

    n_params = 2

    def forward(self, x, params):
        log_scale = _bounded(params[0])
        return x * log_scale.exp() + params[1], log_scale

    def inverse(self, z, params):
        log_scale = _bounded(params[0])
        return (z - params[1]) / log_scale.exp(), log_scale


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
        t = _in_unit((value - left) / width)
        secant, u = height / width, t * (1 - t)
        curve, log_derivative = self._slope(t, u, secant, slope_0, slope_1)
        z = bottom + height * (secant * t * t + slope_0 * u) / curve
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
        # the root in [0, 1], in the form that does not cancel; the square root of 0 would have no gradient
        root = (b.square() - 4 * a * c).clamp(min=torch.finfo(b.dtype).tiny).sqrt()
        q = -(b + torch.where(b < 0, -root, root)) / 2
        t = _in_unit(torch.where(b < 0, q, c) / torch.where(b < 0, a, q))
        _, log_derivative = self._slope(t, t * (1 - t), secant, slope_0, slope_1)
        return torch.where(inside, left + t * width, z), torch.where(inside, log_derivative, 0.0)

    def _slope(self, t, u, secant, slope_0, slope_1):
        """Denominator of the spline at ``t`` in its bin, where ``u = t (1 - t)``, and its log-derivative."""
        curve = secant + (slope_1 + slope_0 - 2 * secant) * u
        derivative = slope_1 * t * t + 2 * secant * u + slope_0 * (1 - t).square()
        return curve, derivative.log() + 2 * (secant / curve).log()

    def _bin(self, value, params, axis):
        """Lower corner, size, and slopes at both ends of the bin that holds each value along ``axis`` (0: x, 1: z)."""
        sizes, slopes = (
            params[: 2 * self.n_bins].unflatten(0, (2, self.n_bins)).softmax(1),
            params[2 * self.n_bins :],
        )
        sizes = 2 * self.bound * (self.min_bin + (1 - self.min_bin * self.n_bins) * sizes)
        with torch.no_grad():
            knots = sizes[axis, :-1].cumsum(0) - self.bound
            index = (value >= knots).sum(0, keepdim=True)
            before = (torch.arange(self.n_bins, device=value.device).view(-1, 1, 1) < index).to(
                value.dtype
            )
        # the sum over the bins before is cheaper, forward and back, than gathering from all knots
        corner = (sizes * before).sum(1) - self.bound
        size = sizes.gather(1, index.expand(2, 1, *value.shape))[:, 0]
        slopes = F.pad(slopes, (0, 0, 0, 0, 1, 1)).gather(0, torch.cat([index, index + 1]))
        slopes = self.min_slope + F.softplus(slopes + self.slope_offset)
        return corner, size, slopes


def _in_unit(t):
    """The place in a bin, which rounding may have put just outside: there the derivative could be negative."""
    return t + (t.clamp(0, 1) - t).detach()


class Mixture:
    """``z = Phi^-1(sum_k pi_k Phi((x - mu_k) / sigma_k))``: makes a mixture of normals standard normal.

    A masked autoregressive flow of one such layer is MADE with mixtures of normals [1]_, or RNADE [2]_. The logarithms of the
    scales are bounded. Distribution functions are taken in logarithms, of the tail on the side of ``x``, so that they neither
    vanish nor round to 1 however far ``x`` is.

    Parameters
    ----------
    n_components : int
        Normals in the mixture.

    References
    ----------
    .. [1] Papamakarios, Pavlakou and Murray (2017). Masked autoregressive flow for density estimation. NeurIPS 30.
    .. [2] Uria, Murray and Larochelle (2013). RNADE: the real-valued neural autoregressive density-estimator. NeurIPS 26.
    """

    spread = 0.7  # at the start, the means are the quantiles of a normal of this scale: the mixture is about standard normal
    max_steps = 100  # of the search for the inverse: about 10 are common, most cells need 4

    def __init__(self, n_components=8):
        self.n_components = n_components
        self.n_params = 3 * n_components
        self.means = [
            NormalDist(0, self.spread).inv_cdf((k + 0.5) / n_components)
            for k in range(n_components)
        ]
        self.log_scale = 0.5 * math.log(1 - sum(mean**2 for mean in self.means) / n_components)

    def forward(self, x, params):
        log_shares, means, log_scales = self._components(params)
        t = (x - means) * (-log_scales).exp()  # quicker than to divide
        side, log_tails, _ = self._tails(t, log_shares)
        z = side * _inverse_log_cdf(_log_sum(log_tails))[0]
        return z, self._log_derivative(t, z, log_shares, log_scales)

    def inverse(self, z, params):
        log_shares, means, log_scales = self._components(params)
        scales = log_scales.exp()
        x = self._search(z, log_shares, means, scales)
        if torch.is_grad_enabled():  # a Newton step of no length gives the root its gradients
            image, slope = self._image(x, log_shares, means, scales)
            x = x + ((z - image) - (z - image).detach()) / slope
        return x, self._log_derivative((x - means) / scales, z, log_shares, log_scales)

    def _components(self, params):
        """Logarithms of the shares, means, and logarithms of the scales, each of shape (components, columns, rows)."""
        logits, means, log_scales = params.unflatten(0, (3, self.n_components))
        means = means + means.new_tensor(self.means)[:, None, None]
        return logits.log_softmax(0), means, _bounded(log_scales) + self.log_scale

    def _tails(self, t, log_shares):
        """The side (1: left, -1: right) with the smaller tail of the mixture, logarithms of its parts, and their slopes."""
        lean = (log_shares.detach().exp() * torch.erf(t.detach() * math.sqrt(0.5))).sum(0)
        side = torch.where(lean < 0, 1.0, -1.0).to(t.dtype)
        log_cdfs, slopes = _log_cdf(side * t)
        return side, log_shares + log_cdfs, slopes

    def _log_derivative(self, t, z, log_shares, log_scales):
        """Log-density of the mixture over that of ``z``: their sum is exact even where ``z`` is rounded."""
        return _log_sum(log_shares - log_scales - t.square() / 2) + z.square() / 2

    def _image(self, x, log_shares, means, scales):
        """Image of ``x``, and the slope there, which has no gradient, so large that one can divide by it."""
        side, log_tails, slopes = self._tails((x - means) / scales, log_shares)
        z, slope = _inverse_log_cdf(_log_sum(log_tails))
        slope = (log_tails.detach().softmax(0) * slopes / scales.detach()).sum(0) / slope
        return side * z, slope.clamp(min=math.sqrt(torch.finfo(x.dtype).tiny))

    @torch.no_grad()
    def _search(self, z, log_shares, means, scales):
        """The root, which lies among the quantiles of the components: Newton steps, or halves where these gain too little."""
        eps, quantiles = torch.finfo(z.dtype).eps, means + scales * z
        low, high = quantiles.amin(0).flatten(), quantiles.amax(0).flatten()
        x = (log_shares.exp() * quantiles).sum(0).flatten().clamp(low, high)
        todo, last = torch.arange(len(x), device=x.device), torch.full_like(x, math.inf)
        cells = (
            todo,
            low,
            high,
            last,
            z.flatten(),
            log_shares.flatten(1),
            means.flatten(1),
            scales.flatten(1),
        )
        for _ in range(self.max_steps):
            todo, low, high, last, target, *components = cells
            here = x[todo]
            image, slope = self._image(here, *components)
            short = target - image
            low, high = torch.where(short > 0, here, low), torch.where(short < 0, here, high)
            newton = (here + short / slope).clamp(low, high)
            following = torch.where(short.abs() < last / 2, newton, (low + high) / 2)
            rounding = eps * (16 + 16 * target.abs() + 2 * slope * here.abs())
            more = (short.abs() > rounding) & (following != here)
            x[todo[more]] = following[more]
            cells = [
                cell[..., more] for cell in (todo, low, high, short.abs(), target, *components)
            ]
            if not more.any():
                break
        return x.view_as(z)


def _log_sum(logs):
    """``logsumexp`` whose gradient adds up to 1 even where the logarithms are large: differences come first."""
    largest = logs.detach().amax(0)
    return largest + (logs - largest).exp().sum(0).log()


def _log_cdf(t):
    """Logarithm of the standard normal distribution function, and its slope, which has no gradient.

    The gradient of ``torch.special.log_ndtr`` is the exponential of a difference of squares, and is lost in the tail.
    """
    with torch.no_grad():
        tail, bell = (
            torch.special.erfcx(t.abs() * math.sqrt(0.5)) / 2,
            (-t.square() / 2).exp(),
        )  # the tail over the bell
        value = torch.where(t < 0, tail.log() - t.square() / 2, torch.log1p(-tail * bell))
        slope = torch.where(t < 0, 1 / tail, bell / (1 - tail * bell)) / math.sqrt(2 * math.pi)
    return value + slope * (t - t.detach()), slope


def _inverse_log_cdf(log_p):
    """Where `_log_cdf` is ``log_p``, at most ``log(1/2)``, and its slope there, which has no gradient."""
    square = -2 * (log_p.detach() + math.log(2)).clamp(max=0)
    t = -square / (square + 8 / math.pi).sqrt()  # right at both ends, and 0.1 off between
    for _ in range(4):
        t = t.detach()
        value, slope = _log_cdf(t)
        t = t + (log_p - value) / slope
    return t, slope


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
        total = 0.0
        for bijector, share in zip(reversed(self.bijectors), reversed(self._shares(params))):
            z, log_derivative = bijector.inverse(z, share)
            total = total + log_derivative
        return z, total

    def _shares(self, params):
        return params.split([b.n_params for b in self.bijectors])
