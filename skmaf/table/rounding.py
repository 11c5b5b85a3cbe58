"""How many decimals the numbers of a column have."""

import numpy as np

MOST_DECIMALS = 8
ROOM = 1000  # rounding errors of the numbers, at least, in the last decimal
SAME = 64  # rounding errors of the largest value, within which numbers are the same


def exact_decimals_of(x: np.ndarray) -> int | None:
    """Return to how many decimals numbers are rounded, None if rounding would change one of them.

    Parameters
    ----------
    x : ndarray of shape (n,)
        NaN where a cell is missing.
    """
    x = np.unique(x[~np.isnan(x)])
    for decimals in range(MOST_DECIMALS + 1):
        if len(x) and np.array_equal(np.round(x, decimals), x):
            return decimals
    return None


def decimals_of(x: np.ndarray) -> int | None:
    """Return how many decimals numbers have at most but for rounding errors, None if they have all.

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


def repeated_values(x: np.ndarray) -> np.ndarray | None:
    """Return the distinct values of a column in order, None unless each occurs twice in the mean.

    Parameters
    ----------
    x : ndarray of shape (n,)
        NaN where a cell is missing.
    """
    x = x[~np.isnan(x)]
    values = np.unique(x)
    return values if 0 < len(values) <= len(x) / 2 else None


def as_seen(x: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return numbers, each that a rounding error parts from one of the sorted values set to it."""
    middles = values[:-1] / 2 + values[1:] / 2
    nearest = values[np.searchsorted(middles, x)]
    tolerance = SAME * np.finfo(x.dtype).eps * np.abs(values).max()
    return np.where(np.abs(x - nearest) <= tolerance, nearest, x)
