"""Planar and radial layers: one ridge, or one centre, bends the whole space [1]_.

Both are explicit from the base distribution to the data; ``forward``, from the data to the base
distribution like that of every layer, solves for the one number of a row that the bend depends
on. All-zero weights give the identity, so that weight decay pulls towards it. Tensors are
(columns, rows) throughout.

References
----------
.. [1] Rezende and Mohamed (2015). Variational inference with normalizing flows. ICML.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from .layers import Layer

MARGIN = 1e-3  # from the bounds at which the maps are no longer invertible
INITIAL_SIZE = 1e-2  # of the weights that are 0 at the identity
MAX_STEPS = 100  # of Newton's method; about 10 are usual, and log(w·u) more where w·u is large


class PlanarLayer(Layer):
    """The map ``x = z + u tanh(w·z + b)``, from base space to the data [1]_.

    It is invertible where ``w·u > -1``. As in the paper ``u`` gets there by a shift along ``w``,
    but the shift is none where ``w·u`` is positive, and vanishes with ``u``.

    Parameters
    ----------
    n_columns : int
    generator : torch.Generator
        Draws the initial weights; the layer starts close to the identity.

    References
    ----------
    .. [1] Rezende and Mohamed (2015). Variational inference with normalizing flows. ICML.
    """

    def __init__(self, n_columns: int, generator: torch.Generator) -> None:
        super().__init__()
        self.widest = n_columns
        self.n_units = n_columns
        self.w = nn.Parameter(torch.randn(n_columns, generator=generator) / math.sqrt(n_columns))
        self.b = nn.Parameter(torch.randn((), generator=generator))
        self.raw_u = nn.Parameter(torch.randn(n_columns, generator=generator) * INITIAL_SIZE)

    def forward(
        self,
        x: torch.Tensor,
        context: torch.Tensor | None = None,
        present: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map columns towards the base distribution; return image and log-determinant."""
        _refuse(context, present)
        u, bend = self._constrained()
        t = _solve(self.w @ x + self.b, bend)
        return x - u[:, None] * t.tanh(), -_slope(t, bend).log()

    def inverse(
        self,
        z: torch.Tensor,
        context: torch.Tensor | None = None,
        present: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the columns whose image is ``z``, and the log-determinant of `forward` there."""
        _refuse(context, present)
        u, bend = self._constrained()
        t = self.w @ z + self.b
        return z + u[:, None] * t.tanh(), -_slope(t, bend).log()

    def _constrained(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the vector ``u``, and ``w·u``, which is above -1."""
        # close to w·u where that is small: the shift is of second order
        bend = F.celu(self.w @ self.raw_u, alpha=1 - MARGIN)
        per_bend = self.w / self.w.square().sum().clamp(min=torch.finfo(self.w.dtype).tiny)
        u: torch.Tensor = self.raw_u
        for _ in range(2):  # once more for what the first shift, of a long u, rounded away
            u = u + (bend - self.w @ u) * per_bend
        return u, bend


class RadialLayer(Layer):
    """The map ``x = z + beta (z - center) / (alpha + |z - center|)``, from base space [1]_.

    It is invertible where ``alpha > 0`` and ``beta > -alpha``. As in the paper ``alpha`` and
    ``alpha + beta`` are softplus functions of the weights: equal weights give ``beta = 0``, the
    identity.

    Parameters
    ----------
    n_columns : int
    generator : torch.Generator
        Draws the initial weights; the layer starts close to the identity.

    References
    ----------
    .. [1] Rezende and Mohamed (2015). Variational inference with normalizing flows. ICML.
    """

    def __init__(self, n_columns: int, generator: torch.Generator) -> None:
        super().__init__()
        self.widest = n_columns
        self.n_units = n_columns
        self.center = nn.Parameter(torch.randn(n_columns, generator=generator))
        self.raw_alpha = nn.Parameter(torch.zeros(()))
        self.raw_total = nn.Parameter(torch.randn((), generator=generator) * INITIAL_SIZE)

    def forward(
        self,
        x: torch.Tensor,
        context: torch.Tensor | None = None,
        present: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map columns towards the base distribution; return image and log-determinant."""
        _refuse(context, present)
        alpha, total = self._constrained()
        offset = x - self.center[:, None]
        radius = _base_radius(torch.linalg.vector_norm(offset, dim=0), alpha, total)
        z = self.center[:, None] + offset * ((radius + alpha) / (radius + total))
        return z, -self._log_det_to_data(radius, alpha, total)

    def inverse(
        self,
        z: torch.Tensor,
        context: torch.Tensor | None = None,
        present: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the columns whose image is ``z``, and the log-determinant of `forward` there."""
        _refuse(context, present)
        alpha, total = self._constrained()
        offset = z - self.center[:, None]
        radius = torch.linalg.vector_norm(offset, dim=0)
        x = self.center[:, None] + offset * ((radius + total) / (radius + alpha))
        return x, -self._log_det_to_data(radius, alpha, total)

    def _constrained(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return positive ``alpha`` and ``alpha + beta``: in terms of these nothing cancels."""
        return MARGIN + F.softplus(self.raw_alpha), MARGIN + F.softplus(self.raw_total)

    def _log_det_to_data(
        self, radius: torch.Tensor, alpha: torch.Tensor, total: torch.Tensor
    ) -> torch.Tensor:
        """Return the log-determinant from base space to the data, across the radius and along."""
        across = (radius + total) / (radius + alpha)
        along = (radius * (radius + 2 * alpha) + alpha * total) / (radius + alpha).square()
        return (len(self.center) - 1) * across.log() + along.log()


def _refuse(context: torch.Tensor | None, present: torch.Tensor | None) -> None:
    if context is not None or present is not None:
        raise ValueError("planar and radial flows take no context and no missing cells")


def _slope(t: torch.Tensor, bend: torch.Tensor) -> torch.Tensor:
    """Return the derivative of ``t + bend tanh(t)``: 1 - tanh² would cancel."""
    return 1 + 4 * bend * (2 * t).sigmoid() * (-2 * t).sigmoid()


def _solve(k: torch.Tensor, bend: torch.Tensor) -> torch.Tensor:
    """Return the ``t`` for which ``t + bend tanh(t) = k``."""
    with torch.no_grad():
        t = _newton(k.abs(), bend).copysign(k)
        slope = _slope(t, bend)
    # one more step, which carries the gradients of an implicit function
    return t - (t + bend * t.tanh() - k) / slope


def _newton(k: torch.Tensor, bend: torch.Tensor) -> torch.Tensor:
    """Return the solution for ``k >= 0`` by Newton's method, without gradients.

    The curve is concave there, or convex if ``bend`` is negative. Its tangents at 0 and at
    infinity bound the solution on one side, that from which all steps go one way, whatever the
    slope, until only rounding is left.
    """
    bound = torch.maximum if bend > 0 else torch.minimum
    t = bound(k - bend, k / (1 + bend))
    for _ in range(MAX_STEPS):
        before = t
        t = bound(t, t + (k - t - bend * t.tanh()) / _slope(t, bend))
        if torch.equal(before, t):
            break
    return t


def _base_radius(radius: torch.Tensor, alpha: torch.Tensor, total: torch.Tensor) -> torch.Tensor:
    """Return the positive root r of ``r² + (total - radius) r = alpha radius``.

    It is computed in whichever of its two forms does not cancel.
    """
    excess = radius - total
    outer = excess > 0
    summed = (excess.square() + 4 * alpha * radius).sqrt() + torch.where(outer, excess, -excess)
    return torch.where(outer, summed / 2, 2 * alpha * radius / summed)
