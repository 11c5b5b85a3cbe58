"""Columns and rows of a table that a picture is to show."""

from collections.abc import Hashable, Iterable
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from .._validation import check_count
from ..base import TableDensityEstimator
from ..table.frames import as_table, column_names, take_rows


def feature_position(codec: Any, feature: Hashable) -> int:
    """Return the position of a column of a table that is given by its name or position.

    Raises
    ------
    ValueError
        If there is no such column.
    """
    names = codec.schema.names
    return position_of(range(codec.n_features) if names is None else names, feature)


def position_of(names: Iterable[Hashable], feature: Hashable) -> int:
    """Return the position of a column that is given by its name, among others, or position.

    Raises
    ------
    ValueError
        If there is no such column.
    """
    known = list(names)
    if feature in known:
        return known.index(feature)
    if isinstance(feature, Integral) and 0 <= int(feature) < len(known):
        return int(feature)
    shown = ", ".join(map(repr, known[:10])) + (", ..." if len(known) > 10 else "")
    raise ValueError(f"There is no column {feature!r}: give a name or a position of {shown}.")


def check_draws_rows(estimator: Any, caller: str) -> None:
    """Refuse estimators that draw no rows of their table."""
    check_is_fitted(estimator)
    if not isinstance(estimator, TableDensityEstimator):
        raise ValueError(
            f"{caller} shows rows that a density of a whole table draws, which "
            f"{type(estimator).__name__} is not: give a MAFDensity, or a MultiscaleDensity. "
            "PairDisplay.from_predictions takes rows from anywhere."
        )


def subsampled(X: Any, subsample: int | None, seed: int) -> Any:
    """Return so many rows of a table, or an array, chosen at random; all if there are fewer."""
    if subsample is None:
        return X
    check_count("subsample", subsample)
    if len(X) <= subsample:
        return X
    chosen = np.random.RandomState(seed).choice(len(X), subsample, replace=False)
    return take_rows(X, np.sort(chosen))


def read_targets(y: Any, n_targets: int) -> tuple[np.ndarray, list[str]]:
    """Return targets as numbers, shape (n, n_targets), and their names or "y", "y0", "y1", ...

    Raises
    ------
    ValueError
        If there are not as many targets as in `fit`, or they are no numbers.
    """
    Y = np.asarray(y, dtype=np.float64)
    Y = Y.reshape(len(Y), -1)
    if Y.shape[1] != n_targets:
        raise ValueError(f"y has {Y.shape[1]} columns, and it had {n_targets} in fit.")
    names = column_names(y)
    if names is not None:
        return Y, [str(name) for name in names]
    name = getattr(y, "name", None)
    return Y, target_names(n_targets) if name is None else [str(name)]


def target_names(n_targets: int) -> list[str]:
    """Return what targets without names are called."""
    return ["y"] if n_targets == 1 else [f"y{j}" for j in range(n_targets)]


def one_row(row: Any) -> Any:
    """Return a table of one row."""
    if isinstance(row, pd.Series):
        row = pd.DataFrame([row])
    elif np.ndim(row) == 1:
        row = [list(row)]
    X = as_table(row)
    if len(X) != 1:
        raise ValueError(f"row holds {len(X)} rows: give one, such as X.iloc[[0]] or X[:1].")
    return X
