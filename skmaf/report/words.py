"""Names, shares and statistics in words."""

import math

import numpy as np

from .._text import number_text, short

NAME_WIDTH = 48
MINUS = "\u2212"
LARGE = 1e7  # from which on numbers are written with a power of ten
ROUNDED = 1000  # nats, from which on they have no decimal
MOST_PLACES = 4


def name_label(name: object, width: int = NAME_WIDTH) -> str:
    """Return the name of a column as a page shows it."""
    return short(name, width) if str(name).strip() else "(no name)"


def percent(share: float) -> str:
    """Return a share in percent, which is 0 or 100 only if it is exactly that."""
    if share in (0.0, 1.0):
        return f"{share:.0%}"
    if share < 0.001:
        return "< 0.1%"
    if share > 0.999:
        return "> 99.9%"
    return f"{share:.1%}" if min(share, 1 - share) < 0.0995 else f"{share:.0%}"


def decimal(number: float, places: int) -> str:
    """Return a number with so many decimals and a minus sign that is read aloud."""
    if abs(number) >= LARGE or not math.isfinite(number):
        text = number_text(number)
    else:
        text = f"{round(number, places) + 0.0:,.{places}f}"  # there is no -0
    return text.replace("-", MINUS)


def nats(number: float) -> str:
    """Return a log-density or a gain: with one decimal, unless that is beside the point."""
    return decimal(number, 0 if abs(number) >= ROUNDED else 1)


def mean_and_error(x: np.ndarray, sign: str = "") -> tuple[str, str]:
    """Return the mean of numbers and its standard error, to two digits of the error.

    Parameters
    ----------
    x : ndarray of shape (n,)
    sign : str, default=""
        What stands before a mean that is positive.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # log-densities go as low as floats
        mean = float(x.mean())
        error = float(x.std(ddof=1) / np.sqrt(len(x)))
    places = 1
    if 0 < error < np.inf:
        places = int(np.clip(1 - math.floor(math.log10(error)), 0, MOST_PLACES))
    text = decimal(mean, places)
    return f"{sign if mean > 0 else ''}{text}", decimal(error, places)
