"""Draws of missing cells given the other cells of their row, column by column.

The density of a row with one cell more is, as a function of that cell, the conditional density of
the cell, up to a factor. It is followed on a grid that gets finer at its peaks and then where the
probability is, and inverted. A row that misses several cells gets them one after another, each
given those before it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..models.contract import ColumnDensity
from ..table.calendar import Calendar
from ..table.columns import Constant, Continuous, Discrete, OneHot
from ..table.heaped import Half, Heaped
from ..table.periodic import OnCircle

START = np.sinh(np.linspace(-4.2, 4.2, 43))  # dense in the middle, up to 33 standard deviations
# the highest peaks, the rounds that close in on them, and the nodes about each in a round
PEAKS = 3
PEAK_ROUNDS = 5
PEAK_NODES = 6
# of refinement by mass
ROUNDS = 3
NEW_NODES = 32
BATCH_ROWS = 1000

# takes values of a column, shape (n, n_values), and gives the log-density of each row with each
Score = Callable[[np.ndarray], np.ndarray]


def fill(
    N: np.ndarray,
    density: ColumnDensity,
    rng: np.random.RandomState,
    deduce: Callable[[np.ndarray], None],
) -> None:
    """Fill the missing cells of the rows ``N`` in place.

    Parameters
    ----------
    N : ndarray of shape (n, n_features)
        Numbers, and codes of categories; NaN where a cell is missing.
    density : ColumnDensity
        Without its baseline it shows, far from a peak, where that is.
    rng : RandomState
    deduce : callable
        Takes rows, and fills in place what missing cells follow from the others.
    """
    flow_alone = density.without_baseline()
    for j, column in enumerate(density.columns.columns):
        deduce(N)
        missing = np.flatnonzero(np.isnan(N[:, j]))
        for start in range(0, len(missing), BATCH_ROWS):
            rows = missing[start : start + BATCH_ROWS]
            score = partial(_log_prob_with, N[rows], j, density)
            flow_score = partial(_log_prob_with, N[rows], j, flow_alone)
            N[rows, j] = _draw(column, score, flow_score, len(rows), rng)


def _log_prob_with(N: np.ndarray, j: int, density: ColumnDensity, values: np.ndarray) -> np.ndarray:
    """Return the log-density of each row with each of its ``values`` in column j."""
    variants = N.repeat(values.shape[1], axis=0)
    variants[:, j] = values.ravel()
    return density.log_prob(variants).reshape(values.shape)


def _draw(
    column: Any, score: Score, flow_score: Score, n: int, rng: np.random.RandomState
) -> np.ndarray:
    """Return values of a column, one for each of ``n`` rows."""
    if isinstance(column, Constant):
        return np.full(n, column.value)
    if isinstance(column, (Discrete, OneHot)):
        options = np.tile(column.categories, (n, 1)).astype(float)
        return _choose(column.categories, score(options), rng)
    if isinstance(column, Calendar):
        number, _ = _draw_number(column.whole, score, flow_score, n, rng)
        options = column.dates.around(column.whole.snap(number))
        position = _choose(np.arange(options.shape[1]), score(options), rng)
        return options[np.arange(n), position]
    if isinstance(column, Heaped):
        halves = [_draw_number(half, score, flow_score, n, rng) for half in column.halves]
        drawn, log_masses = map(np.stack, zip(*halves))
        return np.choose(_choose(np.arange(2), log_masses.T, rng), drawn)
    if isinstance(column, OnCircle):
        column = column.turns  # on which each value has the same density twice
    if column.n_codes == 0:
        return column.snap(_draw_number(column, score, flow_score, n, rng)[0])
    point_masses = column.points
    number, log_mass = _draw_number(column.others, score, flow_score, n, rng)
    scores = np.column_stack([score(np.tile(point_masses, (n, 1))), log_mass])
    position = _choose(np.arange(len(point_masses) + 1), scores, rng)
    is_point = position < len(point_masses)
    return np.where(is_point, column.categories[position], column.others.snap(number))


def _choose(options: np.ndarray, scores: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Return an option for each row, with probabilities proportional to exp(scores)."""
    below = np.exp(scores - scores.max(axis=1, keepdims=True)).cumsum(axis=1)
    chance = rng.random_sample((len(scores), 1)) * below[:, -1:]
    return options[(below[:, :-1] < chance).sum(axis=1)]


def _draw_number(
    column: Continuous | Half, score: Score, flow_score: Score, n: int, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Return draws of a continuous column, off its grid, and the log-mass of all its values."""
    z = np.tile(START, (n, 1))
    heights = _in_flow_space(column, flow_score, z)
    for _ in range(PEAK_ROUNDS):
        new = _about_peaks(z, heights)
        z, heights = _merge(z, heights, new, _in_flow_space(column, flow_score, new))
    heights = _in_flow_space(column, score, z)
    levels = np.tile((np.arange(NEW_NODES) + 0.5) / NEW_NODES, (n, 1))
    for _ in range(ROUNDS):
        new = _quantiles(z, heights, levels)
        z, heights = _merge(z, heights, new, _in_flow_space(column, score, new))
    masses, top = _masses(z, heights)
    with np.errstate(divide="ignore"):
        log_mass = np.log(masses.sum(axis=1)) + top
    drawn = _quantiles(z, heights, rng.random_sample((n, 1)))[:, 0]
    return column.untransform(drawn), log_mass


def _in_flow_space(column: Continuous | Half, score: Score, z: np.ndarray) -> np.ndarray:
    """Return the log-density at standardised values, with respect to these."""
    x = column.untransform(z.ravel()).reshape(z.shape)
    return score(x) - column.log_jacobian(x)


def _merge(
    z: np.ndarray, heights: np.ndarray, new: np.ndarray, new_heights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return old and new nodes and their heights, in order."""
    z = np.hstack([z, new])
    heights = np.hstack([heights, new_heights])
    order = z.argsort(axis=1)
    return np.take_along_axis(z, order, axis=1), np.take_along_axis(heights, order, axis=1)


def _about_peaks(z: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Return nodes between the neighbours of the highest peaks, shape (n, PEAKS * PEAK_NODES)."""
    inner = heights[:, 1:-1]
    peaks = np.where((inner >= heights[:, :-2]) & (inner >= heights[:, 2:]), inner, -np.inf)
    places = np.argsort(-peaks, axis=1)[:, :PEAKS]
    left = np.take_along_axis(z, places, axis=1)
    right = np.take_along_axis(z, places + 2, axis=1)
    shares = np.arange(1, PEAK_NODES + 1) / (PEAK_NODES + 1)
    return (left[:, :, None] + (right - left)[:, :, None] * shares).reshape(len(z), -1)


def _masses(z: np.ndarray, heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mass between neighbouring nodes by the trapezoidal rule, over exp(the highest)."""
    top = heights.max(axis=1)
    density = np.exp(heights - top[:, None])
    return np.diff(z, axis=1) * (density[:, 1:] + density[:, :-1]) / 2, top


def _quantiles(z: np.ndarray, heights: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return where the mass below is a share ``levels`` of all: linear between nodes."""
    below = _masses(z, heights)[0].cumsum(axis=1)
    below = np.column_stack([np.zeros(len(z)), below])
    return np.stack(
        [np.interp(row * mass[-1], mass, nodes) for row, mass, nodes in zip(levels, below, z)]
    )
