"""scikit-learn's trees for neighbours as their rows, of which they are grown anew when read.

The same rows, in their order, give the same tree to the last bit. A tree that was read as it is
could lead a search to memory that is not its own.
"""

import math
from typing import Any

import numpy as np
from sklearn.metrics import DistanceMetric
from sklearn.neighbors import BallTree, KDTree

KINDS = {"KDTree": KDTree, "BallTree": BallTree}
METRICS = (
    "euclidean",
    "manhattan",
    "chebyshev",
    "minkowski",
    "haversine",
    "hamming",
    "canberra",
    "braycurtis",
)  # without parameters, but for the p of "minkowski"
NODE_BYTES = 40  # of a node, and its place in bounds of all columns


def describe_search_tree(tree: Any) -> dict[str, Any] | None:
    """Return what a tree is grown of; None for what is none, or has a metric with parameters."""
    if type(tree).__name__ not in KINDS or type(tree) is not KINDS[type(tree).__name__]:
        return None
    state = tree.__getstate__()
    [metric] = [part for part in state if isinstance(part, DistanceMetric)]
    leaf_size = next(part for part in state if isinstance(part, int))
    named = _name_of(metric)
    if named is None:
        return None
    weights = tree.sample_weight
    return {
        "kind": type(tree).__name__,
        "rows": np.array(tree.data),
        "weights": None if weights is None else np.array(weights),
        "leaf_size": int(leaf_size),
        "metric": named,
    }


def _name_of(metric: Any) -> dict[str, Any] | None:
    """Return the name of a metric and its p, None for one with other parameters."""
    p = metric.__getstate__()[0]
    for name in METRICS:
        parameters = {"metric": name, "p": p} if name == "minkowski" else {"metric": name}
        if _equal(DistanceMetric.get_metric(**parameters), metric):
            return parameters
    return None


def _equal(one: Any, other: Any) -> bool:
    parts = zip(one.__getstate__(), other.__getstate__())
    return type(one) is type(other) and all(np.array_equal(a, b) for a, b in parts)


def make_search_tree(
    kind: str, rows: np.ndarray, weights: np.ndarray | None, leaf_size: int, metric: dict
) -> Any:
    """Return the tree that is grown of rows.

    Raises
    ------
    ValueError
        If there is no such tree.
    """
    if metric["metric"] not in METRICS:
        raise ValueError(f"{metric['metric']!r} is no metric of a tree in a file")
    if weights is not None and not (weights.shape == rows.shape[:1] and (weights >= 0).all()):
        raise ValueError("a tree's weights are not those of its rows")
    if not metric.keys() <= {"metric", "p"}:
        raise ValueError("a tree's metric has parameters beside p")
    tree = KINDS[kind]
    return tree(rows, leaf_size, DistanceMetric.get_metric(**metric), sample_weight=weights)


def check_neighbours(estimator: Any) -> None:
    """Refuse neighbours of other columns than rows have: without a tree none would look at that.

    Raises
    ------
    ValueError
        If there are such.
    """
    rows = vars(estimator).get("_fit_X")
    if rows is None:
        return
    n_columns = estimator.n_features_in_
    if type(n_columns) is not int or np.ndim(rows) != 2 or np.shape(rows)[1] != n_columns:
        raise ValueError("neighbours have other columns than the rows of their estimator")


def search_tree_size(shape: tuple[int, ...], leaf_size: int) -> int:
    """Return how many bytes a tree takes beside its rows of this shape, and weights."""
    n_rows, n_columns = shape
    n_levels = 1 + int(math.log2(max(1, n_rows / max(1, leaf_size))))
    return 8 * n_rows + 2**n_levels * (NODE_BYTES + 16 * n_columns)
