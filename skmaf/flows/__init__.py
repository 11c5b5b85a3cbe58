"""Normalising flows in torch.

`make_flow` makes one of a family, `make_table_flow` one for a table of all kinds of columns.
"""

from .._families import FAMILIES, resolve
from .bijectors import Additive, Affine, Bijector, Chain, Mixture
from .discrete import ABSENT, Categories, DiscreteMADE
from .families import BIJECTORS, make_flow
from .layers import Flow, MaskedLayer, RowDensity, base_log_prob
from .masked import ACTIVATIONS, MaskedNetwork
from .mixture import MixtureMADE
from .spline import AffineSpline, Spline
from .table import CodesDensity, TableFlow, ValuesDensity, make_table_flow

__all__ = [
    "ABSENT",
    "ACTIVATIONS",
    "Additive",
    "Affine",
    "AffineSpline",
    "BIJECTORS",
    "Bijector",
    "Categories",
    "Chain",
    "CodesDensity",
    "DiscreteMADE",
    "FAMILIES",
    "Flow",
    "MaskedLayer",
    "MaskedNetwork",
    "Mixture",
    "MixtureMADE",
    "RowDensity",
    "Spline",
    "TableFlow",
    "ValuesDensity",
    "base_log_prob",
    "make_flow",
    "make_table_flow",
    "resolve",
]
