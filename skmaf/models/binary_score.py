"""The score of rows of two-valued answers: a density, and the same with much noise.

Noise that is small beside the distance of two values leaves these as they are, and a density counts
how often each combination of them comes: rows with the same rare answers vouch for each other, and
any that contradicts what always holds is found. With much noise a row is odd if it has little in
common with others, however many are like it. Both are put in the same unit by their spread; much
noise has half a say, as it hides contradictions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .contract import check_context
from .multiscale_density import MultiscaleTableDensity
from .second_look import weight_and_centre

COARSE_WEIGHT = 0.5  # beside the log-density


@dataclass(frozen=True, eq=False)
class BinaryScore:
    """The network's log-density, and that at its highest noise level beside it.

    Attributes
    ----------
    density : MultiscaleTableDensity
    weight : float
        Nats for each nat of the log-density with much noise.
    centre : float
        What that usually is: where a row has it, the score is its log-density.
    """

    density: MultiscaleTableDensity
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
        own, *_, coarse = self.density.network_log_probs(N)
        return own + self.weight * (coarse - self.centre)


def binary_scores(
    densities: Sequence[MultiscaleTableDensity], N: np.ndarray, held_out: Sequence[np.ndarray]
) -> list[BinaryScore]:
    """Return what scores rows in each fold.

    Parameters
    ----------
    densities : sequence of MultiscaleTableDensity
        For each fold.
    N : ndarray of shape (n, n_features)
    held_out : sequence of ndarray of int
        For each fold the positions of rows that its density has not seen.
    """
    own, coarse = np.hstack(
        [density.network_log_probs(N[rows])[[0, -1]] for density, rows in zip(densities, held_out)]
    )
    weight, centre = weight_and_centre(own, coarse, COARSE_WEIGHT)
    return [BinaryScore(density, weight, centre) for density in densities]
