"""What scores rows in a fold of the detector: its density, pooled or with two robust looks.

Rows that are trusted are scored by the logarithmic pool of the two parts of the density, network
and kernel [2]_: a mean of their log-densities. A row must be likely by both, where the mixture
asks it of one of them.

A table may hold anomalies. A density gives a few that lie together some of their due, however
briefly it was trained. With much noise it sees how far a row is from the mass of the table, and a
forest [1]_ how easily random cuts isolate it; neither sees much else. Each is put in nats by its
spread over the rows, so that none of the three outweighs the others.

References
----------
.. [1] Liu, Ting and Zhou (2008). Isolation forest. ICDM.
.. [2] Genest and Zidek (1986). Combining probability distributions: a critique and an annotated
   bibliography. Statistical Science 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import iqr
from sklearn.ensemble import IsolationForest

from .contract import check_context
from .multiscale_density import MultiscaleTableDensity

POOL_WEIGHTS = (2 / 3, 1 / 3)  # of network and kernel
N_TREES = 40  # of the forest of each fold
COARSE_WEIGHT = 1.0  # of the density with most noise, beside the log-density itself
FOREST_WEIGHT = 0.7


@dataclass(frozen=True, eq=False)
class PooledScore:
    """The weighted mean of the log-densities of rows by the network and by the kernel density.

    Attributes
    ----------
    density : MultiscaleTableDensity
    """

    density: MultiscaleTableDensity

    def log_prob(self, N: np.ndarray, context: np.ndarray | None = None) -> np.ndarray:
        """Return the score of each row, in nats."""
        check_context(context, len(N), n_context=0)
        return np.average(self.density.log_prob_of_parts(N), axis=0, weights=POOL_WEIGHTS)


@dataclass(frozen=True, eq=False)
class RobustScore:
    """The log-density of rows, moved by what it is with much noise and by what a forest says.

    Attributes
    ----------
    density : MultiscaleTableDensity
    coarse : MultiscaleTableDensity
        The same density with the highest noise level alone.
    forest : IsolationForest
    weights : ndarray of shape (2,)
        Nats for each nat of the coarse log-density, and for each unit of the forest's score.
    centres : ndarray of shape (2,)
        What both usually are: where a row has that, the score is its log-density.
    """

    density: MultiscaleTableDensity
    coarse: MultiscaleTableDensity
    forest: IsolationForest
    weights: np.ndarray
    centres: np.ndarray

    def log_prob(self, N: np.ndarray, context: np.ndarray | None = None) -> np.ndarray:
        """Return the score of each row, in nats.

        Parameters
        ----------
        N : ndarray of shape (n, n_features)
            NaN where a cell is missing.
        context : None
        """
        check_context(context, len(N), n_context=0)
        return self.density.log_prob(N) + (self.looks(N) - self.centres) @ self.weights

    def looks(self, N: np.ndarray) -> np.ndarray:
        """Return what the two robust looks say of each row, shape (n, 2)."""
        isolation = self.forest.score_samples(_without_missing(self.density, N))
        return np.column_stack([self.coarse.log_prob(N), isolation])


def multiscale_scores(
    are_trusted: bool,
    densities: Sequence[MultiscaleTableDensity],
    N: np.ndarray,
    held_out: Sequence[np.ndarray],
    seed: int,
) -> list[Any]:
    """Return what scores rows in each fold.

    Parameters
    ----------
    are_trusted : bool
        Whether the rows are known to be normal.
    densities : sequence of MultiscaleTableDensity
        For each fold.
    N : ndarray of shape (n, n_features)
    held_out : sequence of ndarray of int
        For each fold the positions of rows that its density has not seen, and its forest is not to
        see.
    seed : int
    """
    if are_trusted:
        return [PooledScore(density) for density in densities]
    return _robust_scores(densities, N, held_out, seed)


def _robust_scores(
    densities: Sequence[MultiscaleTableDensity],
    N: np.ndarray,
    held_out: Sequence[np.ndarray],
    seed: int,
) -> list[RobustScore]:
    scores = []
    for k, (density, rows) in enumerate(zip(densities, held_out)):
        seen = _without_missing(density, np.delete(N, rows, axis=0))
        forest = IsolationForest(n_estimators=N_TREES, random_state=seed + k).fit(seen)
        coarse = density.with_highest_noise()
        scores.append(RobustScore(density, coarse, forest, np.zeros(2), np.zeros(2)))
    looks = np.concatenate([score.looks(N[rows]) for score, rows in zip(scores, held_out)])
    spread = iqr(np.concatenate([d.log_prob(N[rows]) for d, rows in zip(densities, held_out)]))
    spreads = iqr(looks, axis=0)
    # a look that tells no rows apart has no say
    weights = np.divide(spread, spreads, out=np.zeros(2), where=spreads > 0)
    weights = weights * [COARSE_WEIGHT, FOREST_WEIGHT]
    centres = np.median(looks, axis=0)
    return [replace(score, weights=weights, centres=centres) for score in scores]


def _without_missing(density: MultiscaleTableDensity, N: np.ndarray) -> Any:
    """Return rows in flow space, where 0 is the mean of a column, for the forest."""
    Z = np.nan_to_num(density.columns.to_flow(N))
    return Z if Z.shape[1] else np.zeros((len(Z), 1))
