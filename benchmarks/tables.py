"""The seven tables of the density benchmark, prepared alike for every tool."""

from typing import NamedTuple

import numpy as np

NAMES = ("energy", "concrete", "parkinsons", "bike", "elevators", "keggdirected", "protein")
VALIDATION_FRACTION = 0.1


class Table(NamedTuple):
    """Rows to fit on, rows held out, and test rows: float64, in units of the training rows."""

    fit: np.ndarray
    val: np.ndarray
    test: np.ndarray


def load(directory, name, seed):
    """Read a table, spread its tied columns, standardise it, and hold out rows.

    Parameters
    ----------
    directory : Path
        Where ``NAME.npz`` is, with `X` (n, d) and `test` (n,), which is true for the published test
        rows.
    name : str
    seed : int
        Governs the spreading and the held-out rows.

    Returns
    -------
    Table

    Raises
    ------
    FileNotFoundError
        If the table is not there.
    """
    X, test = read(directory, name)
    rng = np.random.default_rng(seed)
    X = standardise(spread(X, ~test, rng), ~test)
    rows = rng.permutation(np.flatnonzero(~test))
    n_val = round(VALIDATION_FRACTION * len(rows))
    return Table(X[rows[n_val:]], X[rows[:n_val]], X[test])


def read(directory, name):
    """The rows of a table, and which of them are test rows."""
    path = directory / f"{name}.npz"
    if not path.exists():
        raise FileNotFoundError(f"No table at {path}: give the directory of the tables by --data.")
    with np.load(path, allow_pickle=False) as archive:
        return archive["X"], archive["test"]


def standardise(X, train):
    """Columns in units of the training rows."""
    mean = X[train].mean(axis=0)
    scale = X[train].std(axis=0)
    return (X - mean) / np.where(scale == 0, 1, scale)


def draw(path, n, seed, max_test=2000):
    """A few rows of a table to fit on and others to test on, spread and standardised.

    Of labelled tables they are normal rows alone. Columns in which one value takes 80% of the rows
    are left out: n rows may well hold no other.

    Parameters
    ----------
    path : Path
    n : int
        Rows to fit on.
    seed : int
        Governs the spreading and the draw.
    max_test : int

    Returns
    -------
    fit, test : ndarray of shape (n, columns) and (n_test, columns)
    """
    with np.load(path, allow_pickle=False) as archive:
        X = archive["X"][archive["y"] == 0] if "y" in archive else archive["X"]
    X = X[:, [np.unique(x, return_counts=True)[1].max() < 0.8 * len(x) for x in X.T]]
    rng = np.random.default_rng(seed)
    X = spread(X, np.ones(len(X), dtype=bool), rng)
    X = X[rng.permutation(len(X))[: n + max_test]]
    fit = X[:n]
    mean = fit.mean(axis=0)
    scale = fit.std(axis=0)
    X = (X - mean) / np.where(scale == 0, 1, scale)
    return X[:n], X[n:]


def spread(X, train, rng):
    """Spread tied columns uniformly over their step, so that densities are bounded.

    A column is tied if its training rows hold at most half as many distinct values as rows; its
    step is the smallest difference of two of these.
    """
    X = X.astype(np.float64)
    for x in X.T:
        values = np.unique(x[train])
        gaps = np.diff(values)
        gaps = gaps[gaps > 1e-6 * np.ptp(values)]  # float32 holds some values twice
        if len(gaps) and len(values) <= train.sum() / 2:
            x += rng.uniform(-0.5, 0.5, len(x)) * gaps.min()
    return X
