"""What rows that are drawn have in common with all rows of the table."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .ends import Ends
from .missing import MissingPatterns
from .relation_search import relations_of
from .relations import Determines, Relation
from .rounding import as_seen, exact_decimals_of, repeated_values


@dataclass(frozen=True, eq=False)
class RowConstraints:
    """Relations, ends of columns, digits and patterns of missing cells that rows are held to.

    Attributes
    ----------
    keys : sequence
        What relations call the columns.
    relations : list of Relation
        In the order in which cells are computed by them.
    ends : Ends
        The ends of columns at which rows pile up.
    decimals : sequence of int or None
        To which numbers are rounded.
    values : sequence of ndarray or None
        Of columns that are not rounded to decimals: what occurs again and again.
    missing : MissingPatterns or None
        None if no cell is missing.
    """

    keys: Sequence[Hashable]
    relations: list[Relation]
    ends: Ends
    decimals: Sequence[int | None]
    values: Sequence[np.ndarray | None]
    missing: MissingPatterns | None

    @classmethod
    def learn(
        cls,
        N: np.ndarray,
        weights: np.ndarray,
        keys: Sequence[Hashable],
        are_numbers: Sequence[bool],
        relations: Any,
    ) -> RowConstraints:
        """Learn what all rows of a table have in common.

        Parameters
        ----------
        N : ndarray of shape (n, n_features)
            Training rows: numbers, and codes of categories; NaN where a cell is missing.
        weights : ndarray of shape (n,)
        keys : sequence
            What relations call the columns.
        are_numbers : sequence of bool
            Which columns hold numbers.
        relations : "auto", None or sequence of Relation
            "auto" finds them, None is none.

        Raises
        ------
        ValueError
            If a relation that is given names an unknown column, or rows break it.
        """
        if isinstance(relations, str):
            found = relations_of(N, keys, are_numbers)
        else:
            found = _checked(relations or [], N, keys, are_numbers)
        decimals = [
            exact_decimals_of(x) if is_number else None for x, is_number in zip(N.T, are_numbers)
        ]
        values = [
            repeated_values(x) if is_number and known is None else None
            for x, is_number, known in zip(N.T, are_numbers, decimals)
        ]
        ends = Ends.learn(N, decimals, are_numbers)
        return cls(keys, found, ends, decimals, values, MissingPatterns.learn(N, weights))

    @property
    def ranges(self) -> dict:
        """The columns at whose ends rows pile up, and these ends; infinite for one that is open."""
        ends = zip(self.keys, self.ends.lowest.tolist(), self.ends.highest.tolist())
        return {key: (low, high) for key, low, high in ends if (low, high) != (-np.inf, np.inf)}

    @cached_property
    def _computing(self) -> list[Relation]:
        """The relations that compute a column from others, none of them from itself by detours."""
        sources: dict[Hashable, set] = {}
        computing = []
        for relation in self.relations:
            target = relation.dependent
            if target is None or target in sources:
                continue
            reached = {column for column in relation.columns if column != target}
            reached |= set().union(*(sources.get(column, set()) for column in reached))
            if target in reached:
                continue
            for known in sources.values():
                if target in known:
                    known |= reached
            sources[target] = reached
            computing.append(relation)
        return computing

    def _cells(self, N: np.ndarray) -> dict:
        return cells_of(N, self.keys)

    def deduce(self, N: np.ndarray) -> None:
        """Fill the missing cells of rows that follow from others, in place."""
        cells = self._cells(N)
        for _ in self.relations:
            n_missing = np.isnan(N).sum()
            for relation in self.relations:
                relation.deduce(cells)
            if np.isnan(N).sum() == n_missing:
                return

    def compute(self, N: np.ndarray, drawn: np.ndarray) -> None:
        """Bring drawn cells between the ends, and compute those that others determine, in place.

        Parameters
        ----------
        N : ndarray of shape (n, n_features)
            Complete rows.
        drawn : ndarray of bool, shape (n, n_features)
            Which cells may change.
        """
        self.ends.hold(N, drawn)
        self._round(N, drawn)
        before = N.copy()
        for relation in self._computing:
            relation.settle(self._cells(N), self._cells(drawn))
        for relation in self._computing:
            self._cells(N)[relation.dependent][self._cells(drawn)[relation.dependent]] = np.nan
        self.deduce(N)
        left = np.isnan(N)
        N[left] = before[left]
        self._round(N, drawn)

    def broken(self, N: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        """Return which rows break a relation, or have drawn cells beyond the ends of columns."""
        broken = (self.ends.outside(N) & drawn).any(axis=1)
        cells = self._cells(N)
        moves = self._cells(drawn)
        for relation in self.relations:
            is_drawn = np.any([moves[column] for column in relation.columns], axis=0)
            broken |= relation.broken(cells) & is_drawn
        return broken

    def project(self, N: np.ndarray, drawn: np.ndarray) -> None:
        """Move drawn cells, as little as is needed, so that rows break nothing; in place."""
        for _ in range(len(self.relations) + 1):
            self.ends.hold(N, drawn)
            for relation in self.relations:
                relation.project(self._cells(N), self._cells(drawn))
            self._round(N, drawn)
            if not self.broken(N, drawn).any():
                return

    def _round(self, N: np.ndarray, drawn: np.ndarray) -> None:
        for x, decimals, values, rows in zip(N.T, self.decimals, self.values, drawn.T):
            if decimals is not None:
                x[rows] = np.round(x[rows], decimals)
            elif values is not None:
                x[rows] = as_seen(x[rows], values)


def cells_of(N: np.ndarray, keys: Sequence[Hashable]) -> dict:
    """Return views of the columns of a matrix, by position and by key."""
    return {**dict(enumerate(N.T)), **dict(zip(keys, N.T))}


def _checked(
    relations: Any, N: np.ndarray, keys: Sequence[Hashable], are_numbers: Sequence[bool]
) -> list[Relation]:
    """Return relations that the user declares, as the training rows complete them."""
    cells = cells_of(N, keys)
    numbers = cells_of(np.array([are_numbers]), keys)
    learned = []
    for relation in relations:
        if not isinstance(relation, Relation):
            raise ValueError(f"relations holds {relation!r}: give Order, Sum or Determines.")
        unknown = [column for column in relation.columns if column not in cells]
        if unknown:
            raise ValueError(
                f"relations names {unknown[0]!r}, which is no column; there are {list(keys)[:10]}."
            )
        texts = [column for column in relation.columns if not numbers[column][0]]
        if texts and not isinstance(relation, Determines):
            raise ValueError(f"relations has {relation}, but {texts[0]!r} holds categories.")
        complete = relation.learned(cells)
        n_broken = int(complete.broken(cells).sum())
        if n_broken:
            raise ValueError(
                f"relations has {relation}, which {n_broken} of {len(N)} rows break: leave it out, "
                "or correct these rows."
            )
        learned.append(complete)
    return learned
