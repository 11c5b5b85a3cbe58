"""ConditionalMAFDensity: the density of targets given the other columns, and what it predicts."""

import math
from numbers import Real

import numpy as np
import torch
from scipy.special import ndtr
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils import assert_all_finite, gen_batches
from sklearn.utils.validation import _check_y, check_consistent_length, check_is_fitted

from ._torch import threads_for
from ._validation import check_count, refuse_gaps, seed_from, tagged, weigh, without_weightless
from .base import weighted_mean
from .inference.prediction import Points
from .maf import MAFEstimator
from .models.context import Given
from .table.column_kinds import check_kinds, declared_kinds
from .table.columns import Continuous, Discrete
from .table.schema import Schema, read_table
from .training.budget import set_aside

NODES = np.linspace(-6, 6, 73)  # of base space, where it is the line
PLACES = np.linspace(-6, 6, 577)  # between them, which have the masses about them
BETWEEN = np.array([np.interp(PLACES, NODES, own) for own in np.eye(len(NODES))])
MASSES = np.diff(ndtr(np.concatenate([[-np.inf], (PLACES[1:] + PLACES[:-1]) / 2, [np.inf]])))
N_DRAWS = 1000  # for each row, where base space is wider
N_BACKGROUND, N_ERRORS = (
    200,
    20_000,
)  # points of what stands beside the flow, means of so many draws
BATCH_NUMBERS = 2**18  # points at a time


class ConditionalMAFDensity(RegressorMixin, MAFEstimator):
    """Density of one or several targets given the other columns of a row, by a conditional flow [1]_.

    It is a regressor that knows how sure it is: it predicts means, quantiles and intervals, draws targets, and gives their
    exact log-density. The flow of the targets has the columns of X as its context, standardised, with indicators of
    categories and of missing cells. Targets may be numbers of any kind: continuous, integers, of few levels, with atoms.

    Parameters
    ----------
    family, bijector, n_layers, hidden_layer_sizes, activation, n_bins
        The flow, as in `MAFDensity`; planar and radial flows have no conditional form.
    alpha, batch_size, learning_rate_init, max_iter, early_stopping, n_iter_no_change, tol, warm_start
        The training, as in `MAFDensity`; but "auto" for ``alpha`` is 0.2 up to 1,000 rows, and falls beyond.
    validation_fraction : float or "auto", default="auto"
        Share of the rows to hold out for early stopping. As many more, up to 1,000, are set aside to calibrate the intervals,
        with early stopping or without.
    device, verbose, random_state
        As in `MAFDensity`; ``random_state`` governs the rows that calibrate, too.
    column_kinds : dict, default=None
        What targets are, by position or name, as in `MAFDensity`.

    Attributes
    ----------
    given_ : Given
        How X becomes the context.
    columns_ : Columns
        What each target is.
    flow_, background_, n_iter_, loss_curve_, validation_scores_, best_validation_score_
        As in `MAFDensity`; scores are log-densities of the targets given X. The background is that of the errors of a ridge
        regression.
    calibration_scores_ : ndarray of shape (n_calibration, n_targets)
        How far from the median, in probability, the targets of rows lie that neither trained nor judged the flow; in order.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where `fit` saw a DataFrame.

    See Also
    --------
    MAFClassifier : For targets that are classes.
    MAFDensity : The density of a whole table.

    Notes
    -----
    With one continuous target quantiles are those of the density, up to interpolation between points a sixth of a standard
    deviation of base space apart; with one target of few levels they are exact. With several targets, or atoms, means and
    quantiles are those of 1,000 draws, always the same ones.

    References
    ----------
    .. [1] Papamakarios, Pavlakou and Murray (2017). Masked autoregressive flow for density estimation. NeurIPS 30.
    .. [2] Chernozhukov, Wüthrich and Zhu (2021). Distributional conformal prediction. PNAS 118.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skmaf import ConditionalMAFDensity
    >>> X, y = load_diabetes(return_X_y=True)
    >>> density = ConditionalMAFDensity(random_state=0).fit(X, y)
    >>> density.predict(X[:3]).shape
    (3,)
    >>> low, high = density.predict_interval(X, coverage=0.9).T
    >>> bool(((low <= y) & (y <= high)).mean() > 0.85)
    True
    """

    _decay_rows = (
        1000  # fewer than of other densities: a target may follow from X by what decay would blur
    )

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Learn the density of y given X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers and categories, perhaps with missing cells, as in `MAFDensity.fit`.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Finite numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, as in `MAFDensity.fit`. Rows that calibrate count alike.

        Returns
        -------
        self : ConditionalMAFDensity

        Raises
        ------
        ValueError
            If y is missing, has another number of rows than X, or holds what is no finite number; if there are under 4 rows;
            else as `MAFDensity.fit`.
        """
        if y is None:
            raise ValueError(
                "ConditionalMAFDensity requires y to be passed, but the target y is None."
            )
        check_consistent_length(X, y)
        warm = self.warm_start and hasattr(self, "flow_")
        Y, _ = without_weightless(self._read_targets(y, reset=not warm), sample_weight)
        X, sample_weight = without_weightless(X, sample_weight)
        X = self._read_given(X) if warm else read_table(self, X, reset=True)
        if not warm:
            self._declare(y, Y)
            self._with_gaps_in_X = bool(np.isnan(X).any())
        rows, weights = weigh(np.hstack([X, Y]), sample_weight)
        X, Y = X[rows], Y[rows]
        if not warm:
            self.given_ = Given(X, weights, self.schema_.n_categories)
        given = self.given_(X)
        fit, calibration = set_aside(len(Y), self.validation_fraction, seed_from(self.random_state))
        self._fit_numbers(Y[fit], weights[fit], False, warm, given[fit])
        self._point_seed = seed_from(self.random_state)
        self._errors = self._background_errors()
        self._calibrate(given[calibration], Y[calibration])
        return self

    def _read_targets(self, y, reset):
        Y = _check_y(y, multi_output=True, estimator=self)
        if (
            Y.dtype.kind not in "biufO"
            or Y.dtype == object
            and not all(isinstance(cell, Real) for cell in Y.flat)
        ):
            raise ValueError("y must hold numbers; for classes use MAFClassifier.")
        Y = Y.astype(np.float64)
        assert_all_finite(Y, input_name="y")
        if reset:
            self._y_is_1d = Y.ndim == 1
        Y = Y[:, None] if Y.ndim == 1 else Y
        if not reset and Y.shape[1] != len(self.columns_.columns):
            raise ValueError(
                f"y has {Y.shape[1]} columns, and it had {len(self.columns_.columns)} in fit."
            )
        return Y

    def _read_given(self, X):
        X = read_table(self, X, reset=False)
        return X if self._with_gaps_in_X else refuse_gaps(X, self.schema_)

    def _declare(self, y, Y):
        """Look at what is declared of the targets."""
        if hasattr(y, "to_frame"):  # a column has a name, too
            y = y.to_frame()
        names, n = getattr(y, "columns", None), Y.shape[1]
        schema = Schema(
            None if names is None else list(names),
            "array",
            [Y.dtype] * n,
            [None] * n,
            [{"numbers"}] * n,
        )
        self._kinds = declared_kinds(Y if names is None else y, self.column_kinds)
        check_kinds(self._kinds, Y, schema)
        if "categorical" in self._kinds.values():
            raise ValueError(
                "column_kinds calls a target categorical: for classes use MAFClassifier."
            )

    def _n_categories(self, n_columns):
        return [None] * n_columns

    def score_samples(self, X, y=None):
        """Log-density of the targets of each row, given the row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            Without it, each row has the mean over 1,000 targets that the density itself draws: minus its entropy, which tells
            how sure it is of that row.

        Returns
        -------
        log_density : ndarray of shape (n_samples,), float64
            In nats, with respect to the units of y; finite.

        Raises
        ------
        ValueError
            If X or y do not fit what `fit` saw, or y holds what is no finite number.
        """
        check_is_fitted(self)
        given = self.given_(self._read_given(X))
        if y is None:
            of_row = zip(self._drawn(given), given)
            return np.array(
                [self._score_numbers(Y, np.tile(own, (N_DRAWS, 1))).mean() for Y, own in of_row]
            )
        check_consistent_length(X, y)
        return self._score_numbers(self._read_targets(y, reset=False), given)

    def _score_numbers(self, Y, given):
        return self._scores(Y, self._log_density, given)

    def _drawn(self, given):
        """Draws for each row, the same whatever the other rows are."""
        flow = self._flow_for(self._dtype)
        return (self._draws(flow, np.tile(own, (N_DRAWS, 1)), self._point_seed) for own in given)

    def score(self, X, y, sample_weight=None):
        """Mean log-density of the targets given the rows: the log-likelihood per row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the mean.

        Returns
        -------
        score : float
            In nats per row, with respect to the units of y.
        """
        return weighted_mean(self.score_samples(X, y), sample_weight, X)

    def sample(self, X, n_samples=1, random_state=None):
        """Draw targets for each row.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
        n_samples : int, default=1
            Draws for each row.
        random_state : int, RandomState instance or None, default=None
            Governs the draws; with None every call draws afresh.

        Returns
        -------
        y : ndarray of shape (n_rows, n_samples) or (n_rows, n_samples, n_targets)
            In the units of y.

        Raises
        ------
        ValueError
            If ``n_samples`` is not a positive integer, or X does not fit what `fit` saw.
        """
        check_is_fitted(self)
        check_count("n_samples", n_samples)
        given = self.given_(self._read_given(X))
        drawn = self._draws(
            self._flow_for(self._dtype), given.repeat(n_samples, axis=0), random_state
        )
        return self._shaped(drawn.reshape(len(given), n_samples, -1))

    def predict(self, X):
        """Conditional mean of the targets; for their median see `predict_quantiles`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            In the units of y.
        """
        return self._shaped(self._of_points(X, lambda points, place: points.means()))

    def predict_quantiles(self, X, q):
        """Conditional quantiles of each target.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        q : float or array-like of shape (n_levels,)
            Levels, strictly between 0 and 1.

        Returns
        -------
        quantiles : ndarray of shape (n_samples[, n_targets][, n_levels])
            In the units of y; without the last dimension for a single number ``q``.

        Raises
        ------
        ValueError
            If a level is not between 0 and 1.
        """
        levels = np.asarray(q, dtype=np.float64)
        if levels.ndim > 1 or levels.size == 0 or not np.all((levels > 0) & (levels < 1)):
            raise ValueError(
                f"q must be one or more levels between 0 and 1, both excluded, got {q!r}."
            )
        quantiles = self._of_points(
            X, lambda points, place: points.quantiles(np.atleast_1d(levels))
        )
        quantiles = quantiles if levels.ndim else quantiles[:, 0]
        return (
            self._shaped(quantiles)
            if quantiles.ndim == 2
            else self._shaped(np.moveaxis(quantiles, 1, 2), axis=1)
        )

    def predict_interval(self, X, coverage=0.9):
        """Central intervals of each target, which hold it with probability ``coverage`` at least.

        This is conformal prediction [2]_: the interval lies between two quantiles as far from the median, in probability, as it
        takes to hold the targets of that share of the rows that were set aside. If new rows are like those, this keeps its
        coverage on average over fits, however good the density is.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        coverage : float, default=0.9
            Between 0 and 1.

        Returns
        -------
        intervals : ndarray of shape (n_samples, 2) or (n_samples, n_targets, 2)
            Lower and upper end, in the units of y. Each target has its coverage by itself.

        Raises
        ------
        ValueError
            If ``coverage`` is not between 0 and 1, or asks for more than the rows set aside can tell.
        """
        check_is_fitted(self)
        if not isinstance(coverage, Real) or not 0 < coverage < 1:
            raise ValueError(f"coverage must be between 0 and 1, both excluded, got {coverage!r}.")
        n = len(self.calibration_scores_)
        rank = max(1, math.ceil((n + 1) * coverage - 1e-9))
        if rank > n:
            most = math.floor(1000 * n / (n + 1)) / 1000
            raise ValueError(
                f"coverage={coverage} cannot be told from {n} rows that calibrate: ask for at most {most}, or fit on more rows "
                "or with a larger validation_fraction."
            )
        levels = 0.5 + np.outer(self.calibration_scores_[rank - 1], [-1, 1])
        ends = self._of_points(X, lambda points, place: points.quantiles(levels[place[1]]))
        return self._shaped(np.moveaxis(ends, 1, 2), axis=1)

    def _shaped(self, values, axis=-1):
        """Without the dimension of targets if y had none."""
        return values.squeeze(axis) if self._y_is_1d else values

    def _of_points(self, X, function):
        """What a function of `Points`, and of the rows and the target that these are of, gives: targets come last."""
        check_is_fitted(self)
        return self._in_batches(self.given_(self._read_given(X)), function)

    def _in_batches(self, given, function):
        parts = []
        for rows in gen_batches(len(given), max(1, BATCH_NUMBERS // (N_BACKGROUND + N_DRAWS))):
            points = self._points(given[rows])
            parts.append(
                np.stack([function(own, (rows, j)) for j, own in enumerate(points)], axis=-1)
            )
        return np.concatenate(parts)

    def _calibrate(self, given, Y):
        excess = self._in_batches(given, lambda points, place: points.excess(Y[place]))
        self.calibration_scores_ = np.sort(excess, axis=0)

    def _points(self, given):
        """The distribution of each target as `Points`."""
        column = self.columns_.columns[0]
        if len(self.columns_.columns) > 1 or not isinstance(column, (Continuous, Discrete)):
            return self._drawn_points(given)
        if isinstance(column, Discrete):
            values = np.tile(column.levels, (len(given), 1))
            scores = self._score_numbers(
                values.reshape(-1, 1), given.repeat(values.shape[1], axis=0)
            )
            weights = np.exp(scores).reshape(values.shape)
            return [Points(values, weights / weights.sum(axis=1, keepdims=True), is_discrete=True)]
        return [self._nodes(column, given)]

    def _nodes(self, column, given):
        """One continuous target: where the flow takes the nodes of base space, and what stands beside the flow."""
        flow = self._flow_for(self._dtype)
        with threads_for(1), torch.no_grad():
            nodes = flow.values.flow.inverse_of_many(flow.tensor(NODES), flow.tensor(given))
        values = nodes.cpu().double().numpy() @ BETWEEN
        weights = np.tile(MASSES, (len(given), 1))
        if self.background_ is not None:
            share = self.background_.share
            values = np.hstack([values, self._errors + self.background_.trend(given)])
            beside = np.full((len(given), N_BACKGROUND), share / N_BACKGROUND)
            weights = np.hstack([weights * (1 - share), beside])
        return Points(column.unwarp(values), weights, is_discrete=False)

    def _background_errors(self):
        """Points that stand for what is beside the flow, off its trend; None unless there is one continuous target."""
        if self.background_ is None or (self.columns_.n_codes, self.columns_.n_values) != (0, 1):
            return None
        errors = self.background_.errors(N_ERRORS, np.random.RandomState(self._point_seed))
        return np.sort(errors, axis=None).reshape(N_BACKGROUND, -1).mean(axis=1)

    def _drawn_points(self, given):
        """Several targets, or atoms: draws, the same for a row whatever the others are."""
        drawn = np.stack(list(self._drawn(given)))
        weights = np.full(drawn.shape[:2], 1 / N_DRAWS)
        return [Points(values, weights, is_discrete=True) for values in np.moveaxis(drawn, 2, 0)]

    def __sklearn_tags__(self):
        tags = tagged(super().__sklearn_tags__())
        tags.target_tags.multi_output = True
        tags.regressor_tags.poor_score = True  # `score` is a log-likelihood
        return tags
