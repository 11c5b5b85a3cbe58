"""What is known of a table without a flow: simple densities that share the probability with it.

A flow that saw few rows can be far worse than a Gaussian, and any flow can be absurdly sure about
a single row. So the density of a table is a mixture: the flow, a Gaussian with shrunk covariance
and heavy tails, and where rows are few a kernel density. Where cells are missing the Gaussian is
that of the others, and there is no kernel density. Codes of discrete columns share with
independent ones. Rows held out give the shares, by stacking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.model_selection import KFold

from .gaussian import Gaussian
from .kernel import Kernel
from .stacking import best_share, log_mixture
from .trend import Trend

KERNEL_ROWS = 1000  # beyond which a flow beats a kernel density, which gets slow there
BANDWIDTHS = np.geomspace(0.05, 2, 12)  # in standard deviations of a column
N_FOLDS = 5
MIN_SHARE = 0.02  # a kernel density with less is not worth its time


@dataclass(frozen=True, eq=False)
class Baseline:
    """Simple densities beside a flow: of the values a Gaussian and perhaps a kernel density.

    Both are those of the errors, the values off their trend in the context. Codes are independent
    of each other and of all else. `fit_baseline` makes a baseline, `stacked` gives it its shares
    beside a flow, and `refitted` learns it anew from more rows.

    Attributes
    ----------
    code_shares : tuple of ndarray
        For each column of codes the shares of its categories.
    trend : Trend or None
        Trend of the values in the context; None without context.
    gaussian : Gaussian or None
        None where there are no values.
    kernel : Kernel or None
    kernel_share : float
        Probability of the kernel density in the baseline of the values; the rest is the Gaussian's.
    share : float, default=0.0
        Probability of the baseline in its mixture with the flow, given the codes.
    code_share : float, default=0.0
        That of independent codes in their mixture with the flow's.
    """

    code_shares: tuple[np.ndarray, ...]
    trend: Trend | None
    gaussian: Gaussian | None
    kernel: Kernel | None
    kernel_share: float
    share: float = 0.0
    code_share: float = 0.0

    @property
    def bandwidth(self) -> float | None:
        """Of the kernel density, in standard deviations of a column; None if there is none."""
        return None if self.kernel is None else float(self.kernel.bandwidths[0])

    def stacked(
        self,
        flow_log_probs: tuple[np.ndarray, np.ndarray],
        Z: np.ndarray,
        weights: np.ndarray,
        context: np.ndarray | None = None,
    ) -> Baseline:
        """This baseline with the shares that are best for rows beside a flow.

        A kernel density that would have next to no share is left out.

        Parameters
        ----------
        flow_log_probs : pair of ndarray of shape (n_rows,)
            Log-probability of the codes by the flow, and log-density of the values given them.
        Z : ndarray of shape (n_rows, n_codes + n_values)
            Rows that neither the flow nor the baseline was fitted on.
        weights : ndarray of shape (n_rows,)
        context : ndarray of shape (n_rows, n_context) or None, default=None
        """
        flow_codes, flow_values = map(_nan_as_impossible, flow_log_probs)
        codes, values = self.log_probs(Z, context)
        code_share = self.code_share
        if self.code_shares:
            code_share = 1 - best_share(flow_codes, codes, weights)
        if self.gaussian is None:
            return replace(self, code_share=code_share)
        share = 1 - best_share(flow_values, values, weights)
        if 0 < self.kernel_share * share < MIN_SHARE:
            without_kernel = replace(self, kernel=None, kernel_share=0.0)
            return without_kernel.stacked(flow_log_probs, Z, weights, context)
        return replace(self, share=share, code_share=code_share)

    def refitted(
        self, Z: np.ndarray, weights: np.ndarray, context: np.ndarray | None = None
    ) -> Baseline:
        """The baseline of other rows, at the same shares and bandwidth, and with the same trend.

        Parameters
        ----------
        Z : ndarray of shape (n_rows, n_codes + n_values)
        weights : ndarray of shape (n_rows,)
        context : ndarray of shape (n_rows, n_context) or None, default=None
        """
        _, errors = _codes_and_errors(Z, len(self.code_shares), self.trend, context)
        kernel = self.kernel
        if kernel is not None:
            kernel = Kernel(kernel.bandwidths, errors, weights)
        return replace(self, gaussian=_gaussian_of(errors, weights), kernel=kernel)

    def log_probs(
        self, Z: np.ndarray, context: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Log-probability of the codes by the baseline alone, and log-density of the values."""
        codes, errors = _codes_and_errors(Z, len(self.code_shares), self.trend, context)
        return self._code_log_prob(codes), self._error_log_prob(errors)

    def mix(
        self,
        flow_log_probs: tuple[np.ndarray, np.ndarray],
        Z: np.ndarray,
        context: np.ndarray | None = None,
    ) -> np.ndarray:
        """Log-density of each row under the mixture of the flow and the baseline.

        Parameters
        ----------
        flow_log_probs : pair of ndarray of shape (n_rows,)
            As in `stacked`; NaN counts as minus infinity.
        Z : ndarray of shape (n_rows, n_codes + n_values)
        context : ndarray of shape (n_rows, n_context) or None, default=None
        """
        flow_codes, flow_values = map(_nan_as_impossible, flow_log_probs)
        codes, values = self.log_probs(Z, context)
        of_codes = log_mixture(flow_codes, codes, self.code_share)
        return of_codes + log_mixture(flow_values, values, self.share)

    def replace_codes(self, codes: np.ndarray, rng: np.random.RandomState) -> None:
        """Replace codes that the flow drew by independent ones, in place, as often as their share.

        Parameters
        ----------
        codes : ndarray of shape (n_rows, n_codes)
        rng : RandomState
        """
        rows = np.flatnonzero(rng.random_sample(len(codes)) < self.code_share)
        if self.code_shares:
            drawn = [rng.choice(len(p), len(rows), p=p) for p in self.code_shares]
            codes[rows] = np.column_stack(drawn)

    def replace_values(
        self, values: np.ndarray, rng: np.random.RandomState, context: np.ndarray | None = None
    ) -> None:
        """Replace values that the flow drew by the baseline's, in place, as often as its share.

        Parameters
        ----------
        values : ndarray of shape (n_rows, n_values)
        rng : RandomState
        context : ndarray of shape (n_rows, n_context) or None, default=None
        """
        rows = np.flatnonzero(rng.random_sample(len(values)) < self.share)
        trend = self.predict_trend(None if context is None else context[rows], len(rows))
        values[rows] = trend + self.errors(len(rows), rng)

    def errors(self, n_samples: int, rng: np.random.RandomState) -> np.ndarray:
        """Draws of values off their trend, shape (n_samples, n_values)."""
        n_values = 0 if self.gaussian is None else len(self.gaussian.mean)
        errors = np.empty((n_samples, n_values))
        from_kernel = rng.random_sample(n_samples) < self.kernel_share
        for part, chosen in [(self.gaussian, ~from_kernel), (self.kernel, from_kernel)]:
            if part is not None and chosen.any():
                errors[chosen] = part.sample(int(chosen.sum()), rng)
        return errors

    def predict_trend(self, context: np.ndarray | None, n_rows: int) -> np.ndarray:
        """The trend of the values in the context, shape (n_rows, n_values).

        Without a trend it is zeros of shape (n_rows, 1).
        """
        if self.trend is None:
            return np.zeros((n_rows, 1))
        return self.trend.predict(_required(context))

    def _code_log_prob(self, codes: np.ndarray) -> np.ndarray:
        """Log-probability of independent codes; absent and new ones, below 0, add nothing."""
        log_prob = np.zeros(len(codes))
        for x, shares in zip(codes.T, self.code_shares):
            known = np.maximum(x, 0).astype(int)
            log_prob += np.where(x >= 0, np.log(shares)[known], 0.0)
        return log_prob

    def _error_log_prob(self, errors: np.ndarray) -> np.ndarray:
        if self.gaussian is None:
            return np.zeros(len(errors))
        log_prob = self.gaussian.log_prob(errors)
        if self.kernel is None:
            return log_prob
        return log_mixture(log_prob, self.kernel.log_prob(errors), self.kernel_share)


def fit_baseline(
    Z: np.ndarray,
    weights: np.ndarray,
    code_shares: Sequence[np.ndarray] = (),
    context: np.ndarray | None = None,
) -> Baseline:
    """The baseline of training rows, with no shares beside a flow as yet.

    Parameters
    ----------
    Z : ndarray of shape (n_rows, n_codes + n_values)
        Training rows in flow space, spread over their steps; NaN where a value is absent.
    weights : ndarray of shape (n_rows,)
    code_shares : sequence of ndarray, default=()
        For each column of codes the shares of its categories.
    context : ndarray of shape (n_rows, n_context) or None, default=None
        What the density is conditional on: the baseline is then that of the values off their
        linear trend in it.

    Returns
    -------
    Baseline
    """
    n_codes = len(code_shares)
    trend = None
    if context is not None and context.shape[1]:
        trend = Trend.learn(Z[:, n_codes:], context, weights)
    _, errors = _codes_and_errors(Z, n_codes, trend, context)
    kernel, kernel_share = _choose_kernel(errors, weights)
    gaussian = _gaussian_of(errors, weights)
    return Baseline(tuple(code_shares), trend, gaussian, kernel, kernel_share)


def _codes_and_errors(
    Z: np.ndarray, n_codes: int, trend: Trend | None, context: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """The codes of rows, and their values off their trend in the context."""
    codes, values = np.split(Z, [n_codes], axis=1)
    if trend is not None:
        values = values - trend.predict(_required(context))
    return codes, values


def _required(context: np.ndarray | None) -> np.ndarray:
    if context is None:
        raise ValueError("This baseline was fitted with a context: give one for each row.")
    return context


def _gaussian_of(errors: np.ndarray, weights: np.ndarray) -> Gaussian | None:
    return Gaussian.learn(errors, weights) if errors.shape[1] else None


def _choose_kernel(errors: np.ndarray, weights: np.ndarray) -> tuple[Kernel | None, float]:
    """The kernel density of rows, and its share beside the Gaussian, by cross-validation.

    There is none where rows are many or too few, or where cells are missing.
    """
    n_rows, n_values = errors.shape
    if not 2 * N_FOLDS <= n_rows <= KERNEL_ROWS or not n_values or np.isnan(errors).any():
        return None, 0.0
    gaussian = np.empty(n_rows)
    kernels = np.empty((len(BANDWIDTHS), n_rows))
    for fit, rest in KFold(N_FOLDS).split(errors):
        gaussian[rest] = Gaussian.learn(errors[fit], weights[fit]).log_prob(errors[rest])
        for i, h in enumerate(BANDWIDTHS):
            kernel = Kernel(np.array([h]), errors[fit], weights[fit])
            kernels[i, rest] = kernel.log_prob(errors[rest])
    shares = [best_share(log_prob, gaussian, weights) for log_prob in kernels]
    scores = [
        weights @ log_mixture(gaussian, log_prob, share) for log_prob, share in zip(kernels, shares)
    ]
    best = int(np.argmax(scores))
    return Kernel(BANDWIDTHS[[best]], errors, weights), shares[best]


def _nan_as_impossible(log_prob: np.ndarray) -> np.ndarray:
    """Log-densities with minus infinity where a flow gives no number."""
    return np.where(np.isnan(log_prob), -np.inf, log_prob)
