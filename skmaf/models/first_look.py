"""A first look at rows of which some may be outliers: which of them to fit a density on.

A density learns what it is shown: anomalies that lie together vouch for each other. So rows that
two tools which learn little find odd are left out of the fit: a forest, which isolates rows by
random cuts [1]_, and the tails of the columns, each by itself [2]_. Neither takes a small cluster
for normal. That rows are left out says nothing yet of what they are: the density scores them, too.

References
----------
.. [1] Liu, Ting and Zhou (2008). Isolation forest. ICDM.
.. [2] Li, Zhao, Botta, Ionescu and Hu (2020). COPOD: copula-based outlier detection. ICDM.
"""

import numpy as np
from scipy.stats import rankdata, skew
from sklearn.ensemble import IsolationForest

from ..table.column_kinds import find_columns, standardised_column

LEFT_OUT = 0.2  # of the rows
FEWEST_ROWS = 10  # to leave any out


def usual_rows(
    N: np.ndarray, weights: np.ndarray, n_categories: list[int | None], seed: int
) -> np.ndarray:
    """Return which rows of a table to fit on.

    Parameters
    ----------
    N : ndarray of shape (n, n_features)
        Numbers, and codes of categories; NaN where a cell is missing.
    weights : ndarray of shape (n,)
    n_categories : list of int or None
        For each column how many categories it has, if it holds such.
    seed : int

    Returns
    -------
    usual : ndarray of bool, shape (n,)
        All rows if they are few.
    """
    if len(N) < FEWEST_ROWS:
        return np.ones(len(N), dtype=bool)
    columns = find_columns(standardised_column, N, weights, n_categories)
    Z = np.nan_to_num(columns.to_flow(N))
    if Z.shape[1] == 0:
        return np.ones(len(N), dtype=bool)
    forest = IsolationForest(random_state=seed).fit(Z)
    oddness = rankdata(-forest.score_samples(Z)) + rankdata(tail_oddness(Z))
    n_out = int(LEFT_OUT * len(N))
    usual = np.ones(len(N), dtype=bool)
    # of equal rows all are left out, or none
    usual[oddness > np.sort(oddness)[len(N) - n_out - 1]] = False
    return usual


def tail_oddness(Z: np.ndarray) -> np.ndarray:
    """Return how far out rows are in the tails of their columns: the higher, the odder.

    It is the sum over columns of minus the logarithm of the share of rows that are farther out, on
    the side to which the column is skewed, or on both.
    """
    n = len(Z)
    left = -np.log(rankdata(Z, method="max", axis=0) / n)
    right = -np.log(rankdata(-Z, method="max", axis=0) / n)
    both = (left + right) / 2
    skewed = np.where(skew(Z, axis=0) < 0, left, right)
    return np.maximum(both, skewed).sum(axis=1)
