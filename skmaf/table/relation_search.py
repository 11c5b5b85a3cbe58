"""Finding the relations that hold in every row of a table, and are improbable by chance.

That a relation holds in all rows may be luck. So one counts only if there are enough rows, and if
its probability is small where columns have nothing to do with each other: all pairs of columns
together have a chance of `CHANCE` to give a relation. An order needs more, since columns that are
alike may lie apart: it must be improbable, too, that the difference of the two is normal and has
just not come below zero.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import qr, solve_triangular
from scipy.special import log_ndtr

from .codec import TableCodec
from .date_axes import DateColumns
from .relations import Determines, Order, Relation, Sum
from .rounding import decimals_of

MIN_ROWS = 50
CHANCE = 1e-3  # of a false relation of each kind in a table of unrelated columns
MOST_ROWS = 3000  # to search; what is found must hold in all
FIRST_ROWS = 300  # rule most pairs out
MOST_DIGITS = 6  # of a coefficient
FAR = 4  # standard deviations beyond which no row is: the normal distribution has 3e-5 there
UNORDERED = ("categories", "places on a circle")
LEAST_RANGE = 1e-100  # of columns that are looked at for sums, and the largest magnitude in them
MOST_EXTENT = 1e100
ALIKE = 0.999  # least correlation of two columns one of which is a rounded multiple of the other


def find_relations(X: Any) -> list[Relation]:
    """Return the relations that hold in every row of a table, found from the rows.

    Parameters
    ----------
    X : array-like or data frame of shape (n_samples, n_features)
        As an estimator's `fit` takes it.

    Returns
    -------
    relations : list of Sum, Determines and Order
        Orders of numbers, and of dates, times of day or durations. None for under 50 rows. ``str``
        says each in words.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skmaf import find_relations
    >>> rng = np.random.default_rng(0)
    >>> pay = pd.DataFrame({"salary": rng.integers(20, 90, 500), "bonus": rng.poisson(3, 500)})
    >>> pay["total"] = pay["salary"] + pay["bonus"]
    >>> print(*find_relations(pay), sep=", ")
    total = salary + bonus, salary <= total
    """
    codec, N, _ = TableCodec.learn(X)
    keys = column_keys(codec.schema.names, codec.n_features)
    placed = DateColumns.of(codec.schema.timelines).on_axes(N)
    return relations_of(placed, keys, codec.quantities)


def column_keys(names: Sequence[Hashable] | None, n_columns: int) -> list[Hashable]:
    """Return what relations call the columns: their names, or positions if they have none."""
    if names is None or len(set(names)) < len(names):
        return list(range(n_columns))
    return list(names)


def relations_of(
    N: np.ndarray, keys: Sequence[Hashable], quantities: Sequence[str]
) -> list[Relation]:
    """Return the relations that hold in every row of a table, found from the rows.

    Parameters
    ----------
    N : ndarray of shape (n, n_features)
        Numbers, dates on axes that they share, and codes of categories; NaN where a cell is
        missing.
    keys : sequence
        What relations call the columns.
    quantities : sequence of str
        What each column holds, as `TableCodec.quantities` has it.
    """
    if len(N) < MIN_ROWS:
        return []
    chosen = np.arange(len(N))
    if len(N) > MOST_ROWS:
        chosen = np.sort(np.random.RandomState(0).choice(len(N), MOST_ROWS, replace=False))
    rows = np.asfortranarray(N[chosen], dtype=np.float64)
    varying = np.array([len(np.unique(x[~np.isnan(x)])) > 1 for x in rows.T])
    kinds = np.asarray(quantities)
    numbers = np.flatnonzero(varying & (kinds == "numbers"))
    cells = dict(zip(keys, N.T))
    sums = [
        relation for relation in _sums(N[chosen], numbers, keys) if not relation.broken(cells).any()
    ]
    taken = {frozenset(relation.columns) for relation in sums}
    determines = _determining(rows, np.flatnonzero(varying))
    determined = [
        Determines(keys[i], keys[j]).learned(cells)
        for i, j in _fewest(determines)
        if {keys[i], keys[j]} not in taken
    ]
    orders = [
        Order(keys[i], keys[j])
        for i, j in _ordered(rows, np.flatnonzero(varying), kinds, determines)
        if {keys[i], keys[j]} not in taken
    ]
    found = [*sums, *determined, *orders]
    return [relation for relation in found if not relation.broken(cells).any()]


# sums


def _sums(N: np.ndarray, numbers: np.ndarray, keys: Sequence[Hashable]) -> list[Sum]:
    """Return linear relations among columns of numbers."""
    numbers, rows = _complete(N, numbers)
    if len(numbers) < 2:
        return []
    exact = [_as_sum(N, *each, keys) for each in _null_vectors(rows, numbers)]
    taken = {frozenset(relation.columns) for relation in exact}
    multiples = [
        multiple
        for i, j in _alike(rows)
        if {keys[numbers[i]], keys[numbers[j]]} not in taken
        if (multiple := _multiple(rows, i, j, [keys[k] for k in numbers])) is not None
    ]
    one_way: dict[frozenset, Sum] = {}
    for multiple in sorted(multiples, key=lambda multiple: len(str(multiple))):
        one_way.setdefault(frozenset(multiple.columns), multiple)
    return [*exact, *one_way.values()]


def _complete(N: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return as many columns as have enough rows where none is missing, and these rows.

    A column that has one value in all of them is left out, and so is one of numbers whose squares
    overflow or vanish.
    """
    missing = np.isnan(N[:, numbers])
    order = np.argsort(missing.sum(axis=0), kind="stable")
    n_complete = (~np.logical_or.accumulate(missing[:, order], axis=1)).sum(axis=0)
    # as many rows beside as there are columns: or else rows that say nothing may be dependent
    enough = n_complete >= MIN_ROWS + 2 * np.arange(1, len(order) + 1)
    chosen = np.sort(numbers[order[: enough.sum()]])
    rows = N[~np.isnan(N[:, chosen]).any(axis=1)][:, chosen]
    lowest = rows.min(axis=0).astype(np.float64)
    highest = rows.max(axis=0).astype(np.float64)
    extent = np.maximum(np.abs(lowest), np.abs(highest))
    kept = (highest / 2 - lowest / 2 > LEAST_RANGE) & (extent < MOST_EXTENT)
    return chosen[kept], rows[:, kept]


def _null_vectors(rows: np.ndarray, numbers: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the columns of each linear dependence, and what they are multiplied by.

    The factors are those of a reduced echelon form: each dependence has a column of its own.
    """
    resolution = np.finfo(rows.dtype).eps ** 0.6
    rows = rows.astype(np.float64)
    scales = rows.std(axis=0)
    Z = (rows - rows.mean(axis=0)) / scales
    R, order = qr(Z, mode="r", pivoting=True)
    diagonal = np.abs(np.diag(R))
    rank = int((diagonal > resolution * diagonal[0]).sum())
    if rank == len(numbers):
        return []
    factors = solve_triangular(R[:rank, :rank], R[:rank, rank:])
    found = []
    for k, column in enumerate(order[rank:]):
        kept = np.abs(factors[:, k]) > 1e3 * resolution
        positions = np.append(column, order[:rank][kept])
        vector = np.append(1.0, -factors[kept, k]) / scales[positions]
        found.append((numbers[positions], vector))
    return found


def _as_sum(
    N: np.ndarray, columns: np.ndarray, vector: np.ndarray, keys: Sequence[Hashable]
) -> Sum:
    """Return a linear dependence as a sum, of positive parts if one column is such a sum.

    Otherwise the total is the column that varies most: what is wrong with the others, in units of
    their own, is then least in it.
    """
    rows = N[~np.isnan(N[:, columns]).any(axis=1)][:, columns].astype(np.float64)
    is_sum = [np.all(np.delete(-vector / pivot, k) > 0) for k, pivot in enumerate(vector)]
    spread = np.abs(vector) * rows.std(axis=0)
    k = int(np.argmax(np.where(is_sum, np.inf, spread) if any(is_sum) else spread))
    factors = np.delete(-vector / vector[k], k)
    total = rows[:, k]
    parts = np.delete(rows, k, axis=1)
    tolerance = np.finfo(N.dtype).eps * np.abs(rows).max() * 64
    factors, constant = _plain(total, parts, factors, tolerance)
    names = [keys[j] for j in np.delete(columns, k)]
    order = np.argsort(np.delete(columns, k))
    relation = Sum(
        keys[columns[k]],
        [names[i] for i in order],
        [float(factors[i]) for i in order],
        float(constant),
    )
    return relation.learned(dict(zip(keys, N.T)))


def _plain(
    total: np.ndarray, parts: np.ndarray, factors: np.ndarray, tolerance: float
) -> tuple[np.ndarray, float]:
    """Return factors and a constant of as few digits as are right within a tolerance."""
    for digits in range(1, MOST_DIGITS + 1):
        plain = np.array([float(f"{factor:.{digits}g}") for factor in factors])
        rest = total - parts @ plain
        for decimals in range(MOST_DIGITS + 1):
            constant = np.round(np.median(rest), decimals)
            if np.abs(rest - constant).max() <= tolerance:
                return plain, constant
    constant = np.median(total - parts @ factors)
    return factors, constant if abs(constant) > tolerance else 0.0


def _alike(rows: np.ndarray) -> list[tuple[int, int]]:
    """Return pairs of columns that are almost multiples of each other."""
    correlations = np.corrcoef(rows, rowvar=False, dtype=np.float64)
    np.fill_diagonal(correlations, 0)
    return [(int(i), int(j)) for i, j in zip(*np.nonzero(np.abs(correlations) > ALIKE))]


def _multiple(rows: np.ndarray, i: int, j: int, keys: Sequence[Hashable]) -> Sum | None:
    """Return column i as the rounded multiple of column j, None if it is none."""
    total, part = rows[:, [i, j]].T.astype(np.float64)
    decimals = decimals_of(rows[:, i])
    if decimals is None or np.ptp(total) * 10.0**decimals < MIN_ROWS:
        return None
    slope = np.polyfit(part, total, 1)[0]
    tolerance = 0.5001 * 10.0**-decimals
    factors, constant = _plain(total, part[:, None], np.array([slope]), tolerance)
    relation = Sum(keys[i], [keys[j]], [float(factors[0])], float(constant))
    is_right = np.abs(total - constant - factors[0] * part).max() <= tolerance
    return relation.learned(dict(zip(keys, rows.T))) if is_right else None


# columns that determine others


@dataclass(frozen=True, eq=False)
class _Groups:
    """The rows of a table in groups of equal values of one column.

    Attributes
    ----------
    order : ndarray
        Positions of the rows that have a value, group after group.
    is_first : ndarray of bool
        Which of these are the first of their group.
    """

    order: np.ndarray
    is_first: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray) -> "_Groups":
        order = np.argsort(x, kind="stable")[: (~np.isnan(x)).sum()]
        return cls(order, np.append(True, x[order[1:]] != x[order[:-1]]))

    def determined(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return the columns that have one value in each group."""
        repeats = np.flatnonzero(~self.is_first)
        some = repeats[:: max(1, len(repeats) // FIRST_ROWS)]
        for chosen in (some, repeats):
            now = rows[np.ix_(self.order[chosen], columns)]
            before = rows[np.ix_(self.order[chosen - 1], columns)]
            differs = (now != before) & ~np.isnan(now) & ~np.isnan(before)
            columns = columns[~differs.any(axis=0)]
        return columns

    def log_chance(self, x: np.ndarray) -> tuple[float, int]:
        """Return the log-probability of one value in each group if the column knew nothing of it,
        and the number of rows that confirm it."""
        x = x[self.order]
        there = ~np.isnan(x)
        _, counts = np.unique(x[there], return_counts=True)
        sizes = np.bincount(self.is_first.cumsum()[there])
        sizes, n_groups = np.unique(sizes[sizes > 1], return_counts=True)
        shares = counts / counts.sum()
        log_chances = [np.log((shares**size).sum() + 1e-300) for size in sizes]
        return float(n_groups @ log_chances), int((n_groups * (sizes - 1)).sum())


def _determining(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return which column determines which other, shape (n_columns, n_columns)."""
    n_columns = rows.shape[1]
    n_values = np.array([len(np.unique(x[~np.isnan(x)])) for x in rows.T])
    determines = np.zeros((n_columns, n_columns), dtype=bool)
    least = np.log(CHANCE) - 2 * np.log(max(2, len(columns)))
    for i in columns:
        groups = _Groups.of(rows[:, i])
        if (~groups.is_first).sum() < MIN_ROWS:
            continue
        others = columns[(columns != i) & (n_values[columns] <= n_values[i])]
        for j in groups.determined(rows, others):
            log_chance, n_repeats = groups.log_chance(rows[:, j])
            determines[i, j] = log_chance < least and n_repeats >= MIN_ROWS
    return determines


def _fewest(determines: np.ndarray) -> list[tuple[int, int]]:
    """Return pairs of columns of which the first determines the second, without what follows.

    Of columns that determine each other the first one stands for all.
    """
    n_columns = len(determines)
    same = determines & determines.T
    np.fill_diagonal(same, True)
    leaders = same.argmax(axis=1)
    is_leader = leaders == np.arange(n_columns)
    between = determines & np.outer(is_leader, is_leader)
    followers = [(int(leaders[j]), int(j)) for j in np.flatnonzero(~is_leader)]
    return sorted(followers + _without_what_follows(between))


def _without_what_follows(related: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs of a transitive relation that do not follow from two others."""
    links = related.astype(np.float32)
    return [(int(i), int(j)) for i, j in zip(*np.nonzero(related & (links @ links == 0)))]


# orders


def _ordered(
    rows: np.ndarray, columns: np.ndarray, quantities: np.ndarray, determines: np.ndarray
) -> list[tuple[int, int]]:
    """Return pairs of columns of which the first is at most the second, without what follows."""
    columns = columns[~np.isin(quantities[columns], UNORDERED)]
    ordered = np.zeros((rows.shape[1],) * 2, dtype=bool)
    least = np.log(CHANCE) - 2 * np.log(max(2, len(columns)))
    first_rows = rows[:: max(1, len(rows) // FIRST_ROWS)]
    with np.errstate(invalid="ignore"):
        lowest = np.fmin.reduce(rows, axis=0)
        highest = np.fmax.reduce(rows, axis=0)
    for i in columns:
        overlaps = (columns != i) & (lowest[columns] < highest[i])
        overlaps &= quantities[columns] == quantities[i]
        others = columns[overlaps]
        for some in (first_rows, rows):
            others = others[~(some[:, [i]] > some[:, others]).any(axis=0)]
        # so few pairings are in another order that the chance is no small one
        n_above = (rows[:, [i]] > lowest[others]).sum(axis=0)
        n_below = (rows[:, others] < highest[i]).sum(axis=0)
        for j in others[n_above * n_below > -least * len(rows) / 2]:
            ordered[i, j] = _log_chance_of_order(rows[:, i], rows[:, j]) < least
    reaches = (determines | np.eye(len(determines), dtype=bool)).astype(np.float32)
    follows = reaches.T @ reaches > 0  # both from one column, which may be one of them
    return _without_what_follows(ordered & ~follows)


def _log_chance_of_order(low: np.ndarray, high: np.ndarray) -> float:
    """Return the log-probability that one column is below another in all rows, if by chance.

    It is the larger one of two: the share of all pairings of the values of the two columns in
    which that is so, and the probability that a normal difference does not come below zero. The
    latter does not count where such a difference never would.
    """
    there = ~np.isnan(low) & ~np.isnan(high)
    n = int(there.sum())
    if n < MIN_ROWS:
        return 0.0
    difference = high[there] - low[there]
    spread = difference.std()
    if spread == 0:
        return 0.0
    distance = difference.mean() / spread
    is_far = distance * (1 - np.sqrt(2 / n)) > FAR  # by two standard errors of the spread
    of_normal = -np.inf if is_far else n * log_ndtr(distance)
    of_pairings = _log_share_of_pairings(low[there], high[there])
    return float(max(of_normal, of_pairings))


def _log_share_of_pairings(low: np.ndarray, high: np.ndarray) -> float:
    """Return the logarithm of the share of all pairings in which each low is at most its high.

    From the least high on, each may have any of the lows up to it that those before it have not.
    """
    n_before = np.arange(len(low))
    n_below = np.searchsorted(np.sort(low), np.sort(high), side="right")
    return float(np.log((n_below - n_before) / (len(low) - n_before)).sum())
