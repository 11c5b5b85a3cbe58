"""Invertible layers, and flows: stacks of layers over a standard normal base distribution.

A layer maps columns, tensors of shape (columns, rows); a flow takes and gives rows, tensors of
shape (rows, columns).
"""

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn

from .bijectors import Bijector
from .masked import MaskedNetwork, clipped_softly

# numbers in one tensor of a pass: larger ones fall out of the cache, and the system has to fetch
# their memory anew each time
PASS_NUMBERS = 2**18
INCREMENTAL_NUMBERS = 2**23  # hidden units of an incremental pass: its steps are many and small


class Layer(nn.Module):
    """An invertible map of columns.

    Gradients go through both directions. Where ``present``, of the shape of the columns, is not
    None, cells for which it is 0 hold 0 and keep it: they take no part in the map.

    Attributes
    ----------
    widest : int
        Numbers that the largest tensor of a pass holds for a row.
    n_units : int
        Numbers that an incremental pass keeps for a row.
    """

    widest: int
    n_units: int

    def forward(
        self,
        x: torch.Tensor,
        context: torch.Tensor | None = None,
        present: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map columns towards the base distribution.

        Returns
        -------
        z : tensor of shape (columns, rows)
        log_det : tensor of shape (rows,)
            Log-determinant of the Jacobian.
        """
        raise NotImplementedError

    def inverse(
        self,
        z: torch.Tensor,
        context: torch.Tensor | None = None,
        present: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the columns whose image is ``z``, and the log-determinant of `forward` there."""
        raise NotImplementedError

    def inverse_of_many(self, z: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return what a layer of one column maps to each of ``z``, shape (values, rows).

        All values of a row have the same context.
        """
        raise NotImplementedError


class MaskedLayer(Layer):
    """A layer whose masked network parametrises a scalar bijector for every column.

    The network sees the data, so that a density takes one pass and a draw an incremental one.

    Parameters
    ----------
    conditioner : MaskedNetwork
    bijector : Bijector
    reach : float or None, default=None
        Bound within which the network sees columns, far ones pressed together: it knows little of
        what lies beyond, where one far value would send the columns after it ever farther.
    """

    places: torch.Tensor
    reach: float | None = None  # layers in files of before have none

    def __init__(
        self, conditioner: MaskedNetwork, bijector: Bijector, reach: float | None = None
    ) -> None:
        super().__init__()
        self.conditioner = conditioner
        self.bijector = bijector
        self.reach = reach
        self.widest = conditioner.widest
        self.n_units = conditioner.n_units
        self.register_buffer("places", conditioner.order.argsort(), persistent=False)

    def forward(
        self,
        x: torch.Tensor,
        context: torch.Tensor | None = None,
        present: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map columns towards the base distribution; return image and log-determinant."""
        z, log_derivative = self.bijector.forward(x, self.conditioner(self._seen(x), context))
        if present is not None:
            z = z * present
            log_derivative = log_derivative * present
        return z, log_derivative.sum(0)

    def inverse(
        self,
        z: torch.Tensor,
        context: torch.Tensor | None = None,
        present: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the columns whose image is ``z``, and the log-determinant of `forward` there.

        It takes one incremental pass through the conditioner, whatever the number of columns.
        """
        order = self.conditioner.order
        incremental = self.conditioner.incremental(z.shape[1], context)
        z = z[order]
        present = None if present is None else present[order]
        images = []
        log_derivatives = []
        for group in incremental.groups:
            x, log_derivative = self.bijector.inverse(z[group], incremental.params())
            if present is not None:
                x = x * present[group]
                log_derivative = log_derivative * present[group]
            incremental.feed(self._seen(x))
            images.append(x)
            log_derivatives.append(log_derivative)
        # one sum at the end: a step of an incremental pass has little else to do
        log_det = torch.cat(log_derivatives).sum(0)
        return torch.cat(images)[self.places], log_det

    def inverse_of_many(self, z: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return what a layer of one column maps to each of ``z``, shape (values, rows)."""
        return self.bijector.inverse(z, self._params_of_one(z, context))[0]

    def forward_of_many(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return the images under a layer of one column, shape (values, rows)."""
        return self.bijector.forward(x, self._params_of_one(x, context))[0]

    def _seen(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the network sees of columns."""
        return x if self.reach is None else clipped_softly(x, self.reach)

    def _params_of_one(self, values: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        # a column alone sees nothing but the context
        params = self.conditioner(values.new_zeros(1, values.shape[1]), context)
        return params.expand(-1, len(values), -1)


class Inverted(Layer):
    """A layer the other way round: its forward map is the inverse of another layer [1]_.

    Parameters
    ----------
    layer : MaskedLayer

    References
    ----------
    .. [1] Kingma, Salimans, Jozefowicz, Chen, Sutskever and Welling (2016). Improved variational
       inference with inverse autoregressive flow. NeurIPS 29.
    """

    def __init__(self, layer: MaskedLayer) -> None:
        super().__init__()
        self.layer = layer
        self.widest = layer.widest
        self.n_units = layer.n_units

    def forward(
        self,
        x: torch.Tensor,
        context: torch.Tensor | None = None,
        present: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map columns towards the base distribution; return image and log-determinant."""
        z, log_det = self.layer.inverse(x, context, present)
        return z, -log_det

    def inverse(
        self,
        z: torch.Tensor,
        context: torch.Tensor | None = None,
        present: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the columns whose image is ``z``, and the log-determinant of `forward` there."""
        x, log_det = self.layer(z, context, present)
        return x, -log_det

    def inverse_of_many(self, z: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return what a layer of one column maps to each of ``z``, shape (values, rows)."""
        return self.layer.forward_of_many(z, context)


class RowDensity(nn.Module):
    """A torch module that gives rows a density, and knows how many to take at a time.

    Attributes
    ----------
    widest : int
        Numbers that the largest tensor of a pass holds for a row.
    n_units : int
        Numbers that an incremental pass keeps for a row.
    density_is_incremental : bool
        Whether a density takes an incremental pass and a draw a plain one, not the other way
        round.
    """

    widest: int
    n_units: int
    density_is_incremental = False

    def log_prob(self, x: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Return the log-density of each row given its context, in nats."""
        raise NotImplementedError

    @property
    def batch_rows(self) -> int:
        """Rows for one density."""
        return self._rows_of_incremental if self.density_is_incremental else self._rows_of_pass

    @property
    def batch_rows_inverse(self) -> int:
        """Rows for one inverse."""
        return self._rows_of_pass if self.density_is_incremental else self._rows_of_incremental

    @property
    def _rows_of_pass(self) -> int:
        return max(32, PASS_NUMBERS // self.widest)

    @property
    def _rows_of_incremental(self) -> int:
        return max(32, INCREMENTAL_NUMBERS // self.n_units)

    def tensor(self, values: Any) -> torch.Tensor:
        """Return an array as a tensor with the dtype and the device of the weights."""
        like = next(self.parameters(), torch.empty(0))
        # in this order: MPS has no float64
        return torch.as_tensor(values).to(like.dtype).to(like.device)


class Flow(RowDensity):
    """Layers from the data to a standard normal base distribution.

    A flow with a context takes one for each row, shape (rows, n_context). Cells may be absent,
    where ``present``, of the same shape as the rows, is 0: the density is then that of the other
    cells, given which these are.

    Parameters
    ----------
    layers : sequence of Layer
        From the data to the base distribution.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.widest = max((layer.widest for layer in layers), default=1)
        self.n_units = max((layer.n_units for layer in layers), default=1)
        self.density_is_incremental = any(isinstance(layer, Inverted) for layer in layers)

    def forward(
        self,
        x: torch.Tensor,
        context: torch.Tensor | None = None,
        present: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map rows to base space; return the image, and each row's log-determinant."""
        z = x.T
        context = _transposed(context)
        present = _transposed(present)
        total = z.new_zeros(z.shape[1])
        for layer in self.layers:
            z, log_det = layer(z, context, present)
            total = total + log_det
        return z.T, total

    def inverse(
        self,
        z: torch.Tensor,
        context: torch.Tensor | None = None,
        present: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the rows whose image is ``z``, and each row's log-determinant of `forward`."""
        x = z.T
        context = _transposed(context)
        present = _transposed(present)
        total = z.new_zeros(len(z))
        for layer in self._layers_to_data():
            x, log_det = layer.inverse(x, context, present)
            total = total + log_det
        return x.T, total

    def inverse_of_many(self, z: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return what a flow of one column maps to some values of base space, for each context.

        Parameters
        ----------
        z : tensor of shape (values,)
        context : tensor of shape (rows, n_context)

        Returns
        -------
        x : tensor of shape (rows, values)
        """
        x = z[:, None].expand(-1, len(context))
        context = context.T
        for layer in self._layers_to_data():
            x = layer.inverse_of_many(x, context)
        return x.T

    def log_prob(
        self,
        x: torch.Tensor,
        context: torch.Tensor | None = None,
        present: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the log-density of each row given its context, in nats."""
        z, log_det = self(x, context, present)
        return log_det + base_log_prob(z, present)

    def _layers_to_data(self) -> list[Layer]:
        return cast(list[Layer], list(reversed(self.layers)))


def base_log_prob(z: torch.Tensor, present: torch.Tensor | None = None) -> torch.Tensor:
    """Return the log-density of rows of base space, of the cells that are present."""
    n_columns = z.shape[1] if present is None else present.sum(1)
    return -0.5 * (z.square().sum(1) + n_columns * math.log(2 * math.pi))


def _transposed(tensor: torch.Tensor | None) -> torch.Tensor | None:
    return None if tensor is None else tensor.T
