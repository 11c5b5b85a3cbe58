"""A conditioner and a bijector make an invertible layer; a stack of them and a base distribution make a flow."""

import math

import torch
from torch import nn

PASS_NUMBERS = 2**18  # in one tensor of a pass: larger ones fall out of the cache, and are fetched anew from the system
WALK_NUMBERS = 2**23  # hidden units in one walk: its steps are many and small


class MaskedLayer(nn.Module):
    """One invertible layer: a masked network parametrises a scalar bijector for every column.

    Parameters
    ----------
    conditioner : MaskedNetwork
    bijector : Affine, Spline or Chain
    """

    def __init__(self, conditioner, bijector):
        super().__init__()
        self.conditioner = conditioner
        self.bijector = bijector

    def forward(self, x, context=None, present=None):
        """Image of the columns ``x``, shape (columns, rows), and log-determinant of the Jacobian, shape (rows,).

        Where ``present`` is given, cells for which it is False hold 0 and keep it: they take no part in the map.
        """
        z, log_derivative = self.bijector.forward(x, self.conditioner(x, context))
        if present is not None:
            z, log_derivative = z * present, log_derivative * present
        return z, log_derivative.sum(0)

    @torch.no_grad()
    def inverse(self, z, context=None, present=None):
        """The columns whose image is ``z``: one walk through the conditioner, whatever the number of columns."""
        order = self.conditioner.order
        walk = self.conditioner.walk(z.shape[1], context)
        z = z[order]
        present = torch.ones_like(z) if present is None else present[order]
        for group in walk.groups:
            walk.feed(self.bijector.inverse(z[group], walk.params()) * present[group])
        x = torch.empty_like(z)
        x[order] = walk.values[0][self.conditioner.n_context :]
        return x


class RowDensity(nn.Module):
    """A torch module that gives rows a density: how many at a time, and of what kind.

    Its ``widest`` is how many numbers the largest tensor of a pass holds for a row, its ``n_units`` how many a walk keeps.
    """

    @property
    def batch_rows(self):
        """Rows for one pass."""
        return max(32, PASS_NUMBERS // self.widest)

    @property
    def batch_rows_inverse(self):
        """Rows for one inverse."""
        return max(32, WALK_NUMBERS // self.n_units)

    def tensor(self, values):
        """An array as a tensor like the weights."""
        like = next(self.parameters(), torch.empty(0))
        return torch.as_tensor(values).to(like.dtype).to(like.device)  # in this order: MPS has no float64


class Flow(RowDensity):
    """Layers from the data to a standard normal base distribution.

    Every method takes and gives rows: tensors of shape (rows, columns). A flow with a context takes one for each row. Cells
    may be absent, where ``present``, of the same shape as the rows, is 0: the density is then that of the others, given which
    these are.
    """

    def __init__(self, layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    @property
    def widest(self):
        """Hidden units, or parameters of a layer's columns."""
        return max((layer.conditioner.widest for layer in self.layers), default=1)

    @property
    def n_units(self):
        """Of the largest conditioner."""
        return max((layer.conditioner.n_units for layer in self.layers), default=1)

    def forward(self, x, context=None, present=None):
        """Image of the rows in base space, and log-determinant of the Jacobian of each row."""
        x, context, present = _transposed(x, context, present)
        z, total = x, x.new_zeros(x.shape[1])
        for layer in self.layers:
            z, log_det = layer(z, context, present)
            total = total + log_det
        return z.T, total

    def inverse(self, z, context=None, present=None):
        """The rows whose image is ``z``."""
        x, context, present = _transposed(z, context, present)
        for layer in reversed(self.layers):
            x = layer.inverse(x, context, present)
        return x.T

    def log_prob(self, x, context=None, present=None):
        """Log-density of each row, in nats, given its context."""
        z, log_det = self(x, context, present)
        n_columns = z.shape[1] if present is None else present.sum(1)
        return log_det - 0.5 * (z.square().sum(1) + n_columns * math.log(2 * math.pi))


def _transposed(*tensors):
    return [None if tensor is None else tensor.T for tensor in tensors]
