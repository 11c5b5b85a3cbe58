"""The ends of columns at which rows pile up, and numbers kept between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Rows pile up at an end of a column if of two stretches of the same length the one at the end has
# at least this share of the rows of the other. In the tail of a normal distribution it has a tenth.
PILE_RATIO = 0.5
END_SHARE = 0.02  # of the rows, in the stretch at the end
END_ROWS = 10
MIN_ROWS = 100  # to tell an end from the last row of a tail


@dataclass(frozen=True, eq=False)
class Ends:
    """The ends of the columns of a table.

    A density is smooth, and lets some of what is at an end leak out. Where rows are at the very
    end, what has leaked goes there; where they are only near, it is mirrored.

    Attributes
    ----------
    lowest, highest : ndarray of shape (n_features,)
        Infinite where rows do not pile up.
    low_mirrors, high_mirrors : ndarray of shape (n_features,)
        The numbers at which a column is mirrored, half a unit of its last decimal beyond its ends;
        infinite where it is not.
    """

    lowest: np.ndarray
    highest: np.ndarray
    low_mirrors: np.ndarray
    high_mirrors: np.ndarray

    @classmethod
    def learn(
        cls, N: np.ndarray, decimals: Sequence[int | None], are_numbers: Sequence[bool]
    ) -> Ends:
        """Find the ends of columns of numbers at which rows pile up."""
        ends = np.tile([-np.inf, np.inf, -np.inf, np.inf], (N.shape[1], 1))
        for j in np.flatnonzero(are_numbers):
            x = np.sort(N[~np.isnan(N[:, j]), j]).astype(np.float64)
            if len(x) < MIN_ROWS or x[0] == x[-1]:
                continue
            n_decimals = decimals[int(j)]
            half = 0.0 if n_decimals is None else 0.5 * 10.0**-n_decimals
            ends[j, [0, 2]] = _low_end(x, half)
            ends[j, [1, 3]] = -_low_end(-x[::-1], half)
        return cls(*ends.T)

    def hold(self, N: np.ndarray, drawn: np.ndarray) -> None:
        """Bring drawn cells between the ends, in place."""
        with np.errstate(invalid="ignore", over="ignore"):
            mirrored = np.where(self.low_mirrors > N, 2 * self.low_mirrors - N, N)
            mirrored = np.where(self.high_mirrors < N, 2 * self.high_mirrors - N, mirrored)
        N[drawn] = np.clip(mirrored, self.lowest, self.highest)[drawn]

    def outside(self, N: np.ndarray) -> np.ndarray:
        """Return which cells are beyond the ends."""
        return (self.lowest > N) | (self.highest < N)


def _low_end(x: np.ndarray, half: float) -> np.ndarray:
    """Return the low end of sorted numbers and its mirror, -inf for what there is not."""
    distances = x - x[0]
    reach = distances[max(END_ROWS, int(END_SHARE * len(x))) - 1]
    n_at_end = np.searchsorted(distances, reach, side="right")
    n_beyond = np.searchsorted(distances, 2 * reach, side="right") - n_at_end
    if n_at_end < PILE_RATIO * n_beyond:
        return np.array([-np.inf, -np.inf])
    return np.array([x[0], x[0] - half if reach > 0 else -np.inf])
