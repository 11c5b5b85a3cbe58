"""Densities that were each fitted without some of a table's rows, and say together what a row is.

No row speaks for itself: a row that is the same as one of the table is scored by the densities
that were fitted without that one. Of several equal rows each has densities that have not seen it;
these score all of them, so that the others, which such a density may have seen, are evidence.

Densities may differ by a constant in what they say of all rows, as where a column has one value
in the rows of a fold: what each says is taken relative to what the others say of the same rows, or
a row would be odd by the fold that it is in.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from joblib import delayed

from .._jobs import jobs_and_threads, run_jobs
from ..table.frames import take_rows
from .contract import refuse_no_rows
from .estimator_density import EstimatorDensity

ALIGNING_ROWS = 500  # of the table at most, by which densities are compared


@dataclass(frozen=True, eq=False)
class FoldEnsemble:
    """The densities, and which of them have not seen which row.

    Attributes
    ----------
    densities : sequence of density objects
    keys : ndarray of uint64, shape (n_keys,)
        Numbers that stand for the distinct rows of the table, in rising order.
    unseen : ndarray of bool, shape (n_keys, n_densities)
        Which densities have not seen a row, or one of several equal rows.
    offsets : ndarray of shape (n_densities,) or float
        How many nats more each density says of a row than all do; 0 in the mean.
    """

    densities: Sequence[Any]
    keys: np.ndarray
    unseen: np.ndarray
    offsets: np.ndarray | float = 0.0

    @classmethod
    def of(
        cls, densities: Sequence[Any], rows: Any, held_out: Sequence[np.ndarray], seed: int
    ) -> "FoldEnsemble":
        """Return the ensemble of densities that have not seen some of the rows each.

        Parameters
        ----------
        densities : sequence of density objects
        rows : ndarray or DataFrame of shape (n, n_features)
        held_out : sequence of ndarray of int
            For each density the positions of the rows that it has not seen.
        seed : int
            Governs by which rows the densities are compared.
        """
        keys, distinct = np.unique(_keys(rows), return_inverse=True)
        unseen = np.zeros((len(keys), len(densities)), dtype=bool)
        for k, positions in enumerate(held_out):
            unseen[distinct[positions], k] = True
        # rows of folds that an interrupt left out
        unseen[~unseen.any(axis=1)] = True
        chosen = np.random.RandomState(seed).permutation(len(distinct))[:ALIGNING_ROWS]
        seen = ~unseen[distinct[chosen]]
        offsets = _offsets(densities, take_rows(rows, chosen), seen)
        return cls(densities, keys, unseen, offsets)

    def speakers(self, rows: Any) -> np.ndarray:
        """Return which densities score each row, shape (n, n_densities): all of them a new one."""
        keys = _keys(rows)
        positions = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        known = self.keys[positions] == keys
        return np.where(known[:, None], self.unseen[positions], True)

    def log_prob(self, rows: Any, n_jobs: int | None = None) -> np.ndarray:
        """Return the mean log-density of each row by the densities that have not seen it.

        Parameters
        ----------
        rows : ndarray or DataFrame of shape (n, n_features)
        n_jobs : int or None, default=None
            How many densities to ask at a time, in threads.

        Returns
        -------
        log_prob : ndarray of shape (n,), float64
            In nats.
        """
        refuse_no_rows(rows)
        for density in self.densities:
            if isinstance(density, EstimatorDensity):
                # it checks rows, and counts those that are wrong: it is to see them all
                density.log_prob(rows)
                break
        return self._mean_log_prob(rows, self.speakers(rows), n_jobs)

    def log_prob_of_variants(self, rows: Any) -> Callable[[Any, np.ndarray], np.ndarray]:
        """Return a function that scores variants of rows as the rows themselves are scored.

        It takes the variants, and an array that says which row each of them is a variant of.
        """
        speakers = self.speakers(rows)
        return lambda variants, owners: self._mean_log_prob(variants, speakers[owners])

    def _mean_log_prob(
        self, rows: Any, speakers: np.ndarray, n_jobs: int | None = None
    ) -> np.ndarray:
        asked = {k: np.flatnonzero(speaks) for k, speaks in enumerate(speakers.T) if speaks.any()}
        n_jobs, _ = jobs_and_threads(n_jobs)
        tasks = (
            delayed(self.densities[k].log_prob)(take_rows(rows, positions))
            for k, positions in asked.items()
        )
        log_probs = run_jobs(tasks, n_jobs, require="sharedmem")
        total = np.zeros(len(speakers))
        offsets = np.broadcast_to(self.offsets, len(self.densities))
        for log_prob, (k, positions) in zip(log_probs, asked.items()):
            total[positions] += log_prob - offsets[k]
        return total / speakers.sum(axis=1)


def _offsets(densities: Sequence[Any], rows: Any, seen: np.ndarray) -> np.ndarray:
    """Return how many nats more each density says of rows than all do, in the mean 0.

    Each two are compared on rows that both have seen: a row that is new to one of them is less
    likely to it for that alone.
    """
    log_probs = np.column_stack([density.log_prob(rows) for density in densities])
    usable = seen & np.isfinite(log_probs)
    more = np.zeros((len(densities), len(densities)))
    for one, other in itertools.combinations(range(len(densities)), 2):
        both = usable[:, one] & usable[:, other]
        if both.any():
            more[one, other] = np.median(log_probs[both, one] - log_probs[both, other])
            more[other, one] = -more[one, other]
    return more.mean(axis=1)


def _keys(rows: Any) -> np.ndarray:
    """Return a number for each row, the same for equal rows, whatever their numbers' dtypes."""
    table = pd.DataFrame(rows)
    # whole numbers equal floats, and zero has one sign
    numeric = table.select_dtypes("number", exclude="timedelta").columns
    table = table.astype(dict.fromkeys(numeric, np.float64))
    table[numeric] += 0.0
    return pd.util.hash_pandas_object(table, index=False).to_numpy()
