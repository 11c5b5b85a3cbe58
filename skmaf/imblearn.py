"""Over-sampling for imbalanced-learn: fresh rows of rare classes, drawn from their densities."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone, is_classifier
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from ._compat import HasMethods
from ._validation import seed_from
from .density import MAFDensity
from .persistence.checkpoints import refuse_checkpoint
from .table.frames import ARRAY, as_table, container_of, take_rows

try:
    from imblearn.over_sampling.base import BaseOverSampler
    from imblearn.utils import check_target_type
except ImportError as error:
    raise ImportError(
        "skmaf.imblearn needs imbalanced-learn: pip install 'skmaf[imblearn]'."
    ) from error

__all__ = ["DensityOverSampler"]


class DensityOverSampler(BaseOverSampler):
    """Over-samples classes by rows drawn from their densities.

    Rows of a class are those of its density, not copies or points between neighbours: they keep
    categories, whole numbers, missing cells and what holds in every row, as `MAFDensity.sample`.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        How many rows each class is to have, as of all samplers of imbalanced-learn; "auto" is as
        many as the largest class has.
    estimator : estimator, default=None
        A density estimator with ``sample``, of which one is fitted to the rows of each class that
        gets new ones, or a `MAFClassifier`, which is fitted to all rows, so that classes share what
        they have in common. None is ``MAFDensity()``.
    random_state : int, RandomState instance or None, default=None
        Governs the fits and the draws; what ``random_state`` of ``estimator`` is has no say.

    Attributes
    ----------
    sampling_strategy_ : dict
        How many rows were drawn of each class.
    estimators_ : dict
        For each class the fitted estimator that its rows were drawn from.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where X was a DataFrame.

    See Also
    --------
    imblearn.over_sampling.SMOTE : New rows between neighbours of a class.

    References
    ----------
    .. [1] Das, Krishnan and Cook (2015). RACOG and wRACOG: two probabilistic oversampling
           techniques. IEEE Transactions on Knowledge and Data Engineering 27.

    Examples
    --------
    >>> from collections import Counter
    >>> from sklearn.datasets import load_iris
    >>> from skmaf import MAFDensity
    >>> from skmaf.imblearn import DensityOverSampler
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> X, y = X[:115], y[:115]               # 15 of the third class
    >>> sampler = DensityOverSampler(estimator=MAFDensity(max_iter=50), random_state=0)
    >>> X_resampled, y_resampled = sampler.fit_resample(X, y)
    >>> Counter(y_resampled.tolist())
    Counter({0: 50, 1: 50, 2: 50})
    """

    _parameter_constraints = {
        "sampling_strategy": "no_validation",  # imbalanced-learn checks it with the classes
        "random_state": ["random_state"],
        "estimator": [HasMethods(["fit", "sample"]), None],
    }

    def __init__(
        self, *, sampling_strategy: Any = "auto", estimator: Any = None, random_state: Any = None
    ):
        super().__init__(sampling_strategy=sampling_strategy)
        self.estimator = estimator
        self.random_state = random_state

    def _check_X_y(self, X: Any, y: Any) -> tuple[Any, np.ndarray, bool]:
        """Return what imbalanced-learn asks of a sampler: rows, classes, and how these came."""
        y, is_one_vs_all = check_target_type(y, indicate_one_vs_all=True)
        X = as_table(X)
        if container_of(X) not in (ARRAY, "pandas"):
            raise ValueError(
                "X is a frame of another library than pandas, which imbalanced-learn cannot give "
                "back: call to_pandas()."
            )
        validate_data(self, X=X, y=y, reset=True, skip_check_array=True)
        return X, y, is_one_vs_all

    def _fit_resample(self, X: Any, y: np.ndarray) -> tuple[Any, np.ndarray]:
        """Return all rows, and below them those that were drawn."""
        random_state = check_random_state(seed_from(self.random_state))
        numbers = {label: n for label, n in self.sampling_strategy_.items() if n > 0}
        tables = [_dense(X)]
        labels = [y]
        self.estimators_ = self._fit(tables[0], y, list(numbers), random_state)
        for label, n in numbers.items():
            tables.append(_draw(self.estimators_[label], n, label, random_state.randint(2**31)))
            labels.append(np.full(n, label, dtype=y.dtype))
        return _stacked(tables), np.concatenate(labels)

    def _fit(self, X: Any, y: np.ndarray, labels: list, random_state: Any) -> dict:
        """Return a fitted estimator for each of some classes."""
        estimator = MAFDensity() if self.estimator is None else self.estimator
        if is_classifier(estimator):
            fitted = _seeded(estimator, random_state).fit(X, y)
            return dict.fromkeys(labels, fitted)
        refuse_checkpoint(self)
        estimators = {}
        for label in labels:
            rows = np.flatnonzero(y == label)
            if len(rows) < 2:
                raise ValueError(
                    f"Class {label} has one row, and a density needs 2 at least: leave it out of "
                    "sampling_strategy, or give a MAFClassifier as estimator."
                )
            estimators[label] = _seeded(estimator, random_state).fit(_rows_of_class(X, rows))
        return estimators

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        return tags


def _seeded(estimator: Any, random_state: Any) -> Any:
    """Return an estimator that is not fitted, with a seed if it takes one."""
    estimator = clone(estimator)
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=random_state.randint(2**31))
    return estimator


def _rows_of_class(X: Any, rows: np.ndarray) -> Any:
    """Return rows, without categories that none of them has: none is to be drawn."""
    X = take_rows(X, rows)
    if not isinstance(X, pd.DataFrame):
        return X
    used = {
        name: column.cat.remove_unused_categories().dtype
        for name, column in X.select_dtypes("category").items()
    }
    return X.astype(used)


def _draw(estimator: Any, n: int, label: Any, seed: int) -> Any:
    if is_classifier(estimator):
        return estimator.sample(n, random_state=seed, label=label)[0]
    return estimator.sample(n, random_state=seed)


def _dense(X: Any) -> Any:
    """Return a frame whose columns are not sparse."""
    if isinstance(X, pd.DataFrame):
        sparse = X.dtypes[[isinstance(dtype, pd.SparseDtype) for dtype in X.dtypes]]
        return X.astype({name: dtype.subtype for name, dtype in sparse.items()})
    return X


def _stacked(tables: list) -> Any:
    if isinstance(tables[0], pd.DataFrame):
        dtypes = tables[0].dtypes.to_dict()
        return pd.concat([table.astype(dtypes) for table in tables], ignore_index=True)
    return np.concatenate(tables)
