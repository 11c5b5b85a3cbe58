"""Categories too rare to learn anything of each: in a column of many they count as one.

No column is refused for what it holds: names, free text and long lists of categories are grouped by
this one rule, and a column of which nothing else is left says nothing of a row.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_CATEGORIES = 1000
FEW_CATEGORIES = 20  # however few rows there are
MIN_CATEGORY_ROWS = 10  # of a category that is not grouped, in a column of too many
MOST_DRAWN = 10_000  # different rare values that draws choose from
MIN_SHARE = 0.1  # of the cells that such categories hold, or they are grouped too


@dataclass(frozen=True, eq=False)
class RareCategories:
    """Categories that count as one, whose code is the one after the last of the others.

    So do values that `fit` did not see.

    Attributes
    ----------
    values : ndarray of object
    counts : ndarray
        In how many rows each occurs.
    """

    values: np.ndarray
    counts: np.ndarray

    def finding(self, column: str, position: int, n_kept: int) -> "GroupedCategories":
        """Return what to tell the user of a column in which ``n_kept`` others stay apart."""
        return GroupedCategories(column, position, n_kept + len(self.values), n_kept)

    def thinned(self) -> "RareCategories":
        """Return at most `MOST_DRAWN` of the values, spread evenly over their order.

        A column of names may hold millions of values, and nothing but draws needs them.
        """
        if len(self.values) <= MOST_DRAWN:
            return self
        kept = np.linspace(0, len(self.values) - 1, MOST_DRAWN).astype(int)
        return RareCategories(self.values[kept], self.counts[kept])

    def draw(self, n: int, rng: np.random.RandomState) -> np.ndarray:
        """Return ``n`` of the values, those that are more often in the table more often."""
        weights = self.counts if self.counts.any() else np.ones(len(self.counts))
        return self.values[rng.choice(len(weights), n, p=weights / weights.sum())]


@dataclass(frozen=True)
class GroupedCategories:
    """A finding: a column holds so many categories that the rare ones count as one.

    Attributes
    ----------
    column : str
        What messages call the column.
    position : int
        Where it is among the columns.
    n_values : int
        How many different values it holds.
    n_kept : int
        How many of them are still categories of their own.
    """

    column: str
    position: int
    n_values: int
    n_kept: int

    @property
    def message(self) -> str:
        """What to tell the user."""
        many = f"{self.column} holds {self.n_values:,} different values"
        remedy = 'Drop it, or declare it "categorical" to keep them apart.'
        if self.n_kept == 0:
            return f"{many}, and says nothing of a row: names or free text. {remedy}"
        return f"{many}: but for the most frequent {self.n_kept} they count as one. {remedy}"


def group_rare(
    values: Any, cells: np.ndarray, is_declared: bool
) -> tuple[list, RareCategories | None]:
    """Return the values that are categories of their own, in their order, and the others.

    Parameters
    ----------
    values : sequence
        Values that a column may hold.
    cells : ndarray of shape (n,)
        Those that it holds; none is missing.
    is_declared : bool
        Whether the user says that they are categories: up to `MAX_CATEGORIES` then stay apart.
    """
    counted = Counter(cells.tolist())
    counts = np.array([counted[value] for value in values], dtype=np.int64)
    most = MAX_CATEGORIES if is_declared else max(FEW_CATEGORIES, len(cells) / 2)
    if len(counts) <= MAX_CATEGORIES and (counts > 0).sum() <= most:
        return list(values), None
    order = np.argsort(-counts, kind="stable")
    is_kept = np.zeros(len(counts), dtype=bool)
    is_kept[order[:MAX_CATEGORIES]] = True
    if not is_declared:
        is_kept &= counts >= MIN_CATEGORY_ROWS
        is_kept &= counts[is_kept].sum() >= MIN_SHARE * len(cells)
    # the values one by one: NumPy would make an array of a tuple
    rare = np.empty((~is_kept).sum(), dtype=object)
    rare[:] = [value for value, kept in zip(values, is_kept) if not kept]
    kept = [value for value, kept in zip(values, is_kept) if kept]
    return kept, RareCategories(rare, counts[~is_kept])
