"""The monotone rational-quadratic spline, alone and behind an affine map [1]_.

Training spends most of its time here. So the gradients of the way to the base distribution are
written out: autograd would make, keep and add up several times as many tensors.

References
----------
.. [1] Durkan, Bekasov, Murray and Papamakarios (2019). Neural spline flows. NeurIPS 32.
"""

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from .bijectors import MAX_LOG_SCALE, Affine, Bijector, Chain

Pair = tuple[torch.Tensor, torch.Tensor]


class _Bin(NamedTuple):
    """The bin that holds each value, in units of ``Spline.scale`` from the left end on.

    Attributes
    ----------
    place, size : tensor of shape (2, columns, rows)
        Lower corner of the bin, and its size: in x, and in z.
    slopes : tensor of shape (2, columns, rows)
        At its left and at its right end.
    number : tensor of int64, shape (1, columns, rows)
        Which bin it is.
    before : tensor of shape (bins - 1, columns, rows)
        1 for the bins before it, else 0.
    shares : tensor of shape (2, bins, columns, rows)
        What each bin has beyond its smallest size.
    """

    place: torch.Tensor
    size: torch.Tensor
    slopes: torch.Tensor
    number: torch.Tensor
    before: torch.Tensor
    shares: torch.Tensor


class _Curve(NamedTuple):
    """The map in the bins that hold the values: what it and its gradients are made of.

    Attributes
    ----------
    inside : tensor
        1 where the value is within the spline, else 0.
    bin : _Bin
    t, rest, u : tensor
        The place in the bin from 0 to 1, ``1 - t``, and ``t (1 - t)``.
    secant, bend : tensor
        Height of the bin over its width, and the sum of the slopes at its ends minus twice that.
    below, rise : tensor
        Denominator of the map, and what share of the height it has at ``t``.
    slant : tensor
        Derivative of the map times ``below² / secant²``.
    """

    inside: torch.Tensor
    bin: _Bin
    t: torch.Tensor
    rest: torch.Tensor
    u: torch.Tensor
    secant: torch.Tensor
    bend: torch.Tensor
    below: torch.Tensor
    rise: torch.Tensor
    slant: torch.Tensor


class Spline(Bijector):
    """A monotone rational-quadratic spline on ``[-bound, bound]``, the identity outside.

    Parameters
    ----------
    n_bins : int
        Number of bins between the knots.
    bound : float
        Where the spline ends and the identity begins, in units of the base distribution.

    Attributes
    ----------
    scale : float
        What the bins share beyond their smallest sizes.
    """

    min_bin = 1e-3  # smallest width and height of a bin, as a share of the interval
    min_slope = 1e-3
    slope_offset = math.log(math.expm1(1 - min_slope))  # zero parameters make every slope 1

    def __init__(self, n_bins: int = 8, bound: float = 5.0) -> None:
        self.n_bins = n_bins
        self.bound = bound
        self.n_params = 3 * n_bins - 1
        self.scale = 2 * bound * (1 - self.min_bin * n_bins)
        self.least = 2 * bound * self.min_bin / self.scale

    def forward(self, x: torch.Tensor, params: torch.Tensor) -> Pair:
        """Map data towards the base distribution; return the image and the log-derivative."""
        return _SplineMap.apply(x, params, self)

    def inverse(self, z: torch.Tensor, params: torch.Tensor) -> Pair:
        """Return the numbers whose image is ``z``, and the log-derivative of `forward` there."""
        inside = z.abs() < self.bound
        value = (torch.where(inside, z, 0.0) + self.bound) / self.scale
        (left, bottom), (width, height), (slope_0, slope_1), *_ = self._bin(value, params, axis=1)
        y = value - bottom
        secant = height / width
        bend = y * (slope_1 + slope_0 - 2 * secant)
        a = height * (secant - slope_0) + bend
        b = height * slope_0 - bend
        c = -secant * y
        # the root in [0, 1], in the form that does not cancel; a root of 0 would have no gradient
        root = (b.square() - 4 * a * c).clamp(min=torch.finfo(b.dtype).tiny).sqrt()
        q = -(b + torch.where(b < 0, -root, root)) / 2
        t = _clipped_to_unit(torch.where(b < 0, q, c) / torch.where(b < 0, a, q))
        u = t * (1 - t)
        below = secant + (slope_1 + slope_0 - 2 * secant) * u
        slant = slope_1 * t * t + 2 * secant * u + slope_0 * (1 - t).square()
        log_derivative = slant.log() + 2 * (secant / below).log()
        x = (left + t * width) * self.scale - self.bound
        return torch.where(inside, x, z), torch.where(inside, log_derivative, 0.0)

    def _bin(self, value: torch.Tensor, params: torch.Tensor, axis: int) -> _Bin:
        """Return the bin that holds each value, which is on the ``axis`` 0, of x, or 1, of z."""
        n = self.n_bins
        shares = params[: 2 * n].unflatten(0, (2, n)).softmax(1)
        sizes = shares + self.least
        with torch.no_grad():
            lower = value.new_ones(n - 1, n).tril()
            knots = (lower @ sizes[axis].flatten(1)).view(n - 1, *value.shape)
            # as numbers: what compares into bools takes several times as long
            before = torch.ge(value, knots, out=torch.empty_like(knots))
            index = before.sum(0, keepdim=True).long()
        # the sum over the bins before is cheaper, forward and back, than gathering from all knots
        place = (sizes[:, :-1] * before).sum(1)
        size = sizes.gather(1, index.expand(2, 1, *value.shape))[:, 0]
        end = params.new_zeros(1, *value.shape)
        raw = torch.cat([end, params[2 * n :], end]).gather(0, torch.cat([index, index + 1]))
        slopes = F.softplus(raw + self.slope_offset) + self.min_slope
        return _Bin(place, size, slopes, index, before, shares)

    # what follows is in terms of few and plain operations: each costs as much to call as to do,
    # and a number of Python in it as much again

    def curve(self, x: torch.Tensor, params: torch.Tensor) -> _Curve:
        """Return what `image` and `gradients` are made of."""
        inside = torch.lt(x.abs(), self.bound, out=torch.empty_like(x))
        # what is outside is put inside, and no one looks at it
        value = x.clamp(-self.bound, self.bound).nan_to_num_(0.0).add_(self.bound).div_(self.scale)
        bin = self._bin(value, params, axis=0)
        slope_0, slope_1 = bin.slopes
        width, height = bin.size
        t = value.sub_(bin.place[0]).div_(width).clamp_(0, 1)
        rest = 1 - t
        u = t * rest
        secant = height / width
        bend = torch.add(slope_0 + slope_1, secant, alpha=-2)
        below = torch.addcmul(secant, bend, u)
        rise = torch.addcmul(slope_0 * u, secant, t * t).div_(below)
        slant = torch.addcmul(slope_1 * t * t, secant, u, value=2).addcmul_(slope_0 * rest, rest)
        return _Curve(inside, bin, t, rest, u, secant, bend, below, rise, slant)

    def image(self, x: torch.Tensor, curve: _Curve) -> Pair:
        """Return the image of ``x``, and the log-derivative."""
        z = torch.addcmul(curve.bin.place[1], curve.bin.size[1], curve.rise)
        z = z.mul_(self.scale).sub_(self.bound)
        slope = (curve.secant / curve.below).square_().mul_(curve.slant)
        return torch.where(curve.inside > 0, z, x), slope.log_().mul_(curve.inside)

    def gradients(
        self, curve: _Curve, grad_z: torch.Tensor, grad_log: torch.Tensor, grad_params: torch.Tensor
    ) -> torch.Tensor:
        """Write the gradient of the parameters into a tensor, and return that of ``x``."""
        inside, bin, t, rest, u, secant, bend, below, rise, slant = curve
        slope_0, slope_1 = bin.slopes
        width, height = bin.size
        through = grad_z * inside
        past = grad_z - through
        of_log = grad_log * inside
        of_z = through.mul_(self.scale)
        # of the numerator of the rise, of the denominator (its negative), and of the slant
        of_top = of_z * height / below
        of_below = torch.addcmul(of_log / below * 2, of_top, rise)
        of_slant = of_log / slant
        tilt = rest - t
        of_t = torch.addcmul(slope_0 * tilt, secant, t, value=2).mul_(of_top)
        turn = torch.addcmul(slope_1 * t, secant, tilt).addcmul_(slope_0, rest, value=-1)
        of_t.addcmul_(of_slant, turn, value=2).addcmul_(of_below * bend, tilt, value=-1)
        of_x = of_t.div_(width)
        of_secant = torch.addcmul(of_log / secant, of_slant, u).mul_(2).addcmul_(of_top * t, t)
        of_secant.addcmul_(of_below, torch.add(tilt * tilt, u, alpha=2), value=-1)
        of_secant.div_(width)
        of_width = torch.addcmul(of_x * t, of_secant, secant).neg_()
        of_height = torch.addcmul(of_secant, of_z, rise)
        of_slope_1 = torch.addcmul(of_slant * t * t, of_below, u, value=-1)
        of_slope_0 = torch.addcmul(of_slant * rest * rest, of_top - of_below, u)
        self._bin_gradients(
            bin,
            torch.stack([-of_x, of_z]),
            torch.stack([of_width, of_height]),
            torch.stack([of_slope_0, of_slope_1]),
            grad_params,
        )
        return past.add_(of_x, alpha=1 / self.scale)

    def _bin_gradients(
        self,
        bin: _Bin,
        of_place: torch.Tensor,
        of_size: torch.Tensor,
        of_slopes: torch.Tensor,
        grad_params: torch.Tensor,
    ) -> None:
        """Write the gradient of the parameters from those of what a bin has."""
        n = self.n_bins
        place, size, slopes, index, before, shares = bin
        of_shares = torch.empty_like(shares)
        torch.mul(before, of_place[:, None], out=of_shares[:, :-1])
        of_shares[:, -1] = 0
        of_shares.scatter_(1, index.expand(2, 1, *index.shape[1:]), of_size[:, None])
        # the softmax: sums over bins are known from the bin, but for the smallest sizes in it
        mean = torch.addcmul(of_size * size, of_place, place)
        mean.addcmul_(of_place, index, value=-self.least).sub_(of_size, alpha=self.least)
        of_shares.sub_(mean[:, None])
        torch.mul(of_shares, shares, out=grad_params[: 2 * n].unflatten(0, (2, n)))
        # the softplus, whose value is known
        of_raw = torch.expm1(self.min_slope - slopes).mul_(of_slopes).neg_()
        padded = of_raw.new_zeros(n + 1, *index.shape[1:])
        padded.scatter_(0, torch.cat([index, index + 1]), of_raw)
        grad_params[2 * n :] = padded[1:-1]


class _SplineMap(torch.autograd.Function):
    """`Spline.forward`."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, params: torch.Tensor, spline: Spline) -> Pair:
        """Return the image and the log-derivative."""
        curve = spline.curve(x, params)
        ctx.spline = spline
        ctx.curve = curve
        ctx.save_for_backward(params)
        return spline.image(x, curve)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_z: torch.Tensor, grad_log: torch.Tensor) -> tuple:
        """Return the gradients of x and of the parameters."""
        (params,) = ctx.saved_tensors
        grad_params = torch.empty_like(params)
        grad_x = ctx.spline.gradients(ctx.curve, grad_z, grad_log, grad_params)
        return grad_x, grad_params, None


class AffineSpline(Chain):
    """An affine map, then a spline: as their chain, with the gradients of both in one.

    Parameters
    ----------
    n_bins : int
        Bins of the spline.
    """

    def __init__(self, n_bins: int = 8) -> None:
        self.spline = Spline(n_bins)
        super().__init__(Affine(), self.spline)

    def forward(self, x: torch.Tensor, params: torch.Tensor) -> Pair:
        """Map data towards the base distribution; return the image and the log-derivative."""
        return _AffineSplineMap.apply(x, params, self.spline)


class _AffineSplineMap(torch.autograd.Function):
    """`AffineSpline.forward`."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, params: torch.Tensor, spline: Spline) -> Pair:
        """Return the image and the log-derivative."""
        shrink = 1 / (1 + params[0].abs() / MAX_LOG_SCALE)
        log_scale = params[0] * shrink
        scale = log_scale.exp()
        y = torch.addcmul(params[1], x, scale)
        curve = spline.curve(y, params[2:])
        ctx.spline = spline
        ctx.curve = curve
        ctx.affine = scale, shrink
        ctx.save_for_backward(x, params)
        z, log_derivative = spline.image(y, curve)
        return z, log_derivative + log_scale

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_z: torch.Tensor, grad_log: torch.Tensor) -> tuple:
        """Return the gradients of x and of the parameters."""
        x, params = ctx.saved_tensors
        scale, shrink = ctx.affine
        grad_params = torch.empty_like(params)
        grad_y = ctx.spline.gradients(ctx.curve, grad_z, grad_log, grad_params[2:])
        grad_x = grad_y * scale
        torch.mul(torch.addcmul(grad_log, grad_x, x), shrink * shrink, out=grad_params[0])
        grad_params[1] = grad_y
        return grad_x, grad_params, None


def _clipped_to_unit(t: torch.Tensor) -> torch.Tensor:
    """Return places in a bin that rounding may have put outside [0, 1], clipped to it.

    Outside the derivative could be negative. The gradient is that without the clipping.
    """
    return t + (t.clamp(0, 1) - t).detach()
