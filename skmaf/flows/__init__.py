"""Normalising flows in torch: `make_flow` makes one of a family, `make_table_flow` one for a table of all kinds of columns."""

from .bijectors import Additive, Affine, Chain, Mixture, Spline
from .discrete import DiscreteMADE, Levels
from .families import BIJECTORS, FAMILIES, make_flow, resolve
from .layers import Flow, MaskedLayer
from .masked import ACTIVATIONS, MaskedNetwork
from .mixture import MixtureMADE
from .table import TableFlow, make_table_flow

__all__ = [
    "ACTIVATIONS",
    "Additive",
    "Affine",
    "BIJECTORS",
    "Chain",
    "DiscreteMADE",
    "FAMILIES",
    "Flow",
    "Levels",
    "MaskedLayer",
    "MaskedNetwork",
    "Mixture",
    "MixtureMADE",
    "Spline",
    "TableFlow",
    "make_flow",
    "make_table_flow",
    "resolve",
]
