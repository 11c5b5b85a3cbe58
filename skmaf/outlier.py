"""DensityOutlierDetector: the rows that do not belong, by a threshold on a density."""

from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin, _fit_context, clone
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from .density import MAFDensity


class DensityOutlierDetector(OutlierMixin, BaseEstimator):
    """Calls the rows of lowest density outliers.

    Parameters
    ----------
    estimator : estimator or None, default=None
        Anything with ``fit`` and ``score_samples``: a density estimator or a Pipeline that ends in one. None is a
        `MAFDensity` with its defaults.
    contamination : float, default=0.1
        Share of the training rows to call outliers, in (0, 0.5].
    random_state : int, RandomState instance or None, default=None
        Governs the default estimator; one that is given has its own.

    Attributes
    ----------
    estimator_ : estimator
        The fitted density.
    offset_ : float
        The threshold on the log-density, in nats: the quantile ``contamination`` of the training rows.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame.

    See Also
    --------
    MAFDensity : The density itself.
    sklearn.ensemble.IsolationForest : Finds outliers without a density.

    References
    ----------
    Bishop (1994). Novelty detection and neural network validation. IEE Proceedings 141.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skmaf import DensityOutlierDetector
    >>> X = load_iris().data
    >>> detector = DensityOutlierDetector(contamination=0.05, random_state=0).fit(X)
    >>> sorted(set(detector.predict(X)))
    [np.int64(-1), np.int64(1)]
    """

    _parameter_constraints = {
        "estimator": [HasMethods(["fit", "score_samples"]), None],
        "contamination": [Interval(Real, 0, 0.5, closed="right")],
        "random_state": ["random_state"],
    }

    def __init__(self, estimator=None, *, contamination=0.1, random_state=None):
        self.estimator = estimator
        self.contamination = contamination
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Fit the density, and set the threshold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : None
            Ignored.

        Returns
        -------
        self : DensityOutlierDetector

        Raises
        ------
        ValueError
            If the density estimator rejects X, or a parameter is out of its range.
        """
        validate_data(self, X, skip_check_array=True)
        if self.estimator is None:
            density = MAFDensity(random_state=self.random_state)
        else:
            density = clone(self.estimator)
        self.estimator_ = density.fit(X)
        self.offset_ = float(np.percentile(self.score_samples(X), 100 * self.contamination))
        return self

    def score_samples(self, X):
        """Log-density of each row: the lower, the more abnormal.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            In nats.
        """
        check_is_fitted(self)
        return self.estimator_.score_samples(X)

    def decision_function(self, X):
        """Log-density above the threshold: negative for outliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        decision : ndarray of shape (n_samples,)
            ``score_samples(X) - offset_``, in nats.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Outliers or inliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            -1 where the decision function is negative, or else 1.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)
