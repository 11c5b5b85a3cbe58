"""Columns of dates, times of day and durations as numbers of steps, and back in their own form.

The number of a date is how many units it is after an origin amid the training rows, so that it is
exact as a float. The unit is the longest of `UNITS` that all training cells are multiples of.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, time, tzinfo
from typing import Any

import numpy as np
import pandas as pd

from .._date_text import DateText
from .cells import TIMELIKE
from .cycles import Cycles

UNITS = ("M", "D", "h", "m", "s", "ms", "us", "ns")  # as NumPy calls them
PER_DAY = {"D": 1.0, "h": 24.0, "m": 1440.0, "s": 86400.0, "ms": 864e5, "us": 864e8, "ns": 864e11}
EPOCH = np.datetime64(0, "D")
DAY = np.timedelta64(1, "D")
# years that dates are kept to: what nanoseconds can hold, or what Python can
YEARS = [(1678, 2261), (1, 9999)]
MOST_UNITS = 9.2e18  # that an integer can count
DATE_INTEGERS = (16000101, 22991231)
FEWEST_DATE_INTEGERS = 3  # different ones: fewer may be chance


@dataclass(frozen=True, eq=False)
class Timeline:
    """The way of a column of dates, times of day or durations to numbers and back.

    Attributes
    ----------
    cell_type : {"dates", "times", "durations"}
    form : str or DateText
        What the cells are: a key of `WRITERS`, or text of this format.
    unit : str
        One of `UNITS`.
    origin : int
        What the number 0 stands for, in units since 1970, or midnight, or none at all.
    ends : tuple of int
        The smallest and the largest number of the training rows.
    step : int
        The most units that all of these are whole multiples of apart.
    zone : tzinfo or None
    is_local : bool
        Whether numbers count in the time of the zone, and not in UTC.
    is_end : bool
        Whether the dates are the last days of their months.
    freq : str or None
        Of periods.
    """

    cell_type: str
    form: Any
    unit: str
    origin: int
    ends: tuple[int, int]
    step: int
    zone: tzinfo | None = None
    is_local: bool = False
    is_end: bool = False
    freq: Any = None

    @classmethod
    def learn(cls, cells: np.ndarray, cell_types: set[str], label: str) -> "Timeline | None":
        """Return the timeline of the cells of a column, None if these are something else.

        Parameters
        ----------
        cells : ndarray of shape (n,)
            Floats, or objects.
        cell_types : set of str
            What the cells are, among `CELL_TYPES`.
        label : str
            What messages call the column.
        """
        present = cells[~pd.isna(cells)]
        form = _form_of(present, cell_types)
        if form is None:
            return None
        blank = cls.blank(present, cell_types, form, label)
        cell_type = blank.cell_type
        zone = blank.zone
        instants = blank.read(present)
        is_local = zone is not None and (_to_utc(_to_local(instants, zone), zone) == instants).all()
        instants = _to_local(instants, zone) if is_local else instants
        is_end = cell_type == "dates" and _are_month_ends(instants)
        instants = instants + is_end * DAY
        unit = _unit_of(instants, cell_type == "dates")
        counts = instants.astype(f"M8[{unit}]").astype(np.int64)
        origin = int(np.median(counts)) if cell_type == "dates" else 0
        ends = (int(counts.min()) - origin, int(counts.max()) - origin)
        step = int(np.gcd.reduce(np.diff(np.unique(counts)))) or 1
        blank = replace(blank, is_local=bool(is_local), is_end=is_end)
        return replace(blank, unit=unit, origin=origin, ends=ends, step=step)

    @classmethod
    def blank(cls, present: np.ndarray, cell_types: set[str], form: Any, label: str) -> "Timeline":
        """Return a timeline that can read cells, and numbers nothing yet."""
        cell_type = next(iter(cell_types))
        if cell_type in ("text", "numbers"):
            cell_type = "times" if isinstance(form, DateText) and form.is_time else "dates"
        zone = _zone_of(present, label) if cell_type == "dates" else None
        freq = present[0].freqstr if form == "Period" else None
        return cls(cell_type, form, "ns", 0, (0, 0), 1, zone, freq=freq)

    @property
    def accepted(self) -> set[str]:
        """The types of cells that can be read."""
        if isinstance(self.form, DateText):
            return {"text", self.cell_type}
        return {"numbers", "dates"} if self.form == "integer" else {self.cell_type}

    @property
    def quantity(self) -> str:
        """What the cells are, in words: those of the same quantity compare across columns."""
        if isinstance(self.form, DateText) and self.form.suffix:
            return f"{self.cell_type} written with {self.form.suffix.strip()}"
        return self.cell_type if self.zone is None else f"{self.cell_type} with a time zone"

    @property
    def years(self) -> tuple[int, int]:
        """The first and the last year that dates are kept to."""
        for years in YEARS:
            low, high = self._numbers_of(years)
            if low <= self.ends[0] and self.ends[1] < high:
                break
        return years

    def _numbers_of(self, years: tuple[int, int]) -> np.ndarray:
        """Return the numbers of the start of the first year, and of the end of the last one."""
        edges = np.array([years[0] - 1970, years[1] + 1 - 1970], dtype="M8[Y]")
        return edges.astype(f"M8[{self.unit}]").astype(np.float64) - self.origin

    @property
    def day(self) -> float | None:
        """How many units a day has; None where the unit is a month."""
        return PER_DAY.get(self.unit)

    @property
    def cycles(self) -> Cycles:
        """Where numbers are in the cycles of the calendar."""
        per_day = self.day
        start, rest = divmod(self.origin, 1 if per_day is None else int(per_day))
        return Cycles(per_day, start, float(rest), self.cell_type == "dates")

    def read(self, cells: np.ndarray) -> np.ndarray:
        """Return cells, of which none is missing, as datetime64, NaT where one has another form."""
        if cells.dtype != object:
            return _read_integers(cells)
        types = set(map(type, cells))
        if types <= {str, np.str_}:
            parsed = self.form.parse(cells)
            return EPOCH + (parsed - np.datetime64("1900-01-01")) if self.form.is_time else parsed
        if self.cell_type == "times":
            return EPOCH + np.array([_since_midnight(cell) for cell in cells], dtype="m8[us]")
        if self.cell_type == "durations":
            return EPOCH + pd.to_timedelta(pd.Series(cells)).to_numpy()
        if pd.Period in types:
            return pd.PeriodIndex(cells).to_timestamp().to_numpy()
        if types & {datetime, pd.Timestamp}:
            return _in_utc(pd.Series(cells)).dt.tz_localize(None).to_numpy()
        return np.array(cells.tolist(), dtype="M8[us]")

    def encode(self, cells: np.ndarray, label: str) -> np.ndarray:
        """Return cells as numbers, NaN where they are missing.

        Raises
        ------
        ValueError
            If a cell is no date of the form that the column had in `fit`.
        """
        present = ~pd.isna(cells)
        shown = cells[present]
        numbers = np.full(len(cells), np.nan)
        if not len(shown):
            return numbers
        is_zoned = self.cell_type == "dates" and _zone_of(shown, label) is not None
        if is_zoned != (self.zone is not None):
            raise ValueError(
                f"{label} holds dates {'with' if self.zone is None else 'without'} a time zone, "
                "unlike in fit: localise or convert them."
            )
        instants = self.read(shown)
        if np.isnat(instants).any():
            wrong = shown[np.isnat(instants)][0]
            text = repr(wrong) if isinstance(wrong, str) else f"{wrong:.15g}"
            raise ValueError(
                f"{label} held {self.cell_type} in fit and holds {text} now, which is none of "
                "that form: correct it."
            )
        numbers[present] = self.count(instants)
        return numbers

    def count(self, instants: np.ndarray) -> np.ndarray:
        """Return datetime64, in UTC where there is a zone, as numbers, with fractions of a unit."""
        instants = _to_local(instants, self.zone) if self.is_local else instants
        instants = instants + self.is_end * DAY
        whole = instants.astype(f"M8[{self.unit}]")
        start = whole.astype(instants.dtype)
        length = (whole + np.array(1, dtype=f"m8[{self.unit}]")).astype(instants.dtype) - start
        with np.errstate(invalid="ignore", divide="ignore"):
            fraction = np.where(instants == start, 0.0, (instants - start) / length)
        return (whole.astype(np.int64) - self.origin) + fraction

    def decode(self, numbers: np.ndarray) -> np.ndarray:
        """Return numbers as valid cells: of objects, None where a number is NaN, or integers."""
        cells = np.full(len(numbers), None, dtype=object)
        present = ~np.isnan(numbers)
        if present.any():
            cells[present] = _objects(self._write(self.instants(numbers[present])))
        return cells.astype(np.float64) if self.form == "integer" else cells

    def instants(self, numbers: np.ndarray) -> np.ndarray:
        """Return the valid datetime64, in UTC where there is a zone, nearest to numbers."""
        low, high = self._numbers_of(self.years)
        counts = np.clip(np.rint(numbers), max(low, -MOST_UNITS), min(high - 1, MOST_UNITS))
        if self.cell_type == "times":
            counts = counts % self.day
        instants = (counts.astype(np.int64) + self.origin).astype(f"M8[{self.unit}]")
        instants = instants.astype("M8[ns]" if self.unit == "ns" else "M8[us]") - self.is_end * DAY
        return _to_utc(instants, self.zone) if self.is_local else instants

    def _write(self, instants: np.ndarray) -> Any:
        if isinstance(self.form, DateText):
            return self.form.write(instants)
        return WRITERS[self.form](instants, self)

    def within_ends(self, numbers: np.ndarray) -> np.ndarray:
        """Return numbers of dates moved by whole weeks, or years, to the range of training rows."""
        if self.cell_type != "dates":
            return numbers
        cycle = float(math.lcm(12 if self.day is None else 7 * int(self.day), self.step))
        low, high = self.ends
        numbers = numbers - np.ceil(np.maximum(numbers - high, 0) / cycle) * cycle
        numbers = numbers + np.ceil(np.maximum(low - numbers, 0) / cycle) * cycle
        return np.clip(numbers, low, high)

    def on_grid(self, numbers: np.ndarray) -> np.ndarray:
        """Return the numbers nearest to others that are whole steps from those of training rows."""
        low, high = self.ends
        nearest = low + np.rint((numbers - low) / self.step) * self.step
        # a time of day beyond midnight would be that of another day
        return np.clip(nearest, low, high) if self.cell_type == "times" else nearest


def read_instants(cells: np.ndarray, cell_types: set[str], label: str) -> np.ndarray:
    """Return dates, times of day or durations, of which none is missing, as datetime64."""
    form = _form_of(cells, cell_types)
    return Timeline.blank(cells, cell_types, form, label).read(cells)


def _form_of(cells: np.ndarray, cell_types: set[str]) -> Any:
    """Return what dates, times or durations are; None if the cells are none."""
    if cell_types == {"numbers"} and cells.dtype == np.float64:
        return "integer" if are_date_integers(cells) else None
    if cell_types == {"text"} and not any(isinstance(cell, bytes) for cell in cells):
        return DateText.find(cells)
    if not cell_types or not cell_types <= TIMELIKE:
        return None
    names = {cell.__name__ for cell in set(map(type, cells))}
    if len(names) == 1 and names <= WRITERS.keys():
        return names.pop()
    return {"dates": "Timestamp", "times": "time", "durations": "Timedelta"}[min(cell_types)]


def are_date_integers(x: np.ndarray) -> bool:
    """Return whether numbers are dates of the form YYYYMMDD."""
    low, high = DATE_INTEGERS
    if not len(x) or x.min() < low or x.max() > high:
        return False
    values = np.unique(x)
    is_whole = (values == np.round(values)).all()
    if not is_whole or len(values) < FEWEST_DATE_INTEGERS:
        return False
    return not np.isnat(_read_integers(values)).any()


def _read_integers(x: np.ndarray) -> np.ndarray:
    """Return numbers YYYYMMDD as datetime64, NaT where one is no date."""
    texts = pd.Series([f"{number:.15g}" for number in x])
    return pd.to_datetime(texts, format="%Y%m%d", errors="coerce").to_numpy()


def _zone_of(cells: np.ndarray, label: str) -> tzinfo | None:
    """Return the time zone of dates: UTC if they have several."""
    zones: list[tzinfo | None] = []  # a set takes none of dateutil's
    for cell in cells if cells.dtype == object else [None]:
        zone = getattr(cell, "tzinfo", None)
        if zone not in zones:
            zones.append(zone)
    if len(zones) > 1 and None in zones:
        raise ValueError(f"{label} holds dates with and without a time zone: give all of them one.")
    return zones.pop() if len(zones) == 1 else pd.Timestamp(0, tz="UTC").tzinfo


def _in_utc(cells: pd.Series) -> pd.Series:
    try:
        return pd.to_datetime(cells, utc=True)
    except pd.errors.OutOfBoundsDatetime:  # before pandas 3 in nanoseconds, of 1677 to 2262
        return cells.astype("datetime64[us, UTC]")


def _to_local(instants: np.ndarray, zone: tzinfo | None) -> np.ndarray:
    index = pd.DatetimeIndex(instants).tz_localize("UTC")
    return index.tz_convert(zone).tz_localize(None).to_numpy()


def _to_utc(local: np.ndarray, zone: tzinfo | None) -> np.ndarray:
    """Return times of a zone in UTC: where clocks are set back the earlier one of two."""
    earlier = np.ones(len(local), dtype=bool)
    index = pd.DatetimeIndex(local).tz_localize(
        zone, ambiguous=earlier, nonexistent="shift_forward"
    )
    return index.tz_convert("UTC").tz_localize(None).to_numpy()


def _are_month_ends(instants: np.ndarray) -> bool:
    """Return whether dates are the last days of several months."""
    months = (instants + DAY).astype("M8[M]")
    return bool((instants + DAY == months).all() and len(np.unique(months)) > 2)


def _unit_of(instants: np.ndarray, may_be_months: bool) -> str:
    units = UNITS if may_be_months else UNITS[1:]
    fits = (unit for unit in units if (instants.astype(f"M8[{unit}]") == instants).all())
    return next(fits, "ns")


def _since_midnight(cell: time) -> Any:
    return datetime.combine(datetime.min, cell.replace(tzinfo=None)) - datetime.min


def _objects(cells: Any) -> np.ndarray:
    """Return cells as an array of objects, whatever NumPy would make of them."""
    objects = np.empty(len(cells), dtype=object)
    objects[:] = list(cells)
    return objects


def _timestamps(instants: np.ndarray, timeline: Timeline) -> pd.DatetimeIndex:
    index = pd.DatetimeIndex(instants)
    if timeline.zone is None:
        return index
    return index.tz_localize("UTC").tz_convert(timeline.zone)


def _integers(instants: np.ndarray, timeline: Timeline) -> Any:
    index = pd.DatetimeIndex(instants)
    return (index.year * 10000 + index.month * 100 + index.day).tolist()


WRITERS: dict[str, Callable[[np.ndarray, Timeline], Any]] = {
    "date": lambda instants, timeline: instants.astype("M8[D]").astype(object),
    "datetime": lambda instants, timeline: _timestamps(instants, timeline).to_pydatetime(),
    "Timestamp": _timestamps,
    "datetime64": lambda instants, timeline: instants,
    "Period": lambda instants, timeline: pd.DatetimeIndex(instants).to_period(timeline.freq),
    "time": lambda instants, timeline: pd.DatetimeIndex(instants).time,
    "timedelta": lambda instants, timeline: (instants - EPOCH).astype("m8[us]").astype(object),
    "Timedelta": lambda instants, timeline: pd.TimedeltaIndex(instants - EPOCH),
    "timedelta64": lambda instants, timeline: instants - EPOCH,
    "integer": _integers,
}
