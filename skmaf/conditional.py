"""ConditionalMAFDensity: the density of targets given the other columns, and what it predicts."""

import math
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from ._compat import check_y, fit_context
from ._dask import a_number, lazy_on_dask
from ._validation import check_count, seed_from, tagged, weigh
from ._warnings import warn_user
from .base import encode_rows, learn_table, weighted_mean, without_weightless
from .flow_estimator import FlowEstimator
from .inference.drawing import draw_rows
from .inference.predictor import Predictor
from .models.context import ContextEncoder
from .models.specs import TableKnowledge
from .streamed import refuse_stream
from .table.codec import TableCodec
from .table.column_kinds import check_declared, check_shown_kinds, declared_kinds
from .table.constraints import RowConstraints
from .table.frames import as_table, column_names, unwrapped
from .table.labels import labelled, product_index
from .table.periodic import is_periodic
from .table.relation_search import column_keys
from .table.schema import Schema
from .training.budget import CONDITIONAL, set_aside

BOUNDS = ["lower", "upper"]


class ConditionalMAFDensity(RegressorMixin, FlowEstimator):
    """Density of one or several targets given the other columns, by a conditional flow.

    It is a regressor that knows how sure it is: it predicts means, quantiles and conformal
    intervals [2]_, draws targets, and gives their exact log-density. The flow of the targets [1]_
    has the columns of X as its context, standardised, with indicators of categories and of missing
    cells. Targets may be numbers of any kind: continuous, integers, of few values, with point
    masses.

    Parameters
    ----------
    family, bijector, n_layers, hidden_layer_sizes, activation, n_bins
        The flow, as in `MAFDensity`; planar and radial flows have no conditional form.
    alpha, batch_size, learning_rate_init, max_iter, early_stopping, n_iter_no_change, tol,
    warm_start
        The training, as in `MAFDensity`; but "auto" for ``alpha`` is 0.2 up to 2,500 rows only, for
        ``batch_size`` 256 rows at least, and for ``max_iter`` twice as many steps.
    validation_fraction : float or "auto", default="auto"
        Share of the rows to hold out for early stopping. As many more, up to 1,000, are set aside
        to calibrate the intervals, with early stopping or without.
    device, checkpoint, callbacks, verbose, random_state
        As in `MAFDensity`; ``random_state`` governs the rows that calibrate, too.
    column_kinds : dict, default=None
        What targets are, by position or name, as in `MAFDensity`. Names of columns of X, which no
        target has, may be "categorical" or ``("periodic", 24)``, as in `MultiscaleDensity`.
    relations : "auto", None or list of Order, Sum and Determines, default="auto"
        What is to hold between several targets that are drawn, as in `MAFDensity`.

    Attributes
    ----------
    context_encoder_ : ContextEncoder
        How X becomes the context.
    codec_ : TableCodec
        Reads tables like X as numbers.
    density_ : TableDensity
        The density of the targets given the context.
    columns_ : Columns
        What each target is.
    flow_, baseline_, n_iter_, loss_curve_, validation_scores_, best_validation_score_
        As in `MAFDensity`; scores are log-densities of the targets given X. The baseline is that of
        the errors of a ridge regression.
    relations_, ranges_, constraints_
        What targets keep that are drawn, as in `MAFDensity`.
    calibration_scores_ : ndarray of shape (n_calibration, n_targets)
        How far from the median, in probability, the targets of rows lie that took no part in the
        fit; in order.
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
    Means, quantiles and intervals are those of targets as `sample` draws them: none is beyond the
    ends that it keeps. With one continuous target quantiles are those of the density, up to
    interpolation between points a sixth of a standard deviation of base space apart; with one
    target of few values they are exact. With several targets, or point masses, means and quantiles
    are those of 1,000 draws, always the same ones.

    References
    ----------
    .. [1] Papamakarios, Pavlakou and Murray (2017). Masked autoregressive flow for density
           estimation. NeurIPS 30.
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

    _auto = CONDITIONAL

    @property
    def given_(self) -> ContextEncoder:
        """Deprecated: `context_encoder_`."""
        encoder = self.context_encoder_
        warn_user("given_ is called context_encoder_ now, and goes in 0.3.", FutureWarning)
        return encoder

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "ConditionalMAFDensity":
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
            If y is missing, has another number of rows than X, or holds what is no finite number;
            if there are under 4 rows; else as `MAFDensity.fit`.
        """
        from .models.table_fit import fit_table_density

        checkpoint = self._open_checkpoint()
        is_warm = self._is_warm()
        codec, N, Y, sample_weight, targets = self._read_training_rows(X, y, sample_weight, is_warm)
        order, weights = weigh(np.hstack([N, Y]), sample_weight)
        N = N[order]
        Y = Y[order]
        constraints = RowConstraints.learn(
            Y, weights, targets.keys, ["numbers"] * Y.shape[1], self.relations
        )
        encoder = self.context_encoder_ if is_warm else _encoder(codec, N, weights)
        context = encoder.encode(N)
        seed = seed_from(self.random_state)
        fitted, calibration = set_aside(len(Y), self.validation_fraction, seed)
        density, history = fit_table_density(
            Y[fitted],
            weights[fitted],
            self._flow_spec(),
            self._training_spec(),
            TableKnowledge([None] * Y.shape[1], targets.declared),
            context=context[fitted],
            start=self.density_ if is_warm else None,
            random_state=self.random_state,
            checkpoint=checkpoint,
        )
        predictor = Predictor.of(density, seed_from(self.random_state))
        excess = predictor.excess(context[calibration], constraints, Y[calibration])
        found = {
            "context_encoder_": encoder,
            "calibration_scores_": np.sort(excess, axis=0),
            "constraints_": constraints,
        }
        private = {"_predictor": predictor, "_targets": targets}
        self._keep(codec, density, history, is_warm, checkpoint, **found, **private)
        self._warn_of_training(history)
        return self

    def _read_training_rows(
        self, X: Any, y: Any, sample_weight: Any, is_warm: bool
    ) -> tuple[TableCodec, np.ndarray, np.ndarray, Any, "_Targets"]:
        """Return a codec, X as numbers, the targets, weights, and the form of the targets."""
        if y is None:
            raise ValueError(
                "ConditionalMAFDensity requires y to be passed, but the target y is None."
            )
        refuse_stream(self, X)
        X = as_table(X, min_rows=2)
        y = unwrapped("y", y)
        check_consistent_length(X, y)
        Y, is_1d = _read_targets(y, self)
        Y, _ = without_weightless(Y, sample_weight)
        X, sample_weight = without_weightless(X, sample_weight)
        if is_warm:
            self._check_targets(y, Y)
            N = encode_rows(self, X)
            targets = self._targets
            of_targets, of_context = self._split_kinds(X, _named(y, Y))
            is_same = declared_kinds(X, of_context) == self.codec_.declared
            self._check_unchanged(is_same and _declared(y, Y, of_targets) == targets.declared)
            return self.codec_, N, Y, sample_weight, targets
        of_targets, of_context = self._split_kinds(X, _named(y, Y))
        codec, N = learn_table(X, of_context, None)
        names = column_names(_named(y, Y))
        targets = _Targets(is_1d, _declared(y, Y, of_targets), column_keys(names, Y.shape[1]))
        return codec, N, Y, sample_weight, targets

    def _split_kinds(self, X: Any, targets: Any) -> tuple[dict, dict]:
        """Return what is declared of the targets, and of columns of X that are no targets."""
        of_context = {
            name: kind
            for name, kind in (self.column_kinds or {}).items()
            if isinstance(name, str)
            and name in (column_names(X) or ())
            and name not in (column_names(targets) or ())
        }
        check_shown_kinds(of_context)
        kinds = self.column_kinds or {}
        return {name: kinds[name] for name in kinds if name not in of_context}, of_context

    def _check_targets(self, y: Any, Y: np.ndarray) -> None:
        """Refuse other targets than those of `fit`; the name of a single one does not matter."""
        n_targets = len(self.columns_.columns)
        if Y.shape[1] != n_targets:
            raise ValueError(f"y has {Y.shape[1]} columns, and it had {n_targets} in fit.")
        names = column_names(_named(y, Y))
        if names is not None and n_targets > 1 and not self._targets.may_be_called(names):
            raise ValueError(
                f"The columns of y should match those that were passed during fit: y has {names}, "
                f"and fit had {self._targets.keys}, in that order."
            )

    def _context(self, X: Any) -> np.ndarray:
        N = encode_rows(self, X)
        return self.context_encoder_.encode(N)

    @lazy_on_dask(a_number)
    def score_samples(self, X: Any, y: Any = None) -> np.ndarray:
        """Log-density of the targets of each row, given the row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            Without it, each row has the mean over 1,000 targets that the density itself draws:
            minus its entropy, which tells how sure it is of that row.

        Returns
        -------
        log_density : ndarray of shape (n_samples,), float64
            In nats, with respect to the units of y; finite.

        Raises
        ------
        ValueError
            If X or y do not fit what `fit` saw, names of several targets included, or y holds what
            is no finite number.
        """
        context = self._context(X)
        if y is None:
            return self._predictor.negative_entropies(context)
        y = unwrapped("y", y)
        check_consistent_length(X, y)
        Y, _ = _read_targets(y, self)
        self._check_targets(y, Y)
        return self.density_.log_prob(Y, context)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
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
        return weighted_mean(np.asarray(self.score_samples(X, y)), sample_weight)

    def _draws_outline(self, X: Any, n_samples: int, random_state: Any) -> np.ndarray:
        """Return what `sample` gives of no rows."""
        check_count("n_samples", n_samples)
        return self._shaped(np.empty((0, n_samples, len(self.columns_.columns))))

    @lazy_on_dask(_draws_outline)
    def sample(self, X: Any, n_samples: int = 1, random_state: Any = None) -> np.ndarray:
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
            In the units of y; an array whatever X is.

        Raises
        ------
        ValueError
            If ``n_samples`` is not a positive integer, or X does not fit what `fit` saw.
        """
        check_is_fitted(self)
        check_count("n_samples", n_samples)
        context = self._context(X)
        repeated = context.repeat(n_samples, axis=0)
        drawn = draw_rows(self.density_, self.constraints_, len(repeated), random_state, repeated)
        return self._shaped(drawn.reshape(len(context), n_samples, -1))

    def _outline(self, X: Any, **along: Any) -> Any:
        """Return an answer about no rows, with dimensions after that of targets."""
        sizes = [len(names) for names in along.values()]
        return self._labelled(np.empty((0, len(self.columns_.columns), *sizes)), X, **along)

    @lazy_on_dask(lambda self, X: self._shaped(np.empty((0, len(self.columns_.columns)))))
    def predict(self, X: Any) -> np.ndarray:
        """Conditional mean of the targets; for their median see `predict_quantiles`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            In the units of y; an array whatever X is, as of all regressors of scikit-learn.
        """
        means = self._predicted(X, lambda distribution, rows, j: distribution.means())
        return self._shaped(means)

    @lazy_on_dask(lambda self, X, q: self._outline(X, **_levels(q)))
    def predict_quantiles(self, X: Any, q: Any) -> Any:
        """Conditional quantiles of each target.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        q : float or array-like of shape (n_levels,)
            Levels, strictly between 0 and 1.

        Returns
        -------
        quantiles : ndarray of shape (n_samples[, n_targets][, n_levels]) or DataFrame
            In the units of y; without the last dimension for a single number ``q``. Of a data
            frame X, where there are several columns, they are one, as `predict_interval` gives: its
            columns are the levels, the targets, or a pair of both.

        Raises
        ------
        ValueError
            If a level is not between 0 and 1.
        """
        along = _levels(q)
        levels = np.atleast_1d(np.asarray(q, dtype=np.float64))
        quantiles = self._predicted(X, lambda distribution, rows, j: distribution.quantiles(levels))
        quantiles = np.moveaxis(quantiles, 1, 2)
        return self._labelled(quantiles if along else quantiles[:, :, 0], X, **along)

    def _interval_outline(self, X: Any, coverage: float) -> Any:
        """Return what `predict_interval` gives of no rows."""
        self._reach(coverage)
        return self._outline(X, bound=BOUNDS)

    @lazy_on_dask(_interval_outline)
    def predict_interval(self, X: Any, coverage: float = 0.9) -> Any:
        """Central intervals of each target, which hold it with probability ``coverage`` at least.

        This is distributional conformal prediction (Chernozhukov et al. 2021): the interval lies
        between two quantiles as far from the median, in probability, as it takes to hold the
        targets of that share of the rows that were set aside. If new rows are like those, this
        keeps its coverage on average over fits, however good the density is.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        coverage : float, default=0.9
            Between 0 and 1.

        Returns
        -------
        intervals : ndarray of shape (n_samples, 2) or (n_samples, n_targets, 2) or DataFrame
            Lower and upper end, in the units of y. Each target has its coverage by itself. Of a
            data frame X they are one, with its index: of a y of one dimension with the columns
            "lower" and "upper"; else with those of each target, called as in y or "y0", "y1" and so
            on: in a MultiIndex of target and bound, or, of another library than pandas, as
            "y0_lower".

        Raises
        ------
        ValueError
            If ``coverage`` is not between 0 and 1, or asks for more than the rows set aside can
            tell.
        """
        check_is_fitted(self)
        levels = 0.5 + np.outer(self._reach(coverage), [-1, 1])
        ends = self._predicted(X, lambda distribution, rows, j: distribution.quantiles(levels[j]))
        return self._labelled(np.moveaxis(ends, 1, 2), X, bound=BOUNDS)

    def _reach(self, coverage: float) -> np.ndarray:
        """Return how far from the median intervals go, in probability, for each target."""
        if not isinstance(coverage, Real) or not 0 < coverage < 1:
            raise ValueError(f"coverage must be between 0 and 1, both excluded, got {coverage!r}.")
        n = len(self.calibration_scores_)
        rank = max(1, math.ceil((n + 1) * coverage - 1e-9))
        if rank > n:
            most = math.floor(1000 * n / (n + 1)) / 1000
            raise ValueError(
                f"coverage={coverage} cannot be told from {n} rows that calibrate: ask for at "
                f"most {most}, or fit on more rows or with a larger validation_fraction."
            )
        return self.calibration_scores_[rank - 1]

    def _predicted(self, X: Any, function: Any) -> np.ndarray:
        """Return numbers that a function of distributions gives for the rows; targets come last.

        Like draws they go beyond no end of a target, though quantiles beyond all nodes may.
        """
        check_is_fitted(self)
        numbers = self._predictor.apply(self._context(X), self.constraints_, function)
        low, high = np.transpose([column.limits for column in self.columns_.columns])
        ends = self.constraints_.ends
        return np.clip(numbers, np.maximum(low, ends.lowest), np.minimum(high, ends.highest))

    def _shaped(self, values: np.ndarray, axis: int = -1) -> np.ndarray:
        """Return values without the dimension of targets if y had none."""
        return values.squeeze(axis) if self._targets.is_1d else values

    def _labelled(self, values: np.ndarray, X: Any, **along: Any) -> Any:
        """Return answers about rows, shape (n, n_targets, ...), with names where X is a frame.

        Those of one number for each row stay an array. ``along`` says what is along the dimensions
        after that of targets.
        """
        values = self._shaped(values, axis=1)
        if values.ndim == 1:
            return values
        levels = along if self._targets.is_1d else {"target": self._targets.names, **along}
        return labelled(values, as_table(X, 0), product_index(levels))

    def __sklearn_tags__(self) -> Any:
        tags = tagged(super().__sklearn_tags__())
        tags.target_tags.multi_output = True
        tags.regressor_tags.poor_score = True  # `score` is a log-likelihood
        return tags


@dataclass(frozen=True)
class _Targets:
    """The form of the targets: whether they have one dimension, what is declared of them, and what
    relations call them."""

    is_1d: bool
    declared: dict
    keys: list

    @property
    def names(self) -> list:
        """What columns of answers are called."""
        return self.keys if self._are_named else [f"y{j}" for j in range(len(self.keys))]

    @property
    def _are_named(self) -> bool:
        return self.keys != list(range(len(self.keys)))

    def may_be_called(self, names: list) -> bool:
        """Return whether columns of these names may be these targets, in this order."""
        are_keys = column_keys(names, len(names)) == self.keys
        return are_keys or not (self._are_named or set(names) == set(self.keys))


def _levels(q: Any) -> dict[str, np.ndarray]:
    """Return what is along the last dimension of quantiles; nothing of a single level.

    Raises
    ------
    ValueError
        If a level is not between 0 and 1.
    """
    levels = np.asarray(q, dtype=np.float64)
    is_inside = np.all((levels > 0) & (levels < 1))
    if levels.ndim > 1 or levels.size == 0 or not is_inside:
        raise ValueError(f"q must be one or more levels between 0 and 1, both excluded, got {q!r}.")
    return {"quantile": levels} if levels.ndim else {}


def _encoder(codec: TableCodec, N: np.ndarray, weights: np.ndarray) -> ContextEncoder:
    """Return how rows that a codec reads become the context."""
    schema = codec.schema
    return ContextEncoder.learn(N, weights, schema.n_categories, schema.cycles, codec.declared)


def _read_targets(y: Any, estimator: Any) -> tuple[np.ndarray, bool]:
    """Return targets as finite numbers, shape (n, n_targets), and whether y had one dimension."""
    with np.errstate(invalid="ignore"):  # in the sums by which scikit-learn looks for NaN
        Y = check_y(y, multi_output=True, estimator=estimator)
    is_numbers = Y.dtype.kind in "biuf"
    if Y.dtype == object:
        is_numbers = all(isinstance(cell, (Real, Decimal)) for cell in Y.flat)
    if not is_numbers:
        raise ValueError("y must hold numbers; for classes use MAFClassifier.")
    Y = Y.astype(np.float64)
    with np.errstate(invalid="ignore"):
        assert_all_finite(Y, input_name="y")
    is_1d = Y.ndim == 1
    return Y[:, None] if is_1d else Y, is_1d


def _named(y: Any, Y: np.ndarray) -> Any:
    """Return the targets as a table with their names, if they have such."""
    if hasattr(y, "to_frame"):  # a column has a name, too
        y = y.to_frame()
    return y if hasattr(y, "columns") else Y


def _declared(y: Any, Y: np.ndarray, column_kinds: dict) -> dict:
    """Return what is declared of the targets, checked, by position."""
    named = _named(y, Y)
    names = column_names(named)
    n_targets = Y.shape[1]
    schema = Schema(
        names=None if names is None else list(names),
        container="array",
        dtypes=[Y.dtype] * n_targets,
        categories=[None] * n_targets,
        cell_types=[{"numbers"}] * n_targets,
        timelines=[None] * n_targets,
        rare=[None] * n_targets,
    )
    declared = declared_kinds(named, column_kinds)
    check_declared(declared, Y, schema)
    if "categorical" in declared.values():
        raise ValueError("column_kinds calls a target categorical: for classes use MAFClassifier.")
    if any(map(is_periodic, declared.values())):
        raise ValueError(
            "column_kinds calls a target periodic, which has neither a mean nor quantiles: "
            "give its sine and its cosine as two targets."
        )
    return declared
