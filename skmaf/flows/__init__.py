"""Normalising flows in torch: `make_flow` is the table of families."""

import torch

from .bijectors import Affine, Chain, Spline
from .layers import Flow, MaskedLayer
from .masked import ACTIVATIONS, MaskedNetwork
from .mixture import MixtureMADE

BIJECTORS = ("affine", "spline")

__all__ = ["ACTIVATIONS", "BIJECTORS", "Flow", "MixtureMADE", "make_flow"]


def make_flow(n_columns, *, bijector, n_layers, hidden_layer_sizes, activation, n_bins, generator, n_context=0):
    """A masked autoregressive flow that starts at the identity.

    Parameters
    ----------
    n_columns : int
        Number of columns; a flow of none has no layers.
    bijector : {"affine", "spline"}
        The scalar map of each layer; a spline is preceded by an affine map.
    n_layers : int
        Number of layers; their column orders are natural and reversed by turns.
    hidden_layer_sizes : sequence of int
        Units of each hidden layer of the conditioners.
    activation : str
        A key of ``ACTIVATIONS``.
    n_bins : int
        Bins of the spline.
    generator : torch.Generator
        Draws the initial weights.
    n_context : int, default=0
        Columns of the context that the density is given.

    Returns
    -------
    Flow
    """
    if bijector == "affine":
        bijector = Affine()
    else:
        bijector = Chain(Affine(), Spline(n_bins))
    degrees = torch.arange(1, n_columns + 1)
    layers = []
    for i in range(n_layers if n_columns else 0):
        order = degrees if i % 2 == 0 else degrees.flip(0)
        conditioner = MaskedNetwork(order, bijector.n_params, hidden_layer_sizes, activation, generator, n_context)
        layers.append(MaskedLayer(conditioner, bijector))
    return Flow(layers)
