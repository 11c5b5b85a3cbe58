"""How a column of a table lies along an axis: numbers, dates, categories, and missing cells.

An axis is divided into intervals. Numbers and dates have neighbouring ones, which are aligned with
the grid that they lie on; each category has one about 0, 1, ...; and where cells are missing these
have one of their own, apart from the others. So histograms, maps of densities and dots have a place
for all that a table holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ..table.grids import grid_step
from ..table.timeline import PER_DAY, Timeline
from .axes import plain

MAX_CATEGORIES = 20  # that an axis has
BAR = 0.45  # half the width of the interval of a category
GAP = 0.04  # between the intervals of numbers and that of missing cells, in the range of the axis
SLOT = 0.08  # width of the latter
TAILS = (0.01, 0.99)  # quantiles beyond which an axis reaches as far as from one to the other
CENTRE = (0.001, 0.999)  # quantiles between which draws are shown
SMOOTHING = 1.0  # standard deviation of the kernel that smooths histograms, in intervals
JITTER = 0.3  # how far dots are moved in the interval of a category, or a step, to either side
BETWEEN_SIDES = 0.1  # and how far from those of the other side they are
MARGIN = 0.02  # beyond all intervals, in the range of the axis
YEARS = np.array(["0001-01-01", "9999-12-31"], dtype="M8[us]")  # that matplotlib can write
INCHES_PER_LETTER = 0.09
INCHES_PER_LINE = 0.16
LEAST_POINTS = 4.0  # of letters
INCHES_PER_TICK = 0.6
UNITS_OF_DURATIONS = {"days": 1.0, "hours": 24.0, "minutes": 1440.0, "seconds": 86400.0}
MISSING = "missing"


@dataclass(frozen=True, eq=False)
class ColumnAxis:
    """How the cells of a column lie along an axis.

    Numbers are those that a codec gives: codes of categories, units since the origin of a timeline.
    Dates are in days, as matplotlib counts them; times of day, too; durations in ``unit``.

    Attributes
    ----------
    name : str
        Of the column.
    intervals : ndarray of shape (n_intervals, 2)
        In rising order; that of missing cells is the last.
    numbers : ndarray of shape (n_intervals,)
        The number in the middle of each interval, or the code of its category; NaN for the last.
    has_missing : bool
        Whether there is one for these.
    labels : list of str or None
        Of the intervals of categories; None for other columns.
    places : ndarray of int or None
        The interval of each code of a category.
    step : float
        The distance of neighbours of numbers if each has an interval of its own; else 0.
    timeline : Timeline or None
        Of dates, times of day and durations.
    unit : str or None
        Of durations: one of `UNITS_OF_DURATIONS`.
    """

    name: str
    intervals: np.ndarray
    numbers: np.ndarray
    has_missing: bool = False
    labels: list[str] | None = None
    places: np.ndarray | None = None
    step: float = 0.0
    timeline: Timeline | None = None
    unit: str | None = None

    @classmethod
    def of_column(
        cls,
        codec: Any,
        j: int,
        columns: Sequence[np.ndarray],
        n_bins: int,
        n_categories: int = MAX_CATEGORIES,
    ) -> "ColumnAxis":
        """Return the axis of a column, as wide as all of its cells that a picture is to show.

        Parameters
        ----------
        codec : TableCodec
        j : int
            The position of the column.
        columns : sequence of ndarray
            Its cells, as the codec gives them, in one table or several.
        n_bins : int
            The most intervals of numbers.
        n_categories : int, default=20
            The most intervals of categories: the less frequent ones share one.
        """
        schema = codec.schema
        name = f"x{j}" if schema.names is None else str(schema.names[j])
        x = np.concatenate(columns)
        if schema.categories[j] is not None:
            return _of_categories(name, x, schema.categories[j], n_categories)
        return cls.of_numbers(name, x, n_bins, schema.timelines[j])

    @classmethod
    def of_numbers(
        cls, name: str, x: np.ndarray, n_bins: int, timeline: Timeline | None = None
    ) -> "ColumnAxis":
        """Return the axis of numbers, or of what they stand for on a timeline."""
        present = x[~np.isnan(x)]
        unit = None
        if timeline is not None and timeline.cell_type == "durations":
            unit = _unit_of(np.abs(present) / PER_DAY[timeline.unit])
        edges, step = _edges(present, n_bins)
        numbers = (edges[1:] + edges[:-1]) / 2
        blank = cls(name, np.empty((0, 2)), numbers, timeline=timeline, unit=unit)
        edges = blank.positions(edges)
        intervals = np.column_stack([edges[:-1], edges[1:]])
        has_missing = len(present) < len(x)
        if has_missing:
            extent = edges[-1] - edges[0]
            start = edges[-1] + GAP * extent
            intervals = np.vstack([intervals, [start, start + SLOT * extent]])
            numbers = np.append(numbers, np.nan)
        return cls(name, intervals, numbers, has_missing, step=step, timeline=timeline, unit=unit)

    @property
    def is_categorical(self) -> bool:
        """Whether the intervals are those of categories."""
        return self.labels is not None

    @property
    def is_continuous(self) -> bool:
        """Whether each interval stands for many numbers."""
        return not self.is_categorical and self.step == 0

    @property
    def n_values(self) -> int:
        """The number of intervals but for that of missing cells."""
        return len(self.intervals) - self.has_missing

    @property
    def ends(self) -> tuple[float, float]:
        """Where the intervals of values begin and end; missing cells are beyond."""
        return float(self.intervals[0, 0]), float(self.intervals[self.n_values - 1, 1])

    @property
    def centres(self) -> np.ndarray:
        """The middle of each interval."""
        return self.intervals.mean(axis=1)

    @property
    def measures(self) -> np.ndarray:
        """What probabilities are divided by to be densities: lengths, and 1 for a category."""
        lengths = self.intervals[:, 1] - self.intervals[:, 0]
        return np.ones(len(lengths)) if self.is_categorical else lengths

    @cached_property
    def edges(self) -> np.ndarray:
        """All ends of intervals, in order: there are gaps between some of them."""
        return np.unique(self.intervals)

    def with_gaps(self, values: np.ndarray) -> np.ndarray:
        """Return values of the intervals, along the first axis, with NaN for the gaps between."""
        filled = np.full((len(self.edges) - 1, *values.shape[1:]), np.nan)
        filled[np.searchsorted(self.edges, self.intervals[:, 0])] = values
        return filled

    def positions(self, numbers: np.ndarray) -> np.ndarray:
        """Return where numbers are on the axis, NaN for NaN."""
        if self.places is not None:
            present = ~np.isnan(numbers)
            positions = np.full(len(numbers), np.nan)
            positions[present] = self.places[numbers[present].astype(int)]
            return positions
        if self.timeline is None:
            return numbers
        return _days(self.timeline, numbers) * UNITS_OF_DURATIONS[self.unit or "days"]

    def find(self, numbers: np.ndarray) -> np.ndarray:
        """Return the interval of each number; those beyond the ends are in the outermost ones."""
        positions = self.positions(numbers)
        if self.is_categorical:
            found = positions
        else:
            starts = self.intervals[1 : self.n_values, 0]
            found = np.searchsorted(starts, positions, side="right")
        return np.where(np.isnan(positions), len(self.intervals) - 1, found).astype(int)

    def shares(self, numbers: np.ndarray) -> np.ndarray:
        """Return the share of numbers in each interval."""
        return np.bincount(self.find(numbers), minlength=len(self.intervals)) / len(numbers)

    def smoothed(self, shares: np.ndarray) -> np.ndarray:
        """Return shares of the intervals, along the first axis, smoothed along continuous numbers.

        Their sums stay, and so does the share of missing cells.
        """
        if not self.is_continuous:
            return shares
        n = self.n_values
        # densities are smoothed: the last interval may be shorter than the others
        lengths = self.measures[:n].reshape(-1, *[1] * (shares.ndim - 1))
        smooth = lengths * gaussian_filter1d(shares[:n] / lengths, SMOOTHING, 0, mode="reflect")
        before = shares[:n].sum(axis=0)
        after = smooth.sum(axis=0)
        smooth *= np.divide(before, after, out=np.zeros_like(after), where=after > 0)
        return np.concatenate([smooth, shares[n:]])

    def dots(self, numbers: np.ndarray, rng: np.random.RandomState, side: int = 0) -> np.ndarray:
        """Return where dots are to be: numbers beyond the ends are at the ends.

        They are spread over the interval of a category, of missing cells, or of one number; over
        its lower or upper half with a ``side`` of -1 or 1.
        """
        spread = rng.uniform(-JITTER, JITTER, len(numbers))
        if side:
            spread = side * (BETWEEN_SIDES / 2 + np.abs(spread))
        if self.is_categorical:
            return self.find(numbers) + spread
        low, high = self.intervals[-1]
        in_slot = (low + high) / 2 + spread * (high - low)
        positions = self.positions(numbers)
        if self.step:
            lengths = self.measures[self.find(numbers)]
            positions = positions + spread * lengths
        return np.where(np.isnan(positions), in_slot, np.clip(positions, *self.ends))

    def dress(self, axis: Any) -> None:
        """Give an axis of matplotlib its name, limits and ticks."""
        from matplotlib.ticker import AutoLocator, ScalarFormatter

        unit = "" if self.unit is None else f", {self.unit}"
        axis.set_label_text(plain(self.name) + unit)
        if self.labels is not None:
            _set_limits(axis, self.edges[0], self.edges[-1], 0.1)
            axis.set_ticks(self.centres, self.labels)
            _fit_labels(axis, self.labels)
            return
        margin = MARGIN * (self.edges[-1] - self.edges[0])
        if self.timeline is not None and self.timeline.cell_type != "durations":
            _set_limits(axis, *_within_dates(*self.ends), 0.0)
            self._number_dates(axis)
        else:
            _set_limits(axis, *self.ends, margin)
            axis.set_major_locator(AutoLocator())
            axis.set_major_formatter(ScalarFormatter())
        if self.has_missing:
            self._mark_missing(axis)
            _set_limits(axis, self.edges[0], self.edges[-1], margin)

    def _number_dates(self, axis: Any) -> None:
        from matplotlib.dates import (
            SECONDLY,
            YEARLY,
            AutoDateLocator,
            ConciseDateFormatter,
            DateFormatter,
        )

        assert self.timeline is not None
        zone = self.timeline.zone
        most = int(_inches(axis) / INCHES_PER_TICK)
        # with fewer than 7 ticks of months or shorter times the locator finds none for some ranges
        n_ticks = {
            unit: max(7 if unit > YEARLY else 3, most) for unit in range(YEARLY, SECONDLY + 1)
        }
        locator = AutoDateLocator(tz=zone, minticks=3, maxticks=n_ticks)
        axis.set_major_locator(locator)
        if self.timeline.cell_type == "times":
            axis.set_major_formatter(DateFormatter("%H:%M"))
        else:
            axis.set_major_formatter(ConciseDateFormatter(locator, tz=zone))
        formatter = axis.get_major_formatter()
        _fit_labels(axis, formatter.format_ticks(axis.get_majorticklocs()))
        if axis.axis_name == "x" and formatter.get_offset():
            # to the right is what dates have in common, such as their year
            axis.axes.set_xlabel(axis.get_label_text(), loc="left")

    def _mark_missing(self, axis: Any) -> None:
        """Put a tick where missing cells are, and no other one beyond the values."""
        from matplotlib.ticker import FixedFormatter, FixedLocator

        low, high = self.ends
        ticks = [tick for tick in axis.get_majorticklocs() if low <= tick <= high]
        formatter = axis.get_major_formatter()
        fixed = FixedFormatter([*formatter.format_ticks(ticks), MISSING])
        fixed.set_offset_string(formatter.get_offset())
        axis.set_major_locator(FixedLocator([*ticks, self.centres[-1]]))
        axis.set_major_formatter(fixed)
        for label in axis.get_ticklabels()[-1:]:
            label.set_rotation(90 if axis.axis_name == "x" else 0)


def _of_categories(name: str, codes: np.ndarray, categories: Any, most: int) -> ColumnAxis:
    """Return the axis of a column of categories; the rare ones and new ones are one."""
    present = codes[~np.isnan(codes)].astype(int)
    counts = np.bincount(present, minlength=len(categories) + 1)
    n_known = len(categories)
    kept = np.arange(n_known)
    if n_known > most:
        kept = np.sort(np.argsort(-counts[:n_known], kind="stable")[: most - 1])
    labels = [plain(category) for category in categories[kept]]
    numbers = kept.astype(float)
    places = np.full(n_known + 1, len(kept))
    places[kept] = np.arange(len(kept))
    others = np.setdiff1d(np.arange(n_known + 1), kept)
    if len(kept) < n_known or counts[n_known]:
        labels.append(f"{n_known - len(kept)} others" if len(kept) < n_known else "others")
        numbers = np.append(numbers, others[counts[others].argmax()])
    has_missing = len(present) < len(codes)
    if has_missing:
        labels.append(MISSING)
        numbers = np.append(numbers, np.nan)
    centres = np.arange(len(labels))
    intervals = np.column_stack([centres - BAR, centres + BAR])
    return ColumnAxis(name, intervals, numbers, has_missing, labels, places)


def trimmed(x: np.ndarray) -> np.ndarray:
    """Return drawn numbers with those that are far out, as rare draws are, moved to the others."""
    if np.isnan(x).all():
        return x
    return np.clip(x, *np.nanquantile(x, CENTRE))


def _edges(x: np.ndarray, n_bins: int) -> tuple[np.ndarray, float]:
    """Return the ends of neighbouring intervals, and the step if each holds one step of a grid."""
    if not len(x):
        return np.array([0.0, 1.0]), 0.0
    tails = np.quantile(x, TAILS)
    extent = tails[1] - tails[0]
    low = max(x.min(), tails[0] - extent)
    high = min(x.max(), tails[1] + extent)
    values = np.unique(x[(x >= low) & (x <= high)])
    if len(values) < 2:
        half = 0.5 * (abs(low) or 1.0)
        return np.array([low - half, high + half]), 0.0
    step = grid_step(values, np.finfo(x.dtype).eps)
    if step == 0:
        return np.linspace(values[0], values[-1], n_bins + 1), 0.0
    n_steps = round((values[-1] - values[0]) / step) + 1
    # a whole number of steps to each interval: else some would hold more numbers than others
    least = -(-n_steps // n_bins)
    in_each = max(range(least, 1 + least * 3 // 2), key=lambda n: ((n_steps - 1) % n + 1) / n)
    edges = np.append(np.arange(0, n_steps, in_each), n_steps) - 0.5
    return values[0] + step * edges, step if in_each == 1 else 0.0


def _days(timeline: Timeline, numbers: np.ndarray) -> np.ndarray:
    """Return numbers of a timeline as matplotlib counts days."""
    from matplotlib.dates import date2num

    if timeline.cell_type != "dates":
        return numbers / PER_DAY[timeline.unit]
    days = np.full(len(numbers), np.nan)
    present = ~np.isnan(numbers)
    whole = np.floor(numbers[present])
    start = date2num(timeline.instants(whole))
    end = date2num(timeline.instants(whole + 1))
    days[present] = start + (numbers[present] - whole) * (end - start)
    return days


def _unit_of(days: np.ndarray) -> str:
    """Return the longest unit of which most durations have one at least."""
    typical = np.median(days) if len(days) else 1.0
    fits = (unit for unit, per_day in UNITS_OF_DURATIONS.items() if typical * per_day >= 1)
    return next(fits, "seconds")


def _within_dates(low: float, high: float) -> tuple[float, float]:
    """Return limits of dates that matplotlib can write."""
    from matplotlib.dates import date2num

    first, last = date2num(YEARS)
    return max(low, float(first)), min(high, float(last))


def _set_limits(axis: Any, low: float, high: float, margin: float) -> None:
    if axis.axis_name == "x":
        axis.axes.set_xlim(low - margin, high + margin)
    else:
        axis.axes.set_ylim(low - margin, high + margin)


def _inches(axis: Any) -> float:
    """Return the length of an axis; layout changes it a little."""
    box = axis.axes.bbox
    length = box.width if axis.axis_name == "x" else box.height
    return float(length / axis.axes.figure.dpi)


def _fit_labels(axis: Any, labels: list[str]) -> None:
    """Turn labels upright that would not fit side by side, and smaller where they still do not."""
    room = _inches(axis) / max(len(labels), 1)
    is_horizontal = axis.axis_name == "x"
    if is_horizontal and INCHES_PER_LETTER * max(map(len, labels), default=0) < room:
        return
    if is_horizontal:
        axis.set_tick_params(rotation=90)
    if room < INCHES_PER_LINE:
        axis.set_tick_params(labelsize=max(LEAST_POINTS, 10 * room / INCHES_PER_LINE))
