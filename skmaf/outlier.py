"""DensityOutlierDetector: the rows that do not belong, by a threshold on a density."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control
from sklearn import get_config
from sklearn.base import OutlierMixin
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.validation import check_is_fitted

from ._compat import HasMethods, Interval, Options, StrOptions, fit_context
from ._dask import a_number, lazy_on_dask
from ._doc_link import DocumentedEstimator
from ._validation import seed_from, tagged, weigh
from ._warnings import warn_user
from .base import encode_rows, keep_fitted, without_weightless
from .detector_defaults import default_density, default_scores
from .folds import Fold, fit_folds, learn_codec, make_folds
from .inference.calibration import Calibration
from .inference.threshold import (
    best_threshold,
    check_rate,
    given_threshold,
    threshold_of_rate,
)
from .models.estimator_density import EstimatorDensity
from .models.fold_ensemble import FoldEnsemble
from .models.row_kinds import SCATTERED, TRUSTED
from .persistence.checkpoints import refuse_checkpoint
from .persistence.state import PlainState
from .streamed import by_blocks, refuse_stream
from .table.codec import PassthroughCodec, TableCodec
from .table.frames import (
    ARRAY,
    as_table,
    container_of,
    integers_as_floats,
    stack_columns,
    take_rows,
    with_own_cells,
    with_values,
)
from .table.labels import labelled

if TYPE_CHECKING:
    from .inference.explanation import Explainer

MIN_ROWS = 4  # two folds of two
FALSE_ALARMS = 0.05  # rate at which normal rows fall below the threshold where no share is given
TYPICAL = 0.5  # share of rows below the score from which on nothing is to be explained


def _a_label(detector: Any, X: Any) -> np.ndarray:
    """Return what `predict` gives of no rows."""
    return np.empty(0, dtype=int)


class DensityOutlierDetector(OutlierMixin, DocumentedEstimator, PlainState):
    """Finds outliers: the rows of lowest density, with p-values and reasons.

    Where rows are rare, a row does not belong [1]_. The rows are divided into folds, and a density
    is fitted without each. A row that `fit` saw is scored by the densities that did not see it,
    recognised by its values, and a new row by all of them; what each says is taken relative to what
    the others say. So no row speaks for itself, and a table may be asked about its own rows. What a
    score means is said by the scores of all rows of `fit`, as conformal p-values [2]_.

    Parameters
    ----------
    estimator : estimator or None, default=None
        Anything with ``fit`` and ``score_samples``: a density estimator or a Pipeline that ends in
        one. None is a `MultiscaleDensity`, whose folds tell each other how fine it may be.
    contamination : float or "auto", default="auto"
        What is known of the rows. "auto" is for a table that may hold outliers: where the rows that
        a forest and the tails of the columns find odd lie together, they count less in the
        densities, the oddest not at all, and these are trained briefly, so that anomalies do not
        vouch for each other. Where odd rows lie each by itself, the densities learn from all of
        them. A float in (0, 0.5] is the share of the rows that the threshold is to call outliers
        (of rows that tie there all or none, whichever is nearer); nothing else follows from it. 0
        is for rows that are trusted to be normal: the densities learn all that they can from all
        of them.
    n_folds : int or "auto", default="auto"
        Number of folds, and so of fits, 2 at least; "auto" is 5. There are at most half as many as
        rows.
    n_jobs : int or None, default=None
        How many folds to fit at a time, as joblib takes it, and to ask for scores, in threads.
        Results are the same for any.
    verbose : bool, default=False
        Whether to show a progress bar of the folds, and one of the rows that are explained where
        that takes long.
    random_state : int, RandomState instance or None, default=None
        Governs the folds and the densities: one that is given gets a seed where its own
        ``random_state``, or one of a step or part of it, is None.

    Attributes
    ----------
    estimators_ : list of estimators
        The fitted density estimators, one for each fold.
    ensemble_ : FoldEnsemble
        What scores rows in each fold, and which folds have not seen which row.
    densities_ : list of density objects
        The densities of the folds.
    codec_ : TableCodec or PassthroughCodec
        Reads rows as the densities take them.
    calibration_ : Calibration
        The scores of the rows of `fit`.
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
    .. [2] Bates, Candes, Lei, Romano and Sesia (2023). Testing for outliers with conformal
           p-values. Annals of Statistics 51.

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
        "contamination": [
            StrOptions({"auto"}),
            Options(Real, {0}),
            Interval(Real, 0, 0.5, closed="right"),
        ],
        "n_folds": [StrOptions({"auto"}), Interval(Integral, 2, None, closed="left")],
        "n_jobs": [Integral, None],
        "verbose": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        contamination: float | str = "auto",
        n_folds: int | str = "auto",
        n_jobs: int | None = None,
        verbose: bool = False,
        random_state: Any = None,
    ):
        self.estimator = estimator
        self.contamination = contamination
        self.n_folds = n_folds
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "DensityOutlierDetector":
        """Fit the densities, and set the threshold.

        An interrupt (Ctrl-C) ends the fit. If some folds are done by then, the detector consists of
        their densities, with a warning; otherwise it is as it was before, and KeyboardInterrupt is
        raised.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows; 4 at the very least.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, in the calibration too. Whole numbers are counts, as in
            `MAFDensity`; of others only ratios matter, and the density must take them. With
            metadata routing they reach the estimator as it requests; calibration uses them in any
            case.

        Returns
        -------
        self : DensityOutlierDetector

        Raises
        ------
        ValueError
            If there are under 4 rows, the density estimator rejects X or keeps a checkpoint, or a
            parameter is out of its range.
        """
        refuse_checkpoint(self)
        refuse_stream(self, X)
        X, sample_weight = without_weightless(as_table(X, min_rows=MIN_ROWS), sample_weight)
        fold_codec, N = learn_codec(self._fold_estimator(), X)
        codec: Any = fold_codec
        rows: Any = N
        if self.estimator is not None:
            codec, rows, _ = PassthroughCodec.learn(X)
        order, weights = weigh(rows if N is None else N, sample_weight)
        if len(order) < MIN_ROWS:
            raise ValueError(
                f"Found array with {len(order)} sample(s) of positive weight; a minimum of "
                f"{MIN_ROWS} is required."
            )
        rows = take_rows(rows, order)
        seed = seed_from(self.random_state)
        rows_are, trust = self._first_look(X, codec, rows, order, weights, seed)
        folds = make_folds(trust, self.n_folds, seed)
        of_fit = None if sample_weight is None else weights
        estimator = self._fold_estimator(rows_are, rows.shape[1])
        estimators = fit_folds(self, estimator, rows, order, of_fit, fold_codec, folds, seed)
        folds = [folds[k] for k in estimators]
        held_out = [fold.held_out for fold in folds]
        densities = [self._density_of(estimator) for estimator in estimators.values()]
        scores: Sequence[Any] = densities
        if self.estimator is None:
            scores = default_scores(rows_are, densities, rows, held_out, seed)
        ensemble = FoldEnsemble.of(scores, rows, held_out, seed)
        calibration = self._calibrate(ensemble, rows, np.sort(np.concatenate(held_out)), weights)
        keep_fitted(
            self,
            codec,
            ensemble_=ensemble,
            densities_=densities,
            estimators_=list(estimators.values()),
            calibration_=calibration,
            offset_=self._offset(calibration),
            _explainer=self._learn_explainer(codec, rows, ensemble, folds, calibration),
        )
        return self

    def _density_of(self, estimator: Any) -> Any:
        """Return the density of the fitted estimator of a fold, of rows as the codec gives them."""
        return estimator.density_ if self.estimator is None else EstimatorDensity(estimator)

    def _first_look(
        self, X: Any, codec: Any, rows: Any, order: np.ndarray, weights: np.ndarray, seed: int
    ) -> tuple[str, np.ndarray]:
        """Return what the rows are like, and how much each is to count: all the same if they
        cannot be looked at."""
        from .models.first_look import FirstLook

        if self.contamination == 0:
            return TRUSTED, np.ones(len(order))
        N = rows
        if self.estimator is not None:
            try:
                codec, N, _ = TableCodec.learn(X)
            except (TypeError, ValueError):
                # a table that only the estimator reads
                return SCATTERED, np.ones(len(order))
            N = N[order]
        look = FirstLook.of(N, weights, codec.schema.n_categories, seed)
        # an estimator may take no weights: a row counts or does not
        trust = look.trust if self.estimator is None else look.trust.round()
        return look.rows_are, trust

    def _calibrate(
        self, ensemble: FoldEnsemble, rows: Any, judged: np.ndarray, weights: np.ndarray
    ) -> Calibration:
        """Return the calibration by the rows at some positions."""
        scores = ensemble.log_prob(take_rows(rows, judged), self.n_jobs)
        return Calibration(scores, weights[judged])

    def _offset(self, calibration: Calibration) -> float:
        """Return the threshold that ``contamination`` asks for."""
        if isinstance(self.contamination, str) or self.contamination == 0:
            return calibration.threshold(FALSE_ALARMS)
        return calibration.quantile(self.contamination)

    def _learn_explainer(
        self,
        codec: Any,
        rows: Any,
        ensemble: FoldEnsemble,
        folds: list[Fold],
        calibration: Calibration,
    ) -> "Explainer":
        """Return what explains rows; of those that it learns from, densities know nothing."""
        from .inference.explanation import Explainer

        is_default = self.estimator is None
        return Explainer.learn(
            rows,
            ensemble.log_prob_of_variants(rows),
            [fold.usual(fold.held_out) for fold in folds],
            typical=calibration.threshold(TYPICAL),
            categorical=[n is not None for n in codec.schema.n_categories] if is_default else None,
        )

    def _fold_estimator(self, rows_are: str = TRUSTED, n_columns: int = 1) -> Any:
        """Return the estimator of each fold, not fitted: that which was given, or the default."""
        if self.estimator is not None:
            return self.estimator
        density = default_density(rows_are, n_columns)
        return density.set_fit_request(sample_weight=True) if _routes() else density

    def get_metadata_routing(self) -> MetadataRouter:
        """Say which metadata goes where: ``sample_weight`` to `fit`, and to that of the estimator.

        Returns
        -------
        routing : MetadataRouter
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        router = MetadataRouter(owner=type(self).__name__).add_self_request(self)
        return router.add(estimator=self._fold_estimator(), method_mapping=mapping)

    @lazy_on_dask(a_number)
    def score_samples(self, X: Any) -> np.ndarray:
        """Log-density of each row, the mean over the densities that have not seen it: the lower,
        the more abnormal.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            In nats.
        """
        check_is_fitted(self)
        ensemble = self.ensemble_
        return by_blocks(lambda rows: ensemble.log_prob(encode_rows(self, rows), self.n_jobs), X)

    @lazy_on_dask(a_number)
    def decision_function(self, X: Any) -> np.ndarray:
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

    @lazy_on_dask(_a_label)
    def predict(self, X: Any) -> np.ndarray:
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

    @lazy_on_dask(a_number)
    def p_values(self, X: Any) -> np.ndarray:
        """How often a normal row would look at least as odd as each of these.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        p_values : ndarray of shape (n_samples,)
            Conformal p-values, in (0, 1], which depend on the score alone; of a row from the source
            of the rows of `fit`, at most ``a`` with probability at most ``a``. Outliers among those
            make them larger: they err on the safe side. None is smaller than 1 / (number of
            rows of `fit` + 1).
        """
        scores = self.score_samples(X)
        return self.calibration_.p_values(scores)

    def select(self, X: Any, fdr: float = 0.1) -> np.ndarray:
        """The rows to look at, so that at most a share ``fdr`` of them is expected to be normal.

        This is the procedure of Benjamini and Hochberg on the conformal p-values, as Bates et al.
        (2023) have it. It finds nothing where rows are too few for small p-values: ``fdr`` times
        the share of outliers should be above 1 / (number of calibration rows + 1).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
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
        check_rate("fdr", fdr)
        return false_discovery_control(np.asarray(self.p_values(X))) <= fdr

    def set_threshold(
        self, *, rate: float | None = None, score: float | None = None, labelled: Any = None
    ) -> "DensityOutlierDetector":
        """Move the threshold without a refit.

        Parameters
        ----------
        rate : float, default=None
            The probability, in (0, 1), with which a new normal row may fall below the threshold.
        score : float, default=None
            The threshold itself, in nats.
        labelled : tuple (X, y), default=None
            Rows and their labels, -1 for outliers and 1 for others: the threshold with the highest
            mean of the shares of both that are right (balanced accuracy).

        Returns
        -------
        self : DensityOutlierDetector

        Raises
        ------
        ValueError
            If not exactly one of the three is given, if the rate is finer than the calibration rows
            can tell, the score is no finite number, or the labels are not of both kinds.
        """
        check_is_fitted(self)
        if sum(wish is not None for wish in (rate, score, labelled)) != 1:
            raise ValueError("Give exactly one of rate, score and labelled.")
        if score is not None:
            self.offset_ = given_threshold(score)
        elif rate is not None:
            self.offset_ = threshold_of_rate(self.calibration_, rate)
        else:
            if not isinstance(labelled, (tuple, list)) or len(labelled) != 2:
                raise ValueError("labelled must be a tuple (X, y): rows, and a label for each.")
            X, y = labelled
            self.offset_ = best_threshold(np.asarray(self.score_samples(X)), np.asarray(y))
        return self

    @lazy_on_dask(lambda self, X: labelled(np.empty(X.shape), X))
    def explain(self, X: Any) -> Any:
        """How much the cells that make a row unlikely do so.

        These are few: the cell whose change to another value gains most is changed; then the next,
        given that change; until the log-density is what that of normal rows usually is: the median
        of those that calibrate, but for what chance gives. There are three changes at most. The
        gain of a cell is what it adds to the log-density at its turn.
        All other cells have a gain of exactly 0, and so have those that gain no more than chance
        gives: `fit` learns how much that is from rows that the densities have not seen. A row that
        is unlikely as a whole, or normal, has no gains at all.

        Two cells may be odd only together, as where each fits the other and neither fits the rest.
        Pairs of suspicious cells are therefore changed together where no single cell explains a
        row; a pair counts if it gains more than chance gives a pair, and at least twice what its
        cells gain alone. The two cells share the gain: each of them has one half.

        Units and the order of columns hardly matter. The cost is that of scoring some 50 to 100
        variants of a row, however many columns there are, so ask about the rows that you will look
        at; with ``verbose`` a progress bar is shown where it takes long.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        gains : ndarray or DataFrame of shape (n_samples, n_features)
            In nats, not negative; of a data frame X one of its kind, with its columns and index.
            Those of a row add up to what its log-density gains by all its `expected_values`, where
            none of its cells is missing. For a row that `fit` saw, that is by the densities that
            have not seen it, and not by `score_samples`, to which the changed row is a new one.
            Missing cells have a gain of 0.
        """
        X = as_table(X)
        return labelled(self._search(X)[0], X)

    def _no_values(self, X: Any) -> Any:
        """Return what `expected_values` gives of no rows."""
        if isinstance(X, np.ndarray):
            return X.astype(np.float64 if X.dtype.kind in "iuf" else object)
        return self._expected(X, [np.empty(0)] * X.shape[1], np.empty(X.shape, dtype=bool))

    @lazy_on_dask(_no_values)
    def expected_values(self, X: Any) -> Any:
        """The rows with likely values in the cells that make them unlikely.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        values : ndarray or DataFrame of shape (n_samples, n_features)
            In the units of X: where `explain` gives a gain, values that training rows hold in the
            column, such as those of similar rows; elsewhere the row's own. Missing cells get a
            likely value, too. Of a data frame X one of its kind, with its columns, index and
            dtypes; but integers are floats where rows in `fit` held other numbers. Else an array,
            of objects where there are categories.
        """
        X = as_table(X)
        _, values, changed = self._search(X)
        return self._expected(X, values, changed)

    def _expected(self, X: Any, values: list[np.ndarray], changed: np.ndarray) -> Any:
        """Return rows with values, as the codec has them, in the cells that are changed."""
        decoded = [self.codec_.decode_column(j, x) for j, x in enumerate(values)]
        if container_of(X) != ARRAY:
            X = integers_as_floats(X, self._explainer.donors.fractional)
        return with_values(X, decoded, changed)

    def counterfactuals(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Both what `explain` and what `expected_values` give, at the cost of one, as arrays.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        gains, values : ndarray of shape (n_samples, n_features)
        """
        X = as_table(X)
        gains, values, changed = self._search(X)
        decoded = [self.codec_.decode_column(j, x) for j, x in enumerate(values)]
        return gains, with_own_cells(stack_columns(decoded), X, changed)

    def _search(self, X: Any) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
        """Return gains, values as the codec has them, and which of these are not the rows' own."""
        rows = encode_rows(self, X)
        gains, values = self._explainer.counterfactuals(
            self.ensemble_.log_prob_of_variants(rows), rows, self.verbose
        )
        return gains, values, (gains > 0) | np.asarray(pd.isna(rows))

    def repair(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Deprecated: `counterfactuals`."""
        warn_user("repair is called counterfactuals now, and goes in 0.3.", FutureWarning)
        return self.counterfactuals(X)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "ensemble_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        if self.estimator is None:
            return tagged(tags)
        if hasattr(self.estimator, "__sklearn_tags__"):
            tags.input_tags = get_tags(self.estimator).input_tags
            tags.input_tags.allow_nan = _takes_missing(self.estimator)
            tags.input_tags.sparse = False  # rows are sorted, and their cells replaced
        return tags


def _takes_missing(estimator: Any) -> bool:
    """Return whether rows may have missing cells; the tags of a Pipeline do not say so."""
    if not isinstance(estimator, Pipeline):
        return get_tags(estimator).input_tags.allow_nan
    steps = [step for _, step in estimator.steps if step not in ("passthrough", None)]
    return all(_takes_missing(step) for step in steps)


def _routes() -> bool:
    return get_config()["enable_metadata_routing"]
