"""What rows that are drawn have in common with all rows of the table."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from .date_axes import DateColumns
from .ends import Ends
from .missing import MissingPatterns
from .relation_search import UNORDERED, relations_of
from .relations import Determines, Order, Relation
from .rounding import grid_of
from .timeline import Timeline


@dataclass(frozen=True, eq=False)
class RowConstraints:
    """Relations, ends of columns, digits and patterns of missing cells that rows are held to.

    Relations see dates on axes that these share. Elsewhere rows have the numbers of a codec.

    Attributes
    ----------
    keys : sequence
        What relations call the columns.
    relations : list of Relation
        In the order in which cells are computed by them.
    dates : DateColumns
    ends : Ends
        The ends of columns at which rows pile up.
    grids : sequence of Decimals, RepeatedValues, DateAxis or None
        What drawn cells of each column are moved to.
    missing : MissingPatterns or None
        None if no cell is missing.
    are_declared : bool
        Whether the user gave the relations.
    """

    keys: Sequence[Hashable]
    relations: list[Relation]
    dates: DateColumns
    ends: Ends
    grids: Sequence[Any]
    missing: MissingPatterns | None
    are_declared: bool = False

    @classmethod
    def learn(
        cls,
        N: np.ndarray,
        weights: np.ndarray,
        keys: Sequence[Hashable],
        quantities: Sequence[str],
        relations: Any,
        timelines: Sequence[Timeline | None] = (),
    ) -> RowConstraints:
        """Learn what all rows of a table have in common.

        Parameters
        ----------
        N : ndarray of shape (n, n_features)
            Training rows: numbers, and codes of categories; NaN where a cell is missing.
        weights : ndarray of shape (n,)
        keys : sequence
            What relations call the columns.
        quantities : sequence of str
            What each column holds, as `TableCodec.quantities` has it.
        relations : "auto", None or sequence of Relation
            "auto" finds them, None is none.
        timelines : sequence of Timeline or None, default=()
            Of the columns of dates.

        Raises
        ------
        ValueError
            If a relation that is given names an unknown column, or rows break it.
        """
        dates = DateColumns.of(timelines)
        are_numbers = [quantity == "numbers" for quantity in quantities]
        # numbers that are too far apart for a float are infinitely far apart
        with np.errstate(over="ignore"):
            placed = dates.on_axes(N)
            if isinstance(relations, str):
                found = relations_of(placed, keys, quantities)
            else:
                found = _checked(relations or [], placed, keys, quantities)
            grids = [
                grid_of(x) if is_number else dates.axes.get(j)
                for j, (x, is_number) in enumerate(zip(N.T, are_numbers))
            ]
            ends = Ends.learn(N, grids, are_numbers)
        missing = MissingPatterns.learn(N, weights)
        declared = not isinstance(relations, str)
        return cls(keys, found, dates, ends, grids, missing, declared)

    def kept_by(self, N: np.ndarray) -> RowConstraints:
        """Return the constraints without the relations that some of these rows break.

        Raises
        ------
        ValueError
            If such a relation was declared.
        """
        cells = self._cells(self.dates.on_axes(N))
        kept = []
        for relation in self.relations:
            n_broken = int(relation.broken(cells).sum())
            if n_broken and self.are_declared:
                raise _broken_error(relation, n_broken, len(N))
            kept += [] if n_broken else [relation]
        return self if len(kept) == len(self.relations) else replace(self, relations=kept)

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
        placed = self.dates.on_axes(N)
        self._deduce(placed)
        self.dates.write_back(placed, N)

    def _deduce(self, N: np.ndarray) -> None:
        cells = self._cells(N)
        for _ in self.relations:
            n_missing = np.isnan(N).sum()
            for relation in self.relations:
                relation.deduce(cells)
            if np.isnan(N).sum() == n_missing:
                return

    def compute(self, N: np.ndarray, drawn: np.ndarray) -> None:
        """Bring drawn cells into their ranges, and compute those that others determine, in place.

        Parameters
        ----------
        N : ndarray of shape (n, n_features)
            Complete rows.
        drawn : ndarray of bool, shape (n, n_features)
            Which cells may change.
        """
        self.ends.hold(N, drawn)
        self.dates.keep_ranges(N, drawn)
        placed = self.dates.on_axes(N)
        self._round(placed, drawn)
        before = placed.copy()
        for relation in self._computing:
            relation.settle(self._cells(placed), self._cells(drawn))
        for relation in self._computing:
            column = relation.dependent
            self._cells(placed)[column][self._cells(drawn)[column]] = np.nan
        self._deduce(placed)
        left = np.isnan(placed)
        placed[left] = before[left]
        self._round(placed, drawn)
        self.dates.write_back(placed, N)

    def broken(self, N: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        """Return which rows break a relation, or have drawn cells beyond the ends of columns."""
        broken = (self.ends.outside(N) & drawn).any(axis=1)
        cells = self._cells(self.dates.on_axes(N))
        moves = self._cells(drawn)
        for relation in self.relations:
            is_drawn = np.any([moves[column] for column in relation.columns], axis=0)
            broken |= relation.broken(cells) & is_drawn
        return broken

    def project(self, N: np.ndarray, drawn: np.ndarray) -> None:
        """Move drawn cells, as little as is needed, so that rows break nothing; in place."""
        for _ in range(len(self.relations) + 1):
            self.ends.hold(N, drawn)
            placed = self.dates.on_axes(N)
            for relation in self.relations:
                before = placed.copy()
                relation.project(self._cells(placed), self._cells(drawn))
                self._round(placed, drawn & (placed != before), relation.sides)
            self._round(placed, drawn)
            self.dates.write_back(placed, N)
            if not self.broken(N, drawn).any():
                return

    def _round(
        self, N: np.ndarray, drawn: np.ndarray, sides: Mapping[Hashable, int] | None = None
    ) -> None:
        """Move drawn cells to the grids of their columns, those of some to one side only."""
        positions = by_column(range(len(self.keys)), self.keys)
        side_at = {positions[column]: side for column, side in (sides or {}).items()}
        for j, grid in enumerate(self.grids):
            if grid is not None:
                rows = drawn[:, j]
                N[rows, j] = grid.round(N[rows, j], side_at.get(j, 0))


def cells_of(N: np.ndarray, keys: Sequence[Hashable]) -> dict:
    """Return views of the columns of a matrix, by position and by key."""
    return by_column(N.T, keys)


def by_column(values: Iterable[Any], keys: Sequence[Hashable]) -> dict[Hashable, Any]:
    """Return what belongs to each column, by its position and by its key, which comes first."""
    values = list(values)
    found: dict[Hashable, Any] = dict(enumerate(values))
    return found | dict(zip(keys, values))


def _checked(
    relations: Any, N: np.ndarray, keys: Sequence[Hashable], quantities: Sequence[str]
) -> list[Relation]:
    """Return relations that the user declares, as the training rows complete them."""
    cells = cells_of(N, keys)
    quantity_of = by_column(quantities, keys)
    learned = []
    for relation in relations:
        if not isinstance(relation, Relation):
            raise ValueError(f"relations holds {relation!r}: give Order, Sum or Determines.")
        unknown = [column for column in relation.columns if column not in cells]
        if unknown:
            raise ValueError(
                f"relations names {unknown[0]!r}, which is no column; there are {list(keys)[:10]}."
            )
        _check_quantities(relation, quantity_of)
        complete = relation.learned(cells)
        n_broken = int(complete.broken(cells).sum())
        if n_broken:
            raise _broken_error(relation, n_broken, len(N))
        learned.append(complete)
    return learned


def _broken_error(relation: Relation, n_broken: int, n_rows: int) -> ValueError:
    return ValueError(
        f"relations has {relation}, which {n_broken} of {n_rows} rows break: leave it out, or "
        "correct these rows."
    )


def _check_quantities(relation: Relation, quantity_of: Mapping[Hashable, str]) -> None:
    """Refuse a relation between columns that do not compare, or add up."""
    if isinstance(relation, Determines):
        return
    for column in relation.columns:
        quantity = quantity_of[column]
        if quantity in UNORDERED or not (quantity == "numbers" or isinstance(relation, Order)):
            raise ValueError(f"relations has {relation}, but {column!r} holds {quantity}.")
    first, *others = relation.columns
    for column in others:
        if quantity_of[column] != quantity_of[first]:
            raise ValueError(
                f"relations has {relation}, but {first!r} holds {quantity_of[first]} and "
                f"{column!r} {quantity_of[column]}: relate columns of one kind."
            )
