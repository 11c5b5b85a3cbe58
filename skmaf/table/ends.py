"""The ends of columns at which rows pile up, and numbers kept between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .rounding import Decimals

# Rows pile up at an end of a column if of two stretches of the same length the one at the end has
# at least this share of the rows of the other. In the tail of a normal distribution it has a tenth.
PILE_RATIO = 0.5
END_SHARE = 0.02  # of the rows, in the stretch at the end
END_ROWS = 10
MIN_ROWS = 100  # to tell an end from the last row of a tail


@dataclass(frozen=True, eq=False)
class Ends:
    """The ends of the columns of a table.

    A density is smooth, and lets some of what is near to an end leak out: it is mirrored. It does
    not go to the end itself, where values that come again and again have their own probability.

    Attributes
    ----------
    lowest, highest : ndarray of shape (n_features,)
        Infinite where rows do not pile up.
    halves : ndarray of shape (n_features,)
        Half a unit of the last decimal of each column: so far beyond its ends are the mirrors.
    """

    lowest: np.ndarray
    highest: np.ndarray
    halves: np.ndarray

    @classmethod
    def learn(cls, N: np.ndarray, grids: Sequence[Any], are_numbers: Sequence[bool]) -> Ends:
        """Find the ends of columns of numbers, which may be on grids, at which rows pile up."""
        lowest = np.full(N.shape[1], -np.inf)
        highest = np.full(N.shape[1], np.inf)
        halves = np.array(
            [0.5 * 10.0**-grid.n if isinstance(grid, Decimals) else 0.0 for grid in grids]
        )
        for j in np.flatnonzero(are_numbers):
            x = np.sort(N[~np.isnan(N[:, j]), j]).astype(np.float64)
            if len(x) < MIN_ROWS or x[0] == x[-1]:
                continue
            if _piles_up(x - x[0]):
                lowest[j] = x[0]
            if _piles_up(x[-1] - x[::-1]):
                highest[j] = x[-1]
        return cls(lowest, highest, halves)

    def hold(self, N: np.ndarray, drawn: np.ndarray) -> None:
        """Mirror drawn cells that are beyond the ends, in place."""
        N[drawn] = np.clip(self.mirrored(N), self.lowest, self.highest)[drawn]

    def mirrored(self, N: np.ndarray) -> np.ndarray:
        """Return cells, of which those beyond the mirrors are mirrored."""
        low = self.lowest - self.halves
        high = self.highest + self.halves
        with np.errstate(invalid="ignore", over="ignore"):
            return np.where(low > N, 2 * low - N, np.where(high < N, 2 * high - N, N))

    def outside(self, N: np.ndarray) -> np.ndarray:
        """Return which cells are beyond the ends."""
        return (self.lowest > N) | (self.highest < N)


def _piles_up(distances: np.ndarray) -> bool:
    """Return whether rows pile up at an end, by their distances from it in rising order."""
    reach = distances[max(END_ROWS, int(END_SHARE * len(distances))) - 1]
    n_at_end = np.searchsorted(distances, reach, side="right")
    n_beyond = np.searchsorted(distances, 2 * reach, side="right") - n_at_end
    return bool(n_at_end >= PILE_RATIO * n_beyond)
