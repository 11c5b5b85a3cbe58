"""A first look at rows of which some may be outliers: how far a density is to learn from each.

A density learns what it is shown: anomalies that lie together vouch for each other. So rows that
two tools which learn little find odd have less of a say in the fit, and the oddest none: a forest,
which isolates rows by random cuts [1]_, and the tails of the columns, each by itself [2]_. Neither
takes a small cluster for normal. What a row is this does not say yet: the density scores it, too.
A category that some rows have is known by its name, and its rows are judged among each other, too:
a density that saw none of them would call all of them impossible.

References
----------
.. [1] Liu, Ting and Zhou (2008). Isolation forest. ICDM.
.. [2] Li, Zhao, Botta, Ionescu and Hu (2020). COPOD: copula-based outlier detection. ICDM.
"""

import numpy as np
import pandas as pd
from scipy.stats import rankdata, skew
from sklearn.ensemble import IsolationForest

from ..table.column_kinds import find_columns, standardised_column

FULL_TRUST = 0.7  # of the rows have it; beyond, it falls
NO_TRUST = 0.95  # of the rows are less odd than those that have none
FEWEST_ROWS = 10  # to distrust any
# of a category, from which on it is no accident, and most of its rows are to be learned from
CATEGORY_ROWS = 10


def trust_in_rows(
    N: np.ndarray, weights: np.ndarray, n_categories: list[int | None], seed: int
) -> np.ndarray:
    """Return how much each row of a table is to count in a fit.

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
    trust : ndarray of shape (n,)
        From 0 to 1, equal for equal rows; 1 for all rows if they are few.
    """
    if len(N) < FEWEST_ROWS:
        return np.ones(len(N))
    columns = find_columns(standardised_column, N, weights, n_categories)
    Z = np.nan_to_num(columns.to_flow(N))
    if Z.shape[1] == 0:
        return np.ones(len(N))
    forest = IsolationForest(random_state=seed).fit(Z)
    oddness = rankdata(-forest.score_samples(Z)) + rankdata(tail_oddness(Z))
    place = rankdata(oddness) / len(N)
    for codes, n_codes in zip(N.T, n_categories):
        if n_codes is not None:
            alike = pd.Series(oddness).groupby(codes)
            is_common = alike.transform("size") >= CATEGORY_ROWS
            place = np.where(is_common, np.minimum(place, alike.rank(pct=True)), place)
    return np.clip((NO_TRUST - place) / (NO_TRUST - FULL_TRUST), 0, 1)


def tail_oddness(Z: np.ndarray) -> np.ndarray:
    """Return how far out rows are in the tails of their columns: the higher, the odder.

    It is the sum over columns of minus the logarithm of the share of rows that are farther out, on
    the side to which the column is skewed, or on both.
    """
    n = len(Z)
    left = -np.log(rankdata(Z, method="max", axis=0) / n)
    right = -np.log(rankdata(-Z, method="max", axis=0) / n)
    both = (left + right) / 2
    with np.errstate(over="ignore"):  # as it divides by means that are nearly 0
        is_left = skew(Z, axis=0) < 0
    skewed = np.where(is_left, left, right)
    return np.maximum(both, skewed).sum(axis=1)
