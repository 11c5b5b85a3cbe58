"""What stands beside a density in a score: another look at rows, put in nats by its spread."""

import numpy as np
from scipy.stats import iqr


def weight_and_centre(own: np.ndarray, look: np.ndarray, share: float) -> tuple[float, float]:
    """Return the nats for each unit of a look, and what it usually is.

    Parameters
    ----------
    own, look : ndarray of shape (n,)
        Log-densities of rows that the densities have not seen, and what the look says of them.
    share : float
        How much of a say the look has, beside the log-density.
    """
    spread = iqr(look)
    # a look that tells no rows apart has no say
    weight = share * iqr(own) / spread if spread > 0 else 0.0
    return float(weight), float(np.median(look))
