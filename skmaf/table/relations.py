"""Relations between the cells of a row: an order, a sum, a column that another one determines.

A relation says itself in words, which rows break it, which missing cells follow from it, and how
drawn cells have to move to keep it. It is given the cells of rows as a mapping of columns, by name
or position, to arrays of numbers and of codes of categories, which `deduce` and `project` change in
place. Relations that a user declares know nothing of the rows yet; `learned` returns one that does.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .rounding import decimals_of

Cells = Mapping[Hashable, np.ndarray]

FEW_VALUES = 64  # a sum of a column of no more values than this must be one of them


class Relation(ABC):
    """What holds between the cells of each row."""

    @property
    @abstractmethod
    def columns(self) -> tuple:
        """The columns that it is about."""

    @property
    def dependent(self) -> Hashable | None:
        """The column that is computed from the others in rows that are drawn, if there is one."""
        return None

    @property
    def sides(self) -> dict[Hashable, int]:
        """To which side cells of columns that it moves may be rounded, -1 or 1, if not to both."""
        return {}

    def learned(self, cells: Cells) -> "Relation":
        """Return the relation with what the training rows tell of it."""
        return self

    @abstractmethod
    def broken(self, cells: Cells) -> np.ndarray:
        """Return which rows break it; a row that misses one of the cells does not."""

    @abstractmethod
    def deduce(self, cells: Cells) -> None:
        """Fill the missing cells that follow from others of their row."""

    @abstractmethod
    def settle(self, cells: Cells, drawn: Cells) -> None:
        """Move drawn cells of which it says nothing to values of which it does."""

    @abstractmethod
    def project(self, cells: Cells, drawn: Cells) -> None:
        """Move drawn cells of rows that break it, as little as is needed, so that they keep it.

        Parameters
        ----------
        cells : mapping
        drawn : mapping of the same columns to arrays of bool
            Which cells may move.
        """


@dataclass(frozen=True)
class Order(Relation):
    """One column is at most another one: ``low <= high``.

    Parameters
    ----------
    low, high : str or int
        Columns of numbers, by name or position, or both of dates, of times of day or of durations.

    Examples
    --------
    >>> from skmaf import MAFDensity, Order
    >>> print(Order("start", "end"))
    start <= end
    >>> density = MAFDensity(relations=[Order("start", "end")])
    """

    low: Hashable
    high: Hashable

    def __str__(self) -> str:
        return f"{self.low} <= {self.high}"

    @property
    def columns(self) -> tuple:
        return (self.low, self.high)

    @property
    def sides(self) -> dict[Hashable, int]:
        return {self.low: -1, self.high: 1}

    def broken(self, cells: Cells) -> np.ndarray:
        return cells[self.low] > cells[self.high]

    def deduce(self, cells: Cells) -> None:
        """Fill nothing: an order tells no value."""

    def settle(self, cells: Cells, drawn: Cells) -> None:
        """Move nothing: an order says something of all numbers."""

    def project(self, cells: Cells, drawn: Cells) -> None:
        """Exchange two drawn cells; move one alone to the other."""
        low = cells[self.low].copy()
        high = cells[self.high].copy()
        broken = low > high
        low_moves = broken & drawn[self.low]
        high_moves = broken & drawn[self.high]
        cells[self.low][low_moves] = high[low_moves]
        cells[self.high][high_moves] = low[high_moves]


@dataclass(frozen=True)
class Sum(Relation):
    """One column is a sum of others: ``total = parts[0] + parts[1] + ...``.

    Where the total is rounded it is the rounded sum.

    Parameters
    ----------
    total : str or int
        A column of numbers, by name or position.
    parts : sequence of str or int
        Other columns of numbers.
    coefficients : sequence of float, default=None
        What each part is multiplied by; 1 for all if it is None.
    constant : float, default=0
        Is added to the sum.

    Examples
    --------
    >>> from skmaf import MAFDensity, Sum
    >>> print(Sum("total", ["salary", "bonus"]))
    total = salary + bonus
    >>> density = MAFDensity(relations=[Sum("total", ["salary", "bonus"])])
    """

    total: Hashable
    parts: Sequence[Hashable]
    coefficients: Sequence[float] | None = None
    constant: float = 0.0
    tolerance: float = field(default=0.0, repr=False, compare=False, kw_only=True)
    few_values: np.ndarray | None = field(default=None, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        parts = tuple(self.parts)
        ones = (1.0,) * len(parts)
        coefficients = ones if self.coefficients is None else tuple(self.coefficients)
        if len(coefficients) != len(parts):
            raise ValueError(
                f"Sum of {self.total!r} has {len(parts)} parts and {len(coefficients)} "
                "coefficients: give one for each part."
            )
        object.__setattr__(self, "parts", parts)
        object.__setattr__(self, "coefficients", coefficients)

    def __str__(self) -> str:
        terms = [_term(*each) for each in zip(self._coefficients, self.parts)]
        if self.constant:
            terms.append(f"{'-' if self.constant < 0 else '+'} {abs(self.constant):.6g}")
        return f"{self.total} = {' '.join(terms).removeprefix('+ ')}"

    @property
    def _coefficients(self) -> tuple[float, ...]:
        assert self.coefficients is not None
        return tuple(self.coefficients)

    @property
    def columns(self) -> tuple:
        return (self.total, *self.parts)

    @property
    def dependent(self) -> Hashable:
        return self.total

    def sums(self, cells: Cells) -> np.ndarray:
        """Return the sum of the parts in each row."""
        terms = [factor * cells[part] for factor, part in zip(self._coefficients, self.parts)]
        return np.asarray(np.sum(terms, axis=0, dtype=np.float64) + self.constant)

    def learned(self, cells: Cells) -> "Sum":
        total = cells[self.total]
        size = np.nanmax(np.abs(self.sums(cells)), initial=np.nanmax(np.abs(total), initial=0))
        tolerance = 64 * np.finfo(total.dtype).eps * size * len(self.columns)
        decimals = decimals_of(total)
        if decimals is not None:
            tolerance = max(tolerance, 0.5001 * 10.0**-decimals)
        values = np.unique(total[~np.isnan(total)])
        is_few = len(values) <= min(FEW_VALUES, np.sqrt(len(total)))
        return replace(self, tolerance=tolerance, few_values=values if is_few else None)

    def broken(self, cells: Cells) -> np.ndarray:
        total = cells[self.total]
        broken = np.abs(total - self.sums(cells)) > self.tolerance
        if self.few_values is not None:
            # compared within rounding errors
            after = np.searchsorted(self.few_values, total - self.tolerance)
            nearest = self.few_values[np.minimum(after, len(self.few_values) - 1)]
            broken |= np.abs(total - nearest) > self.tolerance
        return broken

    def deduce(self, cells: Cells) -> None:
        n_missing = np.sum([np.isnan(cells[column]) for column in self.columns], axis=0)
        total = cells[self.total]
        rest = total - self.sums({name: np.nan_to_num(cells[name]) for name in self.parts})
        for factor, part in zip(self._coefficients, self.parts):
            follows = (n_missing == 1) & np.isnan(cells[part])
            cells[part][follows] = rest[follows] / factor
        follows = (n_missing == 1) & np.isnan(total)
        total[follows] = self.sums(cells)[follows]

    def settle(self, cells: Cells, drawn: Cells) -> None:
        """Move nothing: a sum says something of all numbers."""

    def project(self, cells: Cells, drawn: Cells) -> None:
        """Compute one drawn cell from the others: the total, if that is drawn."""
        waiting = self.broken(cells)
        for column in self.columns:
            cells[column][waiting & drawn[column]] = np.nan
            waiting = waiting & ~drawn[column]
        self.deduce(cells)


def _term(factor: float, part: Hashable) -> str:
    """Return a summand in words, with its sign."""
    sign = "-" if factor < 0 else "+"
    size = abs(factor)
    return f"{sign} {part}" if size == 1 else f"{sign} {size:.6g} * {part}"


@dataclass(frozen=True)
class Determines(Relation):
    """The value of one column determines that of another one, as a code does a name.

    Parameters
    ----------
    by, column : str or int
        Columns, by name or position: of numbers or of categories.

    Examples
    --------
    >>> from skmaf import Determines, MAFDensity
    >>> print(Determines("code", "name"))
    code determines name
    >>> density = MAFDensity(relations=[Determines("code", "name")])
    """

    by: Hashable
    column: Hashable
    keys: Any = field(default=None, repr=False, compare=False, kw_only=True)
    values: Any = field(default=None, repr=False, compare=False, kw_only=True)

    def __str__(self) -> str:
        if self.is_one_to_one:
            return f"{self.by} and {self.column} determine each other"
        return f"{self.by} determines {self.column}"

    @property
    def columns(self) -> tuple:
        return (self.by, self.column)

    @property
    def dependent(self) -> Hashable:
        return self.column

    @property
    def is_one_to_one(self) -> bool:
        """Whether the other column determines this one, too."""
        return self.values is not None and len(np.unique(self.values)) == len(self.values)

    def learned(self, cells: Cells) -> "Determines":
        both = ~np.isnan(cells[self.by]) & ~np.isnan(cells[self.column])
        keys, first = np.unique(cells[self.by][both], return_index=True)
        return replace(self, keys=keys, values=cells[self.column][both][first])

    def broken(self, cells: Cells) -> np.ndarray:
        determined = _looked_up(cells[self.by], self.keys, self.values)
        column = cells[self.column]
        return (column != determined) & ~np.isnan(determined) & ~np.isnan(column)

    def deduce(self, cells: Cells) -> None:
        by = cells[self.by]
        column = cells[self.column]
        missing = np.isnan(column)
        column[missing] = _looked_up(by[missing], self.keys, self.values)
        if self.is_one_to_one:
            missing = np.isnan(by)
            order = np.argsort(self.values)
            by[missing] = _looked_up(column[missing], self.values[order], self.keys[order])

    def settle(self, cells: Cells, drawn: Cells) -> None:
        """Move drawn cells of ``by`` to the nearest value that was seen."""
        by = cells[self.by]
        moves = drawn[self.by]
        by[moves] = _nearest_value(by[moves], self.keys)

    def project(self, cells: Cells, drawn: Cells) -> None:
        """Look up drawn cells of the column; move others of ``by`` to the nearest that fits."""
        self.settle(cells, drawn)
        broken = self.broken(cells)
        by = cells[self.by]
        column = cells[self.column]
        follows = broken & drawn[self.column]
        column[follows] = _looked_up(by[follows], self.keys, self.values)
        leads = broken & ~drawn[self.column] & drawn[self.by]
        for value in np.intersect1d(column[leads], self.values):
            rows = leads & (column == value)
            by[rows] = _nearest_value(by[rows], self.keys[self.values == value])


def _looked_up(x: np.ndarray, keys: Any, values: Any) -> np.ndarray:
    """Return the values at keys in rising order; NaN for what is no key."""
    position = np.minimum(np.searchsorted(keys, x), len(keys) - 1)
    return np.where(keys[position] == x, values[position], np.nan)


def _nearest_value(x: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return for each number the nearest of the known ones, which are in rising order."""
    middles = known[:-1] + np.diff(known) / 2
    return known[np.searchsorted(middles, x)]
