"""Masked networks of one shape, computed side by side: each product of a layer is one call.

Small networks cost little more together than one of them alone.
"""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from torch import nn

from .masked import ACTIVATIONS, Blocks, MaskedLinear, MaskedNetwork


class NetworkStack(nn.Module):
    """Several `MaskedNetwork` of one shape, with weights of their own.

    Weights without a connection are zero, and stay it if `mask_gradients` is called before each
    step of an optimiser that leaves zeros without a gradient alone.

    Parameters
    ----------
    networks : sequence of MaskedNetwork

    Attributes
    ----------
    weights, biases : ParameterList
        Of each layer, shape (networks, outputs, inputs) and (networks, outputs, 1).
    """

    def __init__(self, networks: Sequence[MaskedNetwork]) -> None:
        super().__init__()
        self.networks = list(networks)
        first = networks[0]
        self.n_params = first.n_params
        self.n_columns = len(first.degrees)
        self.activate = ACTIVATIONS[first.activation]
        layers = list(zip(*map(_layers, networks)))
        self.masks = [of_networks[0].mask for of_networks in layers]
        self.blocks = [of_networks[0].blocks for of_networks in layers]
        self.weights = nn.ParameterList(
            torch.stack([layer.masked_weight().detach() for layer in of_networks])
            for of_networks in layers
        )
        self.biases = nn.ParameterList(
            torch.stack([layer.bias.detach()[:, None] for layer in of_networks])
            for of_networks in layers
        )

    def forward(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return the parameters of all columns.

        Parameters
        ----------
        x : tensor of shape (networks, columns, rows)
        context : tensor of shape (networks, n_context, rows)

        Returns
        -------
        params : tensor of shape (n_params, networks, columns, rows)
        """
        h = torch.cat([context, x], dim=1)
        *hidden, output = zip(self.biases, self.weights, self.blocks)
        for layer in hidden:
            h = self.activate(StackProduct.apply(*layer, h))
        out = StackProduct.apply(*output, h)
        shape = (len(out), self.n_columns, self.n_params, out.shape[2])
        return out.view(shape).permute(2, 0, 1, 3)

    @property
    def hidden(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """The weights between hidden layers, with their masks."""
        return list(zip(self.weights, self.masks))[1:-1]

    @torch.no_grad()
    def mask_gradients(self) -> None:
        """Set the gradients of weights without a connection to zero."""
        for weight, mask in zip(self.weights, self.masks):
            weight.grad.mul_(mask)

    @torch.no_grad()
    def write_back(self, weights: Sequence[torch.Tensor]) -> None:
        """Give each network its part of weights like those of ``parameters()``."""
        n_layers = len(self.weights)
        for k, network in enumerate(self.networks):
            for i, layer in enumerate(_layers(network)):
                layer.weight.copy_(weights[i][k])
                layer.bias.copy_(weights[n_layers + i][k, :, 0])


class StackProduct(torch.autograd.Function):
    """The products ``bias + weight @ x`` of several networks, without the zeros outside of blocks.

    Within its blocks the gradient of a weight is as if it had no mask.
    """

    @staticmethod
    def forward(
        ctx: Any, bias: torch.Tensor, weight: torch.Tensor, blocks: Blocks, x: torch.Tensor
    ) -> torch.Tensor:
        """Return the products, shape (networks, outputs, rows)."""
        ctx.save_for_backward(weight, x)
        ctx.blocks = blocks
        products = [
            torch.baddbmm(bias[:, rows], weight[:, rows, seen], x[:, seen]) for rows, seen in blocks
        ]
        return torch.cat(products, dim=1)

    @staticmethod
    def backward(
        ctx: Any, grad: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, None, torch.Tensor | None]:
        """Return the gradients of bias, weight and ``x``, the last where it is needed."""
        weight, x = ctx.saved_tensors
        of_weight = torch.zeros_like(weight)
        of_x = torch.zeros_like(x) if ctx.needs_input_grad[3] else None
        for rows, seen in ctx.blocks:
            of_weight[:, rows, seen] = torch.bmm(grad[:, rows], x[:, seen].mT)
            if of_x is not None:
                of_x[:, seen].baddbmm_(weight[:, rows, seen].mT, grad[:, rows])
        return grad.sum(2, keepdim=True), of_weight, None, of_x


def _layers(network: MaskedNetwork) -> Iterator[MaskedLinear]:
    """Yield the layers of a network in their order."""
    yield from cast(Sequence[MaskedLinear], network.hidden)
    yield network.output
