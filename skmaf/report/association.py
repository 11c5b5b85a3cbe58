"""How strongly columns of any kinds are associated: Cramer's V of their cells, in classes.

References
----------
Bergsma (2013). A bias-correction for Cramer's V and Tschuprow's T. J. Korean Statistical Society.
"""

import numpy as np

N_CLASSES = 6  # of numbers, with as many rows in each
MOST_CLASSES = 10  # of categories: others count as one
MOST_ROWS = 2000
MOST_COLUMNS = 200
LEAST = 0.1  # less is not worth a picture


def associations(N: np.ndarray, is_category: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Return Cramer's V of all pairs of columns, from 0 to 1, with Bergsma's correction of bias.

    Numbers fall into classes of as many rows, so that any dependence counts, and units do not.

    Parameters
    ----------
    N : ndarray of shape (n_rows, n_columns)
        Numbers, and codes of categories; a missing cell is none of the classes.
    is_category : ndarray of bool, shape (n_columns,)
    rng : RandomState
        Draws the rows to look at, where there are more than 2,000.

    Returns
    -------
    V : ndarray of shape (n_columns, n_columns)
    """
    if len(N) > MOST_ROWS:
        N = N[rng.choice(len(N), MOST_ROWS, replace=False)]
    parts = [_indicators(x, known) for x, known in zip(N.T, is_category)]
    starts = np.cumsum([0, *(part.shape[1] for part in parts[:-1])])
    together = np.hstack(parts)
    counts = together.T @ together
    present = np.column_stack([part.sum(axis=1) for part in parts])
    n_rows = present.T @ present  # that have both cells
    # of the rows with both cells: how many are in a class of the one column, whatever the other
    margin = together.T @ present
    owner = np.repeat(np.arange(len(parts)), [part.shape[1] for part in parts])
    expected = margin[:, owner] * margin[:, owner].T / np.maximum(n_rows, 1)[owner][:, owner]
    excess = np.divide(
        (counts - expected) ** 2, expected, out=np.zeros_like(counts), where=expected > 0
    )
    chi2 = np.add.reduceat(np.add.reduceat(excess, starts, axis=0), starts, axis=1)
    n_classes = np.add.reduceat(margin > 0, starts, axis=0).astype(float)
    return _corrected(chi2, n_rows, n_classes)


def _corrected(chi2: np.ndarray, n_rows: np.ndarray, n_classes: np.ndarray) -> np.ndarray:
    """Return Cramer's V without the bias that chance gives."""
    n = np.maximum(n_rows - 1, 1.0)
    chance = (n_classes - 1) * (n_classes.T - 1) / n
    phi2 = np.maximum(0.0, chi2 / np.maximum(n_rows, 1.0) - chance)
    of_rows = n_classes - (n_classes - 1) ** 2 / n
    least = np.minimum(of_rows, of_rows.T) - 1
    V = np.sqrt(np.divide(phi2, least, out=np.zeros_like(phi2), where=least > 0))
    return np.minimum(V, 1.0)


def _indicators(x: np.ndarray, is_category: bool) -> np.ndarray:
    """Return which class each cell is in, shape (n_rows, n_classes)."""
    present = ~np.isnan(x)
    if not present.any():
        return np.zeros((len(x), 1))
    values, counts = np.unique(x[present], return_counts=True)
    if is_category:
        frequent = values[np.argsort(-counts, kind="stable")[: MOST_CLASSES - 1]]
        classes = np.where(np.isin(x, frequent), x, np.inf)
    elif len(values) <= N_CLASSES:
        classes = x
    else:
        cuts = np.unique(np.quantile(x[present], np.arange(1, N_CLASSES) / N_CLASSES))
        classes = np.searchsorted(cuts, x, side="right").astype(float)
    return ((classes[:, None] == np.unique(classes[present])) & present[:, None]).astype(float)


def strongest_pairs(V: np.ndarray, n_pairs: int) -> list[tuple[int, int]]:
    """Return the pairs of largest association, at least 0.1, in which no column comes twice.

    One group of columns that all follow each other would otherwise fill the list.

    Parameters
    ----------
    V : ndarray of shape (n_columns, n_columns)
    n_pairs : int
        How many at most.
    """
    above = np.triu(V, 1)
    pairs: list[tuple[int, int]] = []
    while len(pairs) < n_pairs and above.max(initial=0.0) >= LEAST:
        i, j = np.unravel_index(int(above.argmax()), above.shape)
        pairs.append((int(i), int(j)))
        above[[i, j]] = 0.0
        above[:, [i, j]] = 0.0
    return pairs
