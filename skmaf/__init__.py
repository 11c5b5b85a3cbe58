"""skmaf: masked autoregressive flows for scikit-learn.

What is public is imported when its name is first asked for, and torch when one is fitted or loaded:
to import skmaf takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._versions import show_versions
    from .classifier import MAFClassifier
    from .conditional import ConditionalMAFDensity
    from .density import MAFDensity
    from .ensemble import DensityEnsemble
    from .multiscale import MultiscaleDensity
    from .outlier import DensityOutlierDetector
    from .persistence.files import load, save
    from .reading import read_table
    from .table.relation_search import find_relations
    from .table.relations import Determines, Order, Sum
    from .table.shards import Shard
    from .variational import VariationalFlow

__all__ = [
    "ConditionalMAFDensity",
    "DensityEnsemble",
    "DensityOutlierDetector",
    "Determines",
    "MAFClassifier",
    "MAFDensity",
    "MultiscaleDensity",
    "Order",
    "Shard",
    "Sum",
    "VariationalFlow",
    "find_relations",
    "load",
    "read_table",
    "save",
    "show_versions",
]
__version__ = "0.1.0"

_MODULES = {
    "ConditionalMAFDensity": "conditional",
    "DensityEnsemble": "ensemble",
    "DensityOutlierDetector": "outlier",
    "Determines": "table.relations",
    "MAFClassifier": "classifier",
    "MAFDensity": "density",
    "MultiscaleDensity": "multiscale",
    "Order": "table.relations",
    "Shard": "table.shards",
    "Sum": "table.relations",
    "VariationalFlow": "variational",
    "find_relations": "table.relation_search",
    "load": "persistence.files",
    "read_table": "reading",
    "save": "persistence.files",
    "show_versions": "_versions",
}

if not TYPE_CHECKING:  # type checkers read the imports above, and refuse other names

    def __getattr__(name: str) -> Any:
        """Import what is public when its name is first asked for (PEP 562)."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f".{_MODULES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
