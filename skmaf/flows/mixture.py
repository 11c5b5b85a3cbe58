"""MADE with mixtures of normals: an autoregressive density of rows with noise of a known level.

A column with noise of level ``s`` has, given the columns before it, a density that is smooth at
the scale of ``s``: the law of the column without noise, convolved with that of the noise. So no
normal of the mixture is narrower than ``s``, which keeps the density of a row off all training
rows as low as it should be, however the network extrapolates.

References
----------
Germain, Gregor, Murray and Larochelle (2015). MADE: masked autoencoder for distribution
estimation. ICML.
Uria, Murray and Larochelle (2013). RNADE: the real-valued neural autoregressive
density-estimator. NeurIPS 26.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import nn

from .layers import RowDensity
from .masked import MaskedNetwork, clipped_softly
from .stack import NetworkStack

INITIAL_SPREAD = 1.5  # of the means of a mixture, in standard deviations of a column
# up to which the network tells the values of a column apart: a cell far out must not upset what
# is said of the others
REACH = 3.0


class NoiseScale(Protocol):
    """What says which level of noise a context stands for."""

    def level(self, context: Any) -> Any:
        """Return the standard deviations of the noise."""


class MixtureMADE(RowDensity):
    """One masked network that gives every column a mixture of normals.

    The mixture depends on the columns before it and on the level of noise, which is the context.

    Parameters
    ----------
    n_columns : int
    n_components : int
        Normals in each mixture.
    hidden_sizes : sequence of int
        Units of each hidden layer.
    noise : NoiseLevels
        Says what level a context, an input of shape (rows, 1), stands for.
    generator : torch.Generator
        Draws the initial weights; at the start all rows have the same mixtures.
    has_missing : bool, default=False
        Whether cells may be missing, NaN: the density of a row is then that of the others, given
        which these are.
    """

    def __init__(
        self,
        n_columns: int,
        n_components: int,
        hidden_sizes: Sequence[int],
        noise: NoiseScale,
        generator: torch.Generator,
        has_missing: bool = False,
    ) -> None:
        super().__init__()
        self.noise = noise
        self.has_missing = has_missing
        degrees = torch.arange(1, n_columns + 1)
        n_context = 1 + (n_columns if has_missing else 0)
        self.network = MaskedNetwork(
            degrees, 3 * n_components, hidden_sizes, "relu", generator, n_context=n_context
        )
        self.widest = self.network.widest
        self.n_units = self.network.n_units
        with torch.no_grad():
            means = self.network.output.bias.view(n_columns, 3, n_components)[:, 1]
            means += torch.linspace(-INITIAL_SPREAD, INITIAL_SPREAD, n_components)

    def log_prob(self, x: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Return the log-density of each row at the level of noise of its context, in nats.

        Parameters
        ----------
        x : tensor of shape (rows, columns)
            Missing cells are NaN.
        context : tensor of shape (rows, 1)
            Must not be None.
        """
        if context is None:
            raise ValueError("MixtureMADE needs a context: the level of noise of each row")
        return self.log_prob_by(self.network, x, context)

    def log_prob_by(
        self,
        network: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        x: torch.Tensor,
        context: torch.Tensor,
    ) -> torch.Tensor:
        """Return the log-density with mixtures by a network, or by several side by side.

        Parameters
        ----------
        network : callable
            The own network, or a `NetworkStack` of such.
        x : tensor of shape (..., rows, columns)
            Missing cells are NaN.
        context : tensor of shape (..., rows, 1)

        Returns
        -------
        log_prob : tensor of shape (..., rows)
        """
        x = x.mT
        context = context.mT
        if not self.has_missing:
            return self._log_probs(network(clipped_softly(x, REACH), context), x, context).sum(-2)
        present = ~x.isnan()
        x = torch.where(present, x, 0.0)
        told = torch.cat([context, present.to(context.dtype)], dim=-2)
        log_probs = self._log_probs(network(clipped_softly(x, REACH), told), x, context)
        return torch.where(present, log_probs, 0.0).sum(-2)

    def _log_probs(
        self, params: torch.Tensor, x: torch.Tensor, context: torch.Tensor
    ) -> torch.Tensor:
        """Return the log-density of each cell given those before it, shape (..., columns, rows)."""
        variance = self.noise.level(context).square()
        return MixtureLogProb.apply(params, x, variance)

    @torch.no_grad()
    def draw(self, z: torch.Tensor, chance: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return rows of the density made of random numbers.

        Parameters
        ----------
        z : tensor of shape (rows, columns)
            Standard normal numbers.
        chance : tensor of shape (rows, columns)
            Uniform numbers, which choose the normals of the mixtures.
        context : tensor of shape (rows, 1)

        Returns
        -------
        x : tensor of shape (rows, columns)
        """
        z = z.T
        chance = chance.T
        context = context.T
        network_context = self._network_context(context, torch.ones_like(z))
        incremental = self.network.incremental(z.shape[1], network_context)
        x = torch.empty_like(z)
        for group in incremental.groups:
            shares, means, variances = self._mixtures(incremental.params(), context)
            cumulative = shares.softmax(0).cumsum(0)
            chosen = (cumulative[:-1] < chance[group]).sum(0, keepdim=True)
            x[group] = means.gather(0, chosen)[0] + variances.gather(0, chosen)[0].sqrt() * z[group]
            incremental.feed(clipped_softly(x[group], REACH))
        return x.T

    def _network_context(self, context: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Return what the network is told beside the cells: which are present, if that varies."""
        if not self.has_missing:
            return context
        return torch.cat([context, present.to(context.dtype)], dim=-2)

    def _mixtures(
        self, params: torch.Tensor, context: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return shares, means and variances, of shape (components, ..., columns, rows) each.

        Shares are logarithms, but for a number that all normals of a mixture have in common.
        """
        shares, means, spreads = params.chunk(3)
        spreads = F.softplus(spreads)
        return shares, means, spreads * spreads + self.noise.level(context).square()


class MixtureLogProb(torch.autograd.Function):
    """The log-density of numbers under mixtures of normals, with its gradients in one pass.

    A third of the time of what autograd makes of it, which keeps every step in between.
    """

    @staticmethod
    def forward(
        ctx: Any, params: torch.Tensor, x: torch.Tensor, variance: torch.Tensor
    ) -> torch.Tensor:
        """Return the log-density of each number.

        Parameters
        ----------
        params : tensor of shape (3 * components, ...)
            Logarithms of shares, but for a number that they have in common; means; and spreads,
            whose softplus is a standard deviation.
        x : tensor of shape (...)
        variance : tensor that broadcasts to ``x``
            Added to all variances.
        """
        shares, means, spreads = params.chunk(3)
        deviations = F.softplus(spreads)
        variances = torch.addcmul(variance, deviations, deviations)
        precisions = variances.reciprocal()
        slopes = (x - means).mul_(precisions)
        squares = (x - means).mul_(slopes)
        parts = (variances.log_().add_(squares)).mul_(-0.5).add_(shares)
        log_prob = parts.logsumexp(0)
        total = shares.logsumexp(0)
        if any(ctx.needs_input_grad[:2]):
            # responsibilities of the normals for x
            gradient = torch.empty_like(params)
            of_shares, of_means, of_spreads = gradient.chunk(3)
            responsible = parts.sub_(log_prob).exp_()
            torch.mul(responsible, slopes, out=of_means)
            torch.sub(shares, total, out=of_shares).exp_().neg_().add_(responsible)
            torch.sub(squares, 1, out=of_spreads).mul_(precisions).mul_(responsible)
            of_spreads.mul_(deviations).mul_(spreads.sigmoid())
            ctx.save_for_backward(gradient)
        return log_prob - total - 0.5 * math.log(2 * math.pi)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, None]:
        """Return the gradients of the parameters, and of ``x`` where it is needed."""
        (gradient,) = ctx.saved_tensors
        of_x = -grad * gradient.chunk(3)[1].sum(0) if ctx.needs_input_grad[1] else None
        return gradient * grad, of_x, None


class MixtureStack(nn.Module):
    """Several `MixtureMADE` of one shape, side by side.

    Parameters
    ----------
    densities : sequence of MixtureMADE
    """

    def __init__(self, densities: Sequence[MixtureMADE]) -> None:
        super().__init__()
        self.log_prob_by = densities[0].log_prob_by
        self.networks = NetworkStack([density.network for density in densities])

    def log_prob(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return log-densities, shape (densities, rows).

        Parameters
        ----------
        x : tensor of shape (densities, rows, columns)
        context : tensor of shape (densities, rows, 1)
        """
        return self.log_prob_by(self.networks, x, context)
