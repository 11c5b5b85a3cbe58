"""MAFClassifier: Bayes' rule over the densities of the classes."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp, softmax
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_y, check_consistent_length, check_is_fitted

from .budget import set_aside
from .maf import MAFEstimator
from .validation import check_count, seed_from, tagged, weigh, without_weightless

LOG_POWERS = -8.0, 2.0  # within which the power of the densities is sought
SPREAD = 0.5  # of the logarithm of the power about 0 before any row is seen: few rows, all told apart, ask for no end of power


class MAFClassifier(ClassifierMixin, MAFEstimator):
    """A classifier by one conditional density of the rows, the class its context, and Bayes' rule.

    One flow learns the densities of all classes [1]_, so that these share what they have in common. The density of a wide row
    is too sure of itself to be a calibrated probability: it is raised to a power that makes the classes of rows set aside
    likely. Beside classes it gives the log-density of rows, which tells those that belong to no class, and draws rows of a
    class.

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
    power_ : float
        To which the densities are raised; 1 is Bayes' rule as it stands.
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
        y = _check_y(y, estimator=self)
        check_classification_targets(y)
        y, _ = without_weightless(y, sample_weight)
        X, sample_weight = without_weightless(X, sample_weight)
        X = self._read(X) if warm else self._read_training_rows(X)
        classes, codes = np.unique(y, return_inverse=True)
        if warm and not np.array_equal(classes, self.classes_):
            raise ValueError("y holds other classes than in the last fit: set warm_start=False.")
        self.classes_ = classes
        rows, weights = weigh(np.column_stack([X, codes]), sample_weight)
        X, codes = X[rows], codes[rows]
        self.class_log_prior_ = np.log(np.bincount(codes, weights) / weights.sum())
        fit, calibration = self._split(codes)
        with_gaps = self._with_gaps if warm else bool(np.isnan(X).any())
        self._fit_numbers(X[fit], weights[fit], with_gaps, warm, self._given(codes[fit]))
        self._calibrate(X[calibration], codes[calibration], weights[calibration])
        return self

    def _split(self, codes):
        """Rows to fit on, with some of each class, and rows that calibrate."""
        fit, calibration = set_aside(len(codes), self.validation_fraction, seed_from(self.random_state))
        lost = ~np.isin(codes[calibration], codes[fit])
        return np.concatenate([fit, calibration[lost]]), calibration[~lost]

    def _given(self, codes):
        return np.eye(len(self.classes_))[codes]

    def _calibrate(self, X, codes, weights):
        """Find the power of the densities that is most likely, given these classes, if powers about 1 are before."""
        self.power_ = 1.0
        if len(X) == 0 or len(self.classes_) == 1:
            return
        log_densities = self._class_scores(X)

        def loss(log_power):
            log_proba = log_softmax(np.exp(log_power) * log_densities + self.class_log_prior_, axis=1)
            return (log_power / SPREAD) ** 2 / 2 - weights @ log_proba[np.arange(len(codes)), codes]

        self.power_ = float(np.exp(minimize_scalar(loss, bounds=LOG_POWERS, method="bounded").x))

    def _class_scores(self, X):
        """Log-density of each row in each class, shape (n, n_classes)."""
        given = self._given(np.arange(len(self.classes_)))
        return np.column_stack([self._scores(X, self._log_density, np.tile(own, (len(X), 1))) for own in given])

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
        return log_softmax(self.power_ * self._class_scores(self._read(X)) + self.class_log_prior_, axis=1)

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
