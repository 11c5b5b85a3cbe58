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
    from .onnx.export import to_onnx
    from .outlier import DensityOutlierDetector
    from .persistence.files import load, save
    from .plotting.conditional import ConditionalDisplay
    from .plotting.density import DensityDisplay
    from .plotting.explanation import ExplanationDisplay
    from .plotting.pairs import PairDisplay
    from .plotting.pit import PITDisplay
    from .plotting.scores import ScoreDisplay
    from .plotting.training import TrainingDisplay
    from .reading import read_table
    from .streamed import iter_blocks
    from .table.relation_search import find_relations
    from .table.relations import Determines, Order, Sum
    from .table.shards import Shard
    from .variational import VariationalFlow

__all__ = [
    "ConditionalDisplay",
    "ConditionalMAFDensity",
    "DensityDisplay",
    "DensityEnsemble",
    "DensityOutlierDetector",
    "Determines",
    "ExplanationDisplay",
    "MAFClassifier",
    "MAFDensity",
    "MultiscaleDensity",
    "Order",
    "PITDisplay",
    "PairDisplay",
    "ScoreDisplay",
    "Shard",
    "Sum",
    "TrainingDisplay",
    "VariationalFlow",
    "find_relations",
    "iter_blocks",
    "load",
    "read_table",
    "save",
    "show_versions",
    "to_onnx",
]
__version__ = "0.1.0"

_MODULES = {
    "ConditionalDisplay": "plotting.conditional",
    "ConditionalMAFDensity": "conditional",
    "DensityDisplay": "plotting.density",
    "DensityEnsemble": "ensemble",
    "DensityOutlierDetector": "outlier",
    "Determines": "table.relations",
    "ExplanationDisplay": "plotting.explanation",
    "MAFClassifier": "classifier",
    "MAFDensity": "density",
    "MultiscaleDensity": "multiscale",
    "Order": "table.relations",
    "PITDisplay": "plotting.pit",
    "PairDisplay": "plotting.pairs",
    "ScoreDisplay": "plotting.scores",
    "Shard": "table.shards",
    "Sum": "table.relations",
    "TrainingDisplay": "plotting.training",
    "VariationalFlow": "variational",
    "find_relations": "table.relation_search",
    "iter_blocks": "streamed",
    "load": "persistence.files",
    "read_table": "reading",
    "save": "persistence.files",
    "show_versions": "_versions",
    "to_onnx": "onnx.export",
}

if not TYPE_CHECKING:  # type checkers read the imports above, and refuse other names

    def __getattr__(name: str) -> Any:
        """Import what is public when its name is first asked for (PEP 562)."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f".{_MODULES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
