"""The score of a density and two robust looks, which detectors in files of before have.

With much noise a density sees how far a row is from the mass of the table, and a forest how easily
random cuts isolate it; here both see the indicators of categories, too. New fits have a
`ForestScore`.
"""

from dataclasses import dataclass

import numpy as np

from .contract import check_context
from .isolation import Isolation
from .multiscale_density import MultiscaleTableDensity


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
        own, *_, coarse = self.density.network_log_probs(N)
        isolation = self.forest.score_samples(self.density.columns.to_flow(N))
        looks = np.column_stack([coarse, isolation])
        return own + np.minimum(looks - self.centres, 0) @ self.weights
