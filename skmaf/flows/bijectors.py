"""Invertible scalar maps, applied to every cell of a (columns, rows) tensor at once.

All-zero parameters give the identity; those of a `Mixture` give about the identity, for its
components have to start apart: equal ones would never part.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import reduce
from statistics import NormalDist

import torch

MAX_LOG_SCALE = 7.0


class Bijector(ABC):
    """An invertible map of a number, with its log-derivative.

    Every cell of a tensor of shape (columns, rows) has parameters of its own, which come in a
    tensor of shape (n_params, columns, rows): with the parameters first, every operation runs
    over contiguous columns and rows. Both directions have gradients, of first order.

    Attributes
    ----------
    n_params : int
        Parameters of each cell.
    """

    n_params: int

    @abstractmethod
    def forward(self, x: torch.Tensor, params: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map data towards the base distribution; return the image and the log-derivative."""

    @abstractmethod
    def inverse(self, z: torch.Tensor, params: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the numbers whose image is ``z``, and the log-derivative of `forward` there."""


def _bounded(log_scale: torch.Tensor) -> torch.Tensor:
    """Return log-scales bounded smoothly, so that no finite row can be sent to infinity."""
    return log_scale / (1 + log_scale.abs() / MAX_LOG_SCALE)


class Additive(Bijector):
    """The map ``z = x + b`` of NICE, which keeps volumes [1]_.

    References
    ----------
    .. [1] Dinh, Krueger and Bengio (2014). NICE: non-linear independent components estimation.
       arXiv:1410.8516.
    """

    n_params = 1

    def forward(self, x: torch.Tensor, params: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map data towards the base distribution; return the image and the log-derivative."""
        return x + params[0], torch.zeros_like(x)

    def inverse(self, z: torch.Tensor, params: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the numbers whose image is ``z``, and the log-derivative of `forward` there."""
        return z - params[0], torch.zeros_like(z)


class Affine(Bijector):
    """The map ``z = x exp(a) + b`` of the masked autoregressive flow [1]_.

    The log-scale ``a`` is bounded.

    References
    ----------
    .. [1] Papamakarios, Pavlakou and Murray (2017). Masked autoregressive flow for density
       estimation. NeurIPS 30.
    """

    n_params = 2

    def forward(self, x: torch.Tensor, params: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map data towards the base distribution; return the image and the log-derivative."""
        log_scale = _bounded(params[0])
        return x * log_scale.exp() + params[1], log_scale

    def inverse(self, z: torch.Tensor, params: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the numbers whose image is ``z``, and the log-derivative of `forward` there."""
        log_scale = _bounded(params[0])
        return (z - params[1]) / log_scale.exp(), log_scale


class Mixture(Bijector):
    """The map that makes a mixture of normals standard normal.

    It is ``z = Phi^-1(sum_k pi_k Phi((x - mu_k) / sigma_k))``. A masked autoregressive flow of
    one such layer is MADE with mixtures of normals [1]_, or RNADE [2]_. The logarithms of the
    scales are bounded. Distribution functions are taken in logarithms, of the tail on the side
    of ``x``, so that they neither vanish nor round to 1 however far ``x`` is.

    Parameters
    ----------
    n_components : int
        Normals in the mixture.

    References
    ----------
    .. [1] Papamakarios, Pavlakou and Murray (2017). Masked autoregressive flow for density
       estimation. NeurIPS 30.
    .. [2] Uria, Murray and Larochelle (2013). RNADE: the real-valued neural autoregressive
       density-estimator. NeurIPS 26.
    """

    # at the start, the means are the quantiles of a normal of this scale, so that the mixture
    # is about standard normal
    spread = 0.7
    max_steps = 100  # of the search for the inverse: about 10 are common, most cells need 4

    def __init__(self, n_components: int = 8) -> None:
        self.n_components = n_components
        self.n_params = 3 * n_components
        self.means = [
            NormalDist(0, self.spread).inv_cdf((k + 0.5) / n_components)
            for k in range(n_components)
        ]
        self.log_scale = 0.5 * math.log(1 - sum(mean**2 for mean in self.means) / n_components)

    def forward(self, x: torch.Tensor, params: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map data towards the base distribution; return the image and the log-derivative."""
        log_shares, means, log_scales = self._components(params)
        t = (x - means) * (-log_scales).exp()  # quicker than to divide
        side, log_tails, _ = self._tails(t, log_shares)
        z = side * _inverse_log_cdf(_log_sum(log_tails))[0]
        return z, self._log_derivative(t, z, log_shares, log_scales)

    def inverse(self, z: torch.Tensor, params: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the numbers whose image is ``z``, and the log-derivative of `forward` there."""
        log_shares, means, log_scales = self._components(params)
        scales = log_scales.exp()
        x = self._search(z, log_shares, means, scales)
        if torch.is_grad_enabled():  # a Newton step of no length gives the root its gradients
            image, slope = self._image(x, log_shares, means, scales)
            x = x + ((z - image) - (z - image).detach()) / slope
        return x, self._log_derivative((x - means) / scales, z, log_shares, log_scales)

    def _components(self, params: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return log-shares, means and log-scales, of shape (components, columns, rows) each."""
        logits, means, log_scales = params.unflatten(0, (3, self.n_components))
        means = means + means.new_tensor(self.means)[:, None, None]
        return logits.log_softmax(0), means, _bounded(log_scales) + self.log_scale

    def _tails(
        self, t: torch.Tensor, log_shares: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the smaller tail of the mixture at standardised cells.

        It comes as its side (1: left, -1: right), the logarithms of what the components have of
        it, and the slopes of these.
        """
        lean = (log_shares.detach().exp() * torch.erf(t.detach() * math.sqrt(0.5))).sum(0)
        side = torch.where(lean < 0, 1.0, -1.0).to(t.dtype)
        log_cdfs, slopes = _log_cdf(side * t)
        return side, log_shares + log_cdfs, slopes

    def _log_derivative(
        self, t: torch.Tensor, z: torch.Tensor, log_shares: torch.Tensor, log_scales: torch.Tensor
    ) -> torch.Tensor:
        """Return the log-density of the mixture over that of ``z``.

        The sum of it and the latter is exact even where ``z`` is rounded.
        """
        return _log_sum(log_shares - log_scales - t.square() / 2) + z.square() / 2

    def _image(
        self,
        x: torch.Tensor,
        log_shares: torch.Tensor,
        means: torch.Tensor,
        scales: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the image of ``x``, and the slope there.

        The slope has no gradient, and is so large that one can divide by it.
        """
        side, log_tails, slopes = self._tails((x - means) / scales, log_shares)
        z, slope = _inverse_log_cdf(_log_sum(log_tails))
        slope = (log_tails.detach().softmax(0) * slopes / scales.detach()).sum(0) / slope
        return side * z, slope.clamp(min=math.sqrt(torch.finfo(x.dtype).tiny))

    @torch.no_grad()
    def _search(
        self,
        z: torch.Tensor,
        log_shares: torch.Tensor,
        means: torch.Tensor,
        scales: torch.Tensor,
    ) -> torch.Tensor:
        """Return the root, which lies among the quantiles of the components.

        It is found by Newton steps, and by halving the interval where these gain too little.
        """
        eps = torch.finfo(z.dtype).eps
        quantiles = means + scales * z
        low = quantiles.amin(0).flatten()
        high = quantiles.amax(0).flatten()
        x = (log_shares.exp() * quantiles).sum(0).flatten().clamp(low, high)
        todo = torch.arange(len(x), device=x.device)
        last = torch.full_like(x, math.inf)
        target = z.flatten()
        components = [log_shares.flatten(1), means.flatten(1), scales.flatten(1)]
        for _ in range(self.max_steps):
            guess = x[todo]
            image, slope = self._image(guess, *components)
            error = target - image
            low = torch.where(error > 0, guess, low)
            high = torch.where(error < 0, guess, high)
            newton = (guess + error / slope).clamp(low, high)
            following = torch.where(error.abs() < last / 2, newton, (low + high) / 2)
            rounding = eps * (16 + 16 * target.abs() + 2 * slope * guess.abs())
            more = (error.abs() > rounding) & (following != guess)
            x[todo[more]] = following[more]
            if not more.any():
                break
            # go on with the cells that are not yet found
            todo, low, high, last, target = (
                cells[more] for cells in (todo, low, high, error.abs(), target)
            )
            components = [part[:, more] for part in components]
        return x.view_as(z)


def _log_sum(logs: torch.Tensor) -> torch.Tensor:
    """Return ``logsumexp`` of the first dimension, with an exact gradient.

    The gradient adds up to 1 even where the logarithms are large: differences come first.
    """
    largest = logs.detach().amax(0)
    return largest + (logs - largest).exp().sum(0).log()


def _log_cdf(t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the logarithm of the standard normal distribution function, and its slope.

    The slope has no gradient. The gradient of ``torch.special.log_ndtr`` is the exponential of a
    difference of squares, and is lost in the tail.
    """
    with torch.no_grad():
        tail = torch.special.erfcx(t.abs() * math.sqrt(0.5)) / 2  # over the bell
        bell = (-t.square() / 2).exp()
        value = torch.where(t < 0, tail.log() - t.square() / 2, torch.log1p(-tail * bell))
        slope = torch.where(t < 0, 1 / tail, bell / (1 - tail * bell)) / math.sqrt(2 * math.pi)
    return value + slope * (t - t.detach()), slope


def _inverse_log_cdf(log_p: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return where `_log_cdf` is ``log_p``, at most ``log(1/2)``, and its slope there.

    The slope has no gradient.
    """
    square = -2 * (log_p.detach() + math.log(2)).clamp(max=0)
    t = -square / (square + 8 / math.pi).sqrt()  # right at both ends, and 0.1 off between
    for _ in range(4):
        t = t.detach()
        value, slope = _log_cdf(t)
        t = t + (log_p - value) / slope
    return t, slope


class Chain(Bijector):
    """Bijectors one after another, each with its share of the parameters.

    Parameters
    ----------
    *bijectors : Bijector
        From the data to the base distribution.
    """

    def __init__(self, *bijectors: Bijector) -> None:
        self.bijectors = bijectors
        self.n_params = sum(bijector.n_params for bijector in bijectors)

    def forward(self, x: torch.Tensor, params: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map data towards the base distribution; return the image and the log-derivative."""
        log_derivatives = []
        for bijector, share in zip(self.bijectors, self._shares(params)):
            x, log_derivative = bijector.forward(x, share)
            log_derivatives.append(log_derivative)
        return x, reduce(torch.add, log_derivatives)

    def inverse(self, z: torch.Tensor, params: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the numbers whose image is ``z``, and the log-derivative of `forward` there."""
        log_derivatives = []
        for bijector, share in zip(reversed(self.bijectors), reversed(self._shares(params))):
            z, log_derivative = bijector.inverse(z, share)
            log_derivatives.append(log_derivative)
        return z, reduce(torch.add, log_derivatives)

    def _shares(self, params: torch.Tensor) -> Sequence[torch.Tensor]:
        return params.split([bijector.n_params for bijector in self.bijectors])
