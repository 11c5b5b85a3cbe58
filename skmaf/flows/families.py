"""The table of families: what the layers of each are made of, and how many there are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from .bijectors import Additive, Affine, Bijector, Mixture
from .layers import Flow, Inverted, Layer, MaskedLayer
from .masked import MaskedNetwork
from .planar import PlanarLayer, RadialLayer
from .spline import AffineSpline

BIJECTORS: dict[str, Callable[[int], Bijector]] = {
    "additive": lambda n_bins: Additive(),
    "affine": lambda n_bins: Affine(),
    "spline": AffineSpline,
    "mixture": lambda n_bins: Mixture(),
}


def autoregressive(n_columns: int, n_layers: int, generator: torch.Generator) -> list[torch.Tensor]:
    """Return the degrees of the columns in each layer, in an order that turns round each time.

    Each column is given those before it.
    """
    degrees = torch.arange(1, n_columns + 1)
    return [degrees if i % 2 == 0 else degrees.flip(0) for i in range(n_layers)]


def coupling(n_columns: int, n_layers: int, generator: torch.Generator) -> list[torch.Tensor]:
    """Return the degrees of two halves of the columns in each layer.

    One half is given the other, then that one the first; each pair of layers halves them anew.
    """
    degrees = []
    for i in range(n_layers):
        if i % 2 == 0:
            second = torch.randperm(n_columns, generator=generator) >= (n_columns + 1) // 2
        degrees.append(1 + (second if i % 2 == 0 or n_columns == 1 else ~second).long())
    return degrees


@dataclass(frozen=True)
class Family:
    """A row of the table of families.

    Attributes
    ----------
    n_layers : int
        How many layers it has by default.
    bijectors : tuple of str
        What scalar maps it may have, its default first; none where it has a ``layer_type``.
    degrees : callable or None
        Gives the degrees of the columns in each layer.
    layer_type : type or None
        Its layers, where these are no conditioner with a bijector.
    inverted : bool
        Whether draws, not densities, take one pass.
    scaled : bool
        Whether a scale and a shift of each column come last, because no other layer has them.
    """

    n_layers: int
    bijectors: tuple[str, ...] = ()
    degrees: Callable[[int, int, torch.Generator], list[torch.Tensor]] | None = None
    layer_type: type[PlanarLayer] | type[RadialLayer] | None = None
    inverted: bool = False
    scaled: bool = False


FAMILIES = {
    "maf": Family(5, ("spline", "affine", "mixture"), autoregressive),
    "made": Family(1, ("affine", "mixture", "spline"), autoregressive),
    "nice": Family(8, ("additive",), coupling, scaled=True),
    "realnvp": Family(8, ("affine", "spline", "mixture"), coupling),
    "iaf": Family(5, ("affine", "spline", "mixture"), autoregressive, inverted=True),
    "planar": Family(32, layer_type=PlanarLayer, scaled=True),
    "radial": Family(32, layer_type=RadialLayer, scaled=True),
}


def resolve(family: str, bijector: str, n_layers: int | str) -> tuple[str | None, int]:
    """Return the bijector and the number of layers of a family, its defaults for "auto".

    Raises
    ------
    ValueError
        If the family cannot have them.
    """
    row = FAMILIES[family]
    if bijector != "auto" and bijector not in row.bijectors:
        allowed = "'auto': its layers have no bijector"
        if row.bijectors:
            allowed = f"one of {['auto', *row.bijectors]}"
        raise ValueError(
            f"bijector={bijector!r} makes no sense with family={family!r}, which takes {allowed}."
        )
    if family == "made" and n_layers not in ("auto", 1):
        raise ValueError(
            f"family='made' has one layer, got n_layers={n_layers}: leave it at 'auto', or use "
            "family='maf'."
        )
    default = row.bijectors[0] if row.bijectors else None
    return (
        default if bijector == "auto" else bijector,
        row.n_layers if isinstance(n_layers, str) else n_layers,
    )


def make_flow(
    n_columns: int,
    *,
    hidden_layer_sizes: Sequence[int],
    activation: str,
    generator: torch.Generator,
    family: str = "maf",
    bijector: str = "auto",
    n_layers: int | str = "auto",
    n_bins: int = 8,
    n_context: int = 0,
) -> Flow:
    """Make a flow of a family, which starts at the identity or close to it.

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
        Columns of the context that the density is conditional on.

    Returns
    -------
    Flow

    Raises
    ------
    ValueError
        If the family cannot have such a bijector, number of layers or context.
    """
    row = FAMILIES[family]
    bijector_name, n_layers = resolve(family, bijector, n_layers)
    if row.layer_type and n_context:
        raise ValueError(
            f"family={family!r} takes no context, which conditional densities, categories, "
            "repeated values and missing cells need: use another family, such as 'maf'."
        )
    if n_columns == 0:
        return Flow([])

    def masked(degrees: torch.Tensor, bijector: Bijector, sizes: Sequence[int]) -> MaskedLayer:
        n_params = bijector.n_params
        network = MaskedNetwork(degrees, n_params, sizes, activation, generator, n_context)
        return MaskedLayer(network, bijector)

    layers: list[Layer] = []
    if row.layer_type:
        layers += [row.layer_type(n_columns, generator) for _ in range(n_layers)]
    elif row.degrees and bijector_name:
        scalar_map = BIJECTORS[bijector_name](n_bins)
        for degrees in row.degrees(n_columns, n_layers, generator):
            layer = masked(degrees, scalar_map, hidden_layer_sizes)
            layers.append(Inverted(layer) if row.inverted else layer)
    if row.scaled:
        # a network of one group sees no column: what it gives them are constants
        layers.append(masked(torch.ones(n_columns, dtype=torch.int64), Affine(), [1]))
    return Flow(layers)
