"""What a flow can be: the table of families, and the names that choose their parts.

Parameters are checked against these names, so they are known without torch; `flows.families` makes
the flows.
"""

from dataclasses import dataclass

ACTIVATION_NAMES = ("gelu", "relu", "silu", "tanh")


@dataclass(frozen=True)
class Family:
    """A row of the table of families.

    Attributes
    ----------
    n_layers : int
        How many layers it has by default.
    bijectors : tuple of str
        What scalar maps it may have, its default first; none where it has a ``layer_type``.
    degrees : str or None
        The name, in ``flows.families.DEGREES``, of what gives the degrees of the columns in each
        layer.
    layer_type : str or None
        The name of its layers, in ``flows.families.LAYER_TYPES``, where these are no conditioner
        with a bijector.
    inverted : bool
        Whether draws, not densities, take one pass.
    scaled : bool
        Whether a scale and a shift of each column come last, because no other layer has them.
    """

    n_layers: int
    bijectors: tuple[str, ...] = ()
    degrees: str | None = None
    layer_type: str | None = None
    inverted: bool = False
    scaled: bool = False


FAMILIES = {
    "maf": Family(3, ("spline", "affine", "mixture"), "autoregressive"),
    "made": Family(1, ("affine", "mixture", "spline"), "autoregressive"),
    "nice": Family(8, ("additive",), "coupling", scaled=True),
    "realnvp": Family(8, ("affine", "spline", "mixture"), "coupling"),
    "iaf": Family(5, ("affine", "spline", "mixture"), "autoregressive", inverted=True),
    "planar": Family(32, layer_type="planar", scaled=True),
    "radial": Family(32, layer_type="radial", scaled=True),
}
BIJECTOR_NAMES = tuple(sorted({name for row in FAMILIES.values() for name in row.bijectors}))


def default_activation(bijector: str | None) -> str:
    """Return the activation for a bijector: what is smooth serves splines, and the others less."""
    return "gelu" if bijector == "spline" else "relu"


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
