"""Columns of which many values are round: whole tens among cents, five years among years.

Demographers say that such numbers are heaped. Whether a value is on the coarser grid has a
probability, and each of the two grids a density of its own: the round values lie a coarse step
apart, and the others, put side by side without gaps, a little more than a fine one. So the
probabilities of all values add up to 1.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .columns import Column, Continuous, Discrete

# of fine steps in a coarse one
RATIOS = (2, 4, 5, 10, 12, 15, 20, 24, 25, 30, 50, 60, 100, 200, 250, 500, 1000, 5000, 10_000)
LEAST_GAIN = 0.1  # nats that telling the grids apart must gain a row
LEAST_GAIN_IN_ALL = 20.0  # beyond what the choice of a grid costs
FEWEST_ROWS = 50  # on each of the grids
FEWEST_ROUND_VALUES = 33  # fewer can have a probability each
ROUND = 1.0  # label of a value on the coarse grid


@dataclass(frozen=True)
class CoarseGrid:
    """Every so many steps of a regular grid.

    Attributes
    ----------
    step : float
        Of the fine grid, whose values are multiples of it.
    ratio : int
        How many fine steps a coarse one has.
    shift : int
        Fine steps from 0 to a coarse value; from 0 to ``ratio`` - 1.
    """

    step: float
    ratio: int
    shift: int

    @property
    def coarse_step(self) -> float:
        """The step of the coarse grid."""
        return self.step * self.ratio

    @property
    def place_step(self) -> float:
        """The distance of neighbours of the other values put side by side: as dense as before."""
        return self.step * self.ratio / (self.ratio - 1)

    def is_round(self, x: np.ndarray) -> np.ndarray:
        """Return which values are on the coarse grid."""
        return self._divided(x)[1] == 0

    def places(self, x: np.ndarray) -> np.ndarray:
        """Return where other values are, put side by side; those on the coarse grid move up."""
        whole, rest = self._divided(x)
        return (whole * (self.ratio - 1) + np.maximum(rest, 1) - 1) * self.place_step

    def at(self, places: np.ndarray) -> np.ndarray:
        """Return the values at some places, moved to the grid."""
        whole, rest = np.divmod(np.round(places / self.place_step), self.ratio - 1)
        return (whole * self.ratio + rest + 1 + self.shift) * self.step

    def _divided(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.divmod(np.round(x / self.step) - self.shift, self.ratio)


@dataclass(frozen=True, eq=False)
class Heaped(Column):
    """A column of numbers on a regular grid, of which many are on a coarser one.

    Attributes
    ----------
    grid : CoarseGrid
    label : Discrete
        Whether a value is round.
    rounds : Continuous
        The values on the coarse grid.
    others : Continuous
        The places of the other values.
    decimals : int or None
        How many digits after the point values have at most.
    """

    grid: CoarseGrid
    label: Discrete
    rounds: Continuous
    others: Continuous
    decimals: int | None

    n_codes = 1
    n_values = 1

    @classmethod
    def of(
        cls, grid: CoarseGrid, column: Continuous, x: np.ndarray, weights: np.ndarray
    ) -> "Heaped":
        """Return the column of training values, described by ``column`` but for their grids."""
        is_round = grid.is_round(x)
        label = Discrete.of(is_round.astype(float), weights, np.array([0.0, 1.0]), ordered=False)
        places = np.unique(grid.places(x[~is_round]))
        rounds = replace(column, step=grid.coarse_step, grid=np.unique(x[is_round]))
        others = replace(column, step=grid.place_step, grid=places, decimals=None)
        return cls(grid, label, rounds, others, column.decimals)

    @property
    def limits(self) -> tuple[float, float]:
        return self.rounds.limits

    @property
    def coded(self) -> list[Column]:
        return [self.label]

    def codes(self, x: np.ndarray) -> np.ndarray:
        label = self.grid.is_round(x).astype(float)
        return self.label.codes(np.where(np.isnan(x), np.nan, label))

    def values(self, x: np.ndarray) -> np.ndarray:
        of_others = self.others.values(self.grid.places(x))
        return np.where(self.grid.is_round(x)[:, None], self.rounds.values(x), of_others)

    def steps(self, x: np.ndarray) -> np.ndarray:
        of_others = self.others.steps(self.grid.places(x))
        return np.where(self.grid.is_round(x)[:, None], self.rounds.steps(x), of_others)

    def log_jacobian(self, x: np.ndarray) -> np.ndarray:
        # a value has the probability of its own step, over that of the fine grid
        of_rounds = self.rounds.log_jacobian(x) + np.log(self.grid.ratio)
        of_others = self.others.log_jacobian(self.grid.places(x))
        of_others = of_others + np.log(self.grid.place_step / self.grid.step)
        return np.where(np.isnan(x), 0.0, np.where(self.grid.is_round(x), of_rounds, of_others))

    def back(self, codes: np.ndarray, values: np.ndarray) -> np.ndarray:
        is_round = self.label.back(codes, values[:, :0]) == ROUND
        round_values = self.rounds.back(codes[:, :0], values)
        others = self._at(self.others.back(codes[:, :0], values))
        return np.where(is_round, round_values, others)

    def _at(self, places: np.ndarray) -> np.ndarray:
        x = self.grid.at(places)
        x = x if self.decimals is None else np.round(x, self.decimals)
        return np.clip(x, self.rounds.low, self.rounds.high)

    @property
    def halves(self) -> tuple["Half", "Half"]:
        """The column as if its values were all on one of the grids, and on the other."""
        return Half(self, True), Half(self, False)


@dataclass(frozen=True, eq=False)
class Half:
    """The values of a heaped column on one of its grids, as a continuous column."""

    column: Heaped
    is_round: bool

    def untransform(self, z: np.ndarray) -> np.ndarray:
        """Return the values at standardised ones, on the grid."""
        values = np.asarray(z, dtype=float).reshape(-1, 1)
        codes = np.full(values.shape, float(self.is_round))
        return self.column.back(codes, values).reshape(np.shape(z))

    def log_jacobian(self, x: np.ndarray) -> np.ndarray:
        """Return what takes log-densities in flow space to those of the values."""
        return self.column.log_jacobian(x.ravel()).reshape(x.shape)


def find_coarse_grid(x: np.ndarray, weights: np.ndarray, step: float) -> CoarseGrid | None:
    """Return the coarser grid that far more values are on than chance puts there, if there is one.

    Parameters
    ----------
    x, weights : ndarray of shape (n,)
    step : float
        Of the regular grid that the values lie on; 0 if they lie on none.
    """
    if step == 0 or np.abs(x / step - np.round(x / step)).max() > 0.25:
        return None  # not multiples of the step
    steps = np.round(x / step)
    best: Any = (LEAST_GAIN, None)
    for ratio in RATIOS:
        residues = np.mod(steps, ratio).astype(int)
        totals = np.bincount(residues, weights, ratio) / weights.sum()
        share = float(np.clip(totals.max(), 1e-9, 1 - 1e-9))
        by_chance = 1 / ratio
        gain = share * np.log(share / by_chance)
        gain += (1 - share) * np.log((1 - share) / (1 - by_chance))
        in_all = gain * len(x) - np.log(ratio * len(RATIOS))
        if gain > best[0] and in_all > LEAST_GAIN_IN_ALL:
            best = (gain, CoarseGrid(step, ratio, int(totals.argmax())))
    grid = best[1]
    if grid is None:
        return None
    is_round = grid.is_round(x)
    fewest = min(is_round.sum(), (~is_round).sum())
    has_many = len(np.unique(x[is_round])) >= FEWEST_ROUND_VALUES
    return grid if fewest >= FEWEST_ROWS and has_many else None
