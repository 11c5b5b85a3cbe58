"""Which cells of a row are missing, together, and given what the row holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._trees import leaves_of

MOST_LEAVES = 64
LEAF_SHARE = 0.01  # of the rows, at least
LEAF_ROWS = 10


@dataclass(frozen=True, eq=False)
class MissingPatterns:
    """The patterns of missing cells of a table: as often as there, and together as there.

    A tree sorts rows by the cells that no row misses, so that rows of a leaf miss much the same
    cells; a row gets the pattern of a training row of its leaf.

    Attributes
    ----------
    tree : scikit-learn's `Tree` or None
        From the ``features`` of a row to its leaf; None if all columns miss cells.
    features : ndarray of int
        The columns that miss none.
    patterns : ndarray of bool, shape (n_patterns, n_features)
        The patterns that occur.
    shares : dict of int to ndarray of shape (n_patterns,)
        For each leaf, the share of each pattern among its rows.
    """

    tree: Any
    features: np.ndarray
    patterns: np.ndarray
    shares: dict

    @classmethod
    def learn(cls, N: np.ndarray, weights: np.ndarray) -> MissingPatterns | None:
        """Return the patterns of a table, None if it misses no cell."""
        from sklearn.tree import DecisionTreeRegressor

        missing = np.isnan(N)
        if not missing.any():
            return None
        patterns, pattern_of_row = np.unique(missing, axis=0, return_inverse=True)
        features = np.flatnonzero(~missing.any(axis=0))
        tree = None
        leaves = np.zeros(len(N), dtype=int)
        if len(features):
            grown = DecisionTreeRegressor(
                max_leaf_nodes=MOST_LEAVES,
                min_samples_leaf=max(LEAF_ROWS, int(LEAF_SHARE * len(N))),
                random_state=0,
            )
            some = missing[:, missing.any(axis=0)].astype(np.float64)
            known = _single(N[:, features])
            with np.errstate(over="ignore", invalid="ignore"):  # in its search for NaN
                tree = grown.fit(known, some, weights).tree_
            leaves = leaves_of(tree, known)
        shares = {}
        for leaf in np.unique(leaves):
            rows = leaves == leaf
            totals = np.bincount(pattern_of_row.ravel()[rows], weights[rows], len(patterns))
            shares[int(leaf)] = totals / totals.sum()
        return cls(tree, features, patterns, shares)

    def draw(self, N: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
        """Return which cells of complete rows are to be missing, a draw for each row."""
        leaves = np.zeros(len(N), dtype=int)
        if self.tree is not None:
            leaves = leaves_of(self.tree, _single(N[:, self.features]))
        missing = np.zeros(N.shape, dtype=bool)
        for leaf in np.unique(leaves):
            rows = np.flatnonzero(leaves == leaf)
            chosen = rng.choice(len(self.patterns), len(rows), p=self.shares[int(leaf)])
            missing[rows] = self.patterns[chosen]
        return missing


def _single(N: np.ndarray) -> np.ndarray:
    """Return numbers in the precision of trees, the largest ones as large as it can hold."""
    largest = np.finfo(np.float32).max
    return np.clip(N, -largest, largest).astype(np.float32)
