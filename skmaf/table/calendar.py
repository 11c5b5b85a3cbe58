"""Columns of dates: what density they have in the cycles of a calendar, and what networks see.

A date is written as its weekday and its hour, which are categories, and its place among the dates
that share these. So are the months of one name in a column of months. Days may have a label for
their month, too. But all Januaries put side by side leave nothing smooth of a trend, which has cost
0.04 nats on dates with one, and 0.5 where another column follows it; so held-out rows choose.
"""

from dataclasses import dataclass

import numpy as np

from .columns import Column, Continuous, Discrete, moments
from .cycles import Cycles
from .date_labels import LabelledLine

HARMONICS = {"month": 1, "weekday": 3, "hour": 2}  # with 3 of them all weekdays are told apart


@dataclass(frozen=True, eq=False)
class Calendar(Column):
    """A column of dates, which are categories such as a weekday, and a place among their like.

    Attributes
    ----------
    dates : LabelledLine
        What a date is split into.
    parts : tuple of Discrete
        The labels of each cycle.
    line : Continuous
        The places.
    whole : Continuous
        The dates as numbers, without their labels.
    step : float
        The interval that a date stands for, in units of the column.
    """

    dates: LabelledLine
    parts: tuple[Discrete, ...]
    line: Continuous
    whole: Continuous
    step: float

    n_values = 1

    @classmethod
    def of(
        cls,
        dates: LabelledLine,
        line: Continuous,
        whole: Continuous,
        step: float,
        x: np.ndarray,
        w: np.ndarray,
    ) -> "Calendar":
        """Return the column of training dates with weights."""
        labels, _ = dates.split(x)
        parts = [
            Discrete.of(labels[name], w, np.unique(labels[name]), ordered=False)
            for name in dates.names
        ]
        return cls(dates, tuple(parts), line, whole, step)

    @property
    def n_codes(self) -> int:
        return len(self.parts)

    @property
    def coded(self) -> list[Column]:
        return list(self.parts)

    def codes(self, x: np.ndarray) -> np.ndarray:
        labels, _ = self.dates.split(x)
        codes = [part.codes(labels[name]) for name, part in zip(self.dates.names, self.parts)]
        return np.hstack(codes)

    def values(self, x: np.ndarray) -> np.ndarray:
        return self.line.values(self.dates.split(x)[1])

    def steps(self, x: np.ndarray) -> np.ndarray:
        return (self.step * self.dates.stretch_at(x) / self.line.scale)[:, None]

    def log_jacobian(self, x: np.ndarray) -> np.ndarray:
        labels, places = self.dates.split(x)
        total = self.line.log_jacobian(places) + np.log(self.dates.stretch_at(x))
        for name, part in zip(self.dates.names, self.parts):
            total = total + part.log_jacobian(labels[name])
        return np.where(np.isnan(x), 0.0, total)

    def back(self, codes: np.ndarray, values: np.ndarray) -> np.ndarray:
        labels = {
            name: part.back(codes[:, [i]], codes[:, :0])
            for i, (name, part) in enumerate(zip(self.dates.names, self.parts))
        }
        return self.whole.snap(self.dates.join(labels, self.line.back(codes[:, :0], values)))


@dataclass(frozen=True, eq=False)
class WithPhases(Column):
    """A column of dates, and beside each the sines and cosines of its phases in the calendar.

    It is for networks that look at dates, and for densities of values with noise.

    Attributes
    ----------
    line : Continuous
    cycles : Cycles
    means, scales : ndarray of shape (n_values - 1,)
        Of the sines and cosines.
    """

    line: Continuous
    cycles: Cycles
    means: np.ndarray
    scales: np.ndarray

    n_codes = 0

    @classmethod
    def of(cls, line: Continuous, cycles: Cycles, x: np.ndarray, w: np.ndarray) -> "WithPhases":
        """Return the column of training dates with weights."""
        waves = _waves(cycles, x)
        means, scales = np.transpose([moments(wave, w) for wave in waves.T])
        return cls(line, cycles, means, np.maximum(scales, 1e-3))

    @property
    def n_values(self) -> int:
        return 1 + len(self.means)

    def values(self, x: np.ndarray) -> np.ndarray:
        waves = (_waves(self.cycles, np.nan_to_num(x)) - self.means) / self.scales
        waves[np.isnan(x)] = np.nan
        return np.hstack([self.line.values(x), waves])

    def steps(self, x: np.ndarray) -> np.ndarray:
        steps = np.zeros((1, self.n_values))
        steps[:, 0] = self.line.step / self.line.scale
        return steps

    def log_jacobian(self, x: np.ndarray) -> np.ndarray:
        return self.line.log_jacobian(x)

    def back(self, codes: np.ndarray, values: np.ndarray) -> np.ndarray:
        return self.line.back(codes, values[:, :1])

    def untransform(self, z: np.ndarray) -> np.ndarray:
        """Return standardised values in units of the column."""
        return self.line.untransform(z)

    def snap(self, x: np.ndarray) -> np.ndarray:
        """Return values moved to the grid."""
        return self.line.snap(x)


def _waves(cycles: Cycles, x: np.ndarray) -> np.ndarray:
    """Return sines and cosines of the phases of dates, shape (n, waves)."""
    angles = [
        2 * np.pi * k * cycles.phases(name, x)
        for name in cycles.names
        for k in range(1, HARMONICS[name] + 1)
    ]
    return np.column_stack([wave(angle) for angle in angles for wave in (np.cos, np.sin)])
