"""MADE with mixtures of normals: an autoregressive density of rows that hold noise of a known level.

A column with noise of level ``s`` has, given the columns before it, a density that is smooth at the scale of ``s``: the law of
the column without noise, convolved with that of the noise. So no normal of the mixture is narrower than ``s``, which keeps
the density of a row off all training rows as low as it should be, however the network extrapolates.

References
----------
Germain, Gregor, Murray and Larochelle (2015). MADE: masked autoencoder for distribution estimation. ICML.
Uria, Murray and Larochelle (2013). RNADE: the real-valued neural autoregressive density-estimator. NeurIPS 26.
"""

import math

import torch
import torch.nn.functional as F

from .layers import RowDensity
from .masked import MaskedNetwork

SPREAD = 1.5  # of the means of a mixture at the start, in standard deviations of a column
REACH = 3.0  # up to which the network tells values of a column apart: a far cell must not upset what is said of the others


class MixtureMADE(RowDensity):
    """One masked network that gives every column a mixture of normals, given the columns before it and the level of noise.

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
    with_gaps : bool, default=False
        Whether cells may be missing, NaN: the density of a row is then that of the others, given which these are.
    """

    def __init__(self, n_columns, n_components, hidden_sizes, noise, generator, with_gaps=False):
        super().__init__()
        self.noise, self.with_gaps = noise, with_gaps
        degrees, n_context = torch.arange(1, n_columns + 1), 1 + (n_columns if with_gaps else 0)
        self.network = MaskedNetwork(
            degrees, 3 * n_components, hidden_sizes, "relu", generator, n_context=n_context
        )
        with torch.no_grad():
            means = self.network.output.bias.view(n_columns, 3, n_components)[:, 1]
            means += torch.linspace(-SPREAD, SPREAD, n_components)

    @property
    def widest(self):
        """Hidden units, or parameters of the columns."""
        return self.network.widest

    @property
    def n_units(self):
        """Of the network."""
        return self.network.n_units

    def log_prob(self, x, context):
        """Log-density of rows, shape (rows, columns), in nats, given the level that the context stands for."""
        present = ~x.T.isnan()
        x, context = torch.where(present, x.T, 0.0), context.T
        log_shares, means, variances = self._mixtures(
            self.network(_squash(x), self._seen(context, present)), context
        )
        parts = log_shares - 0.5 * ((x - means).square() / variances + variances.log())
        log_probs = parts.logsumexp(0) - 0.5 * math.log(2 * math.pi)
        return torch.where(present, log_probs, 0.0).sum(0)

    @torch.no_grad()
    def draw(self, z, chance, context):
        """Rows of the density from standard normal ones and from uniform ones, which choose the normals of the mixtures."""
        z, chance, context = z.T, chance.T, context.T
        walk, x = (
            self.network.walk(z.shape[1], self._seen(context, torch.ones_like(z))),
            torch.empty_like(z),
        )
        for group in walk.groups:
            log_shares, means, variances = self._mixtures(walk.params(), context)
            chosen = (log_shares.exp().cumsum(0)[:-1] < chance[group]).sum(0, keepdim=True)
            x[group] = means.gather(0, chosen)[0] + variances.gather(0, chosen)[0].sqrt() * z[group]
            walk.feed(_squash(x[group]))
        return x.T

    def _seen(self, context, present):
        """What the network is told beside the cells."""
        return torch.cat([context, present.to(context.dtype)]) if self.with_gaps else context

    def _mixtures(self, params, context):
        """Logarithms of the shares, means and variances, each of shape (components, columns, rows)."""
        shares, means, spreads = params.chunk(3)
        return (
            shares.log_softmax(0),
            means,
            F.softplus(spreads).square() + self.noise.level(context).square(),
        )


def _squash(x):
    return REACH * torch.tanh(x / REACH)
