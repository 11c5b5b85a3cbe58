"""Columns of dates: what density they have in the cycles of a calendar, and what networks see.

A date is written as its weekday and its hour, which are categories, and its place among the dates
that share these: all Mondays at nine, put side by side, are a line without gaps. So are the months
of one name in a column of months. That is one to one, so densities stay exact, and a flow needs not
bend to each week. Days have no label for their month: all Januaries put side by side leave nothing
smooth of a trend, which cost 0.15 nats on dates with one.
"""

from dataclasses import dataclass

import numpy as np

from .columns import Column, Continuous, Discrete, moments

LABELS = {"month": 12, "weekday": 7, "hour": 24}
DAYS_OF_CYCLE = {"month": 365.2425, "weekday": 7.0, "hour": 1.0}
HARMONICS = {"month": 1, "weekday": 3, "hour": 2}  # with 3 of them all weekdays are told apart
THURSDAY = 3  # the weekday of 1970-01-01
ROWS_PER_LABEL = 20  # with fewer nothing is learned of a cycle
LEAST_PLACES = 4  # on the line of each label


@dataclass(frozen=True)
class Cycles:
    """Where numbers of units after an origin are in the cycles of a calendar.

    Attributes
    ----------
    per_day : float or None
        Units of a day; None where the unit is a month.
    origin : int
        What the number 0 stands for: whole days, or months, since 1970.
    rest : float
        The units that it is after that.
    has_dates : bool
        Whether the numbers are dates, and not times of day.
    """

    per_day: float | None
    origin: int
    rest: float
    has_dates: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The cycles that the unit resolves, the shortest first."""
        if self.per_day is None:
            return ("month",)
        hour = ("hour",) if self.per_day >= 24 else ()
        return hour + (("weekday", "month") if self.has_dates else ())

    @property
    def label_names(self) -> tuple[str, ...]:
        """The cycles whose parts may be labels."""
        return tuple(name for name in self.names if name != "month" or self.per_day is None)

    def days(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return whole days, or months, since 1970, and the units after their start."""
        per_day = self.per_day or 1.0
        units = x + self.rest
        days = np.floor(units / per_day)
        return days.astype(np.int64) + self.origin, units - days * per_day

    def phases(self, name: str, x: np.ndarray) -> np.ndarray:
        """Return which share of a cycle is over."""
        days, rest = self.days(x)
        if self.per_day is None:
            return (days % 12 + rest) / 12
        shift = THURSDAY if name == "weekday" else 0
        return ((days + shift + rest / self.per_day) / DAYS_OF_CYCLE[name]) % 1.0

    def span(self, x: np.ndarray) -> float:
        """Return how many days there are between the first and the last number."""
        return float(np.ptp(x)) / self.per_day if self.per_day else float(np.ptp(x)) * 30.44


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
    """

    dates: LabelledLine
    parts: tuple[Discrete, ...]
    line: Continuous
    whole: Continuous

    n_values = 1

    @classmethod
    def of(
        cls,
        dates: LabelledLine,
        line: Continuous,
        whole: Continuous,
        x: np.ndarray,
        w: np.ndarray,
    ) -> "Calendar":
        """Return the column of training dates with weights."""
        labels, _ = dates.split(x)
        parts = [
            Discrete.of(labels[name], w, np.unique(labels[name]), ordered=False)
            for name in dates.names
        ]
        return cls(dates, tuple(parts), line, whole)

    @property
    def n_codes(self) -> int:
        return len(self.parts)

    @property
    def coded(self) -> list[Column]:
        return list(self.parts)

    @property
    def step(self) -> float:
        """The interval that a date stands for, in units of the column."""
        return self.line.step / self.dates.stretch

    def codes(self, x: np.ndarray) -> np.ndarray:
        labels, _ = self.dates.split(x)
        codes = [part.codes(labels[name]) for name, part in zip(self.dates.names, self.parts)]
        return np.hstack(codes)

    def values(self, x: np.ndarray) -> np.ndarray:
        return self.line.values(self.dates.split(x)[1])

    def steps(self, x: np.ndarray) -> np.ndarray:
        return self.line.steps(self.dates.split(x)[1])

    def log_jacobian(self, x: np.ndarray) -> np.ndarray:
        labels, places = self.dates.split(x)
        total = self.line.log_jacobian(places) + np.log(self.dates.stretch)
        for name, part in zip(self.dates.names, self.parts):
            total = total + part.log_jacobian(labels[name])
        return np.where(np.isnan(x), 0.0, total)

    def back(self, codes: np.ndarray, values: np.ndarray) -> np.ndarray:
        labels = {
            name: part.back(codes[:, [i]], codes[:, :0])
            for i, (name, part) in enumerate(zip(self.dates.names, self.parts))
        }
        return self.dates.join(labels, self.line.back(codes[:, :0], values))


def find_labels(cycles: Cycles, x: np.ndarray) -> LabelledLine | None:
    """Return how to split training dates: by the cycles that there are rows and places enough for.

    It is None if there are enough for none.
    """
    names: tuple[str, ...] = ()
    span = cycles.span(x)
    for name in cycles.label_names:
        with_it = LabelledLine(cycles, (*names, name))
        labels = with_it.split(x)[0][name]
        is_seen = span >= 2 * DAYS_OF_CYCLE[name] and len(np.unique(labels)) > 1
        n_places = span * (cycles.per_day or 1 / 30.44) / (with_it.stretch * with_it.width)
        if is_seen and n_places >= LEAST_PLACES and len(x) >= ROWS_PER_LABEL * LABELS[name]:
            names = (*names, name)
    return LabelledLine(cycles, names) if names else None


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
