"""Rows that are drawn from a density, and filled by it, and keep what all rows of its table keep.

A density gives what is near to a relation, but seldom the relation itself. So a column that others
determine is computed from these: they keep the density that they have, and the row is exact. Rows
that still break a relation or are beyond an end are drawn again, which conditions the density on
the relation and distorts it the least. Where a row breaks one in all of the tries, its cells move.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from .._validation import seed_from
from ..models.contract import ColumnDensity, Density
from ..table.constraints import RowConstraints
from .imputation import fill

TRIES = 10  # to draw a row that breaks nothing


def draw_rows(
    density: Density,
    constraints: RowConstraints,
    n_samples: int,
    random_state: Any,
    context: np.ndarray | None = None,
    complete: bool = False,
) -> np.ndarray:
    """Draw rows that keep constraints.

    Parameters
    ----------
    density : Density
    constraints : RowConstraints
    n_samples : int
    random_state : int, RandomState instance or None
    context : ndarray of shape (n_samples, n_context), default=None
        What each row is given.
    complete : bool, default=False
        Whether no cell is to be missing, though cells are in the table.

    Returns
    -------
    N : ndarray of shape (n_samples, n_features)
    """
    seed = seed_from(random_state)
    rng = np.random.RandomState([seed, 1])  # the density itself draws with the seed

    def draw(rows: np.ndarray) -> np.ndarray:
        given = None if context is None else context[rows]
        return density.sample(len(rows), seed_from(rng), given)

    N = density.sample(n_samples, seed, context)
    drawn = np.ones(N.shape, dtype=bool)
    _keep_constraints(N, drawn, constraints, draw)
    if constraints.missing is not None and not complete:
        N[constraints.missing.draw(N, rng)] = np.nan
    return N


def fill_rows(
    N: np.ndarray, density: ColumnDensity, constraints: RowConstraints, rng: np.random.RandomState
) -> None:
    """Fill the missing cells of rows in place, so that rows keep constraints.

    A cell that follows from others of its row is computed, before and between the draws of others.
    """
    missing = np.isnan(N)
    incomplete = np.flatnonzero(missing.any(axis=1))
    if len(incomplete) == 0:
        return
    before = N[incomplete]

    def draw(rows: np.ndarray) -> np.ndarray:
        filled = before[rows]
        fill(filled, density, rng, constraints.deduce)
        return filled

    filled = draw(np.arange(len(before)))
    _keep_constraints(filled, missing[incomplete], constraints, draw)
    N[incomplete] = filled


def _keep_constraints(
    N: np.ndarray,
    drawn: np.ndarray,
    constraints: RowConstraints,
    draw: Callable[[np.ndarray], np.ndarray],
) -> None:
    """Draw rows again that break constraints, then move cells of those that always do; in place.

    Parameters
    ----------
    N : ndarray of shape (n, n_features)
        Complete rows.
    drawn : ndarray of bool, shape (n, n_features)
        Which cells may change.
    constraints : RowConstraints
    draw : callable
        Takes positions of rows, and returns these rows, drawn afresh.
    """
    rows = np.arange(len(N))
    for k in range(TRIES):
        if k:
            N[rows] = draw(rows)
        now = N[rows]
        constraints.compute(now, drawn[rows])
        N[rows] = now
        rows = rows[constraints.broken(now, drawn[rows])]
        if len(rows) == 0:
            return
    now = N[rows]
    constraints.project(now, drawn[rows])
    N[rows] = now
