"""Why a row is unlikely: the few cells whose change would make it normal.

The search is greedy: the cell that gains most is changed, then the next one, given that change,
until the row is as likely as rows usually are, or no cell gains more than chance gives. Where no
single cell does, pairs of cells are changed together.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import gen_batches
from tqdm.auto import tqdm

from ..table.frames import take_rows
from .changes import LogProb, Search, Trial
from .donors import Donors

MAX_CHANGES = 3  # of a row, of a cell or a pair each
FIRST_CELLS = 10  # that are tried at first, in a wide table
LATER_CELLS = 5  # that are tried after a change
LEARNING_ROWS = 50  # that tell what gains chance gives
LEARNING_CELLS = 1500  # of them, in a wide table, but
LEAST_ROWS = 20  # at least
CHANCE = 0.95  # share of normal rows in which no cell may count
JOINT = 2.0  # times as much must a pair of cells gain together as its cells alone
PROMISING = 0.5  # share of the gains of chance from which on better values are looked for
BAR_DELAY = 2  # seconds until a progress bar appears
ROW_BATCH = 32  # rows that are searched together; fewer in a wide table


@dataclass(frozen=True, eq=False)
class Explainer:
    """Finds the cells that make a row unlikely, and what would be likely there.

    Attributes
    ----------
    donors : Donors
        Training rows, whose values are offered.
    typical : float
        The score from which on a row is normal.
    chance : float
        What the best cell gains by chance, in a normal row.
    chance_of_pairs : float
        What the best pair of cells does.
    """

    donors: Donors
    typical: float
    chance: float = 0.0
    chance_of_pairs: float = 0.0

    @classmethod
    def learn(
        cls,
        X: Any,
        log_prob: LogProb,
        held_out: list[np.ndarray],
        typical: float,
        categorical: Any = None,
    ) -> "Explainer":
        """Learn the values of training rows, and the gains that chance gives.

        Parameters
        ----------
        X : ndarray or DataFrame of shape (n, n_features)
            Training rows.
        log_prob : callable
            Takes variants of these rows, and an array that says which row each of them is a
            variant of; gives their log-densities by densities that have not seen that row.
        held_out : list of ndarray of int
            Positions of the rows that each density has not seen; no more densities are asked than
            it takes to have enough of them.
        typical : float
            The log-density that such rows usually have.
        categorical : array-like of bool, shape (n_features,), default=None
            Columns that hold codes of categories.
        """
        donors = Donors.learn(X, categorical)
        n_rows = max(LEAST_ROWS, min(LEARNING_ROWS, LEARNING_CELLS // len(donors.values)))
        n_unseen = np.cumsum([len(rows) for rows in held_out])
        unseen = np.concatenate(held_out[: np.searchsorted(n_unseen, n_rows) + 1])
        n_rows = min(n_rows, len(unseen))
        owners = unseen[np.linspace(0, len(unseen) - 1, n_rows).round().astype(int)]
        search = Search(donors, log_prob, take_rows(X, owners), owners)
        odd = np.flatnonzero(search.scores < typical)
        best = np.zeros((2, len(owners)))
        for place, trials in enumerate([search.single(odd, FIRST_CELLS), search.pairs(odd)]):
            for trial in trials:
                best[place, trial.change.owner] = max(0.0, trial.gain)
        chance, of_pairs = np.quantile(best, CHANCE, axis=1)
        return cls(donors, typical, float(chance), float(max(chance, of_pairs)))

    def counterfactuals(
        self, log_prob: LogProb, X: Any, verbose: bool = False
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return what the cells gain that make rows unlikely, and likely values.

        Parameters
        ----------
        log_prob : callable
            Takes variants of the rows, and an array that says which row each of them is a variant
            of; gives their log-densities.
        X : ndarray or DataFrame of shape (n, n_features)
        verbose : bool, default=False
            Whether to show a progress bar where it takes long.

        Returns
        -------
        gains : ndarray of shape (n, n_features)
            In nats; 0 where no other value is called for.
        values : list of ndarray of shape (n,)
            For each column; those of the rows where the gain is 0, likely ones where a cell is
            missing.
        """
        n_columns = len(self.donors.values)
        size = max(1, min(ROW_BATCH, 100 * ROW_BATCH // n_columns))
        parts = []
        with tqdm(
            total=len(X), desc="Reasons", unit="row", delay=BAR_DELAY, disable=not verbose
        ) as bar:
            for batch in gen_batches(len(X), size):
                owners = np.arange(batch.start, batch.stop)
                search = Search(self.donors, log_prob, take_rows(X, owners), owners)
                self._explain(search)
                parts.append((search.gains, search.values()))
                bar.update(len(owners))
        gains = np.concatenate([gains for gains, _ in parts])
        return gains, [np.concatenate(x) for x in zip(*(values for _, values in parts))]

    def _explain(self, search: Search) -> None:
        """Change cells until rows are normal, and fill those that are missing."""
        active = np.flatnonzero(self._is_odd(search.scores))
        n_cells = FIRST_CELLS
        for _ in range(MAX_CHANGES):
            accepted = self._accepted(search, active, n_cells)
            for trial in accepted:
                search.accept(trial)
            changed = np.array(sorted(trial.change.owner for trial in accepted), dtype=int)
            active = changed[self._is_odd(search.scores[changed])]
            n_cells = LATER_CELLS
        search.fill_missing()

    def _is_odd(self, scores: np.ndarray) -> np.ndarray:
        """Return which rows lack more of a usual score than chance gives."""
        return scores < self.typical - self.chance

    def _accepted(self, search: Search, rows: np.ndarray, n_cells: int) -> list[Trial]:
        """Return a change of each row that gains more than chance: of a cell, or of two."""
        found = search.single(rows, n_cells, PROMISING * self.chance)
        best = {trial.change.owner: trial for trial in found if trial.gain > self.chance}
        explained = [
            owner
            for owner, trial in best.items()
            if not self._is_odd(search.scores[owner] + trial.gain)
        ]
        others = np.setdiff1d(rows, explained)
        for trial in search.pairs(others, PROMISING * self.chance_of_pairs):
            owner, cells, _ = trial.change
            alone = search.alone[owner, list(cells)].sum()
            least = best[owner].gain + self.chance if owner in best else self.chance_of_pairs
            if trial.gain > max(least, self.chance_of_pairs, JOINT * alone):
                best[owner] = trial
        return list(best.values())
