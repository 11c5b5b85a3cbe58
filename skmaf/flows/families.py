"""The flows of all families: what the layers are made of that `FAMILIES` names."""

from collections.abc import Callable, Sequence

import torch

from .._families import FAMILIES, resolve
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


DEGREES = {"autoregressive": autoregressive, "coupling": coupling}
LAYER_TYPES: dict[str, type[PlanarLayer] | type[RadialLayer]] = {
    "planar": PlanarLayer,
    "radial": RadialLayer,
}


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
    reach: float | None = None,
    spread: float = 1.0,
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
    reach : float or None, default=None
        Of each `MaskedLayer`.
    spread : float, default=1.0
        Of the initial weights of each `MaskedNetwork`.

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
        network = MaskedNetwork(
            degrees, n_params, sizes, activation, generator, n_context, spread=spread
        )
        return MaskedLayer(network, bijector, reach)

    layers: list[Layer] = []
    if row.layer_type:
        layer_type = LAYER_TYPES[row.layer_type]
        layers += [layer_type(n_columns, generator) for _ in range(n_layers)]
    elif row.degrees and bijector_name:
        scalar_map = BIJECTORS[bijector_name](n_bins)
        for degrees in DEGREES[row.degrees](n_columns, n_layers, generator):
            layer = masked(degrees, scalar_map, hidden_layer_sizes)
            layers.append(Inverted(layer) if row.inverted else layer)
    if row.scaled:
        # a network of one group sees no column: what it gives them are constants
        layers.append(masked(torch.ones(n_columns, dtype=torch.int64), Affine(), [1]))
    return Flow(layers)
