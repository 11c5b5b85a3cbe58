"""A conditioner and a bijector make an invertible layer; a stack of them and a base distribution make a flow.

A layer has `forward`, from the data towards the base distribution, and `inverse`; both say what the log-determinant of the
Jacobian of `forward` is, and gradients go through both.
"""

import math

import torch
from torch import nn

PASS_NUMBERS = (
    2**18
)  # in one tensor of a pass: larger ones fall out of the cache, and are fetched anew from the system
WALK_NUMBERS = 2**23  # hidden units in one walk: its steps are many and small


class MaskedLayer(nn.Module):
    """One invertible layer: a masked network parametrises a scalar bijector for every column.

    Its network sees the data, so that a density takes one pass and a draw a walk.

    Parameters
    ----------
    conditioner : MaskedNetwork
    bijector : Additive, Affine, Spline, Mixture or Chain
    """

    def __init__(self, conditioner, bijector):
        super().__init__()
        self.conditioner = conditioner
        self.bijector = bijector
        self.widest, self.n_units = conditioner.widest, conditioner.n_units
        self.register_buffer("places", conditioner.order.argsort(), persistent=False)

    def forward(self, x, context=None, present=None):
        """Image of the columns ``x``, shape (columns, rows), and log-determinant of the Jacobian, shape (rows,).

        Where ``present`` is given, cells for which it is False hold 0 and keep it: they take no part in the map.
        """
        z, log_derivative = self.bijector.forward(x, self.conditioner(x, context))
        if present is not None:
            z, log_derivative = z * present, log_derivative * present
        return z, log_derivative.sum(0)

    def inverse(self, z, context=None, present=None):
        """The columns whose image is ``z``, and the log-determinant of the Jacobian of `forward` there.

        It takes one walk through the conditioner, whatever the number of columns.
        """
        order = self.conditioner.order
        walk, log_derivatives = self.conditioner.walk(z.shape[1], context), []
        z = z[order]
        present = None if present is None else present[order]
        for group in walk.groups:
            x, log_derivative = self.bijector.inverse(z[group], walk.params())
            if present is not None:
                x, log_derivative = x * present[group], log_derivative * present[group]
            walk.feed(x)
            log_derivatives.append(log_derivative)
        log_det = torch.cat(log_derivatives).sum(
            0
        )  # once: a step of the walk has little else to do
        return walk.values[0][self.conditioner.n_context :][self.places], log_det

    def inverse_of_many(self, z, context):
        """Of a layer of one column: what is taken to each of ``z``, shape (values, rows), all of a row given its context."""
        return self.bijector.inverse(z, self._params_of_one(z, context))[0]

    def forward_of_many(self, x, context):
        """The other way."""
        return self.bijector.forward(x, self._params_of_one(x, context))[0]

    def _params_of_one(self, values, context):
        # a column alone is given nothing but the context
        return self.conditioner(values.new_zeros(1, values.shape[1]), context).expand(
            -1, len(values), -1
        )


class Inverted(nn.Module):
    """A layer the other way round: a draw takes what was the way of the density, and a density that of a draw [1]_.

    Parameters
    ----------
    layer : MaskedLayer

    References
    ----------
    .. [1] Kingma, Salimans, Jozefowicz, Chen, Sutskever and Welling (2016). Improved variational inference with inverse
       autoregressive flow. NeurIPS 29.
    """

    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.widest, self.n_units = layer.widest, layer.n_units

    def forward(self, x, context=None, present=None):
        """Image of the columns ``x``, and log-determinant of the Jacobian."""
        z, log_det = self.layer.inverse(x, context, present)
        return z, -log_det

    def inverse(self, z, context=None, present=None):
        """The columns whose image is ``z``, and the log-determinant of the Jacobian of `forward` there."""
        x, log_det = self.layer(z, context, present)
        return x, -log_det

    def inverse_of_many(self, z, context):
        """As that of `MaskedLayer`."""
        return self.layer.forward_of_many(z, context)


class RowDensity(nn.Module):
    """A torch module that gives rows a density: how many at a time, and of what kind.

    Its ``widest`` is how many numbers the largest tensor of a pass holds for a row, its ``n_units`` how many a walk keeps.
    """

    scores_by_walk = False  # and draws in a pass

    @property
    def batch_rows(self):
        """Rows for one density."""
        return self._rows_of_walk if self.scores_by_walk else self._rows_of_pass

    @property
    def batch_rows_inverse(self):
        """Rows for one inverse."""
        return self._rows_of_pass if self.scores_by_walk else self._rows_of_walk

    @property
    def _rows_of_pass(self):
        return max(32, PASS_NUMBERS // self.widest)

    @property
    def _rows_of_walk(self):
        return max(32, WALK_NUMBERS // self.n_units)

    def tensor(self, values):
        """An array as a tensor like the weights."""
        like = next(self.parameters(), torch.empty(0))
        return (
            torch.as_tensor(values).to(like.dtype).to(like.device)
        )  # in this order: MPS has no float64


class Flow(RowDensity):
    """Layers from the data to a standard normal base distribution.

    Every method takes and gives rows: tensors of shape (rows, columns). A flow with a context takes one for each row. Cells
    may be absent, where ``present``, of the same shape as the rows, is 0: the density is then that of the others, given which
    these are.
    """

    def __init__(self, layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.widest = max((layer.widest for layer in layers), default=1)
        self.n_units = max((layer.n_units for layer in layers), default=1)
        self.scores_by_walk = any(isinstance(layer, Inverted) for layer in layers)

    def forward(self, x, context=None, present=None):
        """Image of the rows in base space, and log-determinant of the Jacobian of each row."""
        x, context, present = _transposed(x, context, present)
        z, total = x, x.new_zeros(x.shape[1])
        for layer in self.layers:
            z, log_det = layer(z, context, present)
            total = total + log_det
        return z.T, total

    def inverse(self, z, context=None, present=None):
        """The rows whose image is ``z``, and the log-determinant of the Jacobian of `forward` at each."""
        x, context, present = _transposed(z, context, present)
        total = z.new_zeros(len(z))
        for layer in reversed(self.layers):
            x, log_det = layer.inverse(x, context, present)
            total = total + log_det
        return x.T, total

    def inverse_of_many(self, z, context):
        """Of a flow of one column: what is taken to each of ``z``, for each row of the context; shape (rows, values)."""
        x, context = z[:, None].expand(-1, len(context)), context.T
        for layer in reversed(self.layers):
            x = layer.inverse_of_many(x, context)
        return x.T

    def log_prob(self, x, context=None, present=None):
        """Log-density of each row, in nats, given its context."""
        z, log_det = self(x, context, present)
        return log_det + base_log_prob(z, present)


def base_log_prob(z, present=None):
    """Log-density of rows of base space, of the cells that are present."""
    n_columns = z.shape[1] if present is None else present.sum(1)
    return -0.5 * (z.square().sum(1) + n_columns * math.log(2 * math.pi))


def _transposed(*tensors):
    return [None if tensor is None else tensor.T for tensor in tensors]
