"""How many decimals the numbers of a column have."""

import numpy as np

MOST_DECIMALS = 8
ROOM = 1000  # rounding errors of the numbers, at least, in the last decimal


def decimals_of(x: np.ndarray) -> int | None:
    """Return how many decimals the numbers of a column have at most, None if they are not rounded.

    Parameters
    ----------
    x : ndarray of shape (n,)
        NaN where a cell is missing.
    """
    x = x[~np.isnan(x)]
    if len(x) == 0:
        return None
    error = 4 * np.finfo(x.dtype).eps * np.abs(x).max()
    for decimals in range(MOST_DECIMALS + 1):
        if 10.0**-decimals < ROOM * error:
            return None
        if np.all(np.abs(x - np.round(x, decimals)) <= error):
            return decimals
    return None
