"""The folds of a detector: densities that are each fitted without some of the rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any

import numpy as np
from joblib import delayed
from sklearn import get_config
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.validation import has_fit_parameter
from tqdm.auto import tqdm

from ._interrupts import interrupts_end_fits
from ._jobs import jobs_and_threads, run_jobs
from ._torch import NUMBERS_PER_THREAD, threads_for
from ._warnings import warn_user
from .base import keep_fitted, warn_of
from .multiscale import MultiscaleDensity
from .table.codec import TableCodec
from .table.frames import take_rows

N_FOLDS = 5
USUAL = 0.5  # trust from which on a row looks usual
FITTED_ROWS = 2000  # that tell how well a density knows the rows that it was fitted on


@dataclass(frozen=True, eq=False)
class Fold:
    """Positions of rows.

    Attributes
    ----------
    held_out : ndarray of int
        The rows that are kept from the fold, to be scored by it.
    others : ndarray of int
    trust : ndarray of shape (n_rows,)
        How much each row of the table is to count in a fit, from 0 to 1.
    """

    held_out: np.ndarray
    others: np.ndarray
    trust: np.ndarray

    @property
    def fitted(self) -> np.ndarray:
        """The rows that its density is fitted to: of all others, those that count."""
        return self.others[self.trust[self.others] > 0]

    def usual(self, rows: np.ndarray) -> np.ndarray:
        """Return those of the rows that look usual, or all of them if none does."""
        usual = rows[self.trust[rows] >= USUAL]
        return usual if len(usual) else rows


def make_folds(trust: np.ndarray, n_folds: int | str, seed: int) -> list[Fold]:
    """Return the folds of a table.

    Parameters
    ----------
    trust : ndarray of shape (n_rows,)
        How much each row is to count in a fit, from 0 to 1.
    n_folds : int or "auto"
    seed : int
    """
    from sklearn.model_selection import KFold

    n_splits = min(N_FOLDS if n_folds == "auto" else int(n_folds), len(trust) // 2)
    splits = KFold(n_splits, shuffle=True, random_state=seed).split(trust)
    return [Fold(held_out, others, trust) for others, held_out in splits]


def learn_codec(estimator: Any, X: Any) -> tuple[TableCodec | None, np.ndarray | None]:
    """Return a codec of a whole table, and its numbers, if the `fit` of an estimator takes one.

    What the whole table says of categories and missing cells then goes for all folds.
    """
    if not has_fit_parameter(estimator, "codec"):
        return None, None
    codec, N, findings = TableCodec.learn(X, estimator.get_params().get("column_kinds"))
    warn_of(findings)
    return codec, N


def fit_folds(
    detector: Any,
    estimator: Any,
    table: Any,
    order: np.ndarray,
    weights: np.ndarray | None,
    codec: TableCodec | None,
    folds: list[Fold],
    seed: int,
) -> dict[int, Any]:
    """Fit an estimator to each fold of a detector.

    Parameters
    ----------
    detector : DensityOutlierDetector
    estimator : estimator
        That of each fold, not fitted.
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
    estimators : dict of int to estimator
        By the position of the fold; not all if an interrupt came after some of them.
    """
    with interrupts_end_fits():
        if detector.estimator is None:
            estimators = _fit_side_by_side(detector, estimator, table, weights, codec, folds, seed)
        else:
            tasks = _tasks(detector, estimator, order, weights, folds, seed)
            name = type(detector).__name__ if detector.verbose else None
            fits = [partial(_fit_fold, *task) for task in tasks]
            estimators = fit_each(fits, (table, codec), detector.n_jobs, name, "fold")
    if len(estimators) < len(folds):
        warn_user(
            f"Fitting was interrupted after {len(estimators)} of {len(folds)} folds; the detector "
            "consists of the densities of these."
        )
    return estimators


def _tasks(
    detector: Any,
    estimator: Any,
    order: np.ndarray,
    weights: np.ndarray | None,
    folds: list[Fold],
    seed: int,
) -> list[tuple]:
    """Return what `_fit_fold` is told of each fold."""
    takes_weights, of_weights = _weight_parameters(detector, estimator, weights)
    tasks = []
    for k, fold in enumerate(folds):
        fitted = fold.fitted
        if not takes_weights:
            _, first = np.unique(order[fitted], return_index=True)
            fitted = fitted[np.sort(first)]
        parameters = {name: values[fitted] for name, values in of_weights.items()}
        tasks.append((_seeded(estimator, seed + k), fitted, parameters))
    return tasks


def fit_each(
    fits: Sequence[Callable[..., Any]],
    told: tuple,
    n_jobs: int | None,
    name: str | None,
    unit: str,
) -> dict[int, Any]:
    """Call several functions that fit an estimator and return it, perhaps in parallel.

    Parameters
    ----------
    fits : sequence of callable
    told : tuple
        What each of them is given.
    n_jobs : int or None
        How many to call at a time, as joblib takes it.
    name : str or None
        What to call the progress bar; None for none.
    unit : str
        What one of them is.

    Returns
    -------
    estimators : dict of int to estimator
        By position. If an interrupt comes, those that are done; it is raised again if none is.
    """
    n_jobs, n_threads = jobs_and_threads(n_jobs)
    running = run_jobs((delayed(_with_threads)(n_threads, fit, told) for fit in fits), n_jobs)
    bar = tqdm(running, desc=name, unit=unit, total=len(fits), disable=name is None)
    estimators: dict[int, Any] = {}
    try:
        estimators.update(enumerate(bar))
    except KeyboardInterrupt:
        if not estimators:
            raise
    return estimators


def _fit_fold(
    estimator: Any, fitted: np.ndarray, parameters: dict, table: Any, codec: TableCodec | None
) -> Any:
    """Fit an estimator to the rows of a fold, and return it."""
    rows = take_rows(table, fitted)
    return estimator.fit(rows, **parameters, **_codec_parameter(estimator, codec, rows, table))


def _with_threads(n_threads: int, fit: Callable[..., Any], told: tuple) -> Any:
    """Return what a function gives that may use so many threads of torch."""
    with threads_for(n_threads * NUMBERS_PER_THREAD):
        return fit(*told)


def _fit_side_by_side(
    detector: Any,
    estimator: Any,
    N: np.ndarray,
    weights: np.ndarray | None,
    codec: TableCodec | None,
    folds: list[Fold],
    seed: int,
) -> dict[int, MultiscaleDensity]:
    """Fit the default density to each fold, several of them side by side."""
    estimator = clone(estimator).set_params(random_state=seed)
    weights = folds[0].trust if weights is None else weights * folds[0].trust
    parts = [fold.fitted for fold in folds]
    fitted = estimator.fit_parts(codec, N, weights, parts, detector.n_jobs, detector.verbose)
    densities = [density for density, _ in fitted.values()]
    selected = _with_noise_levels(densities, N, [folds[k] for k in fitted], seed)
    estimators = {}
    for (k, (_, history)), density in zip(fitted.items(), selected):
        estimators[k] = clone(estimator).set_params(random_state=seed + k)
        keep_fitted(estimators[k], codec, density_=density, loss_curve_=history.loss_curve)
    return estimators


def _with_noise_levels(densities: list, N: np.ndarray, folds: list[Fold], seed: int) -> list:
    """Return the densities with the noise levels that the other folds select.

    No row has a say in the noise levels of the density that scores it.
    """
    rng = np.random.RandomState(seed)
    gaps = []
    for density, fold in zip(densities, folds):
        seen = rng.permutation(fold.usual(fold.fitted))[:FITTED_ROWS]
        unseen = rng.permutation(fold.usual(fold.held_out))[:FITTED_ROWS]
        gaps.append(density.generalisation_gap(N[seen], N[unseen]))
    if len(gaps) == 1:
        return [densities[0].select_noise_levels(gaps[0])]
    return [
        density.select_noise_levels(np.mean(np.delete(gaps, k, axis=0), axis=0))
        for k, density in enumerate(densities)
    ]


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
