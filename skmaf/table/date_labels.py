"""Dates as labels of the calendar and places among the dates that share these: one to one.

A place is where a date is if all Mondays at nine, say, are put side by side, as a line without
gaps. So densities of places are exact densities of dates, and a flow needs not bend to each week.
"""

from dataclasses import dataclass

import numpy as np

from .cycles import DAYS_OF_CYCLE, THURSDAY, Cycles

LABELS = {"month": 12, "weekday": 7, "hour": 24}
ROWS_PER_LABEL = 20  # with fewer nothing is learned of a cycle
CYCLES_SEEN = 2  # at least, from the first date to the last: what comes again is no trend
LEAST_PLACES = 4  # on the line of each label
FARTHEST = 10**6  # years that draws are cut at, far beyond all that can be written


@dataclass(frozen=True)
class LabelledLine:
    """Splits dates into labels, such as a weekday, and places on the line of each label.

    Places are in the units of the column, so far apart that they cover the same stretch.

    Attributes
    ----------
    cycles : Cycles
    names : tuple of str
        The cycles that have labels.
    """

    cycles: Cycles
    names: tuple[str, ...]

    @property
    def stretch(self) -> float:
        """How many times as far apart places are as dates of one label within it."""
        return float(np.prod([LABELS[name] for name in self.names]))

    @property
    def width(self) -> float:
        """The units of the column that a label has in a day, or month."""
        per_day = self.cycles.per_day or 1.0
        return per_day / 24 if "hour" in self.names else per_day

    @property
    def _group(self) -> tuple[str, int, int]:
        """The cycle that days, or months, are labelled by, how many labels it has, and its shift.

        Without such a cycle all days have one label.
        """
        if "weekday" in self.names:
            return "weekday", LABELS["weekday"], THURSDAY
        return ("month", LABELS["month"], 0) if "month" in self.names else ("", 1, 0)

    def split(self, x: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return labels by the names of cycles, and places; NaN for NaN."""
        name, n_labels, shift = self._group
        days, rest = self.cycles.days(np.nan_to_num(x))
        rank, label = np.divmod(days + shift, n_labels)
        labels = {name: label} if name else {}
        if "hour" in self.names:
            labels["hour"] = np.floor(rest / self.width)
            rest = rest - labels["hour"] * self.width
        rank = rank - (self.cycles.origin + shift) // n_labels
        places = (rank * self.width + rest) * self.stretch
        named = {name: np.where(np.isnan(x), np.nan, label) for name, label in labels.items()}
        return named, np.where(np.isnan(x), np.nan, places)

    def stretch_at(self, x: np.ndarray) -> np.ndarray:
        """Return how many times as far apart places are as dates, shape (n,), or (1,) for all."""
        return np.array([self.stretch])

    def around(self, x: np.ndarray) -> np.ndarray:
        """Return the dates about each in all hours and weekdays that have labels, shape (n, k)."""
        n = int(self.stretch)
        return x[:, None] + (np.arange(n) - n // 2) * self.width

    def join(self, labels: dict[str, np.ndarray], places: np.ndarray) -> np.ndarray:
        """Return the dates that have these labels and places."""
        name, n_labels, shift = self._group
        units = places / self.stretch
        rank = np.floor(units / self.width)
        rest = units - rank * self.width + labels.get("hour", 0) * self.width
        rank = rank + (self.cycles.origin + shift) // n_labels
        days = rank * n_labels + labels.get(name, 0) - shift
        return (days - self.cycles.origin) * (self.cycles.per_day or 1.0) + rest - self.cycles.rest


@dataclass(frozen=True)
class MonthlyLine(LabelledLine):
    """Splits dates into a month, perhaps a weekday and an hour, and places on the line of these.

    Each month is a year long there, so that all places between two years are taken. How many dates
    of one label it has, all its days or four or five Mondays, tells how far apart their places are.

    Attributes
    ----------
    cycles : Cycles
    names : tuple of str
        The cycles that have labels, "month" among them.
    step : float
        The interval that a date stands for, at most `width`. Its place is the middle of it.
    """

    step: float

    @property
    def _year(self) -> float:
        """The units of a year."""
        return DAYS_OF_CYCLE["month"] * (self.cycles.per_day or 1.0)

    @property
    def first_year(self) -> int:
        """The year that begins about place 0, counted from 1970."""
        return self.cycles.origin // 365

    def split(self, x: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return labels by the names of cycles, and places; NaN for NaN."""
        days, rest = self.cycles.days(np.nan_to_num(x) + self.step / 2)
        labels = {"weekday": (days + THURSDAY) % 7}
        if "hour" in self.names:
            labels["hour"] = np.floor(rest / self.width)
            rest = rest - labels["hour"] * self.width
        start = days.astype("M8[D]").astype("M8[M]")
        years, labels["month"] = np.divmod(start.astype(np.int64), 12)
        rank, n_days = self._rank(days, start)
        places = (years - self.first_year + (rank + rest / self.width) / n_days) * self._year
        named = {name: np.where(np.isnan(x), np.nan, labels[name]) for name in self.names}
        return named, np.where(np.isnan(x), np.nan, places)

    def stretch_at(self, x: np.ndarray) -> np.ndarray:
        days, _ = self.cycles.days(np.nan_to_num(x) + self.step / 2)
        _, n_days = self._rank(days, days.astype("M8[D]").astype("M8[M]"))
        return self._year / (n_days * self.width)

    def around(self, x: np.ndarray) -> np.ndarray:
        others = tuple(name for name in self.names if name != "month")
        return LabelledLine(self.cycles, others).around(x)

    def _rank(self, days: np.ndarray, months: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which one days are among those of their label in the month, of how many."""
        first = months.astype("M8[D]").astype(np.int64)
        after = (months + np.timedelta64(1, "M")).astype("M8[D]")
        length = after.astype(np.int64) - first
        if "weekday" not in self.names:
            return days - first, length
        rank, first_of_label = np.divmod(days - first, 7)
        return rank, (length - 1 - first_of_label) // 7 + 1

    def join(self, labels: dict[str, np.ndarray], places: np.ndarray) -> np.ndarray:
        """Return the dates that have these labels and places."""
        years = np.clip(places / self._year, -FARTHEST, FARTHEST)
        whole = np.floor(years)
        months = (whole.astype(np.int64) + self.first_year) * 12 + labels["month"].astype(np.int64)
        months = months.astype("M8[M]")
        days = months.astype("M8[D]").astype(np.int64)
        if "weekday" in labels:
            days = days + (labels["weekday"].astype(np.int64) - days - THURSDAY) % 7
        _, n_days = self._rank(days, months)
        rank = np.minimum(np.floor((years - whole) * n_days), n_days - 1)
        rest = ((years - whole) * n_days - rank + labels.get("hour", 0)) * self.width
        days = days + rank * (7 if "weekday" in labels else 1)
        units = (days - self.cycles.origin) * (self.cycles.per_day or 1.0)
        return units + rest - self.cycles.rest - self.step / 2


def find_labels(cycles: Cycles, x: np.ndarray, step: float) -> LabelledLine | None:
    """Return how to split training dates: by the cycles that there are rows and places enough for.

    It is None if there are enough for none. ``step`` is the interval that a date stands for.
    """
    names: tuple[str, ...] = ()
    span = cycles.span(x)
    for name in cycles.label_names:
        if span < CYCLES_SEEN * DAYS_OF_CYCLE[name] or len(x) < ROWS_PER_LABEL * LABELS[name]:
            continue
        with_it = _line(cycles, (*names, name), step)
        labels = with_it.split(x)[0][name]
        n_places = span * (cycles.per_day or 1 / 30.44) / (with_it.stretch * with_it.width)
        if len(np.unique(labels)) > 1 and n_places >= LEAST_PLACES:
            names = (*names, name)
    return _line(cycles, names, step) if names else None


def _line(cycles: Cycles, names: tuple[str, ...], step: float) -> LabelledLine:
    if "month" not in names or cycles.per_day is None:
        return LabelledLine(cycles, names)
    plain = LabelledLine(cycles, names)
    return MonthlyLine(cycles, names, min(step, plain.width))
