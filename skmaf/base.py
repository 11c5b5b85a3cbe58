"""What density estimators with a flow inside share: scores and draws in the units of X."""

import copy
import warnings
from numbers import Integral

import numpy as np
import torch
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils import gen_batches
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from .devices import pick_device
from .threads import threads_for
from .validation import check_table, seed_from

LOWEST = -1e300  # a mean over many such scores is still finite


class FlowDensity(DensityMixin, BaseEstimator):
    """Scores and draws of an estimator that has a ``device``, and when fitted ``columns_``, ``flow_`` and ``_dtype``.

    It says by ``_log_density(flow, Z)`` what the log-density of rows in flow space is, and by ``_draw(flow, z, rng)`` what rows
    there come of normal ones.
    """

    def score_samples(self, X):
        """Log-density of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        log_density : ndarray of shape (n_samples,), float64
            In nats, with respect to the units of X; finite.

        Raises
        ------
        ValueError
            If X holds text, NaN or infinity, or other columns than in `fit`.
        """
        check_is_fitted(self)
        X = check_table(self, X, reset=False)
        flow = self._flow_for(X.dtype)
        scores = np.empty(len(X))
        with threads_for(1), torch.no_grad():
            for rows in gen_batches(len(X), flow.batch_rows):
                scores[rows] = self._log_density(flow, self.columns_.to_flow(X[rows])) + self.columns_.log_jacobian(X[rows])
        # so far out that the density, or a number on the way to it, overflowed
        scores[~np.isfinite(scores)] = LOWEST
        return scores

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
        scores = self.score_samples(X)
        if sample_weight is None:
            return float(scores.mean())
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if not weights.any():  # older versions of scikit-learn let this pass
            raise ValueError("sample_weight is zero in all rows: give a positive weight to at least one.")
        return float(np.average(scores, weights=weights))

    def sample(self, n_samples=1, random_state=None):
        """Draw rows from the density.

        Parameters
        ----------
        n_samples : int, default=1
        random_state : int, RandomState instance or None, default=None
            Governs the draw; with None every call draws afresh.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            In the units of X, with the values of grid and constant columns on their grid; of the dtype of X in `fit`.

        Raises
        ------
        ValueError
            If ``n_samples`` is not a positive integer.
        """
        check_is_fitted(self)
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(f"n_samples must be a positive integer, got {n_samples!r}.")
        seed = seed_from(random_state)
        generator, rng = torch.Generator().manual_seed(seed), np.random.RandomState(seed)
        flow = self._flow_for(self._dtype)
        X = np.empty((n_samples, self.n_features_in_), dtype=self._dtype)
        with threads_for(1), torch.no_grad():
            for rows in gen_batches(n_samples, flow.batch_rows_inverse):
                z = flow.tensor(torch.randn((rows.stop - rows.start, len(self.columns_.varying)), generator=generator))
                X[rows] = self.columns_.from_flow(self._draw(flow, z, rng))
        return X

    def _flow_for(self, dtype):
        """The flow in the precision of ``dtype``, on the fastest device that has it."""
        device = pick_device(self.device, fitted=True)
        if dtype == np.float64 and device.type == "mps":
            device = torch.device("cpu")
        if dtype == np.float32 and device.type == "cpu":
            return self.flow_
        return copy.deepcopy(self.flow_).to(device, torch.float64 if dtype == np.float64 else torch.float32)


def warn_if_interrupted(history):
    """Tell the user who pressed Ctrl-C that nothing is lost."""
    if history.interrupted:
        warnings.warn(
            f"Training was interrupted after {len(history.loss_curve)} epochs; the best weights so far are kept.",
            stacklevel=4,
        )
