"""Columns of dates on axes that they share, so that dates of different columns compare.

Each column of dates counts in a unit and from an origin of its own, which suits a flow. Relations
between columns need one unit and one origin: the finest unit of all columns of a quantity, from
days on. There a date is where it is written, in UTC if it has a zone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .timeline import UNITS, YEARS, Timeline


@dataclass(frozen=True, eq=False)
class DateAxis:
    """The dates of a column on an axis that others share.

    Attributes
    ----------
    timeline : Timeline
        Of the column.
    unit : str
        Of the axis.
    origin : int
        What 0 stands for there, in units since 1970, or midnight, or none at all.
    """

    timeline: Timeline
    unit: str
    origin: int

    def places(self, numbers: np.ndarray) -> np.ndarray:
        """Return where numbers of the column are on the axis, NaN for NaN."""
        places = np.full(len(numbers), np.nan)
        present = ~np.isnan(numbers)
        whole = np.floor(numbers[present])
        fraction = numbers[present] - whole
        start = self._whole_places(whole)
        # cells that a user gives may be finer than the unit of the column
        finer = fraction > 0
        length = self._whole_places(whole[finer] + 1) - start[finer]
        start[finer] += fraction[finer] * np.maximum(length, 0)  # after midnight it is early again
        places[present] = start
        return places

    def _whole_places(self, numbers: np.ndarray) -> np.ndarray:
        counts = self.timeline.instants(numbers).astype(f"M8[{self.unit}]").astype(np.int64)
        return (counts - self.origin).astype(np.float64)

    def numbers(self, places: np.ndarray) -> np.ndarray:
        """Return the numbers of the column at places on the axis, NaN for NaN."""
        numbers = np.full(len(places), np.nan)
        present = ~np.isnan(places)
        counts = np.floor(places[present]).astype(np.int64) + self.origin
        numbers[present] = self.timeline.count(counts.astype(f"M8[{self.unit}]"))
        return numbers

    def round(self, places: np.ndarray, side: int = 0) -> np.ndarray:
        """Return the nearest places of the grid of the column, as `Decimals.round` does."""
        numbers = self.timeline.on_grid(self.numbers(places))
        rounded = self.places(numbers)
        is_wrong = side * (rounded - places) < 0
        if is_wrong.any():
            numbers[is_wrong] += side * self.timeline.step
            rounded[is_wrong] = self.places(self.timeline.on_grid(numbers[is_wrong]))
        return rounded


@dataclass(frozen=True, eq=False)
class DateColumns:
    """The columns of dates, times of day and durations of a table.

    Attributes
    ----------
    timelines : dict of int to Timeline
        By the positions of columns.
    axes : dict of int to DateAxis
        Of the columns that there is another one of the same quantity to compare with.
    """

    timelines: dict[int, Timeline]
    axes: dict[int, DateAxis]

    @classmethod
    def of(cls, timelines: Sequence[Timeline | None]) -> "DateColumns":
        """Return the columns of dates among all columns of a table."""
        known = {j: timeline for j, timeline in enumerate(timelines) if timeline is not None}
        axes: dict[int, DateAxis] = {}
        for quantity in {timeline.quantity for timeline in known.values()}:
            alike = {j: timeline for j, timeline in known.items() if timeline.quantity == quantity}
            if len(alike) > 1:
                unit, origin = _shared(list(alike.values()))
                axes |= {j: DateAxis(timeline, unit, origin) for j, timeline in alike.items()}
        return cls(known, axes)

    def on_axes(self, N: np.ndarray) -> np.ndarray:
        """Return rows with dates on shared axes: N itself if there are none."""
        if not self.axes:
            return N
        placed = N.copy()
        for j, axis in self.axes.items():
            placed[:, j] = axis.places(N[:, j])
        return placed

    def write_back(self, placed: np.ndarray, N: np.ndarray) -> None:
        """Write rows with dates on shared axes into N, in place, where they differ from it."""
        if placed is N:
            return
        for j, x in enumerate(placed.T):
            if j not in self.axes:
                N[:, j] = x
                continue
            before = self.axes[j].places(N[:, j])
            differs = (x != before) & ~(np.isnan(x) & np.isnan(before))
            N[differs, j] = self.axes[j].numbers(x[differs])

    def keep_ranges(self, N: np.ndarray, drawn: np.ndarray) -> None:
        """Move drawn dates by whole weeks to the range that they had in `fit`, in place."""
        for j, timeline in self.timelines.items():
            rows = drawn[:, j]
            N[rows, j] = timeline.within_ends(N[rows, j])


def _shared(timelines: list[Timeline]) -> tuple[str, int]:
    """Return the unit and the origin of the axis of columns of one quantity."""
    unit = max([timeline.unit for timeline in timelines] + ["D"], key=UNITS.index)
    if unit == "ns" and any(timeline.years != YEARS[0] for timeline in timelines):
        unit = "us"  # nanoseconds do not reach as far
    if timelines[0].cell_type != "dates":
        return unit, 0
    middle = timelines[0].instants(np.zeros(1)).astype(f"M8[{unit}]")
    return unit, int(middle.astype(np.int64)[0])
