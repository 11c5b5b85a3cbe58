"""skmaf: masked autoregressive flows for scikit-learn."""

from .density import MAFDensity
from .multiscale import MultiscaleMAFDensity
from .outlier import DensityOutlierDetector

__all__ = ["DensityOutlierDetector", "MAFDensity", "MultiscaleMAFDensity"]
__version__ = "0.1.0"
