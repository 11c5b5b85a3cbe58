"""MAFClassifier: Bayes' rule over the densities of the classes."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp, softmax
from sklearn.base import ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from ._compat import check_y, fit_context
from ._dask import a_number, lazy_on_dask
from ._validation import check_count, seed_from, tagged, weigh
from ._warnings import at_user_line
from .base import (
    RowWriter,
    encode_rows,
    knowledge_of,
    learn_constraints,
    learn_table,
    without_weightless,
)
from .flow_estimator import FlowEstimator
from .inference.drawing import draw_rows
from .streamed import refuse_stream
from .table.codec import TableCodec
from .table.column_kinds import declared_kinds
from .table.frames import as_table, unwrapped
from .training.budget import set_aside

if TYPE_CHECKING:
    from .models.table_density import TableDensity

LOG_POWERS = (-8.0, 2.0)  # within which powers are sought
# of the logarithm of the powers' sum about 0, and of that of their ratio, before any row is seen:
# few rows ask for extremes
TOTAL_SPREAD = 0.5
RATIO_SPREAD = 1.0
FAR = 1e4  # nats below the likeliest class, beyond which it makes no difference how far


class MAFClassifier(ClassifierMixin, RowWriter, FlowEstimator):
    """A classifier by one conditional density of the rows, the class its context, and Bayes' rule.

    One flow learns the densities of all classes [1]_, so that these share what they have in common.
    The density of a wide row is too sure of itself to be a calibrated probability, and what tells
    classes apart is little of it. So it is raised to a power, and multiplied by a power of a normal
    law about the mean of each class, which is what linear discriminant analysis knows: the two
    powers make the classes of rows set aside likely. Beside classes it gives the log-density of
    rows, which tells those that belong to no class, and draws rows of a class.

    Parameters
    ----------
    family, bijector, n_layers, hidden_layer_sizes, activation, n_bins
        The flow, as in `MAFDensity`; planar and radial flows have no conditional form.
    alpha, batch_size, learning_rate_init, max_iter, early_stopping, n_iter_no_change, tol,
    warm_start
        The training, as in `MAFDensity`.
    validation_fraction : float or "auto", default="auto"
        Share of the rows to hold out for early stopping. As many more, up to 1,000, are set aside
        to calibrate, with early stopping or without.
    device, column_kinds, relations, checkpoint, callbacks, verbose, random_state
        As in `MAFDensity`; ``random_state`` governs the rows that calibrate, too.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    class_log_prior_ : ndarray of shape (n_classes,)
        Logarithms of the shares of the classes in `fit`.
    powers_ : ndarray of shape (2,)
        To which the density, and the normal law, are raised; (1, 0) is Bayes' rule as it stands.
    columns_, schema_, flow_, baseline_, codec_, density_, n_iter_, loss_curve_, validation_scores_,
    best_validation_score_
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
    .. [1] Papamakarios, Pavlakou and Murray (2017). Masked autoregressive flow for density
           estimation. NeurIPS 30.

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

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "MAFClassifier":
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
            If y is missing, has another number of rows than X, or holds no classes; if there are
            under 4 rows; else as `MAFDensity.fit`.
        """
        from .models.class_normals import ClassNormals
        from .models.table_fit import fit_table_density

        checkpoint = self._open_checkpoint()
        is_warm = self._is_warm()
        codec, N, y, sample_weight = self._read_training_rows(X, y, sample_weight, is_warm)
        classes, codes = np.unique(y, return_inverse=True)
        if is_warm and not np.array_equal(classes, self.classes_):
            raise ValueError("y holds other classes than in the last fit: set warm_start=False.")
        order, weights = weigh(np.column_stack([N, codes]), sample_weight)
        N = N[order]
        codes = codes[order]
        constraints = learn_constraints(codec, N, weights, self.relations)
        fitted, calibration = self._split(codes)
        context = np.eye(len(classes))[codes[fitted]]
        density, history = fit_table_density(
            N[fitted],
            weights[fitted],
            self._flow_spec(),
            self._training_spec(),
            knowledge_of(codec),
            context=context,
            start=self.density_ if is_warm else None,
            random_state=self.random_state,
            checkpoint=checkpoint,
        )
        normals = ClassNormals.learn(N[fitted], weights[fitted], context, codec.schema.n_categories)
        log_prior = np.log(np.bincount(codes, weights, len(classes)) / weights.sum())
        powers = np.array([1.0, 0.0])
        if len(calibration) and len(classes) > 1:
            N = N[calibration]
            parts = np.stack([_class_log_probs(density, N), normals.log_probs(N)])
            powers = best_powers(parts, codes[calibration], weights[calibration], log_prior)
        found = {"constraints_": constraints, "classes_": classes}
        found |= {"class_log_prior_": log_prior, "powers_": powers}
        private = {"_normals": normals}
        self._keep(codec, density, history, is_warm, checkpoint, **found, **private)
        self._warn_of_training(history)
        return self

    def _read_training_rows(
        self, X: Any, y: Any, sample_weight: Any, is_warm: bool
    ) -> tuple[TableCodec, np.ndarray, np.ndarray, Any]:
        """Return a codec, the rows as numbers, their classes, and their weights."""
        if y is None:
            raise ValueError("MAFClassifier requires y to be passed, but the target y is None.")
        refuse_stream(self, X)
        X = as_table(X, min_rows=2)
        y = unwrapped("y", y)
        check_consistent_length(X, y)
        y, _ = without_weightless(_read_classes(y, self), sample_weight)
        X, sample_weight = without_weightless(X, sample_weight)
        if not is_warm:
            codec, N = learn_table(X, self.column_kinds, None)
            return codec, N, y, sample_weight
        N = encode_rows(self, X)
        self._check_unchanged(declared_kinds(X, self.column_kinds) == self.codec_.declared)
        return self.codec_, N, y, sample_weight

    def _split(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return rows to fit on, with some of each class, and rows that calibrate."""
        seed = seed_from(self.random_state)
        fitted, calibration = set_aside(len(codes), self.validation_fraction, seed)
        lost = ~np.isin(codes[calibration], codes[fitted])
        return np.concatenate([fitted, calibration[lost]]), calibration[~lost]

    def _proba_outline(self, X: Any) -> pd.DataFrame:
        """Return what `predict_proba` gives of no rows."""
        return pd.DataFrame(np.empty((0, len(self.classes_))), columns=self.classes_)

    @lazy_on_dask(_proba_outline)
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        N = encode_rows(self, X)
        of_density = self.powers_[0] * _class_log_probs(self.density_, N)
        logits = of_density + self.powers_[1] * self._normals.log_probs(N)
        return log_softmax(logits + self.class_log_prior_, axis=1)

    @lazy_on_dask(_proba_outline)
    def predict_proba(self, X: Any) -> np.ndarray:
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

    @lazy_on_dask(lambda self, X: self.classes_[:0])
    def predict(self, X: Any) -> np.ndarray:
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

    @lazy_on_dask(a_number)
    def score_samples(self, X: Any) -> np.ndarray:
        """Log-density of each row, whatever its class: the sum over classes of their shares times
        their densities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        log_density : ndarray of shape (n_samples,), float64
            In nats, with respect to the units of X.
        """
        N = encode_rows(self, X)
        of_classes = _class_log_probs(self.density_, N)
        return logsumexp(of_classes + self.class_log_prior_, axis=1)

    def sample(
        self,
        n_samples: int = 1,
        random_state: Any = None,
        *,
        label: Any = None,
        complete: bool = False,
    ) -> tuple[Any, np.ndarray]:
        """Draw rows, of all classes or of one.

        Parameters
        ----------
        n_samples : int, default=1
        random_state : int, RandomState instance or None, default=None
            Governs the draw; with None every call draws afresh.
        label : object, default=None
            A class, to draw rows of that class alone; else classes are drawn as often as `fit` saw
            them.
        complete : bool, default=False
            Whether no cell is to be missing, as in `MAFDensity.sample`.

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
        n_classes = len(self.classes_)
        if isinstance(random_state, str):
            raise ValueError(
                f"random_state={random_state!r} is no seed: a class is given by label=."
            )
        if label is None:
            rng = check_random_state(seed_from(random_state))
            codes = rng.choice(n_classes, n_samples, p=softmax(self.class_log_prior_))
        elif np.ndim(label) == 0 and label in self.classes_:
            codes = np.full(n_samples, np.flatnonzero(self.classes_ == label)[0])
        else:
            raise ValueError(f"label={label!r} is no class; there are {self.classes_.tolist()}.")
        drawn = draw_rows(
            self.density_,
            self.constraints_,
            n_samples,
            random_state,
            np.eye(n_classes)[codes],
            complete,
        )
        rng = np.random.RandomState(seed_from(random_state))
        return self._write(drawn, rng), self.classes_[codes]

    def __sklearn_tags__(self) -> Any:
        return tagged(super().__sklearn_tags__())


def _read_classes(y: Any, estimator: Any) -> np.ndarray:
    labels = np.asarray(y, dtype=object).ravel()
    missing = np.flatnonzero(pd.isna(labels))
    if len(missing):
        raise ValueError(
            f"Input y contains NaN or None, first in row {missing[0]}: give it a class, or leave "
            "it out."
        )
    if 0 < sum(isinstance(label, str) for label in labels) < len(labels):
        raise ValueError(
            "Some labels in y are strings, and others are not: make all of them strings."
        )
    if isinstance(y, (pd.Series, pd.DataFrame, pd.api.extensions.ExtensionArray)):
        y = np.asarray(y)  # scikit-learn would make floats of nullable integers and truth values
    with at_user_line():
        y = check_y(y, estimator=estimator)
        check_classification_targets(y)
    return y


def _class_log_probs(density: "TableDensity", N: np.ndarray) -> np.ndarray:
    """Return the log-density of each row in each class, shape (n, n_classes)."""
    classes = np.eye(density.n_context)
    return np.column_stack(
        [density.log_prob(N, np.tile(indicators, (len(N), 1))) for indicators in classes]
    )


def best_powers(
    parts: np.ndarray, codes: np.ndarray, weights: np.ndarray, class_log_prior: np.ndarray
) -> np.ndarray:
    """Return the powers of two densities whose product makes the classes of rows most likely.

    Before any row is seen a sum near 1 is likely.

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

    def loss(log_powers: np.ndarray) -> tuple[float, np.ndarray]:
        powers = np.exp(log_powers)
        log_proba = log_softmax(np.tensordot(powers, parts, 1) + class_log_prior, axis=1)
        surprise = parts[:, rows, codes] - (np.exp(log_proba) * parts).sum(axis=2)
        log_total = logsumexp(log_powers) / TOTAL_SPREAD
        log_ratio = np.diff(log_powers) / RATIO_SPREAD
        value = (log_total**2 + log_ratio[0] ** 2) / 2 - weights @ log_proba[rows, codes]
        of_total = log_total / TOTAL_SPREAD * powers / powers.sum()
        slope = of_total + log_ratio / RATIO_SPREAD * [-1, 1]
        return value, slope - powers * (surprise @ weights)

    found = minimize(loss, np.log([0.5, 0.5]), jac=True, bounds=[LOG_POWERS] * 2, method="L-BFGS-B")
    return np.exp(found.x)
