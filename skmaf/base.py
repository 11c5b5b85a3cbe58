"""What density estimators with a flow inside share: scores and draws in the units of X."""

import copy
import warnings

import numpy as np
import torch
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils import _safe_indexing, gen_batches
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from ._devices import pick_device
from ._torch import threads_for
from ._validation import check_count, refuse_gaps, seed_from, tagged
from .inference.imputation import fill
from .table.schema import read_table, restore

LOWEST = -1e300  # a mean over many such scores is still finite


class FlowEstimator(BaseEstimator):
    """Scores and draws of numbers by an estimator that has a ``device``.

    When fitted it has ``columns_``, ``schema_``, ``flow_``, a ``_dtype``, and knows whether it saw missing cells,
    ``_with_gaps``. It says by ``_log_density(flow, Z)`` what the log-density of rows in flow space is, and by
    ``_draw(flow, given, generator, rng)`` draws a row there for each row of ``given``: what the density is conditional on,
    which stands behind the columns of flow space, and perhaps has no columns itself.
    """

    def _read(self, X):
        """Rows like those of `fit` as numbers."""
        X = read_table(self, X, reset=False)
        return X if self._with_gaps else refuse_gaps(X, self.schema_)

    def _scores(self, X, log_density, given=None):
        flow = self._flow_for(X.dtype)
        scores = np.empty(len(X))
        with threads_for(1), torch.no_grad():
            for rows in gen_batches(len(X), flow.batch_rows):
                Z = self._in_flow_space(X[rows], None if given is None else given[rows])
                scores[rows] = log_density(flow, Z) + self.columns_.log_jacobian(X[rows])
        # so far out that the density, or a number on the way to it, overflowed
        scores[~np.isfinite(scores)] = LOWEST
        return scores

    def _in_flow_space(self, X, given):
        Z = self.columns_.to_flow(X)
        return Z if given is None else np.hstack([Z, given])

    def _draws(self, flow, given, random_state):
        """Rows of numbers in the units of X, one for each row of ``given``."""
        seed = seed_from(random_state)
        generator, rng = torch.Generator().manual_seed(seed), np.random.RandomState(seed)
        X = np.empty((len(given), len(self.columns_.columns)), dtype=self._dtype)
        with threads_for(1), torch.no_grad():
            for rows in gen_batches(len(given), flow.batch_rows_inverse):
                X[rows] = self._out_of_flow_space(self._draw(flow, given[rows], generator, rng))
        return X

    def _out_of_flow_space(self, Z):
        largest = np.finfo(self._dtype).max
        return np.clip(self.columns_.from_flow(Z), -largest, largest)

    def _flow_for(self, dtype):
        """The flow in the precision of ``dtype``, on the fastest device that has it."""
        device = pick_device(self.device, fitted=True)
        if dtype == np.float64 and device.type == "mps":
            device = torch.device("cpu")
        if dtype == np.float32 and device.type == "cpu":
            return self.flow_
        return copy.deepcopy(self.flow_).to(
            device, torch.float64 if dtype == np.float64 else torch.float32
        )


class FlowDensity(DensityMixin, FlowEstimator):
    """The density of a table."""

    def score_samples(self, X):
        """Log-density of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        log_density : ndarray of shape (n_samples,), float64
            In nats, with respect to the units of X; finite. Of the cells that a row has, where some are missing.

        Raises
        ------
        ValueError
            If X holds infinity, cells of another kind or other columns than in `fit`, or missing cells where `fit` saw none.

        Warns
        -----
        UserWarning
            If a category was not seen in `fit`: it counts as a new value, which is unlikely.
        """
        check_is_fitted(self)
        return self._score_numbers(self._read(X))

    def __sklearn_tags__(self):
        return tagged(super().__sklearn_tags__())

    def _score_numbers(self, X):
        return self._scores(X, self._log_density)

    def score(self, X, y=None, sample_weight=None):
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
        return weighted_mean(self.score_samples(X), sample_weight, X)

    def sample(self, n_samples=1, random_state=None):
        """Draw rows from the density.

        Parameters
        ----------
        n_samples : int, default=1
        random_state : int, RandomState instance or None, default=None
            Governs the draw; with None every call draws afresh.

        Returns
        -------
        X : ndarray or DataFrame of shape (n_samples, n_features)
            Like X in `fit`: its columns, dtypes and categories, in the units of X, with numbers on the grid where these are.

        Raises
        ------
        ValueError
            If ``n_samples`` is not a positive integer.
        """
        check_is_fitted(self)
        check_count("n_samples", n_samples)
        return self._write(
            self._draws(self._flow_for(self._dtype), np.empty((n_samples, 0)), random_state)
        )

    def impute(self, X, n_draws=1, random_state=None):
        """Draw the missing cells, each given the other cells of its row.

        The conditional density of a cell is followed on a grid of some 230 values, refined where the probability is; that many
        rows are scored for each missing cell, or one for each level of a discrete column.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of which some have missing cells, if rows in `fit` had such too.
        n_draws : int, default=1
            How often to draw, for multiple imputation.
        random_state : int, RandomState instance or None, default=None
            Governs the draws; with None every call draws afresh.

        Returns
        -------
        X : ndarray or DataFrame of shape (n_draws * n_samples, n_features)
            The rows with their missing cells filled, all else as it was; with several draws, one whole table below the other.

        Raises
        ------
        ValueError
            As `score_samples`, and if ``n_draws`` is not a positive integer.
        """
        check_is_fitted(self)
        check_count("n_draws", n_draws)
        rows = np.tile(self._read(X), (n_draws, 1))
        missing, rng = np.isnan(rows), np.random.RandomState(seed_from(random_state))
        fill(
            rows,
            self.columns_,
            self._score_numbers,
            lambda rows: self._scores(rows, self._sharp_log_density),
            rng,
        )
        given = _safe_indexing(X, np.tile(np.arange(len(X)), n_draws))
        return restore(self._write(rows), given, missing)

    def set_output(self, *, transform=None):
        """Choose the form of the rows that `sample` and `impute` give.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            "default" is the form of X in `fit`, and an array for what `MAFDensity.transform` gives, which follows the choice
            too; None leaves the choice as it is.

        Returns
        -------
        self : estimator
        """
        if transform not in (None, "default", "pandas", "polars"):
            raise ValueError(
                f"transform must be 'default', 'pandas' or 'polars', got {transform!r}."
            )
        if transform is not None:
            self._sklearn_output_config = {
                "transform": transform
            }  # under this name `clone` keeps it
        return self

    def _write(self, X):
        container = getattr(self, "_sklearn_output_config", {}).get("transform", "default")
        return self.schema_.write(X, None if container == "default" else container)

    def _sharp_log_density(self, flow, Z):
        """What `_log_density` is without a simple density beside it."""
        return self._log_density(flow, Z)


def warn_if_interrupted(history):
    """Tell the user who pressed Ctrl-C that nothing is lost."""
    if history.interrupted:
        warnings.warn(
            f"Training was interrupted after {len(history.loss_curve)} epochs; the best weights so far are kept.",
            stacklevel=4,
        )


def weighted_mean(scores, sample_weight, X):
    """Mean of the scores of the rows of X."""
    if sample_weight is None:
        return float(scores.mean())
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    if not weights.any():  # older versions of scikit-learn let this pass
        raise ValueError(
            "sample_weight is zero in all rows: give a positive weight to at least one."
        )
    return float(np.average(scores, weights=weights))
