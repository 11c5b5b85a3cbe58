"""skmaf: masked autoregressive flows for scikit-learn."""

from .classifier import MAFClassifier
from .conditional import ConditionalMAFDensity
from .density import MAFDensity
from .multiscale import MultiscaleDensity
from .outlier import DensityOutlierDetector
from .variational import VariationalFlow

__all__ = [
    "ConditionalMAFDensity",
    "DensityOutlierDetector",
    "MAFClassifier",
    "MAFDensity",
    "MultiscaleDensity",
    "VariationalFlow",
]
__version__ = "0.1.0"
