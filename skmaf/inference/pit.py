"""The probability integral transform of the rows of a table, by the flow that learned it.

Each base dimension is given those before it, so a flow that is right makes all of them independent
and uniform, once the normal law is taken off. A code has an interval of probability, and a value on
a grid a step, in which its number is drawn at random: it would not be uniform otherwise [1]_.

References
----------
.. [1] Czado, Gneiting and Held (2009). Predictive model assessment for count data. Biometrics 65.
"""

import numpy as np
import torch
from scipy.special import ndtr
from sklearn.utils import gen_batches

from .._torch import isolated_torch, threads_for
from ..models.table_density import TableDensity
from ..table.columns import ABSENT


@isolated_torch()
def randomised_pit(density: TableDensity, N: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Return the randomised probability integral transform of rows, by the flow alone.

    Parameters
    ----------
    density : TableDensity
        Without context.
    N : ndarray of shape (n, n_features)
    rng : RandomState

    Returns
    -------
    pit : ndarray of shape (n, n_base_dimensions)
        In [0, 1]; NaN where there is no cell, and for the value of a cell that is a point mass.
    """
    columns = density.columns
    N = columns.copies(N)[0]  # of a place on a circle that at which the flow has learned it
    Z = columns.to_flow(N)
    Z = Z + columns.steps(N) * (rng.random_sample(Z.shape) - 0.5)
    flow = density.precisions.in_precision(np.dtype(np.float64))
    n_codes = columns.n_codes
    pit = np.empty(Z.shape)
    with threads_for(1), torch.no_grad():
        for rows in gen_batches(len(Z), flow.batch_rows):
            x = flow.tensor(Z[rows])
            pit[rows, n_codes:] = ndtr(flow.values(x)[0].cpu().double().numpy())
            if flow.codes is not None:
                low, high = (
                    ends.cpu().double().numpy() for ends in flow.codes.intervals(x[:, :n_codes])
                )
                pit[rows, :n_codes] = low + (high - low) * rng.random_sample(low.shape)
    absent = np.isnan(Z)
    absent[:, :n_codes] = Z[:, :n_codes] == ABSENT
    pit[absent] = np.nan
    return pit
