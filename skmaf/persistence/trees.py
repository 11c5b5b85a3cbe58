"""scikit-learn's trees as arrays, and back: only such as lead each row to a leaf are made."""

from functools import cache
from typing import Any

import numpy as np
from sklearn.tree import DecisionTreeRegressor

VALUE_BYTES = 8  # of a node


def is_tree(value: Any) -> bool:
    """Return whether a value is the inside of a tree of scikit-learn."""
    return type(value).__name__ == "Tree" and type(value).__module__.startswith("sklearn.tree.")


def describe_tree(tree: Any) -> dict[str, Any]:
    """Return the size of a tree, and its nodes as arrays."""
    nodes = tree.__getstate__()["nodes"]
    fields = {name: np.ascontiguousarray(nodes[name]) for name in nodes.dtype.names}
    return {"n_features": tree.n_features, "max_depth": tree.max_depth, "nodes": fields}


def make_tree(n_features: int, max_depth: int, nodes: dict[str, np.ndarray]) -> Any:
    """Return the tree of these nodes, as this version of scikit-learn keeps them.

    Raises
    ------
    ValueError
        If a node leads to one before it or to none, or asks for a column that there is not.
    """
    leaf = _one_leaf()
    tree = type(leaf)(n_features, np.array([1], dtype=np.intp), 1)
    blank = leaf.__getstate__()["nodes"]
    n_nodes = len(nodes["left_child"])
    made = np.zeros(n_nodes, dtype=blank.dtype)
    for name in set(blank.dtype.names) & set(nodes):
        if nodes[name].shape != (n_nodes,):
            raise ValueError("a tree's nodes are not of one number")
        made[name] = nodes[name]
    _check_nodes(made, n_features)
    tree.__setstate__(
        {
            "max_depth": max_depth,
            "node_count": n_nodes,
            "nodes": made,
            "values": np.zeros((n_nodes, 1, 1)),
        }
    )
    return tree


def tree_size(nodes: dict[str, np.ndarray]) -> int:
    """Return how many bytes the tree of these nodes takes."""
    of_node = _one_leaf().__getstate__()["nodes"].dtype.itemsize + VALUE_BYTES
    return len(nodes["left_child"]) * of_node


@cache
def _one_leaf() -> Any:
    """Return a tree of one leaf, which says what its kind is made of."""
    # a fit without a seed would draw from NumPy's generator, which is the user's
    return DecisionTreeRegressor(random_state=0).fit([[0.0]], [0.0]).tree_


def _check_nodes(nodes: np.ndarray, n_features: int) -> None:
    """Refuse nodes that would lead a row astray: such a tree reads memory that is not its own."""
    places = np.arange(len(nodes))
    is_leaf = nodes["left_child"] == -1
    children = np.stack([nodes["left_child"], nodes["right_child"]])[:, ~is_leaf]
    leads_on = (children > places[~is_leaf]) & (children < len(nodes))
    features = nodes["feature"][~is_leaf]
    if not (len(nodes) and leads_on.all() and ((features >= 0) & (features < n_features)).all()):
        raise ValueError("a tree leads to no leaf")
