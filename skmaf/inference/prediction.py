"""Conditional distributions of one number for each row: means, quantiles, and how central one is.

A distribution is a set of weighted nodes. For one continuous target they are nodes of a quadrature:
numbers of base space, where it is the line, with the masses that the normal distribution has about
them, taken to the target by the flow.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtr

LARGEST = np.finfo(np.float64).max
TIE = 1e-9  # probabilities that differ by less are the same

# Numbers of base space that are taken through the flow, a sixth of a standard deviation apart.
BASE_NODES = np.linspace(-6, 6, 73)

# Numbers of base space that the weights belong to: the base nodes, and seven between neighbours.
QUADRATURE_NODES = np.linspace(-6, 6, 577)

# Shape (73, 577): numbers at the base nodes, times this matrix, are those at the quadrature nodes,
# by linear interpolation.
INTERPOLATION = np.array(
    [np.interp(QUADRATURE_NODES, BASE_NODES, unit) for unit in np.eye(len(BASE_NODES))]
)

# Probability of the normal distribution between the middles of neighbouring quadrature nodes; the
# first and the last node have its tails.
_MIDDLES = (QUADRATURE_NODES[1:] + QUADRATURE_NODES[:-1]) / 2
QUADRATURE_WEIGHTS = np.diff(ndtr(np.concatenate([[-np.inf], _MIDDLES, [np.inf]])))


@dataclass(frozen=True, eq=False)
class ConditionalDistribution:
    """A distribution of one number for each row, by weighted nodes.

    Attributes
    ----------
    values, weights : ndarray of shape (n_rows, n_nodes)
        The nodes of each row in rising order, in whatever order they were given, infinite ones as
        the largest float there is, and their weights, with sum 1.
    is_discrete : bool
        Whether the nodes are all numbers that are possible; if not, each stands for the numbers
        about it, too.

    Notes
    -----
    There are quantiles at levels below 0 and above 1, too: they lie beyond all nodes, for each unit
    half the distance of the outermost nodes. So some interval holds a number, however far it is.
    """

    values: np.ndarray
    weights: np.ndarray
    is_discrete: bool

    def __post_init__(self) -> None:
        order = self.values.argsort(axis=1)
        values = np.clip(np.take_along_axis(self.values, order, axis=1), -LARGEST, LARGEST)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "weights", np.take_along_axis(self.weights, order, axis=1))

    @cached_property
    def _cumulative(self) -> np.ndarray:
        """The weight of each node and all below it."""
        return self.weights.cumsum(axis=1)

    @cached_property
    def _levels(self) -> np.ndarray:
        """The levels of the nodes of a continuous distribution: half their weight lies below."""
        return self._cumulative - self.weights / 2

    @cached_property
    def _unit(self) -> np.ndarray:
        """Half the distance of the outermost nodes of each row, or 1 if they are the same."""
        half = self.values[:, -1] / 2 - self.values[:, 0] / 2  # the distance itself may overflow
        return np.where(half > 0, half, 1.0)

    @cached_property
    def _room(self) -> np.ndarray:
        """A power of two for each row, shape (n_rows, 1), to divide numbers by to interpolate them.

        The differences of others, and their slopes, overflow.
        """
        largest = np.abs(self.values).max(axis=1, keepdims=True)
        return np.where(largest > 1e200, 2.0**200, 1.0)

    def means(self) -> np.ndarray:
        """Return the mean of each row, shape (n_rows,)."""
        with np.errstate(over="ignore"):
            means = (self.values * self.weights).sum(axis=1)
        # rounding may put the mean of equal nodes beyond them
        return np.clip(means, self.values[:, 0], self.values[:, -1])

    def quantiles(self, levels: np.ndarray) -> np.ndarray:
        """Return quantiles of each row.

        Parameters
        ----------
        levels : ndarray of shape (n_levels,)
            The same for all rows.

        Returns
        -------
        quantiles : ndarray of shape (n_rows, n_levels)
        """
        with np.errstate(over="ignore"):
            beyond = np.outer(self._unit, levels - np.clip(levels, 0, 1))
        if self.is_discrete:
            positions = [np.searchsorted(row, levels - TIE) for row in self._cumulative]
            position = np.minimum(np.stack(positions), self.values.shape[1] - 1)
            inside = np.take_along_axis(self.values, position, axis=1)
        else:
            rows = zip(self._levels, self.values / self._room)
            inside = np.stack([np.interp(levels, *row) for row in rows]) * self._room
        with np.errstate(over="ignore"):
            return np.clip(beyond + inside, -LARGEST, LARGEST)

    def excess(self, y: np.ndarray) -> np.ndarray:
        """Return how far from the median numbers are, in probability, shape (n_rows,).

        The interval between the quantiles at the levels 0.5 - excess and 0.5 + excess is just wide
        enough to hold the number.

        Parameters
        ----------
        y : ndarray of shape (n_rows,)
            A number for each row.
        """
        nearest = np.clip(y, self.values[:, 0], self.values[:, -1])
        with np.errstate(over="ignore"):
            beyond = np.abs(y - nearest) / self._unit
        inside = self._discrete_excess(y) if self.is_discrete else self._continuous_excess(y)
        return np.where(beyond > 0, 0.5 + beyond, inside)

    def _discrete_excess(self, y: np.ndarray) -> np.ndarray:
        up_to = (self.weights * (self.values <= y[:, None])).sum(axis=1)
        below = (self.weights * (self.values < y[:, None])).sum(axis=1)
        # the upper level must be above all the probability below the number, whatever is rounded
        return np.maximum(0, np.maximum(0.5 - up_to, below - 0.5 + 2 * TIE))

    def _continuous_excess(self, y: np.ndarray) -> np.ndarray:
        room = self._room
        rows = zip(y / room[:, 0], self.values / room, self._levels)
        levels = [np.interp(*row) for row in rows]
        return np.abs(np.array(levels) - 0.5)
