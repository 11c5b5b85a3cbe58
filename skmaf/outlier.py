"""DensityOutlierDetector: the rows that do not belong, by a threshold on a density."""

import copy
from numbers import Integral, Real

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control
from sklearn.base import BaseEstimator, OutlierMixin, _fit_context, clone
from sklearn.metrics import roc_curve
from sklearn.model_selection import KFold, train_test_split
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_array, check_is_fitted, validate_data
from tqdm.auto import tqdm

from ._validation import seed_from, tagged, weigh, without_weightless
from .base import FlowDensity
from .inference.calibration import Calibration
from .inference.explanation import Repairs
from .multiscale import MultiscaleDensity

MIN_ROWS = 4  # two folds of two
N_STEPS = 7000  # of the default estimators' training, together
FALSE_ALARMS = 0.05  # rate of contamination="auto"
CROSS_ROWS = 5000  # beyond which one split serves for folds: it leaves enough rows on both sides
SEEN_ROWS = 2000  # that tell how well a density knows the rows that it was fitted on
CALIBRATION_ROWS = 2000  # of one split, at most; but no more than a fifth


class DensityOutlierDetector(OutlierMixin, BaseEstimator):
    """Calls the rows of lowest density outliers.

    The rows are divided into folds, and a density is fitted without each. The score of a row is the mean of its log-densities;
    the rows that each density has not seen say what a score means, as conformal p-values [2]_.

    Parameters
    ----------
    estimator : estimator or None, default=None
        Anything with ``fit`` and ``score_samples``: a density estimator or a Pipeline that ends in one. None is a
        `MultiscaleDensity`; the folds share the steps of its training, and tell each other how fine it may be: rows held out
        from the other folds choose its levels of noise, or a fifth of those held out of a single split.
    contamination : float or "auto", default="auto"
        Where the threshold is. "auto" is for training rows that are all normal, or nearly so: a new normal row falls below it
        with a probability of 5%. A float is for training rows with outliers among them: their share, in (0, 0.5].
    n_folds : int or "auto", default="auto"
        Number of folds, and so of fits; 1 is a single split that leaves a fifth of the rows, 2,000 at most, for calibration
        alone. "auto" is 5 for up to 5,000 rows and 1 beyond.
    verbose : bool, default=False
        Whether to show a progress bar of the folds.
    random_state : int, RandomState instance or None, default=None
        Governs the folds and the default estimator; one that is given has its own.

    Attributes
    ----------
    estimators_ : list of estimators
        The fitted densities, one for each fold.
    calibration_ : Calibration
        The scores of the rows that these have not seen.
    offset_ : float
        The threshold on the score, in nats.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame.

    See Also
    --------
    MultiscaleDensity : The default density.
    sklearn.ensemble.IsolationForest : Finds outliers without a density.

    References
    ----------
    .. [1] Bishop (1994). Novelty detection and neural network validation. IEE Proceedings 141.
    .. [2] Bates, Candes, Lei, Romano and Sesia (2023). Testing for outliers with conformal p-values. Annals of Statistics 51.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neighbors import KernelDensity
    >>> from skmaf import DensityOutlierDetector
    >>> X = load_iris().data
    >>> detector = DensityOutlierDetector(KernelDensity(bandwidth=0.3), random_state=0).fit(X)
    >>> odd = [[5.0, 3.5, 6.0, 0.2]]            # petals as long as none of their width
    >>> int(detector.predict(odd)[0]), bool(detector.p_values(odd)[0] < 0.01)
    (-1, True)
    >>> int(detector.explain(odd)[0].argmax()), bool(detector.expected_values(odd)[0, 2] < 2)
    (2, True)
    """

    _parameter_constraints = {
        "estimator": [HasMethods(["fit", "score_samples"]), None],
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        "n_folds": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "verbose": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator=None,
        *,
        contamination="auto",
        n_folds="auto",
        verbose=False,
        random_state=None,
    ):
        self.estimator = estimator
        self.contamination = contamination
        self.n_folds = n_folds
        self.verbose = verbose
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, sample_weight=None):
        """Fit the densities, and set the threshold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows; 4 at the very least.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, in the calibration too. Whole numbers are counts, as in `MAFDensity`; of others only ratios
            matter, and the density must take them.

        Returns
        -------
        self : DensityOutlierDetector

        Raises
        ------
        ValueError
            If there are under 4 rows, the density estimator rejects X, or a parameter is out of its range.
        """
        X, sample_weight = without_weightless(X, sample_weight)
        X = self._read_training_rows(X)
        rows, weights = weigh(X, sample_weight)
        if len(rows) < MIN_ROWS:
            raise ValueError(
                f"Found array with {len(rows)} sample(s) of positive weight; a minimum of {MIN_ROWS} is required."
            )
        X = _safe_indexing(X, rows)
        seed = seed_from(self.random_state)
        self.estimators_ = []
        folds = self._folds(len(weights), seed)
        bar = tqdm(folds, desc="DensityOutlierDetector", unit="fold", disable=not self.verbose)
        for k, (fitted, _) in enumerate(bar):
            given = None if np.all(weights == 1) else weights[fitted]
            self.estimators_.append(
                self._fit_one(_safe_indexing(X, fitted), given, len(folds), seed + k)
            )
        if self.estimator is None:
            folds = self._settle(X, folds, seed)
        pairs = zip(self.estimators_, folds)
        scores = [
            self._score(estimator, _safe_indexing(X, held_out))
            for estimator, (_, held_out) in pairs
        ]
        self.calibration_ = Calibration(scores, [weights[held_out] for _, held_out in folds])
        self._repairs = Repairs(X)
        if self.contamination == "auto":
            self.offset_ = self.calibration_.threshold(FALSE_ALARMS)
        else:
            self.offset_ = float(np.percentile(self._mean_score(X), 100 * self.contamination))
        return self

    def score_samples(self, X):
        """Log-density of each row, the mean over the folds' densities: the lower, the more abnormal.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            In nats.
        """
        return self._mean_score(self._read(X))

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

    def p_values(self, X):
        """How often a normal row would look at least as odd as each of these.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            New rows. Rows that `fit` saw look more normal than new ones.

        Returns
        -------
        p_values : ndarray of shape (n_samples,)
            Conformal p-values, in (0, 1]; of a row from the source of the training rows, at most ``a`` with probability at most
            ``a``. None is smaller than 1 / (number of calibration rows + 1).
        """
        X = self._read(X)
        return self.calibration_.p_values(self._fold_scores(X))

    def select(self, X, fdr=0.1):
        """The rows to look at, so that at most a share ``fdr`` of them is expected to be normal.

        This is the procedure of Benjamini and Hochberg on the p-values [2]_. It finds nothing where rows are too few for small
        p-values: ``fdr`` times the share of outliers should be above 1 / (number of calibration rows + 1).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            New rows.
        fdr : float, default=0.1
            False discovery rate, in (0, 1).

        Returns
        -------
        selected : ndarray of bool, shape (n_samples,)

        Raises
        ------
        ValueError
            If ``fdr`` is out of its range.
        """
        _check_rate("fdr", fdr)
        return false_discovery_control(self.p_values(X)) <= fdr

    def set_threshold(self, *, rate=None, score=None, labelled=None):
        """Move the threshold without a refit.

        Parameters
        ----------
        rate : float, default=None
            The probability, in (0, 1), with which a new normal row may fall below the threshold.
        score : float, default=None
            The threshold itself, in nats.
        labelled : tuple (X, y), default=None
            Rows and their labels, -1 for outliers and 1 for others: the threshold with the highest mean of the shares of both
            that are right (balanced accuracy).

        Returns
        -------
        self : DensityOutlierDetector

        Raises
        ------
        ValueError
            If not exactly one of the three is given, if the rate is finer than the calibration rows can tell, or the labels are
            not of both kinds.
        """
        check_is_fitted(self)
        if sum(given is not None for given in (rate, score, labelled)) != 1:
            raise ValueError("Give exactly one of rate, score and labelled.")
        if score is not None:
            self.offset_ = float(score)
        elif rate is not None:
            _check_rate("rate", rate)
            finest = self.calibration_.finest_rate
            if rate < finest:
                raise ValueError(
                    f"rate={rate} is finer than the calibration rows can tell: give {finest:.2g} or more."
                )
            self.offset_ = self.calibration_.threshold(rate)
        else:
            self.offset_ = self._best_threshold(*labelled)
        return self

    def explain(self, X):
        """How much each cell makes its row unlikely.

        It is the gain of the row's log-density if this cell alone had its most likely value: ``max over v of
        log p(x with x_j = v) - log p(x)``. A cell that fits the others gets about 0; units and the order of columns do not
        matter. The cost is that of scoring some 50 rows for each cell, so ask about the rows that you will look at.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        gains : ndarray of shape (n_samples, n_features)
            In nats, not negative.
        """
        return self.repair(X)[0]

    def expected_values(self, X):
        """The value that would make each row most likely in each cell, the other cells as they are.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        values : ndarray of shape (n_samples, n_features)
            In the units of X: values that training rows hold in the column, or the row's own where none is more likely. With
            categories an array of objects. Missing cells get the most likely value, too.
        """
        return self.repair(X)[1]

    def repair(self, X):
        """Both what `explain` and what `expected_values` give, at the cost of one.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        gains, values : ndarray of shape (n_samples, n_features)
        """
        X = self._read(X)
        gains, values = self._repairs.best(self._mean_score, X)
        if self._reader is not None:
            values = [self._reader.schema_.decode(j, x) for j, x in enumerate(values)]
        return gains, np.column_stack(values)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if self.estimator is None:
            return tagged(tags)
        if hasattr(self.estimator, "__sklearn_tags__"):
            tags.input_tags = get_tags(self.estimator).input_tags
        return tags

    def _read_training_rows(self, X):
        """The rows, ready to be divided: skmaf's own densities take them as numbers, others as they are."""
        own = MultiscaleDensity() if self.estimator is None else clone(self.estimator)
        self._reader = own if isinstance(own, FlowDensity) else None
        if self._reader is None:
            validate_data(self, X, skip_check_array=True)
            return _indexable(X)
        own._validate_params()
        X = own._read_training_rows(X)
        own._with_gaps = bool(np.isnan(X).any())
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(own, name):
                setattr(self, name, getattr(own, name))
        return X

    def _read(self, X):
        """Rows like those of `fit`, in the form that the densities take."""
        check_is_fitted(self)
        if self._reader is not None:
            return self._reader._read(X)
        X = _indexable(X)
        validate_data(self, X, skip_check_array=True, reset=False)
        return X

    def _folds(self, n_rows, seed):
        """Pairs of positions: rows to fit, and rows held out."""
        n_folds = self.n_folds
        if n_folds == "auto":
            n_folds = 5 if n_rows <= CROSS_ROWS else 1
        if n_folds == 1:
            n_held_out = max(2, min(CALIBRATION_ROWS, n_rows // 5))
            return [train_test_split(np.arange(n_rows), test_size=n_held_out, random_state=seed)]
        return list(
            KFold(min(n_folds, n_rows // 2), shuffle=True, random_state=seed).split(
                np.arange(n_rows)
            )
        )

    def _fit_one(self, X, sample_weight, n_folds, seed):
        """The density of a fold."""
        if self._reader is None:
            return clone(self.estimator).fit(
                X, **({} if sample_weight is None else {"sample_weight": sample_weight})
            )
        # what the whole table says of columns and missing cells goes for all folds
        density = copy.copy(self._reader)
        if self.estimator is None:
            density.set_params(max_iter=max(1, N_STEPS // n_folds), random_state=seed)
        return density._fit_numbers(X, sample_weight, self._reader._with_gaps)

    def _score(self, estimator, X):
        return estimator.score_samples(X) if self._reader is None else estimator._score_numbers(X)

    def _settle(self, X, folds, seed):
        """Choose the levels of noise of the default densities; return the folds without the rows that chose.

        No row has a say in the levels of the density that it calibrates: other folds choose, or a few rows of a single split.
        """
        rng = np.random.RandomState(seed)
        choosing = [held_out for _, held_out in folds]
        if len(folds) == 1:
            [(fitted, held_out)] = folds
            held_out, n_choosing = rng.permutation(held_out), max(1, len(held_out) // 5)
            choosing, folds = [held_out[:n_choosing]], [(fitted, held_out[n_choosing:])]
        overfit = []
        for estimator, (fitted, _), unseen in zip(self.estimators_, folds, choosing):
            seen = rng.permutation(fitted)[:SEEN_ROWS]
            overfit.append(estimator._overfit_of_numbers(X[seen], X[unseen]))
        for k, estimator in enumerate(self.estimators_):
            others = np.delete(overfit, k, axis=0) if len(folds) > 1 else overfit
            estimator.settle(np.mean(others, axis=0))
        return folds

    def _fold_scores(self, X):
        return np.stack([self._score(estimator, X) for estimator in self.estimators_])

    def _mean_score(self, X):
        return self._fold_scores(X).mean(axis=0)

    def _best_threshold(self, X, y):
        y = np.asarray(y)
        if set(np.unique(y)) != {-1, 1}:
            raise ValueError(
                f"Labels must be -1 for outliers and 1 for others, and hold both; got {np.unique(y)[:5]}."
            )
        false_alarms, found, thresholds = roc_curve(y == -1, -self.score_samples(X))
        # an outlier is below the threshold, not at it
        return float(np.nextafter(-thresholds[np.argmax(found - false_alarms)], np.inf))


def _indexable(X):
    """A DataFrame as one of pandas, all else as an array of any kind."""
    if hasattr(X, "get_columns"):  # of polars
        X = pd.DataFrame({column.name: column.to_list() for column in X.get_columns()})
    return X if hasattr(X, "iloc") else check_array(X, dtype=None, ensure_all_finite=False)


def _check_rate(name, rate):
    if not isinstance(rate, Real) or not 0 < rate < 1:
        raise ValueError(f"{name} must be a number between 0 and 1, got {rate!r}.")
