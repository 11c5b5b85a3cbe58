"""How easily random cuts isolate a row: the scores of an isolation forest, safe in threads.

scikit-learn grows the forest. Its own scoring sets and resets Python's warning filters for each
tree, which all threads share, and takes several times as long for few rows.

References
----------
Liu, Ting and Zhou (2008). Isolation forest. ICDM.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import IsolationForest

from .._trees import leaves_of


@dataclass(frozen=True, eq=False)
class Isolation:
    """A forest of random cuts.

    Attributes
    ----------
    trees : sequence of scikit-learn's `Tree`
    path_lengths : sequence of ndarray
        For each node of each tree, how many cuts isolate a row that ends there, in the mean.
    usual : float
        How many cuts isolate a row of the forest's samples, in the mean.
    """

    trees: Sequence[Any]
    path_lengths: Sequence[np.ndarray]
    usual: float

    @classmethod
    def fit(cls, Z: np.ndarray, n_trees: int, seed: int) -> "Isolation":
        """Grow a forest on rows of numbers around 0, which stands for those that are missing."""
        forest = IsolationForest(n_estimators=n_trees, random_state=seed).fit(_complete(Z))
        trees = [estimator.tree_ for estimator in forest.estimators_]
        usual = float(_mean_path_length(np.array([forest.max_samples_]))[0])
        return cls(trees, [_path_lengths(tree) for tree in trees], usual)

    def score_samples(self, Z: np.ndarray) -> np.ndarray:
        """Return the score of each row, from -1 to 0: the lower, the easier it is to isolate."""
        Z = np.ascontiguousarray(_complete(Z), dtype=np.float32)
        total = np.zeros(len(Z))
        for tree, path_lengths in zip(self.trees, self.path_lengths):
            total += path_lengths[leaves_of(tree, Z)]
        return -(2.0 ** (-total / max(len(self.trees) * self.usual, np.finfo(float).tiny)))


def _complete(Z: np.ndarray) -> np.ndarray:
    """Return rows without missing cells, and of one column where they have none."""
    return np.nan_to_num(Z) if Z.shape[1] else np.zeros((len(Z), 1))


def _path_lengths(tree: Any) -> np.ndarray:
    """Return the depth of each node, and the cuts that would part the rows that end there."""
    depths = np.zeros(tree.node_count)
    for node in range(tree.node_count):  # a node stands before those below it
        below = [tree.children_left[node], tree.children_right[node]]
        if below[0] != below[1]:
            depths[below] = depths[node] + 1
    return depths + _mean_path_length(tree.n_node_samples)


def _mean_path_length(n: np.ndarray) -> np.ndarray:
    """Return how many random cuts isolate one of ``n`` rows, in the mean."""
    n = np.maximum(n, 1).astype(float)
    several = 2 * (np.log(np.maximum(n - 1, 1)) + np.euler_gamma) - 2 * (n - 1) / n
    return np.where(n > 2, several, n - 1)
