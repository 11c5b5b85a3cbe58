"""skmaf: masked autoregressive flows for scikit-learn."""

from .density import MAFDensity
from .multiscale import MultiscaleDensity
from .outlier import DensityOutlierDetector

__all__ = ["DensityOutlierDetector", "MAFDensity", "MultiscaleDensity"]
__version__ = "0.1.0"
