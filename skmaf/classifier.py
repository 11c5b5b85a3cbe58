"""MAFClassifier: Bayes' rule over the densities of the classes."""

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp, softmax
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_y, check_consistent_length, check_is_fitted

from ._validation import check_count, seed_from, tagged, weigh, without_weightless
from .maf import MAFEstimator
from .models.baseline import Gaussian, Trend
from .table.column_kinds import find_columns, smooth
from .training.budget import set_aside

LOG_POWERS = -8.0, 2.0  # within which powers are sought
# of the logarithms of the powers' sum about 0, and of their ratio, before any row is seen: few rows ask for extremes
TOTAL_SPREAD, RATIO_SPREAD = 0.5, 1.0
FAR = 1e4  # nats below the likeliest class, beyond which it makes no difference how far


class MAFClassifier(ClassifierMixin, MAFEstimator):
    """A classifier by one conditional density of the rows, the class its context, and Bayes' rule.

    One flow learns the densities of all classes [1]_, so that these share what they have in common. The density of a wide row
    is too sure of itself to be a calibrated probability, and what tells classes apart is little of it. So it is raised to a
    power, and multiplied by a power of a normal law about the mean of each class, which is what linear discriminant analysis
    knows: the two powers make the classes of rows set aside likely. Beside classes it gives the log-density of rows, which
    tells those that belong to no class, and draws rows of a class.

    Parameters
    ----------
    family, bijector, n_layers, hidden_layer_sizes, activation, n_bins
        The flow, as in `MAFDensity`; planar and radial flows have no conditional form.
    alpha, batch_size, learning_rate_init, max_iter, early_stopping, n_iter_no_change, tol, warm_start
        The training, as in `MAFDensity`.
    validation_fraction : float or "auto", default="auto"
        Share of the rows to hold out for early stopping. As many more, up to 1,000, are set aside to calibrate, with early
        stopping or without.
    device, column_kinds, verbose, random_state
        As in `MAFDensity`; ``random_state`` governs the rows that calibrate, too.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    class_log_prior_ : ndarray of shape (n_classes,)
        Logarithms of the shares of the classes in `fit`.
    powers_ : ndarray of shape (2,)
        To which the density, and the normal law, are raised; (1, 0) is Bayes' rule as it stands.
    columns_, schema_, flow_, background_, n_iter_, loss_curve_, validation_scores_, best_validation_score_
        As in `MAFDensity`; scores are log-densities of the rows given their class.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where `fit` saw a DataFrame.

    See Also
    --------
    ConditionalMAFDensity : For targets that are numbers.

    References
    ----------
    .. [1] Papamakarios, Pavlakou and Murray (2017). Masked autoregressive flow for density estimation. NeurIPS 30.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skmaf import MAFClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = MAFClassifier(max_iter=50, random_state=0).fit(X, y)
    >>> bool(classifier.score(X, y) > 0.9)
    True
    >>> rows, classes = classifier.sample(3, label=2, random_state=0)
    >>> classes
    array([2, 2, 2])
    """

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Learn the density of X given the class y.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers and categories, perhaps with missing cells, as in `MAFDensity.fit`.
        y : array-like of shape (n_samples,)
            Classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, as in `MAFDensity.fit`.

        Returns
        -------
        self : MAFClassifier

        Raises
        ------
        ValueError
            If y is missing, has another number of rows than X, or holds no classes; if there are under 4 rows; else as
            `MAFDensity.fit`.
        """
        if y is None:
            raise ValueError("MAFClassifier requires y to be passed, but the target y is None.")
        check_consistent_length(X, y)
        warm = self.warm_start and hasattr(self, "flow_")
        y = self._check_classes(y)
        y, _ = without_weightless(y, sample_weight)
        X, sample_weight = without_weightless(X, sample_weight)
        X = self._read(X) if warm else self._read_training_rows(X)
        classes, codes = np.unique(y, return_inverse=True)
        if warm and not np.array_equal(classes, self.classes_):
            raise ValueError("y holds other classes than in the last fit: set warm_start=False.")
        self.classes_ = classes
        rows, weights = weigh(np.column_stack([X, codes]), sample_weight)
        X, codes = X[rows], codes[rows]
        self.class_log_prior_ = np.log(np.bincount(codes, weights, len(classes)) / weights.sum())
        fit, calibration = self._split(codes)
        with_gaps = self._with_gaps if warm else bool(np.isnan(X).any())
        given = self._given(codes[fit])
        self._fit_numbers(X[fit], weights[fit], with_gaps, warm, given)
        self._normal = _NormalClasses(X[fit], weights[fit], given, self.schema_.n_categories)
        self._calibrate(X[calibration], codes[calibration], weights[calibration])
        return self

    def _check_classes(self, y):
        labels = np.asarray(y, dtype=object).ravel()
        missing = np.flatnonzero(pd.isna(labels))
        if len(missing):
            raise ValueError(
                f"Input y contains NaN or None, first in row {missing[0]}: give it a class, or leave it out."
            )
        if 0 < sum(isinstance(label, str) for label in labels) < len(labels):
            raise ValueError(
                "Some labels in y are strings, and others are not: make all of them strings."
            )
        y = _check_y(y, estimator=self)
        check_classification_targets(y)
        return y

    def _split(self, codes):
        """Rows to fit on, with some of each class, and rows that calibrate."""
        fit, calibration = set_aside(
            len(codes), self.validation_fraction, seed_from(self.random_state)
        )
        lost = ~np.isin(codes[calibration], codes[fit])
        return np.concatenate([fit, calibration[lost]]), calibration[~lost]

    def _given(self, codes):
        return np.eye(len(self.classes_))[codes]

    def _calibrate(self, X, codes, weights):
        self.powers_ = np.array([1.0, 0.0])
        if len(X) and len(self.classes_) > 1:
            parts = np.stack([self._class_scores(X), self._normal.class_scores(X)])
            self.powers_ = best_powers(parts, codes, weights, self.class_log_prior_)

    def _class_scores(self, X):
        """Log-density of each row in each class, shape (n, n_classes)."""
        given = self._given(np.arange(len(self.classes_)))
        return np.column_stack(
            [self._scores(X, self._log_density, np.tile(own, (len(X), 1))) for own in given]
        )

    def predict_log_proba(self, X):
        """Logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        check_is_fitted(self)
        X = self._read(X)
        logits = self.powers_[0] * self._class_scores(X) + self.powers_[
            1
        ] * self._normal.class_scores(X)
        return log_softmax(logits + self.class_log_prior_, axis=1)

    def predict_proba(self, X):
        """Probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        return np.exp(self.predict_log_proba(X))

    def predict(self, X):
        """The most probable class of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        return self.classes_[self.predict_log_proba(X).argmax(axis=1)]

    def score_samples(self, X):
        """Log-density of each row, whatever its class: the sum over classes of their shares times their densities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        log_density : ndarray of shape (n_samples,), float64
            In nats, with respect to the units of X.
        """
        check_is_fitted(self)
        return logsumexp(self._class_scores(self._read(X)) + self.class_log_prior_, axis=1)

    def sample(self, n_samples=1, label=None, random_state=None):
        """Draw rows, of all classes or of one.

        Parameters
        ----------
        n_samples : int, default=1
        label : object, default=None
            A class, to draw rows of that class alone; else classes are drawn as often as `fit` saw them.
        random_state : int, RandomState instance or None, default=None
            Governs the draw; with None every call draws afresh.

        Returns
        -------
        X : ndarray or DataFrame of shape (n_samples, n_features)
            Like X in `fit`.
        y : ndarray of shape (n_samples,)
            Their classes.

        Raises
        ------
        ValueError
            If ``n_samples`` is not a positive integer, or ``label`` is no class.
        """
        check_is_fitted(self)
        check_count("n_samples", n_samples)
        if label is None:
            rng = check_random_state(seed_from(random_state))
            codes = rng.choice(len(self.classes_), n_samples, p=softmax(self.class_log_prior_))
        elif label in self.classes_:
            codes = np.full(n_samples, np.flatnonzero(self.classes_ == label)[0])
        else:
            raise ValueError(f"label={label!r} is no class; there are {self.classes_.tolist()}.")
        X = self._draws(self._flow_for(self._dtype), self._given(codes), random_state)
        return self.schema_.write(X), self.classes_[codes]

    def __sklearn_tags__(self):
        return tagged(super().__sklearn_tags__())


def best_powers(parts, codes, weights, class_log_prior):
    """Powers of densities whose product is most likely to have drawn the classes, if before any row a sum near 1 is likely.

    Parameters
    ----------
    parts : ndarray of shape (2, n_rows, n_classes)
        Log-densities of rows in each class, up to what is the same in all.
    codes : ndarray of int, shape (n_rows,)
        Classes of the rows.
    weights : ndarray of shape (n_rows,)
    class_log_prior : ndarray of shape (n_classes,)

    Returns
    -------
    powers : ndarray of shape (2,)
    """
    parts = np.maximum(parts - parts.max(axis=2, keepdims=True), -FAR)
    rows = np.arange(len(codes))

    def loss(log_powers):
        powers = np.exp(log_powers)
        log_proba = log_softmax(np.tensordot(powers, parts, 1) + class_log_prior, axis=1)
        surprise = parts[:, rows, codes] - (np.exp(log_proba) * parts).sum(axis=2)
        log_total, log_ratio = (
            logsumexp(log_powers) / TOTAL_SPREAD,
            np.diff(log_powers) / RATIO_SPREAD,
        )
        value = (log_total**2 + log_ratio[0] ** 2) / 2 - weights @ log_proba[rows, codes]
        slope = log_total / TOTAL_SPREAD * powers / powers.sum() + log_ratio / RATIO_SPREAD * [
            -1,
            1,
        ]
        return value, slope - powers * (surprise @ weights)

    found = minimize(loss, np.log([0.5, 0.5]), jac=True, bounds=[LOG_POWERS] * 2, method="L-BFGS-B")
    return np.exp(found.x)


class _NormalClasses:
    """A normal law about the mean of each class, of one covariance; of standardised numbers and indicators of categories."""

    def __init__(self, X, weights, given, n_categories):
        self.columns = find_columns(smooth, X, weights, n_categories)
        Z = self.columns.to_flow(X)
        trend = Trend(Z, given, weights)
        self.means = trend.predict(np.eye(given.shape[1]))
        self.gaussian = Gaussian(Z - trend.predict(given), weights)

    def class_scores(self, X):
        """Log-density of each row in each class, up to what is the same in all: shape (n, n_classes)."""
        Z = self.columns.to_flow(X)
        return np.column_stack([self.gaussian.score_samples(Z - mean) for mean in self.means])
