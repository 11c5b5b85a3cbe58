"""skmaf: masked autoregressive flows for scikit-learn."""

from .density import MAFDensity
from .outlier import DensityOutlierDetector

__all__ = ["DensityOutlierDetector", "MAFDensity"]
__version__ = "0.1.0"
