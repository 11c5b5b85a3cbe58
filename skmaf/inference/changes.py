"""Changes of the cells of rows, and what they gain."""

from collections.abc import Callable, Hashable, Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils import gen_batches

from .._validation import columns
from .donors import Donors

LogProb = Callable[[Any, np.ndarray], np.ndarray]

LOOKED_AT = 2  # candidates of each cell
CLOSELY = 2  # cells of which more candidates are tried
CANDIDATES = 5  # of each of these, altogether
REFINEMENT = (8, 30, 120)  # shares of a column's values that lie between two looks
SUSPECTS = 2  # cells, unlike those of the nearest rows, that are tried as a pair
LINEAR_PAIRS = 3  # that are tried because a normal law would gain most by them
PAIR_DONORS = 2  # whose values are tried in a pair
FILLED_CELLS = 16  # missing cells of a row whose candidates are scored
FILL_CANDIDATES = 4
BATCH_CELLS = 2**20  # of variants that are scored together


class Change(NamedTuple):
    """A variant of a row: other values in one cell or in two.

    Attributes
    ----------
    owner : int
        Which row it is a variant of.
    cells : tuple of int
        The columns.
    rows : tuple of int
        The donors whose values stand there.
    """

    owner: int
    cells: tuple[int, ...]
    rows: tuple[int, ...]


class Trial(NamedTuple):
    """A change, and what it gains."""

    change: Change
    gain: float


class Search:
    """Rows whose cells are changed, and the scores of their variants.

    Variants refer to a table of the donors and the rows, one below the other: to the row of it that
    gives each cell.

    Parameters
    ----------
    donors : Donors
    log_prob : callable
        Takes variants of rows, and for each of them the owner; gives their log-densities.
    X : ndarray or DataFrame of shape (n, n_features)
        The rows.
    owners : ndarray of int, shape (n,)
        What ``log_prob`` is to know the rows by.

    Attributes
    ----------
    scores : ndarray of shape (n,)
        Log-density of the rows as they are now.
    gains : ndarray of shape (n, n_features)
        What the changes of their cells have added to it.
    alone : ndarray of shape (n, n_features)
        What each cell would gain alone, where that was tried last.
    """

    def __init__(self, donors: Donors, log_prob: LogProb, X: Any, owners: np.ndarray) -> None:
        self.donors = donors
        self.log_prob = log_prob
        self.owners = owners
        self.joined = _joined(donors.rows, X)
        own = len(donors.rows) + np.arange(len(owners))
        self.references = np.repeat(own[:, None], X.shape[1], axis=1)
        self.normal_scores = donors.encode(X)
        self.missing = np.isnan(self.normal_scores)
        self.gains = np.zeros(self.references.shape)
        self.alone = np.zeros(self.references.shape)
        self.scores = log_prob(X, owners)

    def values(self) -> list[np.ndarray]:
        """Return the cells of each column as they are now."""
        return columns(_cells(self.joined, self.references))

    def accept(self, trial: Trial) -> None:
        """Change a row for good; two cells share what they gain."""
        change, gain = trial
        cells = list(change.cells)
        self._put(change)
        self.gains[change.owner, cells] = gain / len(cells)
        self.scores[change.owner] += gain

    def single(self, rows: np.ndarray, n_cells: int, promising: float = 0.0) -> list[Trial]:
        """Return the best change of one cell of each of these rows.

        Parameters
        ----------
        rows : ndarray of int
        n_cells : int
            How many cells of a row to try, those that look most suspicious.
        promising : float, default=0.0
            The gain beyond which to look for better values among those next to the best.
        """
        looks = []
        others = {}
        for i in rows:
            z = self.normal_scores[i]
            squares = self.donors.squares(z)
            for j in self.donors.suspicious(z, squares, self._free(i), n_cells):
                candidates = self.donors.candidates(z, squares, j)[:CANDIDATES]
                changes = [Change(int(i), (j,), (k,)) for k in candidates]
                looks += changes[:LOOKED_AT]
                others[int(i), (j,)] = changes[LOOKED_AT:]
        of_cells = self._best(looks, _cell)
        self.alone[rows] = 0.0
        for (i, cell), trial in of_cells.items():
            self.alone[i, cell] = max(0.0, trial.gain)
        best = _best_trials(of_cells.values(), _owner)
        n_seen = dict.fromkeys(best, 0)
        closer = self._refinements(best, promising)
        for cell, _ in sorted(of_cells.items(), key=lambda item: -item[1].gain):
            n_seen[cell[0]] += 1
            if n_seen[cell[0]] <= CLOSELY:
                closer += others[cell]
        finer = self._best(closer, _owner)
        return list(_best_trials([*best.values(), *finer.values()], _owner).values())

    def pairs(self, rows: np.ndarray, promising: float = 0.0) -> list[Trial]:
        """Return the best change of two cells of each of these rows, searched as `single` does."""
        changes = []
        for i in map(int, rows):
            z = self.normal_scores[i]
            squares = self.donors.squares(z)
            pairs = self.donors.suspicious_pairs(
                z, squares, self._free(i), n_linear=LINEAR_PAIRS, n_suspects=SUSPECTS
            )
            for pair in pairs:
                changes += [Change(i, pair, rows) for rows in self._pair_donors(z, squares, pair)]
        best = self._best(changes, _owner)
        finer = self._best(self._refinements(best, promising), _owner)
        return list(_best_trials([*best.values(), *finer.values()], _owner).values())

    def _pair_donors(
        self, z: np.ndarray, squares: np.ndarray, pair: tuple[int, int]
    ) -> list[tuple[int, int]]:
        """Return rows that may give both values, and what a normal law predicts for numbers."""
        cells = np.array(pair)
        nearest = self.donors.nearest(z, squares, cells)[:PAIR_DONORS].tolist()
        donors = [(k, k) for k in nearest]
        if self.donors.categorical[cells].any():
            return donors
        first, second = self.donors.linear_prediction(z, cells)
        predicted = (self.donors.snap(pair[0], first), self.donors.snap(pair[1], second))
        return [predicted, *donors][:PAIR_DONORS]

    def fill_missing(self) -> None:
        """Put likely values where cells are missing."""
        changes = []
        for i in map(int, np.flatnonzero(self.missing.any(axis=1))):
            z = self.normal_scores[i]
            squares = self.donors.squares(z)
            for place, j in enumerate(map(int, np.flatnonzero(self.missing[i]))):
                candidates = self.donors.candidates(z, squares, j)
                n_tried = FILL_CANDIDATES if place < FILLED_CELLS else 1
                changes += [Change(i, (j,), (k,)) for k in candidates[:n_tried]]
        for trial in self._best(changes, _cell).values():
            self.references[trial.change.owner, trial.change.cells] = trial.change.rows

    def _free(self, i: int) -> np.ndarray:
        """Return which cells of a row may be changed."""
        return ~self.missing[i] & (self.gains[i] == 0)

    def _put(self, change: Change) -> None:
        cells = list(change.cells)
        self.references[change.owner, cells] = change.rows
        self.normal_scores[change.owner, cells] = self.donors.scores[list(change.rows), cells]

    def _gains_of(self, changes: list[Change]) -> np.ndarray:
        """Return what each of these changes gains."""
        rows = np.array([change.owner for change in changes])
        log_probs = np.empty(len(changes))
        for batch in gen_batches(len(changes), max(1, BATCH_CELLS // len(self.donors.values))):
            references = self.references[rows[batch]]
            for variant, change in zip(references, changes[batch.start : batch.stop]):
                variant[list(change.cells)] = change.rows
            variants = _cells(self.joined, references)
            log_probs[batch] = self.log_prob(variants, self.owners[rows[batch]])
        return log_probs - self.scores[rows]

    def _best(self, changes: list[Change], key: Callable[[Change], Hashable]) -> dict[Any, Trial]:
        """Return the best of these changes for each key."""
        if not changes:
            return {}
        gains = self._gains_of(changes).tolist()
        return _best_trials(map(Trial, changes, gains), key)

    def _refinements(self, best: dict[int, Trial], promising: float) -> list[Change]:
        """Return changes to values next to those of the best ones, one of their cells at a time."""
        return [
            other
            for trial in best.values()
            if trial.gain > promising
            for place in range(len(trial.change.cells))
            for other in self._moved(trial.change, place)
        ]

    def _moved(self, change: Change, place: int) -> list[Change]:
        """Return the change with other values in one of its cells, some steps from its own."""
        levels = self.donors.levels[change.cells[place]]
        if self.donors.categorical[change.cells[place]]:
            return []
        scores = self.donors.scores[:, change.cells[place]]
        at = int(np.searchsorted(scores[levels], scores[change.rows[place]]))
        steps = {max(1, len(levels) // share) for share in REFINEMENT}
        places = {at + sign * step for step in steps for sign in (-1, 1)}
        moved = []
        for other in sorted(places & set(range(len(levels)))):
            rows = list(change.rows)
            rows[place] = int(levels[other])
            moved.append(Change(change.owner, change.cells, tuple(rows)))
        return moved


def _owner(change: Change) -> int:
    return change.owner


def _cell(change: Change) -> tuple:
    return change.owner, change.cells


def _best_trials(trials: Iterable[Trial], key: Callable[[Change], Hashable]) -> dict[Any, Trial]:
    """Return the first of those trials that gain most, for each key."""
    best: dict[Any, Trial] = {}
    for trial in trials:
        known = best.setdefault(key(trial.change), trial)
        if trial.gain > known.gain:
            best[key(trial.change)] = trial
    return best


def _joined(donors: Any, X: Any) -> Any:
    """Return the rows of two tables, one below the other, in dtypes that hold the cells of both."""
    if isinstance(donors, np.ndarray):
        return np.concatenate([donors, np.asarray(X)])
    joined = [_joined_column(donors.iloc[:, j], X.iloc[:, j]) for j in range(X.shape[1])]
    table = pd.concat(joined, axis=1)
    table.columns = donors.columns
    return table


def _joined_column(ours: pd.Series, theirs: pd.Series) -> pd.Series:
    if isinstance(ours.dtype, pd.CategoricalDtype):
        cells = theirs.astype(object)
        new = [cell for cell in pd.unique(cells.dropna()) if cell not in ours.cat.categories]
        dtype = pd.CategoricalDtype([*ours.cat.categories, *new], ours.cat.ordered)
        return pd.concat([ours.astype(dtype), cells.astype(dtype)], ignore_index=True)
    if ours.dtype == theirs.dtype:
        return pd.concat([ours, theirs], ignore_index=True)
    kinds = {ours.dtype.kind, theirs.dtype.kind}
    dtype = None if len(kinds) == 1 or kinds <= set("biuf") else object
    return pd.Series(np.concatenate([ours.to_numpy(dtype), theirs.to_numpy(dtype)]))


def _cells(table: Any, references: np.ndarray) -> Any:
    """Return a table of the cells that references, row by row, give in each column."""
    if isinstance(table, np.ndarray):
        return table[references, np.arange(table.shape[1])]
    taken = [table.iloc[:, j].take(rows) for j, rows in enumerate(references.T)]
    cells = pd.concat([column.reset_index(drop=True) for column in taken], axis=1)
    cells.columns = table.columns
    return cells
