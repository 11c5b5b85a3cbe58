"""Rows down scikit-learn's inner trees, which look at no row's width themselves."""

from typing import Any

import numpy as np


def leaves_of(tree: Any, X: np.ndarray) -> np.ndarray:
    """Return the leaf of each row of single-precision numbers.

    Raises
    ------
    ValueError
        If the tree, which a file may hold, is one of rows of another width: it would read memory
        that is not its own.
    """
    if X.shape[1] != tree.n_features:
        raise ValueError(
            f"a tree sorts rows of {tree.n_features} columns, and these have {X.shape[1]}: fit and "
            "save the estimator anew."
        )
    return tree.apply(X)
