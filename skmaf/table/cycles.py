"""The cycles of a calendar, and where dates are in them."""

from dataclasses import dataclass

import numpy as np

DAYS_OF_CYCLE = {"month": 365.2425, "weekday": 7.0, "hour": 1.0}
THURSDAY = 3  # the weekday of 1970-01-01


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
    has_months : bool
        Whether months may be labels, where the unit is shorter.
    """

    per_day: float | None
    origin: int
    rest: float
    has_dates: bool = True
    has_months: bool = False

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
        has_months = self.has_months or self.per_day is None
        return tuple(name for name in self.names if name != "month" or has_months)

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
