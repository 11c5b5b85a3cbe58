"""The table of families: what the layers of each are made of, and how many there are."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from .bijectors import Additive, Affine, Chain, Mixture, Spline
from .layers import Flow, Inverted, MaskedLayer
from .masked import MaskedNetwork
from .planar import PlanarLayer, RadialLayer

BIJECTORS = {
    "additive": lambda n_bins: Additive(),
    "affine": lambda n_bins: Affine(),
    "spline": lambda n_bins: Chain(Affine(), Spline(n_bins)),
    "mixture": lambda n_bins: Mixture(),
}


def autoregressive(n_columns, n_layers, generator):
    """Degrees of the columns in each layer: each is given those before it, in an order that turns round."""
    degrees = torch.arange(1, n_columns + 1)
    return [degrees if i % 2 == 0 else degrees.flip(0) for i in range(n_layers)]


def coupling(n_columns, n_layers, generator):
    """Degrees of two halves: one is given the other, then that one the first; each pair of layers halves them anew."""
    degrees = []
    for i in range(n_layers):
        if i % 2 == 0:
            second = torch.randperm(n_columns, generator=generator) >= (n_columns + 1) // 2
        degrees.append(1 + (second if i % 2 == 0 or n_columns == 1 else ~second).long())
    return degrees


@dataclass(frozen=True)
class Family:
    """A row of the table.

    Attributes
    ----------
    n_layers : int
        How many layers it has if none are asked for.
    bijectors : tuple of str
        What scalar maps it may have, its own first; none where a layer is ``whole``.
    degrees : callable or None
        Gives the degrees of the columns in each layer.
    whole : type or None
        A layer that is no conditioner with a bijector.
    inverted : bool
        Whether draws, not densities, take one pass.
    scaled : bool
        Whether a scale and a shift of each column come last, because no other layer has them.
    """

    n_layers: int
    bijectors: tuple = ()
    degrees: Callable | None = None
    whole: type | None = None
    inverted: bool = False
    scaled: bool = False


FAMILIES = {
    "maf": Family(5, ("spline", "affine", "mixture"), autoregressive),
    "made": Family(1, ("affine", "mixture", "spline"), autoregressive),
    "nice": Family(8, ("additive",), coupling, scaled=True),
    "realnvp": Family(8, ("affine", "spline", "mixture"), coupling),
    "iaf": Family(5, ("affine", "spline", "mixture"), autoregressive, inverted=True),
    "planar": Family(32, whole=PlanarLayer, scaled=True),
    "radial": Family(32, whole=RadialLayer, scaled=True),
}


def resolve(family, bijector, n_layers):
    """The bijector and the number of layers of a family, where "auto" asks for its own.

    Raises
    ------
    ValueError
        If the family cannot have them.
    """
    row = FAMILIES[family]
    if bijector == "auto":
        bijector = row.bijectors[0] if row.bijectors else None
    elif bijector not in row.bijectors:
        allowed = (
            f"one of {['auto', *row.bijectors]}"
            if row.bijectors
            else "'auto': its layers have no bijector"
        )
        raise ValueError(
            f"bijector={bijector!r} makes no sense with family={family!r}, which takes {allowed}."
        )
    if family == "made" and n_layers not in ("auto", 1):
        raise ValueError(
            f"family='made' has one layer, got n_layers={n_layers}: leave it at 'auto', or use family='maf'."
        )
    return bijector, row.n_layers if n_layers == "auto" else n_layers


def make_flow(
    n_columns,
    *,
    hidden_layer_sizes,
    activation,
    generator,
    family="maf",
    bijector="auto",
    n_layers="auto",
    n_bins=8,
    n_context=0,
):
    """A flow of a family, which starts at the identity or close to it.

    Parameters
    ----------
    n_columns : int
        Number of columns; a flow of none has no layers.
    hidden_layer_sizes : sequence of int
        Units of each hidden layer of the conditioners.
    activation : str
        A key of ``ACTIVATIONS``.
    generator : torch.Generator
        Draws the initial weights, and the halves of coupling layers.
    family : str, default="maf"
        A key of ``FAMILIES``.
    bijector : str, default="auto"
        The scalar map of each layer; a spline is preceded by an affine map.
    n_layers : int or "auto", default="auto"
    n_bins : int, default=8
        Bins of the spline.
    n_context : int, default=0
        Columns of the context that the density is given.

    Returns
    -------
    Flow

    Raises
    ------
    ValueError
        If the family cannot have such a bijector, number of layers or context.
    """
    row = FAMILIES[family]
    bijector, n_layers = resolve(family, bijector, n_layers)
    if row.whole and n_context:
        raise ValueError(
            f"family={family!r} takes no context, which columns that are given, categories, repeated values and missing cells "
            "need: use another family, such as 'maf'."
        )
    if n_columns == 0:
        return Flow([])

    def masked(degrees, bijector, sizes):
        return MaskedLayer(
            MaskedNetwork(degrees, bijector.n_params, sizes, activation, generator, n_context),
            bijector,
        )

    if row.whole:
        layers = [row.whole(n_columns, generator) for _ in range(n_layers)]
    else:
        scalar = BIJECTORS[bijector](n_bins)
        layers = [
            masked(own, scalar, hidden_layer_sizes)
            for own in row.degrees(n_columns, n_layers, generator)
        ]
    if row.inverted:
        layers = [Inverted(layer) for layer in layers]
    if row.scaled:
        # a network of one group sees no column: what it gives them are constants
        layers.append(masked(torch.ones(n_columns, dtype=torch.int64), Affine(), [1]))
    return Flow(layers)
