"""Text that is dates or times of day: the format it has, and text of the same format."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import product

import numpy as np
import pandas as pd

# where day and month can be taken for each other, the earlier format is meant
DATES = [
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d"),
    *("%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y"),
    *("%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%m-%y"),
    *("%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%b %d %Y"),
    *("%d %B %Y", "%B %d, %Y"),
]
MONTHS = ["%Y-%m", "%m/%Y", "%b %Y", "%b-%y", "%B %Y"]
TIMES = ["%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p"]
TIME_FORMATS = frozenset(TIMES)
FORMATS = [*DATES, *MONTHS, *TIMES, *map("".join, product(DATES, (" ", "T", ", "), TIMES))]

LONGEST = 40  # characters of a date
N_SAMPLES = 10  # texts of a column from which its format is found
ZONE = re.compile(r"(?<=:\d\d)(\.\d+)?( ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))$")
DIRECTIVE = re.compile(r"(%[a-zA-Z])")
MAY_LACK_ZERO = {"%d", "%m", "%H", "%I"}


@dataclass(frozen=True)
class DateText:
    """A format of dates or times as text.

    Attributes
    ----------
    format : str
        As `datetime.strptime` takes it.
    suffix : str
        The zone, which is the same in all cells, as it is written there.
    without_zeros : frozenset of str
        Directives whose numbers below 10 have one digit.
    n_decimals : int
        Of the seconds, where these have any.
    """

    format: str
    suffix: str
    without_zeros: frozenset
    n_decimals: int

    @classmethod
    def find(cls, cells: np.ndarray) -> "DateText | None":
        """Return the format that all of these texts have, None if there is none."""
        texts = pd.unique(cells).tolist()
        zone = _zone(texts[0])
        bare = [text.removesuffix(zone) for text in texts]
        if zone and any(len(b) == len(text) for b, text in zip(bare, texts)):
            return None
        for form in _formats_of(bare[0]):
            if _has_format(bare, form).all():
                return cls(form, zone, *_style(form, bare))
        return None

    @property
    def is_time(self) -> bool:
        """Whether it is that of a time of day, without a date."""
        return self.format in TIME_FORMATS

    @property
    def words(self) -> str:
        """What the texts are, with an example."""
        example = self.write(np.array(["2024-12-31T13:45"], dtype="M8[us]"))[0]
        return f"{'times' if self.is_time else 'dates'} like {example!r}"

    def parse(self, cells: np.ndarray) -> np.ndarray:
        """Return texts as datetime64, NaT where one has another format."""
        texts, positions = np.unique(cells.astype(str), return_inverse=True)
        bare = [text.removesuffix(self.suffix) for text in texts.tolist()]
        parsed = pd.to_datetime(pd.Series(bare), format=self.format, errors="coerce")
        return parsed.to_numpy()[positions]

    def write(self, instants: np.ndarray) -> np.ndarray:
        """Return datetime64 as texts, shape (n,), of which none is NaT."""
        distinct, positions = np.unique(instants, return_inverse=True)
        index = pd.DatetimeIndex(distinct)
        parts = [self._part(part, index) for part in DIRECTIVE.split(self.format + self.suffix)]
        texts = np.array(["".join(row) for row in zip(*parts)], dtype=object)
        return texts[positions]

    def _part(self, part: str, index: pd.DatetimeIndex) -> list[str]:
        """Return what a directive, or a text between two, is in each of the dates."""
        if not DIRECTIVE.fullmatch(part):
            return [part] * len(index)
        written = index.strftime(part).tolist()
        if part == "%f":
            return [text[: self.n_decimals] for text in written]
        if part == "%Y":
            return [text.zfill(4) for text in written]
        return [str(int(text)) for text in written] if part in self.without_zeros else written


def texts_but_dates(counts: pd.Series, share: float) -> list[str] | None:
    """Return the texts of a column that are no dates, None if it does not hold dates.

    It does if so large a share of the cells have one format, and no other format that as many have
    is that of further cells, as where the day comes first in some.

    Parameters
    ----------
    counts : Series
        How many cells have each text.
    share : float
    """
    texts = list(counts.index)
    if not texts:
        return None
    some = texts[:: len(texts) // N_SAMPLES + 1]
    zone = Counter(map(_zone, some)).most_common(1)[0][0]
    has_zone = np.array([text.endswith(zone) for text in texts], dtype=bool)
    bare = [text.removesuffix(zone) for text in texts]
    formats = {form for text in some for form in _formats_of(text.removesuffix(zone))}
    are_dates = [
        has_zone & _has_format(bare, form)
        for form in FORMATS
        if form in formats and form not in TIME_FORMATS
    ]
    weights = counts.to_numpy()
    frequent = [is_date for is_date in are_dates if weights @ is_date >= share * weights.sum()]
    if not frequent:
        return None
    most = max(frequent, key=lambda is_date: weights @ is_date)
    if any((is_date & ~most).any() for is_date in frequent):
        return None
    return [text for text, is_date in zip(texts, most) if not is_date]


def _zone(text: str) -> str:
    found = ZONE.search(text)
    return found[2] if found else ""


def _formats_of(text: str) -> Iterator[str]:
    """Yield the formats that a text has."""
    if len(text) > LONGEST or not any(map(str.isdigit, text)):
        return
    for form in FORMATS:
        if _pattern(form).fullmatch(text) is None:  # which is faster than to parse it
            continue
        try:
            datetime.strptime(text, form)
        except ValueError:
            continue
        yield form


def _has_format(texts: list[str], form: str) -> np.ndarray:
    """Return which texts have a format, and are dates."""
    dates = pd.to_datetime(pd.Series(texts), format=form, errors="coerce")
    matches = [_pattern(form).fullmatch(text) is not None for text in texts]
    return dates.notna().to_numpy() & np.array(matches, dtype=bool)


def _style(form: str, texts: list[str]) -> tuple[frozenset, int]:
    """Return which directives are written without zeros, and the decimals of seconds."""
    rows = [found.groups() for text in texts if (found := _pattern(form).fullmatch(text))]
    parts = dict(zip(DIRECTIVE.findall(form), zip(*rows)))
    short = {
        name for name, texts in parts.items() if name in MAY_LACK_ZERO and min(map(len, texts)) == 1
    }
    return frozenset(short), max(map(len, parts.get("%f", [""])))


@cache
def _pattern(form: str) -> re.Pattern:
    """Return a regular expression with a group for each directive."""
    digits = r"(\d\d)" if "%Y%m%d" in form else r"(\d\d?)"
    groups = {"%Y": r"(\d{4})", "%f": r"(\d+)", **dict.fromkeys(["%y", "%M", "%S"], r"(\d\d)")}
    groups |= dict.fromkeys(MAY_LACK_ZERO, digits)
    parts = DIRECTIVE.split(form)
    texts = [groups.get(part, r"(\w+)") if part[:1] == "%" else re.escape(part) for part in parts]
    return re.compile("".join(texts))
