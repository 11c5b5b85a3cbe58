"""The score of rows in a table that may hold clusters of anomalies: a density and two robust looks.

A density gives a few anomalies that lie together some of their due, however briefly it was trained.
With much noise it sees how far a row is from the mass of the table, and a forest [1]_ how easily
random cuts isolate it; neither sees much else. Each is put in nats by its spread over the rows, so
that none of the three outweighs the others, and speaks against a row where it finds it odder than
most, never for one. Where the forest isolates no rows from the rest, because its scores reach
hardly farther on the odd side than on the other, both are silent: then oddness is not a matter of
distance, and they would only blur what the density sees. And the more rows there are for each
column, the more the density knows, and the less both have to say.

References
----------
.. [1] Liu, Ting and Zhou (2008). Isolation forest. ICDM.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import iqr

from .contract import check_context
from .isolation import Isolation
from .multiscale_density import MultiscaleTableDensity

N_TREES = 40  # of the forest of each fold
COARSE_WEIGHT = 0.7  # of the density with most noise, beside the log-density itself
FOREST_WEIGHT = 2.0
ROWS_PER_COLUMN = 200  # beyond which the looks have a smaller say, in proportion
# how many times as far the forest's scores reach on the odd side: up to the first both weights are
# zero, from the second on they are whole
SILENT_REACH = 1.5
FULL_REACH = 2.5


@dataclass(frozen=True, eq=False)
class RobustScore:
    """The network's log-density, lowered where it is low with much noise, or a forest says so.

    Attributes
    ----------
    density : MultiscaleTableDensity
    forest : Isolation
    weights : ndarray of shape (2,)
        Nats for each nat of the coarse log-density, and for each unit of the forest's score.
    centres : ndarray of shape (2,)
        What both usually are: where a row has that or more, the score is its log-density.
    """

    density: MultiscaleTableDensity
    forest: Isolation
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
        own, looks = self.parts(N)
        return own + np.minimum(looks - self.centres, 0) @ self.weights

    def parts(self, N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the log-density of each row, and what the two robust looks say, shape (n, 2)."""
        own, *_, coarse = self.density.network_log_probs(N)
        isolation = self.forest.score_samples(_without_missing(self.density, N))
        return own, np.column_stack([coarse, isolation])


def robust_scores(
    densities: Sequence[MultiscaleTableDensity],
    N: np.ndarray,
    held_out: Sequence[np.ndarray],
    seed: int,
) -> list[RobustScore]:
    """Return what scores rows in each fold.

    Parameters
    ----------
    densities : sequence of MultiscaleTableDensity
        For each fold.
    N : ndarray of shape (n, n_features)
    held_out : sequence of ndarray of int
        For each fold the positions of rows that its density has not seen, and its forest is not to
        see.
    seed : int
    """
    scores = []
    for k, (density, rows) in enumerate(zip(densities, held_out)):
        seen = _without_missing(density, np.delete(N, rows, axis=0))
        forest = Isolation.fit(seen, N_TREES, seed + k)
        scores.append(RobustScore(density, forest, np.zeros(2), np.zeros(2)))
    parts = [score.parts(N[rows]) for score, rows in zip(scores, held_out)]
    own, looks = map(np.concatenate, zip(*parts))
    # a look that tells no rows apart has no say
    spreads = iqr(looks, axis=0)
    weights = np.divide(iqr(own), spreads, out=np.zeros(2), where=spreads > 0)
    rows_per_column = len(N) / max(densities[0].columns.n_values, 1)
    say = _say(looks[:, 1]) * min(1, ROWS_PER_COLUMN / rows_per_column)
    weights = weights * [COARSE_WEIGHT, FOREST_WEIGHT] * say
    centres = np.median(looks, axis=0)
    return [replace(score, weights=weights, centres=centres) for score in scores]


def _say(isolation: np.ndarray) -> float:
    """Return how much of a say robust looks have, from 0 to 1, by the forest's scores of rows."""
    odd_end, middle, other_end = np.quantile(isolation, (0.05, 0.5, 0.95))
    silent, full = np.array([SILENT_REACH, FULL_REACH]) * (other_end - middle)
    if full == silent:
        return float(odd_end < middle)
    return float(np.clip((middle - odd_end - silent) / (full - silent), 0, 1))


def _without_missing(density: MultiscaleTableDensity, N: np.ndarray) -> Any:
    """Return rows in flow space, where 0 is the mean of a column, for the forest."""
    Z = np.nan_to_num(density.columns.to_flow(N))
    return Z if Z.shape[1] else np.zeros((len(Z), 1))
