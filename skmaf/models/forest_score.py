"""The score of rows in a table that may hold clusters of anomalies: a density and a robust look.

A density gives a few anomalies that lie together some of their due, however briefly it was trained.
A forest [1]_ sees how easily random cuts isolate a row, and little else. It is put in nats by its
spread over the rows, so that neither outweighs the other, and speaks against a row where it finds
it odder than most, never for one. Where the forest isolates no rows from the rest, because its
scores reach hardly farther on the odd side than on the other, it is silent: then oddness is not a
matter of distance, and it would only blur what the density sees. And the more rows there are for
each column, the more the density knows, and the less the forest has to say.

Categories, and columns of two values, are left to the density: a cut between two values isolates
the rows of the rarer one, however usual these are.

References
----------
.. [1] Liu, Ting and Zhou (2008). Isolation forest. ICDM.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .contract import check_context
from .isolation import Isolation
from .multiscale_density import MultiscaleTableDensity
from .second_look import weight_and_centre

N_TREES = 40  # of the forest of each fold
FOREST_WEIGHT = 2.5  # beside the log-density
ROWS_PER_COLUMN = 200  # beyond which the forest has a smaller say, in proportion
# how many times as far the forest's scores reach on the odd side: up to the first it has no say,
# from the second on its whole one
SILENT_REACH = 1.5
FULL_REACH = 2.5


@dataclass(frozen=True, eq=False)
class ForestScore:
    """The network's log-density, lowered where a forest says so.

    Attributes
    ----------
    density : MultiscaleTableDensity
    forest : Isolation
        Of the values of flow space that are measures.
    weight : float
        Nats for each unit of the forest's score.
    centre : float
        What the forest's score usually is: where a row has that or more, the score is its
        log-density.
    """

    density: MultiscaleTableDensity
    forest: Isolation
    weight: float
    centre: float

    def log_prob(self, N: np.ndarray, context: np.ndarray | None = None) -> np.ndarray:
        """Return the score of each row, in nats.

        Parameters
        ----------
        N : ndarray of shape (n, n_features)
            NaN where a cell is missing.
        context : None
        """
        check_context(context, len(N), n_context=0)
        own, isolation = self.parts(N)
        return own + self.weight * np.minimum(isolation - self.centre, 0)

    def parts(self, N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the log-density of each row, and what the forest says, shape (n,) each."""
        own = self.density.network_log_probs(N)[0]
        return own, self.forest.score_samples(_measures(self.density, N))


def forest_scores(
    densities: Sequence[MultiscaleTableDensity],
    N: np.ndarray,
    held_out: Sequence[np.ndarray],
    seed: int,
) -> list[ForestScore]:
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
        seen = _measures(density, np.delete(N, rows, axis=0))
        scores.append(ForestScore(density, Isolation.fit(seen, N_TREES, seed + k), 0.0, 0.0))
    parts = [score.parts(N[rows]) for score, rows in zip(scores, held_out)]
    own, isolation = map(np.concatenate, zip(*parts))
    rows_per_column = len(N) / max(densities[0].columns.n_values, 1)
    say = _say(isolation) * min(1, ROWS_PER_COLUMN / rows_per_column)
    weight, centre = weight_and_centre(own, isolation, FOREST_WEIGHT * say)
    return [replace(score, weight=weight, centre=centre) for score in scores]


def _say(isolation: np.ndarray) -> float:
    """Return how much of a say the forest has, from 0 to 1, by its scores of rows."""
    odd_end, middle, other_end = np.quantile(isolation, (0.05, 0.5, 0.95))
    silent, full = np.array([SILENT_REACH, FULL_REACH]) * (other_end - middle)
    if full == silent:
        return float(odd_end < middle)
    return float(np.clip((middle - odd_end - silent) / (full - silent), 0, 1))


def _measures(density: MultiscaleTableDensity, N: np.ndarray) -> np.ndarray:
    """Return the measures in rows of flow space."""
    return density.columns.to_flow(N)[:, density.columns.are_measures]
