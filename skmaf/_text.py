"""Numbers, cells and names as a person writes them."""

import math
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

EXACT_DIGITS = 5  # of a number that is not rounded
ROUNDED_DIGITS = 4  # of one that is
GROUPED = 10_000  # from which on thousands are set apart
LARGE = 1e15  # from which on numbers are written with a power of ten
SMALL = 1e-6  # below which they are
LABEL_WIDTH = 28  # letters of a cell


def short(name: object, width: int) -> str:
    """A name, or its start and its end: long names of columns often differ there."""
    text = str(name)
    n_end = (width - 1) // 2
    return text if len(text) <= width else f"{text[: width - 1 - n_end]}\u2026{text[-n_end:]}"


def cell_text(value: object, width: int) -> str:
    """A number as a person writes it, or the first letters of a text."""
    if pd.isna(value):
        return "missing"
    if isinstance(value, Real) and not isinstance(value, bool):
        return number_text(value)
    text = str(value)
    return text if len(text) <= width else f"{text[: width - 1]}\u2026"


def cell_label(value: object, width: int = LABEL_WIDTH) -> str:
    """A cell as a page shows it: dates without a time that is midnight, and no cell empty.

    Parameters
    ----------
    value : object
    width : int, default=28
        How many letters of a text are shown.
    """
    if isinstance(value, str) and not value.strip():
        return "(empty text)"
    if isinstance(value, np.datetime64):
        value = pd.Timestamp(value)
    return cell_text(value, width).removesuffix(" 00:00:00")


def number_text(number: Any) -> str:
    """A number as a person writes it: 35,060 and 0.00021, whole numbers with all their digits.

    Others are rounded to four digits, unless five say all. Four digits need no comma: a year is
    2019.
    """
    size = abs(float(number))
    if not math.isfinite(size) or size >= LARGE or 0 < size < SMALL:
        return f"{float(number):.{ROUNDED_DIGITS}g}"
    exact = Decimal(str(number)).normalize()
    _, digits, exponent = exact.as_tuple()
    if size == 0:
        return "0"
    if int(exponent) < 0 and len(digits) > EXACT_DIGITS:
        places = max(0, ROUNDED_DIGITS - 1 - exact.adjusted())
        exact = round(exact, places).normalize()
    return f"{exact:,f}" if size >= GROUPED else f"{exact:f}"


def count(n: int, noun: str) -> str:
    """A number and a noun, in the plural unless there is one."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
