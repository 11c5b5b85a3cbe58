"""Simple models to compare with: their log-densities, in the units of the density of a table.

Densities compare if they are with respect to the same measure. Those of numbers on a grid are
densities over a step, so that a model which could put all its probability into a single number has
to learn rows that are spread over their steps. Categories have probabilities, which a normal
distribution does not give: beside it they are independent of all else.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split

from ..table.columns import Discrete, PointMasses, moments
from ..table.flow_space import Columns
from ..table.grids import fine_grid_step

MOST_ROWS = 20_000  # that a mixture is fitted to
N_COMPONENTS = (1, 2, 3, 5, 8, 12, 20)
ROWS_PER_NUMBER = 3  # fewest rows of a component, for each column
LARGEST = 1e15  # where standardised numbers are cut


@dataclass(frozen=True, eq=False)
class NumbersMixture:
    """A mixture of normal distributions of standardised numbers, with densities in their units.

    Attributes
    ----------
    mixture : GaussianMixture
    mean, scale : ndarray of shape (n_columns,)
        By which numbers are standardised.
    """

    mixture: GaussianMixture
    mean: np.ndarray
    scale: np.ndarray

    @property
    def n_components(self) -> int:
        """How many normal distributions it is made of."""
        return len(self.mixture.weights_)

    def log_prob(self, N: np.ndarray) -> np.ndarray:
        """Return the log-density of each row, in nats, shape (n_rows,)."""
        Z = np.clip((N - self.mean) / self.scale, -LARGEST, LARGEST)
        return self.mixture.score_samples(Z) - np.log(self.scale).sum()


def log_prob_of_columns(columns: Columns, N: np.ndarray) -> np.ndarray:
    """Return the log-density of rows if all columns were independent.

    Values that have a probability have the share that they have in the training rows; numbers are
    normal, after the transform that the density of the table uses.

    Parameters
    ----------
    columns : Columns
    N : ndarray of shape (n_rows, n_columns)
        NaN where a cell is missing, which adds nothing.

    Returns
    -------
    log_prob : ndarray of shape (n_rows,)
    """
    copies = [_log_prob_of_copy(columns, copy) for copy in columns.copies(N)]
    return np.logaddexp.reduce(copies, axis=0)


def _log_prob_of_copy(columns: Columns, N: np.ndarray) -> np.ndarray:
    codes, values = np.split(columns.to_flow(N), [columns.n_codes], axis=1)
    total = np.nansum(norm.logpdf(values), axis=1) + columns.log_jacobian(N)
    for code, column in zip(codes.T, columns.discrete):
        is_known = code >= 0  # what is new has its probability in the Jacobian
        total[is_known] += np.log(column.shares[code[is_known].astype(int)])
    return total


def without_grid(columns: Columns, N: np.ndarray, is_category: np.ndarray) -> list[int]:
    """Return the columns of numbers with probabilities that a normal distribution cannot have.

    In these some numbers come again and again, and lie on no grid.

    Parameters
    ----------
    columns : Columns
    N : ndarray of shape (n_rows, n_columns)
        Training rows.
    is_category : ndarray of bool, shape (n_columns,)
    """
    return [
        j
        for j, column in enumerate(columns.columns)
        if (isinstance(column, PointMasses) and not column.others.regular)
        or (isinstance(column, Discrete) and not is_category[j] and _step(N[:, j]) == 0)
    ]


def fit_mixtures(N: np.ndarray, seed: int) -> list[NumbersMixture]:
    """Return a normal distribution, and the mixture of such that held-out training rows favour.

    Parameters
    ----------
    N : ndarray of shape (n_rows, n_columns)
        Training rows of numbers, of which none is missing.
    seed : int
    """
    rng = np.random.RandomState(seed)
    if len(N) > MOST_ROWS:
        N = N[np.sort(rng.choice(len(N), MOST_ROWS, replace=False))]
    steps = np.array([_step(x) for x in N.T])
    mean, scale = np.array([moments(x, np.ones(len(x))) for x in N.T]).T
    scale[scale == 0] = 1.0
    Z = (N + steps * rng.uniform(-0.5, 0.5, N.shape) - mean) / scale
    most = max(1, len(Z) // (ROWS_PER_NUMBER * Z.shape[1]))
    fit, rest = train_test_split(Z, test_size=0.2, random_state=seed)
    numbers = [k for k in N_COMPONENTS if k <= min(most, len(fit))]
    scores = [_mixture(fit, k, seed).score(rest) for k in numbers]
    chosen = [1, numbers[int(np.argmax(scores))]]
    return [NumbersMixture(_mixture(Z, k, seed), mean, scale) for k in chosen]


def _mixture(Z: np.ndarray, n_components: int, seed: int) -> GaussianMixture:
    mixture = GaussianMixture(n_components, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mixture.fit(Z)


def _step(x: np.ndarray) -> float:
    values = np.unique(x[~np.isnan(x)])
    return fine_grid_step(values, np.finfo(np.float64).eps) if len(values) > 1 else 0.0
