"""What estimators with a codec and a density share: reading rows, warnings, writing rows."""

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils.validation import check_is_fitted

from ._compat import check_sample_weight
from ._dask import a_number, draw_parts, lazy_on_dask
from ._doc_link import DocumentedEstimator
from ._validation import check_columns, check_count, seed_from, tagged, weigh
from ._warnings import warn_user
from .inference.drawing import draw_rows, fill_rows
from .models.specs import TableKnowledge
from .persistence.state import PlainState
from .streamed import by_blocks
from .table.codec import TableCodec
from .table.constraints import RowConstraints
from .table.description import describe_columns
from .table.frames import as_table, take_rows
from .table.labels import with_draws
from .table.relation_search import column_keys

if TYPE_CHECKING:
    from .training.loop import History

logger = logging.getLogger("skmaf")

CONTAINERS = (None, "default", "pandas", "polars")


def without_weightless(X: Any, sample_weight: Any) -> tuple[Any, Any]:
    """Drop the rows of weight 0 of an array or a frame; return the others and their weights.

    What is no weights is returned as it is: the checks that follow refuse it.
    """
    if sample_weight is None:
        return X, None
    weights = np.asarray(sample_weight)
    if weights.shape != (X.shape[0],) or weights.dtype.kind not in "biuf":
        return X, sample_weight
    kept = np.flatnonzero(weights)
    if len(kept) in (0, 1, len(weights)):
        return X, sample_weight
    return take_rows(X, kept), weights[kept]


def learn_table(
    X: Any, column_kinds: dict | None, codec: TableCodec | None
) -> tuple[TableCodec, np.ndarray]:
    """Return a codec and the table as numbers; the codec is learned unless one is given."""
    findings: list
    if codec is None:
        codec, N, findings = TableCodec.learn(X, column_kinds)
    else:
        N, findings = codec.encode(X)
    warn_of(findings)
    return codec, N


def encode_rows(estimator: Any, X: Any) -> np.ndarray:
    """Return rows like those of `fit` as numbers, with a warning for each finding."""
    check_is_fitted(estimator)
    X = as_table(X)
    check_columns(estimator, X)
    N, findings = estimator.codec_.encode(X)
    warn_of(findings)
    return N


def warn_of(findings: list) -> None:
    """Tell the user what was found in reading a table."""
    for finding in findings:
        warn_user(finding.message)


def warn_if_interrupted(history: "History") -> None:
    """Tell the user who pressed Ctrl-C that nothing is lost."""
    if history.interrupted:
        warn_user(
            f"Training was interrupted after {len(history.loss_curve)} epochs; the best weights "
            "so far are kept."
        )


def keep_fitted(estimator: Any, codec: Any, **attributes: Any) -> None:
    """Set all that `fit` found at once: an interrupt leaves the estimator as it was, or fitted."""
    features: dict[str, Any] = {"n_features_in_": codec.n_features}
    if codec.feature_names is not None:
        features["feature_names_in_"] = codec.feature_names
    kept = {name: value for name, value in vars(estimator).items() if name != "feature_names_in_"}
    # one assignment: an interrupt cannot come in its middle
    estimator.__dict__ = {**kept, **features, "codec_": codec, **attributes}
    _log_fit(estimator, codec.n_features, attributes)


def _log_fit(estimator: Any, n_columns: int, attributes: dict) -> None:
    """Log that a fit has ended: as news if the estimator is verbose, and else for who debugs."""
    level = logging.INFO if getattr(estimator, "verbose", False) else logging.DEBUG
    n_epochs = attributes.get("n_iter_")
    length = "" if n_epochs is None else f" in {n_epochs} epochs"
    score = attributes.get("best_validation_score_")
    quality = "" if score is None else f"; best held-out score {score:.4f} nats"
    name = type(estimator).__name__
    logger.log(level, "%s fitted to %d columns%s%s", name, n_columns, length, quality)


def knowledge_of(codec: TableCodec) -> TableKnowledge:
    """Return what a codec knows of its table."""
    schema = codec.schema
    declared = {**schema.periods, **codec.declared}
    return TableKnowledge(schema.n_categories, declared, codec.has_missing, schema.cycles)


def learn_constraints(
    codec: TableCodec, N: np.ndarray, sample_weight: Any, relations: Any
) -> RowConstraints:
    """Return what rows that are drawn are held to, learned from the rows of a table."""
    rows, weights = weigh(N, sample_weight)
    keys = column_keys(codec.schema.names, codec.n_features)
    timelines = codec.schema.timelines
    return RowConstraints.learn(N[rows], weights, keys, codec.quantities, relations, timelines)


def weighted_mean(scores: np.ndarray, sample_weight: Any) -> float:
    """Return the mean of the scores of rows."""
    if sample_weight is None:
        return float(scores.mean())
    weights = check_sample_weight(sample_weight, scores, dtype=np.float64, ensure_non_negative=True)
    if not weights.any():  # older versions of scikit-learn let this pass
        raise ValueError(
            "sample_weight is zero in all rows: give a positive weight to at least one."
        )
    return float(np.average(scores, weights=weights))


class FittedDensity(DocumentedEstimator, PlainState):
    """An estimator that `fit` gives a codec, ``codec_``, and a density object, ``density_``."""

    codec_: TableCodec
    density_: Any
    constraints_: RowConstraints

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "density_")

    @property
    def columns_(self) -> Any:
        """What each column is: its categories, scale, grid step."""
        return self.density_.columns

    @property
    def schema_(self) -> Any:
        """The form of the table X: names, dtypes, categories."""
        return self.codec_.schema

    @property
    def relations_(self) -> list:
        """The relations that rows keep which are drawn; ``str`` says each in words."""
        return list(self.constraints_.relations)

    @property
    def ranges_(self) -> dict:
        """The columns at whose ends rows pile up, and the ends, which no drawn row passes."""
        return self.constraints_.ranges

    @property
    def flow_(self) -> Any:
        """The trained torch module, on the CPU, in float32."""
        return self.density_.flow


class RowWriter(BaseEstimator):
    """An estimator of rows, which says what it took their columns for, and gives rows like those of
    `fit`, in a container of the user's choice."""

    def set_output(self, *, transform: str | None = None) -> "RowWriter":
        """Choose the form of the rows that are drawn or filled.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            "default" is the form of X in `fit`, and an array for what ``transform`` gives, which
            follows the choice too; None leaves the choice as it is.

        Returns
        -------
        self : estimator
        """
        if transform not in CONTAINERS:
            raise ValueError(
                f"transform must be 'default', 'pandas' or 'polars', got {transform!r}."
            )
        if transform is not None:
            # under this name `clone` keeps it
            self._sklearn_output_config = {"transform": transform}
        return self

    def describe_columns(self) -> pd.DataFrame:
        """What each column of X was taken for in `fit`, and what it held there.

        Returns
        -------
        described : DataFrame of shape (n_features, 4)
            A row for each column, by its name, or its position where X in `fit` was an array:
            ``kind``, in words; the share of ``missing`` cells; the ``lowest`` and the ``highest``
            value, in the units of X, None for categories. Where X was read in blocks, the last
            three are those of a sample of its rows.

        Examples
        --------
        >>> import pandas as pd
        >>> from skmaf import MAFDensity
        >>> X = pd.DataFrame({"size": [1.5, 2.0, 3.5, 2.5], "colour": ["red", "red", "blue", None]})
        >>> density = MAFDensity(max_iter=5, early_stopping=False, random_state=0).fit(X)
        >>> density.describe_columns().loc["colour", ["kind", "missing"]].tolist()
        ['2 categories', 0.25]
        """
        check_is_fitted(self)
        return describe_columns(self.columns_.columns, self.codec_)

    def _write(self, N: np.ndarray, rng: np.random.RandomState | None = None) -> Any:
        config = getattr(self, "_sklearn_output_config", {})
        container = config.get("transform", "default")
        return self.codec_.decode(N, None if container == "default" else container, rng)


class TableDensityEstimator(DensityMixin, RowWriter, FittedDensity):
    """The density of a table."""

    def __sklearn_tags__(self) -> Any:
        return tagged(super().__sklearn_tags__())

    @lazy_on_dask(a_number)
    def score_samples(self, X: Any) -> np.ndarray:
        """Log-density of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Or a table that is read in blocks of rows, as `MAFDensity.fit` takes them, or a Dask
            array or dataframe: the log-densities are then computed lazily.

        Returns
        -------
        log_density : ndarray of shape (n_samples,), float64
            In nats, with respect to the units of X; finite. Of the cells that a row has, where
            some are missing.

        Raises
        ------
        ValueError
            If X holds infinity, cells of another kind or other columns than in `fit`, or missing
            cells where `fit` saw none.

        Warns
        -----
        UserWarning
            If a category was not seen in `fit`: it counts as a new value, which is unlikely.
        """
        check_is_fitted(self)
        return by_blocks(lambda rows: self.density_.log_prob(encode_rows(self, rows)), X)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Mean log-density of the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the mean.

        Returns
        -------
        score : float
            In nats per row, with respect to the units of X.

        Raises
        ------
        ValueError
            As `score_samples`, and if weights are negative, not finite, or all zero.
        """
        return weighted_mean(np.asarray(self.score_samples(X)), sample_weight)

    def sample(
        self, n_samples: int = 1, random_state: Any = None, *, complete: bool = False
    ) -> Any:
        """Draw rows from the density.

        They keep what all rows in `fit` keep: `relations_`, `ranges_` and decimals.

        Parameters
        ----------
        n_samples : int, default=1
        random_state : int, RandomState instance or None, default=None
            Governs the draw; with None every call draws afresh.
        complete : bool, default=False
            Whether no cell is to be missing. Else cells are missing as often, and together, as
            they were in `fit`.

        Returns
        -------
        X : ndarray or DataFrame of shape (n_samples, n_features)
            Like X in `fit`: its columns, dtypes and categories, in the units of X, with numbers on
            the grid where these are.

        Raises
        ------
        ValueError
            If ``n_samples`` is not a positive integer.
        """
        check_is_fitted(self)
        check_count("n_samples", n_samples)
        N = draw_rows(self.density_, self.constraints_, n_samples, random_state, complete=complete)
        rng = np.random.RandomState(seed_from(random_state))
        return self._write(N, rng)

    def sample_dask(
        self,
        n_samples: int,
        random_state: Any = None,
        *,
        chunk_size: int = 100_000,
        complete: bool = False,
    ) -> Any:
        """Draw rows from the density lazily, as a Dask array or dataframe.

        The rows of a chunk are those that `sample` draws, with a seed of the chunk's own: they
        depend on ``random_state`` and ``chunk_size``, and not on the workers that draw them.

        Parameters
        ----------
        n_samples : int
        random_state : int, RandomState instance or None, default=None
            Governs the draw; with None every call draws afresh, and every computation of what it
            returns the same.
        chunk_size : int, default=100000
            Number of rows in a chunk; the last one may have fewer.
        complete : bool, default=False
            Whether no cell is to be missing, as in `sample`.

        Returns
        -------
        X : dask.array.Array or dask.dataframe.DataFrame of shape (n_samples, n_features)
            A dataframe if X in `fit` was a data frame; its index counts the rows.

        Raises
        ------
        ValueError
            If ``n_samples`` or ``chunk_size`` is not a positive integer.
        """
        check_is_fitted(self)
        check_count("n_samples", n_samples)
        check_count("chunk_size", chunk_size)
        starts = range(0, n_samples, chunk_size)
        sizes = [min(chunk_size, n_samples - start) for start in starts]
        return draw_parts(self, sizes, random_state, {"complete": complete})

    def _filled_outline(self, X: Any, n_draws: int, random_state: Any) -> Any:
        """Return what `impute` gives of no rows."""
        if n_draws != 1:
            raise ValueError(
                f"n_draws={n_draws}, and one draw at a time is made of a collection of Dask: call "
                "impute for each, with a random_state of its own."
            )
        filled = self._write(np.empty((0, self.n_features_in_)))
        return X if isinstance(X, pd.DataFrame) and not isinstance(filled, np.ndarray) else filled

    @lazy_on_dask(_filled_outline)
    def impute(self, X: Any, n_draws: int = 1, random_state: Any = None) -> Any:
        """Draw the missing cells, each given the other cells of its row.

        What follows from other cells by `relations_` is computed, and all that is drawn keeps them,
        `ranges_` and decimals.

        The conditional density of a cell is followed on a grid of some 230 values, refined where
        the probability is; that many rows are scored for each missing cell, or one for each
        category of a discrete column.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of which some have missing cells, if rows in `fit` had such too.
        n_draws : int, default=1
            How often to draw, for multiple imputation.
        random_state : int, RandomState instance or None, default=None
            Governs the draws; with None every call draws afresh. Of a Dask collection each
            partition has a seed of its own.

        Returns
        -------
        X : ndarray or DataFrame of shape (n_draws * n_samples, n_features)
            The rows with their missing cells filled, all else as it was; with several draws, one
            whole table below the other. The draw of a row, from 0 on, is then the first level,
            "draw", of the index of a frame of pandas, before that of X, and the first column,
            "draw", of another frame; where X has such a name, an underscore follows.

        Raises
        ------
        ValueError
            As `score_samples`, and if ``n_draws`` is not a positive integer.
        """
        check_is_fitted(self)
        check_count("n_draws", n_draws)
        X = as_table(X)
        N = encode_rows(self, X)
        rows = np.tile(N, (n_draws, 1))
        missing = np.isnan(rows)
        rng = np.random.RandomState(seed_from(random_state))
        fill_rows(rows, self.density_, self.constraints_, rng)
        shown = take_rows(X, np.tile(np.arange(len(N)), n_draws))
        filled = self.codec_.restore(self._write(rows, rng), shown, missing)
        return filled if n_draws == 1 else with_draws(filled, n_draws)
