"""A first look at rows of which some may be outliers: how far a density is to learn from each.

A density learns what it is shown: anomalies that lie together vouch for each other. Two tools which
learn little find rows odd: a forest, which isolates rows by random cuts [1]_, and the tails of the
columns, each by itself [2]_. Neither takes a small cluster for normal. Where the rows that they
find odd lie together, these have less of a say in the fit, and the oddest none. Where odd rows lie
each by itself, none vouches for another, and a density that learns from them all knows more: then
only those have no say that lie in small, tight clusters. What a row is this does not say yet: the
density scores it, too.

Neither is told of categories and of columns of two values, whose rarer values are easily isolated.
A value of these that some rows have is no accident, and its rows are judged among each other, too:
a density that saw none of them would call all of them impossible. Where nearly all columns are of
these kinds, nothing is left to look at.

References
----------
.. [1] Liu, Ting and Zhou (2008). Isolation forest. ICDM.
.. [2] Li, Zhao, Botta, Ionescu and Hu (2020). COPOD: copula-based outlier detection. ICDM.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata, skew
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import NearestNeighbors

from ..table.column_kinds import find_columns, standardised_column
from .row_kinds import BINARY, CLUSTERED, SCATTERED

FULL_TRUST = 0.7  # of the rows have it; beyond, it falls
NO_TRUST = 0.95  # of the rows are less odd than those that have none
FEWEST_ROWS = 10  # to distrust any
ODD_SHARE = 0.1  # of the rows: those that are rather odd
ODDEST_SHARE = 0.05  # whose neighbours are looked at
FEW_MEASURES = 0.1  # of the columns: too few to say how odd a row is
N_NEIGHBOURS = 10
TOGETHER = 0.55  # share of odd rows among the neighbours, from which on odd rows lie together
# nearest neighbours, all of them odd, and as close as such are in the midst of the table, that show
# a row to lie in a cluster of odd rows
N_NEAREST = 4
SEARCHED_ROWS = 5000  # for neighbours, at most
MEASURED_ROWS = 1000  # that say how close neighbours are in the midst of the table
# of a category, or of one of two values, from which on it is no accident, and most of its rows are
# to be learned from
LABEL_ROWS = 10


@dataclass(frozen=True, eq=False)
class FirstLook:
    """What the first look finds.

    Attributes
    ----------
    trust : ndarray of shape (n,)
        How much each row is to count in a fit, from 0 to 1; 1 for all rows if they are few, or
        cannot be looked at.
    rows_are : str
        ``BINARY``; or ``SCATTERED``, also where nothing tells which rows are odd; or ``CLUSTERED``,
        also where odd rows are too few to tell.
    """

    trust: np.ndarray
    rows_are: str

    @classmethod
    def of(
        cls, N: np.ndarray, weights: np.ndarray, n_categories: list[int | None], seed: int
    ) -> "FirstLook":
        """Look at the rows of a table.

        Parameters
        ----------
        N : ndarray of shape (n, n_features)
            Numbers, and codes of categories; NaN where a cell is missing.
        weights : ndarray of shape (n,)
        n_categories : list of int or None
            For each column how many categories it has, if it holds such.
        seed : int
        """
        if len(N) < FEWEST_ROWS:
            return cls(np.ones(len(N)), CLUSTERED)
        columns = find_columns(standardised_column, N, weights, n_categories)
        Z = np.nan_to_num(columns.to_flow(N))
        measures = Z[:, columns.are_measures]
        n_varied = sum(column.n_values > 0 for column in columns.columns)
        if measures.shape[1] <= FEW_MEASURES * n_varied:
            n_binary = (pd.DataFrame(N).nunique() == 2).sum()
            is_binary = n_binary >= (1 - FEW_MEASURES) * n_varied
            return cls(np.ones(len(N)), BINARY if is_binary else SCATTERED)
        forest = IsolationForest(random_state=seed).fit(measures)
        oddness = rankdata(-forest.score_samples(measures)) + rankdata(tail_oddness(measures))
        place = _places(oddness, N[:, [not column.is_measure for column in columns.columns]])
        graded = cls(np.clip((NO_TRUST - place) / (NO_TRUST - FULL_TRUST), 0, 1), CLUSTERED)
        odd = np.flatnonzero(place > 1 - ODDEST_SHARE)
        if min(len(odd), ODDEST_SHARE * len(N)) < N_NEIGHBOURS:
            return graded
        in_clusters, share_together = _how_they_lie(odd, Z, place, seed)
        if share_together >= TOGETHER:
            return graded
        trust = np.ones(len(N))
        trust[odd[in_clusters]] = 0
        return cls(trust, SCATTERED)


def _places(oddness: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the share of rows that are at most as odd as each, of the table or of a label."""
    place = rankdata(oddness) / len(oddness)
    for values in labels.T:
        alike = pd.Series(oddness).groupby(values)
        is_common = alike.transform("size") >= LABEL_ROWS
        place = np.where(is_common, np.minimum(place, alike.rank(pct=True)), place)
    return place


def _how_they_lie(
    odd: np.ndarray, Z: np.ndarray, place: np.ndarray, seed: int
) -> tuple[np.ndarray, float]:
    """Return how the oddest rows lie.

    Parameters
    ----------
    odd : ndarray of int, shape (n_odd,)
    Z : ndarray of shape (n, n_values)
        Rows in flow space.
    place : ndarray of shape (n,)
        As `_places` gives it.
    seed : int

    Returns
    -------
    in_clusters : ndarray of bool, shape (n_odd,)
        Which of them lie in a cluster of odd rows.
    share_together : float
        Share of odd rows among their neighbours.
    """
    searched = np.random.RandomState(seed).permutation(len(Z))[:SEARCHED_ROWS]
    # the first is the row itself, if searched
    nearest = NearestNeighbors(n_neighbors=N_NEIGHBOURS + 1).fit(Z[searched])
    distances, neighbours = nearest.kneighbors(Z[odd])
    usual_distances, _ = nearest.kneighbors(Z[searched[:MEASURED_ROWS]])
    is_near = distances[:, N_NEAREST] <= np.median(usual_distances[:, N_NEAREST])
    are_odd = place[searched[neighbours[:, 1:]]] > 1 - ODD_SHARE
    return is_near & are_odd[:, :N_NEAREST].all(axis=1), float(are_odd.mean())


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
