"""What a column of numbers or codes is to a density, in words."""

import math
from typing import Any

from .._text import count, number_text
from .calendar import Calendar, WithPhases
from .columns import Constant, Continuous, Discrete, OneHot, PointMasses
from .heaped import Heaped
from .periodic import OnCircle, Periodic
from .transforms import Asinh, Log, Logit, NormalScores

TRANSFORMS: dict[type, str] = {
    Asinh: "heavy tails",
    Log: "bounded at one end",
    Logit: "bounded at both ends",
    NormalScores: "many scales",
}


def column_text(column: Any) -> str:
    """Return what a column is to a density, in words."""
    match column:
        case Constant():
            return "constant"
        case Discrete(ordered=False) | OneHot():
            return count_categories(len(column.categories))
        case Discrete():
            return f"{len(column.categories):,} different numbers, a probability for each"
        case PointMasses():
            points = ", ".join(number_text(point) for point in column.points)
            verb = "comes" if len(column.points) == 1 else "come"
            return f"{_line_text(column.others)}; {points} {verb} again and again"
        case Heaped():
            # off the coarse grid values are put side by side, with another step than theirs
            fine = _with_transform(_grid_text(column.grid.step), column.others)
            return f"{fine}, heaped in steps of {number_text(column.grid.coarse_step)}"
        case Periodic():
            return f"on a circle of {number_text(column.period)}"
        case OnCircle():
            return column_text(column.turns)
        case Calendar():
            return f"dates, with the {' and '.join(column.dates.names)} as categories"
        case WithPhases():
            return "dates, with their place in the calendar"
        case _:
            return _line_text(column)


def count_categories(n_categories: int) -> str:
    """Return what a column of so many categories is, in words."""
    return "one category" if n_categories == 1 else f"{n_categories:,} categories"


def _line_text(line: Continuous) -> str:
    """Return what a column with a density holds: its grid, and its transform."""
    return _with_transform(_grid_text(line.step) if line.regular else "continuous numbers", line)


def _with_transform(text: str, line: Continuous) -> str:
    transform = TRANSFORMS.get(type(line.transform))
    return text if transform is None else f"{text}, {transform}"


def _grid_text(step: float) -> str:
    """Return what numbers on a grid are: those with three decimals have steps of 0.001."""
    n_decimals = -math.log10(step)
    if abs(n_decimals - round(n_decimals)) > 1e-6 or n_decimals < -0.5:
        return f"numbers in steps of {number_text(step)}"
    if round(n_decimals) == 0:
        return "whole numbers"
    return f"numbers with {count(round(n_decimals), 'decimal')}"
