"""The folds of a detector: densities that are each fitted without some of the rows."""

from inspect import signature
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.validation import has_fit_parameter
from tqdm.auto import tqdm

from ._interrupts import interrupts_end_fits
from ._warnings import warn_user
from .table.codec import TableCodec
from .table.frames import take_rows

CROSS_ROWS = 5000  # beyond which one split serves for folds: it leaves enough rows on both sides
FITTED_ROWS = 2000  # that tell how well a density knows the rows that it was fitted on
CALIBRATION_ROWS = 2000  # of one split, at most; but no more than a fifth

Fold = tuple[np.ndarray, np.ndarray]  # positions of rows to fit, and of rows held out


def make_folds(n_rows: int, n_folds: int | str, seed: int) -> list[Fold]:
    """Return the folds of a table.

    Parameters
    ----------
    n_rows : int
    n_folds : int or "auto"
        1 is a single split.
    seed : int
    """
    from sklearn.model_selection import KFold, train_test_split

    if n_folds == "auto":
        n_folds = 5 if n_rows <= CROSS_ROWS else 1
    positions = np.arange(n_rows)
    if n_folds == 1:
        n_held_out = max(2, min(CALIBRATION_ROWS, n_rows // 5))
        fitted, held_out = train_test_split(positions, test_size=n_held_out, random_state=seed)
        return [(fitted, held_out)]
    n_splits = min(int(n_folds), n_rows // 2)
    return list(KFold(n_splits, shuffle=True, random_state=seed).split(positions))


def learn_codec(estimator: Any, X: Any) -> tuple[TableCodec | None, np.ndarray | None]:
    """Return a codec of a whole table, and its numbers, if the `fit` of an estimator takes one.

    What the whole table says of categories and missing cells then goes for all folds.
    """
    if not has_fit_parameter(estimator, "codec"):
        return None, None
    codec, N, _ = TableCodec.learn(X, estimator.get_params().get("column_kinds"))
    return codec, N


def fit_folds(
    detector: Any,
    table: Any,
    order: np.ndarray,
    weights: np.ndarray | None,
    codec: TableCodec | None,
    folds: list[Fold],
    seed: int,
) -> list:
    """Fit the estimator of a detector to each fold.

    Parameters
    ----------
    detector : DensityOutlierDetector
    table : array or data frame of shape (n, n_features)
    order : ndarray of int, shape (n,)
        Which row of the user's table each is; those that count several times are repeated.
    weights : ndarray of shape (n,) or None
        None if the user gave none.
    codec : TableCodec or None
        As `learn_codec` gives it.
    folds : list of Fold
    seed : int
        Folds have this seed and those that follow.

    Returns
    -------
    estimators : list
        Fewer than folds if an interrupt came after some of them.
    """
    estimator = detector.fold_estimator(len(folds))
    takes_weights, of_weights = _weight_parameters(detector, estimator, weights)
    estimators: list = []
    bar = tqdm(folds, desc=type(detector).__name__, unit="fold", disable=not detector.verbose)
    try:
        with interrupts_end_fits():
            for k, (fitted, _) in enumerate(bar):
                if not takes_weights:
                    _, first = np.unique(order[fitted], return_index=True)
                    fitted = fitted[np.sort(first)]
                parameters = {name: values[fitted] for name, values in of_weights.items()}
                rows = take_rows(table, fitted)
                fold_estimator = _seeded(estimator, seed + k)
                parameters |= _codec_parameter(fold_estimator, codec, rows, table)
                estimators.append(fold_estimator.fit(rows, **parameters))
    except KeyboardInterrupt:
        if not estimators:
            raise
        warn_user(
            f"Fitting was interrupted after {len(estimators)} of {len(folds)} folds; the detector "
            "consists of the densities of these."
        )
    return estimators


def select_noise_levels(
    estimators: list, N: np.ndarray, folds: list[Fold], seed: int
) -> list[Fold]:
    """Select the noise levels of default densities; return the folds without the rows that chose.

    No row has a say in the noise levels of the density that it calibrates: other folds choose, or
    a few rows of a single split.
    """
    rng = np.random.RandomState(seed)
    choosing = [held_out for _, held_out in folds]
    if len(folds) == 1:
        [(fitted, held_out)] = folds
        held_out = rng.permutation(held_out)
        n_choosing = max(1, len(held_out) // 5)
        choosing = [held_out[:n_choosing]]
        folds = [(fitted, held_out[n_choosing:])]
    gaps = []
    for estimator, (fitted, _), unseen in zip(estimators, folds, choosing):
        seen = rng.permutation(fitted)[:FITTED_ROWS]
        gaps.append(estimator.density_.generalisation_gap(N[seen], N[unseen]))
    for k, estimator in enumerate(estimators):
        others = np.delete(gaps, k, axis=0) if len(folds) > 1 else gaps
        estimator.select_noise_levels(np.mean(others, axis=0))
    return folds


def _weight_parameters(
    detector: Any, estimator: Any, weights: np.ndarray | None
) -> tuple[bool, dict]:
    """Return whether an estimator may see weights, and parameters of `fit` that hold them."""
    if weights is None:
        return True, {}
    is_weighted = not np.all(weights == 1)
    if get_config()["enable_metadata_routing"]:
        routed = process_routing(detector, "fit", sample_weight=weights).estimator.fit
        return bool(routed), dict(routed) if is_weighted else {}
    if not is_weighted:
        return True, {}
    name = "sample_weight"
    receiver = estimator
    while isinstance(receiver, Pipeline):
        step, receiver = receiver.steps[-1]
        name = f"{step}__{name}"
    if not _takes(receiver, "sample_weight"):
        raise ValueError(
            f"{type(receiver).__name__} takes no sample_weight: fit without weights, or choose a "
            "density that takes them."
        )
    return True, {name: weights}


def _codec_parameter(estimator: Any, codec: TableCodec | None, rows: Any, table: Any) -> dict:
    """Return the parameter of `fit` that says what is known of the whole table, if it takes one.

    The last step of a Pipeline gets a codec of the whole table as the steps before, fitted to the
    rows of the fold, transform it.
    """
    if codec is not None:
        return {"codec": codec}
    if not isinstance(estimator, Pipeline) or get_config()["enable_metadata_routing"]:
        return {}
    name, last = estimator.steps[-1]
    if len(estimator.steps) > 1:
        table = clone(estimator[:-1]).fit(rows).transform(table)
    codec, _ = learn_codec(last, table)
    return {} if codec is None else {f"{name}__codec": codec}


def _seeded(estimator: Any, seed: int) -> Any:
    """Return a copy of an estimator, with a seed for each of its random states that is None."""
    copied = clone(estimator)
    unset = [
        name
        for name, value in sorted(copied.get_params().items())
        if value is None and name.rpartition("__")[2] == "random_state"
    ]
    return copied.set_params(**dict.fromkeys(unset, seed))


def _takes(estimator: Any, name: str) -> bool:
    """Return whether the `fit` of an estimator takes a parameter, by name or as any other."""
    parameters = signature(estimator.fit).parameters
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
