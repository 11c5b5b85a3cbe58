"""The densities and scores of a detector that is given no estimator, by what its rows are like.

Where rows are trusted, the densities learn all that they can. Of scattered rows, which hardly vouch
for each other, they learn as long, but nothing so fine that a few rows share it. Where rows are
clustered, they learn little of few rows, and a forest stands beside them. Of binary rows they learn
as little, and what they say with much noise stands beside what they say with less.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .models.row_kinds import BINARY, CLUSTERED, SCATTERED, TRUSTED
from .multiscale import MultiscaleDensity

if TYPE_CHECKING:
    from .models.multiscale_density import MultiscaleTableDensity

LONG = 400  # steps of training
SHORT = 100  # which learn little of the few rows that lie together, as anomalies may
FEW_COLUMNS = 8  # beyond which there is more to learn, and the long training is longer
LONGEST = 2.0  # times
# of densities that learn from outliers, too, in standard deviations: with less, what few rows have
# in common decides the score
LEAST_NOISE = 0.2


def default_density(rows_are: str, n_columns: int) -> MultiscaleDensity:
    """Return the estimator of each fold, not fitted.

    Parameters
    ----------
    rows_are : str
        One of `skmaf.models.row_kinds`.
    n_columns : int
    """
    longer = np.clip(n_columns / FEW_COLUMNS, 1, LONGEST)
    n_steps = round(LONG * longer) if rows_are in (TRUSTED, SCATTERED) else SHORT
    # in the mixture a kernel would vouch for rows that lie close together
    density = MultiscaleDensity(max_iter=n_steps, kernel_share=0.0)
    return density.set_params(lowest_noise=LEAST_NOISE) if rows_are == SCATTERED else density


def default_scores(
    rows_are: str,
    densities: Sequence["MultiscaleTableDensity"],
    N: np.ndarray,
    held_out: Sequence[np.ndarray],
    seed: int,
) -> Sequence[Any]:
    """Return what scores rows in each fold: its density, or that and what stands beside it.

    Parameters
    ----------
    rows_are : str
        As in `default_density`.
    densities : sequence of MultiscaleTableDensity
        For each fold.
    N : ndarray of shape (n, n_features)
    held_out : sequence of ndarray of int
        For each fold the positions of rows that its density has not seen.
    seed : int
    """
    from .models.binary_score import binary_scores
    from .models.forest_score import forest_scores
    from .models.trusted_score import TrustedScore

    if rows_are == CLUSTERED:
        return forest_scores(densities, N, held_out, seed)
    if rows_are == BINARY:
        return binary_scores(densities, N, held_out)
    if rows_are == TRUSTED:
        return [TrustedScore.of(density) for density in densities]
    return densities
