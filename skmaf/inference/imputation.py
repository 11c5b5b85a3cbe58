"""Draws of missing cells given the other cells of their row, column by column.

The density of a row with one cell more is, as a function of that cell, the conditional density of the cell, up to a factor. It
is followed on a grid that gets finer at its peaks and then where the probability is, and inverted. A row that misses several
cells gets them one after another, each given those before it.
"""

from functools import partial

import numpy as np

from ..table.columns import Constant, Discrete, OneHot

START = np.sinh(np.linspace(-4.2, 4.2, 43))  # dense in the middle, and up to 33 standard deviations
PEAKS, PEAK_ROUNDS, PEAK_NODES = (
    3,
    5,
    6,
)  # the highest, and the nodes about each in a round: these close in on it
ROUNDS, NEW_NODES = 3, 32  # of refinement by mass
BATCH_ROWS = 1000


def fill(X, columns, log_density, sharp_log_density, rng):
    """Fill the missing cells of the rows ``X`` in place.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
        Numbers, and codes of categories; NaN where a cell is missing.
    columns : Columns
    log_density : callable
        Gives the log-density of the cells that rows like ``X`` have.
    sharp_log_density : callable
        The same without what is mixed in to keep it from getting low: it shows far from a peak where that is.
    rng : RandomState
    """
    for j, column in enumerate(columns.columns):
        missing = np.flatnonzero(np.isnan(X[:, j]))
        for start in range(0, len(missing), BATCH_ROWS):
            rows = missing[start : start + BATCH_ROWS]

            def tried(density, values):
                """Log-density of each row with each of its ``values``, shape (n, n_values), in column j."""
                variants = X[rows].repeat(values.shape[1], axis=0)
                variants[:, j] = values.ravel()
                return density(variants).reshape(values.shape)

            X[rows, j] = _draw(
                column,
                partial(tried, log_density),
                partial(tried, sharp_log_density),
                len(rows),
                rng,
            )


def _draw(column, score, sharp_score, n, rng):
    """Values of a column, one for each of ``n`` rows."""
    if isinstance(column, Constant):
        return column.back(None, np.empty((n, 0)))
    if isinstance(column, (Discrete, OneHot)):
        return _choose(column.levels, score(np.tile(column.levels, (n, 1)).astype(float)), rng)
    if column.n_codes == 0:
        return column.snap(_draw_number(column, score, sharp_score, n, rng)[0])
    atoms = column.levels[:-1]
    number, log_mass = _draw_number(column.others, score, sharp_score, n, rng)
    scores = np.column_stack([score(np.tile(atoms, (n, 1))), log_mass])
    position = _choose(np.arange(len(atoms) + 1), scores, rng)
    return np.where(position < len(atoms), column.levels[position], column.others.snap(number))


def _choose(options, scores, rng):
    """One of the options for each row, with probabilities proportional to the exponentials of its scores."""
    below = np.exp(scores - scores.max(axis=1, keepdims=True)).cumsum(axis=1)
    chance = rng.random_sample((len(scores), 1)) * below[:, -1:]
    return options[(below[:, :-1] < chance).sum(axis=1)]


def _draw_number(column, score, sharp_score, n, rng):
    """Draws of a continuous column, off its grid, and the logarithm of the mass that all its values have together."""

    def in_flow_space(score, z):
        x = column.unwarp(z.ravel()).reshape(z.shape)
        return score(x) - column.log_jacobian(x)

    z = np.tile(START, (n, 1))
    heights = in_flow_space(sharp_score, z)
    for _ in range(PEAK_ROUNDS):
        new = _about_peaks(z, heights)
        z, heights = _merge(z, heights, new, in_flow_space(sharp_score, new))
    heights = in_flow_space(score, z)
    levels = np.tile((np.arange(NEW_NODES) + 0.5) / NEW_NODES, (n, 1))
    for _ in range(ROUNDS):
        new = _quantiles(z, heights, levels)
        z, heights = _merge(z, heights, new, in_flow_space(score, new))
    masses, top = _masses(z, heights)
    with np.errstate(divide="ignore"):
        log_mass = np.log(masses.sum(axis=1)) + top
    return column.unwarp(_quantiles(z, heights, rng.random_sample((n, 1)))[:, 0]), log_mass


def _merge(z, heights, new, new_heights):
    """Nodes and their heights, in order."""
    z, heights = np.hstack([z, new]), np.hstack([heights, new_heights])
    order = z.argsort(axis=1)
    return np.take_along_axis(z, order, axis=1), np.take_along_axis(heights, order, axis=1)


def _about_peaks(z, heights):
    """Nodes between the neighbours of the highest nodes that are peaks, shape (n, PEAKS * PEAK_NODES)."""
    inner = heights[:, 1:-1]
    peaks = np.where((inner >= heights[:, :-2]) & (inner >= heights[:, 2:]), inner, -np.inf)
    places = np.argsort(-peaks, axis=1)[:, :PEAKS]
    left, right = np.take_along_axis(z, places, axis=1), np.take_along_axis(z, places + 2, axis=1)
    shares = np.arange(1, PEAK_NODES + 1) / (PEAK_NODES + 1)
    return (left[:, :, None] + (right - left)[:, :, None] * shares).reshape(len(z), -1)


def _masses(z, heights):
    """Mass between neighbouring nodes by the trapezoidal rule, shape (n, nodes - 1), over exp(the highest)."""
    top = heights.max(axis=1)
    density = np.exp(heights - top[:, None])
    return np.diff(z, axis=1) * (density[:, 1:] + density[:, :-1]) / 2, top


def _quantiles(z, heights, levels):
    """Where the mass below is a share ``levels`` of all, shape (n, n_levels): linear between nodes."""
    below = _masses(z, heights)[0].cumsum(axis=1)
    below = np.column_stack([np.zeros(len(z)), below])
    return np.stack(
        [np.interp(own * mass[-1], mass, nodes) for own, mass, nodes in zip(levels, below, z)]
    )
