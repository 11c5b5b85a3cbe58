"""The conditioner: a masked network whose outputs for a column see only the columns before it (MADE).

Every column has a degree from 1 to G, its place in the order (columns of one degree form a group: D groups make an
autoregressive layer, 2 a coupling). A hidden unit of degree g sees columns of degree at most g; the parameters of a column
of degree g see units of degree below g. Context is an input of degree 0, seen by every unit. Hidden units are sorted by degree,
so each mask is a staircase. Tensors are (units, rows) throughout: the units that one group unlocks are a contiguous block.

References
----------
Germain, Gregor, Murray and Larochelle (2015). MADE: masked autoencoder for distribution estimation. ICML.
"""

import math
from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

# in place: a walk writes where it reads, and training keeps one tensor less
ACTIVATIONS = {"relu": torch.relu_, "tanh": torch.tanh_, "silu": partial(F.silu, inplace=True)}

BLOCK = 128  # rows of a staircase that are multiplied together
WIDE = 256  # connections of a unit from which skipping the zeros of a staircase pays


class MaskedLinear(nn.Module):
    """A linear layer without the connections from higher to lower degrees."""

    def __init__(self, mask, generator):
        super().__init__()
        bound = 1 / math.sqrt(max(mask.shape[1], 1))
        self.weight = nn.Parameter((2 * torch.rand(mask.shape, generator=generator) - 1) * bound)
        self.bias = nn.Parameter((2 * torch.rand(mask.shape[0], generator=generator) - 1) * bound)
        self.register_buffer("mask", mask.to(self.weight.dtype), persistent=False)
        self.blocks = _blocks(mask) if min(mask.shape) >= WIDE else []

    def masked_weight(self):
        return self.weight * self.mask

    def forward(self, x):
        weight, bias = self.masked_weight(), self.bias[:, None]
        if not self.blocks:
            return torch.addmm(bias, weight, x)
        return StaircaseProduct.apply(bias, weight, x, self.blocks)


def _blocks(mask):
    """Slices of rows, and for each the slice of columns beyond which they see nothing."""
    starts = range(0, len(mask), BLOCK)
    seen = [mask[start : start + BLOCK].any(0).nonzero()[:, 0].tolist() or [0] for start in starts]
    return [
        (slice(start, start + BLOCK), slice(cols[0], cols[-1] + 1))
        for start, cols in zip(starts, seen)
    ]


class StaircaseProduct(torch.autograd.Function):
    """``bias + weight @ x`` for a weight that is zero outside blocks, the zeros skipped there and in the gradients."""

    @staticmethod
    def forward(ctx, bias, weight, x, blocks):
        ctx.save_for_backward(weight, x)
        ctx.blocks = blocks
        return torch.cat(
            [torch.addmm(bias[rows], weight[rows, seen], x[seen]) for rows, seen in blocks]
        )

    @staticmethod
    def backward(ctx, grad):
        weight, x = ctx.saved_tensors
        grad_weight, grad_x = torch.zeros_like(weight), torch.zeros_like(x)
        for rows, seen in ctx.blocks:
            grad_weight[rows, seen] = grad[rows] @ x[seen].T
            grad_x[seen].addmm_(weight[rows, seen].T, grad[rows])
        return grad.sum(1, keepdim=True), grad_weight, grad_x, None


class MaskedNetwork(nn.Module):
    """Gives every column ``n_params`` parameters computed from the columns of lower degree, and from a context.

    Parameters
    ----------
    degrees : tensor of int64, shape (columns,)
        Degree of each column, 1 to G, every one of them present.
    n_params : int
        Parameters per column.
    hidden_sizes : sequence of int
        Units of each hidden layer.
    activation : str
        A key of ``ACTIVATIONS``.
    generator : torch.Generator
        Draws the initial weights; the last layer starts at zero, so that bijectors start at the identity.
    n_context : int, default=0
        Columns of the context.
    input_degrees : tensor of int64 or None, default=None
        Degrees of the inputs, where these are not the columns themselves.
    """

    def __init__(
        self,
        degrees,
        n_params,
        hidden_sizes,
        activation,
        generator,
        n_context=0,
        input_degrees=None,
    ):
        super().__init__()
        self.n_params = n_params
        self.activation = activation
        self.n_groups = int(degrees.max())
        self.n_context = n_context
        self.register_buffer("degrees", degrees)
        units = [
            torch.cat(
                [degrees.new_zeros(n_context), degrees if input_degrees is None else input_degrees]
            )
        ]
        units += [hidden_degrees(size, self.n_groups, n_context > 0) for size in hidden_sizes]
        self.hidden = nn.ModuleList(
            MaskedLinear(own[:, None] >= below, generator) for below, own in pairwise(units)
        )
        below = units[-1]
        self.output = MaskedLinear(degrees.repeat_interleave(n_params)[:, None] > below, generator)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.register_buffer("order", degrees.argsort(stable=True))
        upto = torch.arange(self.n_groups + 1)
        # row g: how many inputs, and units of each hidden layer, are of degree at most g
        self.known = list(
            zip(*(torch.searchsorted(own.sort()[0], upto, right=True).tolist() for own in units))
        )

    @property
    def n_units(self):
        """Inputs and hidden units together."""
        return self.hidden[0].weight.shape[1] + sum(layer.bias.numel() for layer in self.hidden)

    @property
    def widest(self):
        """Units of the largest layer, the parameters counted as one."""
        return max(layer.bias.numel() for layer in [*self.hidden, self.output])

    def forward(self, x, context=None):
        """Parameters, shape (n_params, columns, rows), of the columns ``x``, shape (columns, rows), given the context's."""
        act = ACTIVATIONS[self.activation]
        h = x if context is None else torch.cat([context, x])
        for layer in self.hidden:
            h = act(layer(h))
        return self.output(h).view(len(self.degrees), self.n_params, x.shape[1]).transpose(0, 1)

    def walk(self, n_rows, context=None):
        """Start an incremental evaluation, which computes every hidden unit once."""
        return Walk(self, n_rows, context)


def hidden_degrees(size, n_groups, context):
    """Degrees up to G - 1 spread evenly and sorted, from 0 where there is a context, or one group only, and else from 1."""
    lowest = 0 if context or n_groups == 1 else 1
    return torch.arange(size) * (n_groups - lowest) // size + lowest


class Walk:
    """One pass through a `MaskedNetwork` in the order of its columns, a group at a time.

    `params` gives the parameters of the next group; `feed` takes that group's values and computes the hidden units that it
    unlocks. After the last group every unit was computed once: the arithmetic of one forward pass. Without gradients values are
    written in place; with them each step makes new tensors, and what it costs grows with the square of the columns.

    Attributes
    ----------
    groups : list of slice
        Where each group stands in the order of the columns, ``network.order``.
    values : list of tensor of shape (inputs or units, rows)
        The context and the columns in that order, and hidden units, as far as they are known.
    """

    def __init__(self, network, n_rows, context):
        self.act = ACTIVATIONS[network.activation]
        self.known = network.known
        n_context = network.n_context
        self.groups = [
            slice(start[0] - n_context, stop[0] - n_context) for start, stop in pairwise(self.known)
        ]
        first, *others = network.hidden
        # in the order of the walk, so that all that is known is always a leading block
        inputs = torch.cat(
            [torch.arange(n_context, device=network.order.device), n_context + network.order]
        )
        self.weights = [
            first.masked_weight()[:, inputs],
            *(layer.masked_weight() for layer in others),
        ]
        self.biases = [layer.bias[:, None] for layer in network.hidden]
        n_params, n_columns = network.n_params, len(network.order)
        self.output_weight = network.output.weight.view(n_columns, n_params, -1)[network.order]
        self.output_bias = network.output.bias.view(n_columns, n_params, 1)[network.order]
        in_place = not torch.is_grad_enabled()
        self.values = [
            first.weight.new_empty(size if in_place else 0, n_rows) for size in self.known[-1]
        ]
        self.step = 0
        if n_context:
            self._write(slice(0, n_context), context)
        self._unlock([0] * len(self.values), self.known[0])

    def _write(self, place, values):
        if torch.is_grad_enabled():
            self.values[0] = torch.cat([self.values[0], values])
        else:
            self.values[0][place] = values

    def _unlock(self, before, after):
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases)):
            new = slice(before[i + 1], after[i + 1])
            if new.stop == new.start:
                continue
            product = bias[new], weight[new, : after[i]], self.values[i][: after[i]]
            if torch.is_grad_enabled():
                self.values[i + 1] = torch.cat(
                    [self.values[i + 1], self.act(torch.addmm(*product))]
                )
            else:
                units = self.values[i + 1][new]
                self.act(torch.addmm(*product, out=units))

    def params(self):
        """Parameters, shape (n_params, columns of the group, rows), of the next group."""
        group, known = self.groups[self.step], self.known[self.step][-1]
        weight, bias = self.output_weight[group, :, :known], self.output_bias[group]
        out = torch.addmm(bias.flatten(0, 1), weight.flatten(0, 1), self.values[-1][:known])
        return out.view(*bias.shape[:2], out.shape[1]).transpose(0, 1)

    def feed(self, x):
        """Take the values, shape (columns of the group, rows), of the group whose parameters were asked for."""
        self._write(slice(self.known[self.step][0], self.known[self.step + 1][0]), x)
        self.step += 1
        self._unlock(self.known[self.step - 1], self.known[self.step])
