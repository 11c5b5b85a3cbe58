"""Normalising flows in torch: `make_flow` is the table of families."""

import torch

from .bijectors import Affine, Chain, Spline
from .discrete import DiscreteMADE, Levels
from .layers import Flow, MaskedLayer
from .masked import ACTIVATIONS, MaskedNetwork
from .mixture import MixtureMADE
from .table import CodesDensity, TableFlow, ValuesDensity

BIJECTORS = ("affine", "spline")
WIDER = 4  # times the layers of the one network of discrete columns, where a flow has several networks

__all__ = ["ACTIVATIONS", "BIJECTORS", "DiscreteMADE", "Flow", "Levels", "MixtureMADE", "make_flow", "make_table_flow"]


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


def make_table_flow(n_values, levels, gates, with_gaps, *, hidden_layer_sizes, activation, generator, **shape):
    """A flow for a table with discrete columns and missing cells.

    Parameters
    ----------
    n_values : int
        Number of continuous values of a row.
    levels : Levels or None
        Of the discrete columns; None where there are none.
    gates : sequence of pairs of int
        For each value the place and the level of the code with which it is there, or (-1, -1) if it always is.
    with_gaps : bool
        Whether cells may be missing.
    hidden_layer_sizes, activation, generator, **shape
        As those of `make_flow`. The one network of the discrete columns has layers `WIDER` times as wide.

    Returns
    -------
    TableFlow
    """
    network = dict(activation=activation, generator=generator)
    codes = None
    if levels is not None:
        codes = CodesDensity(DiscreteMADE(levels, [WIDER * size for size in hidden_layer_sizes], **network))
    n_context = ValuesDensity.n_context(levels, n_values, with_gaps)
    flow = make_flow(n_values, hidden_layer_sizes=hidden_layer_sizes, n_context=n_context, **network, **shape)
    return TableFlow(codes, ValuesDensity(flow, levels, gates, with_gaps))
