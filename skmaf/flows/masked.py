"""A masked network, whose outputs for a column see only the columns before it (MADE).

Every column has a degree from 1 to G, its place in the order. Columns of one degree form a group:
as many groups as columns make an autoregressive layer, two make a coupling. A hidden unit of
degree g sees columns of degree at most g; the parameters of a column of degree g see units of
degree below g. Context is an input of degree 0, seen by every unit. Hidden units are sorted by
degree, so each mask is a staircase: a row has its ones on the left, no fewer than the row above.
Tensors are (units, rows) throughout: the units that one group unlocks are a contiguous block.

References
----------
Germain, Gregor, Murray and Larochelle (2015). MADE: masked autoencoder for distribution
estimation. ICML.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import nn

# in place: an incremental pass writes where it reads, and training keeps one tensor less
ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "gelu": partial(torch.ops.aten.gelu_, approximate="tanh"),
    "relu": torch.relu_,
    "tanh": torch.tanh_,
    "silu": partial(F.silu, inplace=True),
}

BLOCK = 128  # rows of a staircase that are multiplied together

Blocks = list[tuple[slice, slice]]


class MaskedLinear(nn.Module):
    """A linear layer without the connections from higher to lower degrees.

    Parameters
    ----------
    mask : tensor of bool, shape (outputs, inputs)
        Which connections there are.
    generator : torch.Generator
        Draws the initial weights.
    spread : float, default=1.0
        The largest of these times the root of the number of inputs.
    """

    mask: torch.Tensor

    def __init__(self, mask: torch.Tensor, generator: torch.Generator, spread: float = 1.0) -> None:
        super().__init__()
        bound = spread / math.sqrt(max(mask.shape[1], 1))
        self.weight = nn.Parameter((2 * torch.rand(mask.shape, generator=generator) - 1) * bound)
        self.bias = nn.Parameter((2 * torch.rand(mask.shape[0], generator=generator) - 1) * bound)
        self.register_buffer("mask", mask.to(self.weight.dtype), persistent=False)
        self.blocks = _blocks(mask)

    def masked_weight(self) -> torch.Tensor:
        """Return the weights, zero where there is no connection."""
        return self.weight * self.mask

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs, shape (outputs, rows), for inputs of shape (inputs, rows)."""
        return MaskedProduct.apply(self.bias, self.weight, self.mask, x, self.blocks)


def _blocks(mask: torch.Tensor) -> Blocks:
    """Return slices of rows, and for each the slice of columns outside which they see nothing.

    A mask of few rows is one block.
    """
    n_blocks = max(1, len(mask) // BLOCK)
    cuts = [len(mask) * i // n_blocks for i in range(n_blocks + 1)]
    blocks = []
    for start, stop in pairwise(cuts):
        seen = mask[start:stop].any(0).nonzero()[:, 0].tolist() or [0]
        blocks.append((slice(start, stop), slice(seen[0], seen[-1] + 1)))
    return blocks


class MaskedProduct(torch.autograd.Function):
    """The product ``bias + (weight * mask) @ x``.

    What is zero outside of blocks is skipped, in the product and in its gradients.
    """

    @staticmethod
    def forward(
        ctx: Any,
        bias: torch.Tensor,
        weight: torch.Tensor,
        mask: torch.Tensor,
        x: torch.Tensor,
        blocks: Blocks,
    ) -> torch.Tensor:
        """Return the product, shape (outputs, rows)."""
        weight = weight * mask
        ctx.save_for_backward(weight, mask, x)
        ctx.blocks = blocks
        product = x.new_empty(len(weight), x.shape[1])
        for rows, seen in blocks:
            torch.addmm(bias[rows, None], weight[rows, seen], x[seen], out=product[rows])
        return product

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple:
        """Return the gradients of bias, weight and ``x``, the last where it is needed."""
        weight, mask, x = ctx.saved_tensors
        grad_weight = torch.zeros_like(weight)
        grad_x = torch.zeros_like(x) if ctx.needs_input_grad[3] else None
        for rows, seen in ctx.blocks:
            torch.mm(grad[rows], x[seen].T, out=grad_weight[rows, seen])
            if grad_x is not None:
                grad_x[seen].addmm_(weight[rows, seen].T, grad[rows])
        return grad.sum(1), grad_weight.mul_(mask), None, grad_x, None


class MaskedNetwork(nn.Module):
    """A network that gives every column parameters computed from the columns before it.

    Parameters
    ----------
    degrees : tensor of int64, shape (columns,)
        Degree of each column, 1 to G, every one of them present.
    n_params : int
        Parameters of each column.
    hidden_sizes : sequence of int
        Units of each hidden layer.
    activation : str
        A key of ``ACTIVATIONS``.
    generator : torch.Generator
        Draws the initial weights; the last layer starts at zero, so that bijectors start at the
        identity.
    n_context : int, default=0
        Columns of the context.
    input_degrees : tensor of int64 or None, default=None
        Degrees of the inputs, where these are not the columns themselves.
    spread : float, default=1.0
        Of the initial weights of the first layer, as `MaskedLinear` takes it.

    Attributes
    ----------
    order : tensor of int64, shape (columns,)
        The columns sorted by degree.
    widest : int
        Units of the largest layer, all parameters together counted as one layer.
    n_units : int
        Inputs and hidden units together.
    n_known : list of tuple of int
        For each degree from 0 to G how many inputs, and units of each hidden layer, are of that
        degree at most.
    """

    degrees: torch.Tensor
    order: torch.Tensor

    def __init__(
        self,
        degrees: torch.Tensor,
        n_params: int,
        hidden_sizes: Sequence[int],
        activation: str,
        generator: torch.Generator,
        n_context: int = 0,
        input_degrees: torch.Tensor | None = None,
        spread: float = 1.0,
    ) -> None:
        super().__init__()
        self.n_params = n_params
        self.activation = activation
        self.n_groups = int(degrees.max())
        self.n_context = n_context
        self.register_buffer("degrees", degrees)
        input_degrees = degrees if input_degrees is None else input_degrees
        layers = [torch.cat([degrees.new_zeros(n_context), input_degrees])]
        layers += [hidden_degrees(size, self.n_groups, n_context > 0) for size in hidden_sizes]
        spreads = [spread] + [1.0] * len(hidden_sizes)
        self.hidden = nn.ModuleList(
            MaskedLinear(above[:, None] >= below, generator, spread)
            for (below, above), spread in zip(pairwise(layers), spreads)
        )
        output_mask = degrees.repeat_interleave(n_params)[:, None] > layers[-1]
        self.output = MaskedLinear(output_mask, generator)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.register_buffer("order", degrees.argsort(stable=True))
        upto = torch.arange(self.n_groups + 1)
        counts = [torch.searchsorted(layer.sort()[0], upto, right=True) for layer in layers]
        self.n_known = list(zip(*(count.tolist() for count in counts)))
        sizes = [len(layer) for layer in layers]
        self.n_units = sum(sizes)
        self.widest = max([*sizes[1:], len(output_mask)])

    def forward(self, x: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Return the parameters of all columns.

        Parameters
        ----------
        x : tensor of shape (inputs, rows)
            The columns, or what stands for them.
        context : tensor of shape (n_context, rows) or None, default=None

        Returns
        -------
        params : tensor of shape (n_params, columns, rows)
        """
        activate = ACTIVATIONS[self.activation]
        h = x if context is None else torch.cat([context, x])
        for layer in self.hidden:
            h = activate(layer(h))
        return self.output(h).view(len(self.degrees), self.n_params, x.shape[1]).transpose(0, 1)

    def incremental(self, n_rows: int, context: torch.Tensor | None = None) -> "IncrementalPass":
        """Start an incremental pass, which computes every hidden unit once."""
        return IncrementalPass(self, n_rows, context)


def clipped_softly(x: torch.Tensor, reach: float) -> torch.Tensor:
    """Return numbers, almost unchanged around 0, bounded by ``reach``."""
    return reach * torch.tanh(x / reach)


def hidden_degrees(size: int, n_groups: int, has_context: bool) -> torch.Tensor:
    """Return the degrees of hidden units, sorted and spread evenly up to G - 1.

    They start at 0 where there is a context, or one group only, and else at 1.
    """
    lowest = 0 if has_context or n_groups == 1 else 1
    return torch.arange(size) * (n_groups - lowest) // size + lowest


class IncrementalPass:
    """One pass through a `MaskedNetwork` in the order of its columns, a group at a time.

    `params` gives the parameters of the next group; `feed` takes the values of that group and
    computes the hidden units that these unlock. After the last group every unit was computed
    once: the arithmetic of one forward pass. Without gradients values are written in place; with
    them each step makes new tensors, and what it costs grows with the square of the columns.

    Parameters
    ----------
    network : MaskedNetwork
        One whose inputs are its columns.
    n_rows : int
    context : tensor of shape (n_context, n_rows) or None

    Attributes
    ----------
    groups : list of slice
        Where each group stands in the order of the columns, ``network.order``.
    values : list of tensor of shape (inputs or units, rows)
        The context and the columns in that order, and hidden units, as far as they are known.
    """

    def __init__(self, network: MaskedNetwork, n_rows: int, context: torch.Tensor | None) -> None:
        self.activate = ACTIVATIONS[network.activation]
        self.n_known = network.n_known
        n_context = network.n_context
        self.groups = [
            slice(start[0] - n_context, stop[0] - n_context)
            for start, stop in pairwise(self.n_known)
        ]
        order = network.order
        # inputs in the order of the pass, so that all that is known is always a leading block
        inputs = torch.cat([torch.arange(n_context, device=order.device), n_context + order])
        hidden = cast(list[MaskedLinear], list(network.hidden))
        self.weights = [layer.masked_weight() for layer in hidden]
        self.weights[0] = self.weights[0][:, inputs]
        self.biases = [layer.bias[:, None] for layer in hidden]
        weight = network.output.weight
        bias = network.output.bias
        self.output_weight = weight.view(len(order), network.n_params, -1)[order]
        self.output_bias = bias.view(len(order), network.n_params, 1)[order]
        in_place = not torch.is_grad_enabled()
        self.values = [
            weight.new_empty(size if in_place else 0, n_rows) for size in self.n_known[-1]
        ]
        self.step = 0
        if n_context:
            if context is None:
                raise ValueError(f"the network takes a context of {n_context} columns, got none")
            self._write(slice(0, n_context), context)
        self._unlock((0,) * len(self.values), self.n_known[0])

    def _write(self, place: slice, values: torch.Tensor) -> None:
        """Take inputs, which are known from now on."""
        if torch.is_grad_enabled():
            self.values[0] = torch.cat([self.values[0], values])
        else:
            self.values[0][place] = values

    def _unlock(self, before: Sequence[int], after: Sequence[int]) -> None:
        """Compute the hidden units that become known, from so many of each layer to so many."""
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases)):
            new = slice(before[i + 1], after[i + 1])
            if new.stop == new.start:
                continue
            product = bias[new], weight[new, : after[i]], self.values[i][: after[i]]
            if torch.is_grad_enabled():
                units = self.activate(torch.addmm(*product))
                self.values[i + 1] = torch.cat([self.values[i + 1], units])
            else:
                units = self.values[i + 1][new]
                self.activate(torch.addmm(*product, out=units))

    def params(self) -> torch.Tensor:
        """Return the parameters of the next group, shape (n_params, columns of it, rows)."""
        group = self.groups[self.step]
        n_known = self.n_known[self.step][-1]
        weight = self.output_weight[group, :, :n_known]
        bias = self.output_bias[group]
        out = torch.addmm(bias.flatten(0, 1), weight.flatten(0, 1), self.values[-1][:n_known])
        return out.view(*bias.shape[:2], out.shape[1]).transpose(0, 1)

    def feed(self, x: torch.Tensor) -> None:
        """Take the values of the group whose parameters were asked for, shape (columns, rows)."""
        before = self.n_known[self.step]
        after = self.n_known[self.step + 1]
        self._write(slice(before[0], after[0]), x)
        self.step += 1
        self._unlock(before, after)
