"""Regular grids that the values of a column lie on, and ends beyond which it has no values."""

import numpy as np
from scipy.stats import f

MIN_STEP = 1e-6  # a step below this share of the range may be floating-point resolution, not a grid
GRID_VALUES = 20  # so many values that chance does not put them on such a fine grid
EDGE_ROWS = 10  # rows that hold the least value of a column, which then is the least it may have
# Values without ties pile up at an end where the outermost of them lie closer together than the
# ones behind these, by more than evenly spread ones do by chance with this probability.
PILED_BY_CHANCE = 1e-3
PILED_ROWS = (10, 25)  # a fortieth of the rows, between these two
BEHIND = 4  # times as many


def fine_grid_step(values: np.ndarray, resolution: float) -> float:
    """Return the step of the regular grid that values lie on, however far these reach, or 0.

    Numbers in cents have a step over a range of millions. But so have numbers that are rounded to a
    few digits, as in single precision: the larger half of these has a larger step. And so have
    those of which a few have digits that others lack: most of these lie on a coarser grid.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Sorted and distinct, at least 2.
    resolution : float
        Relative rounding error of a value.
    """
    step = grid_step(values, resolution)
    if step or len(values) < GRID_VALUES:
        return step
    step = grid_step(values, resolution, min_share=0.0)
    if not step:
        return 0.0
    last_digits = np.round((values - values[0]) / step) % 10
    if np.unique(last_digits, return_counts=True)[1].max() > len(values) / 2:
        return 0.0
    larger = np.sort(values[np.abs(values) >= np.median(np.abs(values))])
    return step if grid_step(larger, resolution, min_share=0.0) < 1.5 * step else 0.0


def support(values: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """Return the least and the largest value that a column may have: infinite if there is none.

    Values never change their sign if none did, and go no farther than an end with many rows, or one
    towards which they lie closer and closer.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Sorted and distinct.
    counts : ndarray of shape (n,)
        In how many rows each is.
    """
    low = 0.0 if values[0] >= 0 else -np.inf
    high = 0.0 if values[-1] <= 0 else np.inf
    if counts.max() == 1:
        low = max(low, -_end_of_pile(-values[::-1]))
        high = min(high, _end_of_pile(values))
    if counts[0] >= EDGE_ROWS:
        low = float(values[0])
    if counts[-1] >= EDGE_ROWS:
        high = float(values[-1])
    return low, high


def _end_of_pile(values: np.ndarray) -> float:
    """Return the roundest number just above values that pile up below it; infinity if none do.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Sorted and distinct.
    """
    n_piled = int(np.clip(len(values) // 40, *PILED_ROWS))
    n_all = n_piled * (1 + BEHIND)
    if len(values) <= n_all:
        return np.inf
    last = values[-1]
    of_piled, of_all = last - values[[-1 - n_piled, -1 - n_all]]
    # the ratio of the mean distances of neighbours, if it is one
    least = f.ppf(PILED_BY_CHANCE, 2 * n_piled, 2 * BEHIND * n_piled)
    if not 0 < of_piled * BEHIND < least * (of_all - of_piled) < np.inf:
        return np.inf
    within = last + of_piled / n_piled
    for digits in range(-15, 16):
        end = float(np.ceil(last * 10.0**digits) / 10.0**digits)
        if last < end <= within:
            return end
    return float(within)


def grid_step(values: np.ndarray, resolution: float, min_share: float = MIN_STEP) -> float:
    """Return the step of the regular grid that values lie on, or 0 if they lie on none.

    It is the greatest common divisor of the distances between neighbours, by Euclid's algorithm up
    to the rounding error of the values.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Sorted and distinct, at least 2.
    resolution : float
        Relative rounding error of a value.
    min_share : float, default=MIN_STEP
        Of the range of the values: a step that is no larger is none.
    """
    tolerance = 8 * resolution * np.abs(values).max()
    largest = np.finfo(np.float64).max
    distances = np.unique(np.minimum(np.diff(values), largest))
    extent = min(values[-1] - values[0], largest)
    smallest = max(16 * tolerance, min_share * extent)
    step = 0.0
    remainder = distances[0]
    while remainder > 0:
        if remainder <= smallest:
            return 0.0
        step, remainder = _divide(distances, remainder, tolerance)
    return float(step)


def _divide(distances: np.ndarray, step: float, tolerance: float) -> tuple[float, float]:
    """Divide sorted distances by a step, and return the step, more exact, and a remainder.

    The remainder is the smallest that a distance leaves beyond rounding errors, 0 if none leaves
    any. Distances are taken in blocks of rising size: each block makes the step more exact, as the
    longer distances after it need it.
    """
    start = 0
    n_exact = 1.0  # how many steps the distance has that the step is known from
    while start < len(distances):
        stop = max(start + 1, np.searchsorted(distances, 2 * distances[start], side="right"))
        block = distances[start:stop]
        counts = np.round(block / step)
        remainders = np.abs(block - counts * step)
        allowed = np.minimum(tolerance * (1 + counts / n_exact), step / 8)
        remainders = remainders[remainders > allowed]
        if len(remainders):
            return step, remainders.min()
        start = stop
        n_exact = counts[-1]
        step = block[-1] / n_exact
    return step, 0.0
