"""How many decimals the numbers of a column have, and numbers moved to those that it has."""

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Decimals:
    """The numbers of a column that are rounded to decimals.

    Attributes
    ----------
    n : int
        How many decimals there are.
    """

    n: int

    def round(self, x: np.ndarray, side: int = 0) -> np.ndarray:
        """Return the nearest numbers of the column.

        Parameters
        ----------
        x : ndarray of shape (n,)
        side : {-1, 0, 1}, default=0
            Whether they are to be at most ``x``, on either side, or at least ``x``.
        """
        rounded = np.round(x, self.n)
        is_wrong = side * (rounded - x) < 0
        return np.where(is_wrong, np.round(rounded + side * 10.0**-self.n, self.n), rounded)


@dataclass(frozen=True, eq=False)
class RepeatedValues:
    """The numbers of a column that occur again and again, with all their digits.

    Attributes
    ----------
    values : ndarray
        In order.
    """

    values: np.ndarray

    def round(self, x: np.ndarray, side: int = 0) -> np.ndarray:
        """Return numbers, each that a rounding error parts from one of the values set to it.

        The parameters are those of `Decimals.round`.
        """
        middles = self.values[:-1] / 2 + self.values[1:] / 2
        nearest = self.values[np.searchsorted(middles, x)]
        tolerance = SAME * np.finfo(x.dtype).eps * np.abs(self.values).max()
        is_same = (np.abs(x - nearest) <= tolerance) & (side * (nearest - x) >= 0)
        return np.where(is_same, nearest, x)


def grid_of(x: np.ndarray) -> Decimals | RepeatedValues | None:
    """Return what the numbers of a column are moved to if they are drawn, None for nothing.

    Parameters
    ----------
    x : ndarray of shape (n,)
        NaN where a cell is missing.
    """
    decimals = exact_decimals_of(x)
    if decimals is not None:
        return Decimals(decimals)
    values = repeated_values(x)
    return None if values is None else RepeatedValues(values)
