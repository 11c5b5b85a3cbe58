"""MultiscaleDensity: the density of a table seen at many degrees of blur at once, which is what anomalies stand out from."""

from numbers import Integral, Real

import numpy as np
import torch
from scipy.special import logsumexp
from scipy.stats import trim_mean
from sklearn.base import _fit_context
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import Interval

from ._devices import pick_device
from ._torch import threads_for
from ._validation import seed_from, weigh, without_weightless
from .base import FlowDensity, warn_if_interrupted
from .flows import Flow, MixtureMADE
from .models.kernel import Kernel
from .table.column_kinds import find_columns, smooth
from .table.schema import read_table
from .training.budget import Budget
from .training.hiding import Hiding
from .training.loop import train, weighted_rows
from .training.noise import NoiseLevels

BATCH_ROWS = 128
EPOCH_BATCHES = 8  # at least: few rows are taken several times, so that batches are full
PEAK_RATE, WEIGHT_DECAY = 0.01, 0.01
MANY_COLUMNS = 24  # beyond which steps, each of them longer, become fewer
FEWEST_STEPS = 0.05  # of max_iter
N_LEVELS = 9  # of noise, from the lowest to the highest
KERNEL_ROWS = 5000  # of the kernel density, at most
# what a row may gain at a level by having been learned from: a share of the spread of other rows' log-densities, or some nats
GAIN_SHARE, GAIN_NATS = 0.75, 1.0
TRIMMED = 0.1  # of the rows at both ends, when gains are averaged: outliers must not decide
SPREAD = 16, 84  # percentiles, two standard deviations apart in a normal law


class MultiscaleDensity(FlowDensity):
    """Density of a table with normal noise of many levels, by a masked network told the level, and by the rows themselves.

    A MADE with mixtures of normals [1]_ learns the density of rows with noise at all levels at once, the level being its
    context [2]_. It tells what columns have to do with each other. A kernel density at the same levels knows the rows by heart,
    and what is far from all of them; but no row speaks for itself: of the training rows, one that is the same is left out.
    The density is the mixture of both, in equal shares, over all `levels_`, in equal shares too: wide enough to tell rows apart
    that lie far from all others, and fine enough to follow thin structure.
    Categories are indicators, with noise as all else. For the likelihood of held-out rows `MAFDensity` is the better one: this
    one is for anomalies.

    Parameters
    ----------
    lowest_noise, highest_noise : float, default=0.05 and 2.5
        Standard deviations of the noise, in those of a column.
    n_components : int, default=4
        Normals in the mixture of a column.
    hidden_layer_sizes : tuple of int, default=(512, 512)
        Units of the hidden layers of the network. It takes the columns in a random order.
    max_iter : int, default=7000
        Steps of the optimiser, of 128 rows each. With more than 24 columns they become fewer, in proportion, down to a
        twentieth.
    device : str, default="auto"
        Where to compute: "cpu", "cuda", "mps", or "auto" for the fastest that is there.
    random_state : int, RandomState instance or None, default=None
        Governs the order of the columns, the initial weights, the noise and the batches.

    Attributes
    ----------
    levels_ : ndarray
        The levels of noise that are mixed, in geometric steps: 9 from the lowest to the highest, or fewer after `settle`.
    columns_ : Columns
        What each column is: scale, grid step, constant.
    flow_ : MixtureMADE
        The trained torch module, on the CPU, in float32.
    loss_curve_ : list of float
        Mean negative log-likelihood of the rows with noise in each epoch, in nats, in the units of X.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame.

    See Also
    --------
    DensityOutlierDetector : Fits several of these, and says what a score means.
    MAFDensity : The sharp density.

    References
    ----------
    .. [1] Germain, Gregor, Murray and Larochelle (2015). MADE: masked autoencoder for distribution estimation. ICML.
    .. [2] Kim, Lee, Kim, Kim and Lee (2020). SoftFlow: probabilistic framework for normalizing flow on manifolds. NeurIPS 33.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skmaf import MultiscaleDensity
    >>> X = load_iris().data
    >>> density = MultiscaleDensity(max_iter=200, random_state=0).fit(X)
    >>> density.score_samples(X).shape
    (150,)
    """

    _parameter_constraints = {
        "lowest_noise": [Interval(Real, 0, None, closed="neither")],
        "highest_noise": [Interval(Real, 0, None, closed="neither")],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "hidden_layer_sizes": ["array-like"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        lowest_noise=0.05,
        highest_noise=2.5,
        n_components=4,
        hidden_layer_sizes=(512, 512),
        max_iter=7000,
        device="auto",
        random_state=None,
    ):
        self.lowest_noise = lowest_noise
        self.highest_noise = highest_noise
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.max_iter = max_iter
        self.device = device
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Learn the density of the rows of X at all levels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; at least 2, of numbers and categories, perhaps with missing cells, as in `MAFDensity.fit`.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, as in `MAFDensity.fit`.

        Returns
        -------
        self : MultiscaleDensity

        Raises
        ------
        ValueError
            If X holds dates, infinity, a column without values or of too many categories, has under 2 rows or no column; if
            weights are negative or not positive in 2 rows; if a parameter is out of its range.
        """
        X, sample_weight = without_weightless(X, sample_weight)
        X = self._read_training_rows(X)
        return self._fit_numbers(X, sample_weight, bool(np.isnan(X).any()))

    def _read_training_rows(self, X):
        return read_table(self, X, reset=True)

    def _fit_numbers(self, X, sample_weight, with_gaps):
        """Learn from a table that is read already, its schema known; ``with_gaps`` if cells may be missing, here or not."""
        if self.lowest_noise > self.highest_noise:
            raise ValueError(
                f"lowest_noise={self.lowest_noise} is above highest_noise={self.highest_noise}."
            )
        rows, weights = weigh(X, sample_weight)
        X, self._dtype, self._with_gaps = X[rows], X.dtype, with_gaps
        device = pick_device(self.device)
        generator = torch.Generator().manual_seed(seed_from(self.random_state))
        self.columns_ = find_columns(smooth, X, weights, self.schema_.n_categories)
        n_columns = self.columns_.n_values
        self._order = torch.randperm(n_columns, generator=generator).numpy()
        noise = self._noise()
        shape = self.n_components, self.hidden_layer_sizes
        flow = (
            MixtureMADE(n_columns, *shape, noise, generator, self._with_gaps).to(device)
            if n_columns
            else Flow([])
        )
        Z = self.columns_.to_flow(X)
        history = self._train(flow, Z, weights, generator)
        warn_if_interrupted(history)
        self.flow_ = flow.cpu().eval().requires_grad_(False)
        log_jacobian = np.average(self.columns_.log_jacobian(X), weights=weights)
        self.loss_curve_ = [loss - log_jacobian for loss in history.loss_curve]
        kept = torch.randperm(len(Z), generator=generator)[:KERNEL_ROWS].numpy()
        self._kernel_rows = Z[kept], weights[kept]
        return self._mix(self._all_contexts())

    def overfit(self, fitted, held_out):
        """How much too well the network knows rows that `fit` saw, at each level of noise.

        A row gains log-density by having been learned from. That does no harm where it is little beside the differences between
        rows, which tell the anomalies: 0.75 of the standard deviation of held-out rows, or 1 nat, are allowed.

        Parameters
        ----------
        fitted : array-like of shape (n_samples, n_features)
            Rows that `fit` saw.
        held_out : array-like of shape (n_held_out, n_features)
            Rows from the same source that it did not see.

        Returns
        -------
        overfit : ndarray of shape (9,)
            The mean gain of a row, as a multiple of what is allowed. Means are without the lowest and the highest tenth of the
            rows, and the standard deviation is half the distance of the percentiles 16 and 84.
        """
        return self._overfit_of_numbers(self._read(fitted), self._read(held_out))

    def _overfit_of_numbers(self, fitted, held_out):
        if self.columns_.n_values == 0:
            return np.zeros(N_LEVELS)
        fitted, held_out = self._scores_of_levels(fitted), self._scores_of_levels(held_out)
        gains = trim_mean(fitted, TRIMMED, axis=1) - trim_mean(held_out, TRIMMED, axis=1)
        [spreads] = np.diff(np.percentile(held_out, SPREAD, axis=1), axis=0) / 2
        return gains / np.maximum(GAIN_SHARE * spreads, GAIN_NATS)

    def _scores_of_levels(self, X):
        Z, contexts = self.columns_.to_flow(X), self._all_contexts()
        with torch.no_grad(), threads_for(1):
            batches = gen_batches(len(Z), self.flow_.batch_rows)
            return np.concatenate(
                [self._level_scores(self.flow_, Z[rows], contexts) for rows in batches], axis=1
            )

    def settle(self, overfit):
        """Leave out the levels at which the network knows the rows that it was fitted on too well.

        Parameters
        ----------
        overfit : ndarray of shape (9,)
            What `overfit` gives. The finest level that is mixed becomes that at which it falls to 1.

        Returns
        -------
        self : MultiscaleDensity
        """
        contexts = self._all_contexts()
        high = np.flatnonzero(overfit > 1)
        n_out = high[-1] + 1 if len(high) else 0
        if n_out == 0 or n_out == N_LEVELS:
            return self._mix(contexts if n_out == 0 else contexts[-1:])
        below, above = n_out, n_out - 1
        finest = np.interp(1, overfit[[below, above]], contexts[[below, above]])
        return self._mix(np.linspace(finest, 1, N_LEVELS - n_out))

    def _train(self, flow, Z, weights, generator):
        n_steps = max(
            1, round(self.max_iter * np.clip(MANY_COLUMNS / max(1, Z.shape[1]), FEWEST_STEPS, 1))
        )
        # no more rows than the steps take
        if len(Z) > n_steps * BATCH_ROWS:
            kept = torch.randperm(len(Z), generator=generator)[: n_steps * BATCH_ROWS].numpy()
            Z, weights = Z[kept], weights[kept]
        n_times = -(-min(n_steps, EPOCH_BATCHES) * BATCH_ROWS // len(Z))
        Z, weights = np.tile(Z[:, self._order], (n_times, 1)), np.tile(weights, n_times)
        n_epochs = max(1, round(n_steps * BATCH_ROWS / len(Z)))
        with threads_for(BATCH_ROWS * flow.widest):
            return train(
                flow,
                weighted_rows(flow, Z, weights),
                None,
                widths=flow.tensor(
                    self.columns_.widths(np.empty((0, self.n_features_in_)))[:, self._order]
                ),
                budget=Budget(n_epochs, BATCH_ROWS, PEAK_RATE, WEIGHT_DECAY, patience=n_epochs),
                tol=0.0,
                generator=generator,
                on_epoch=lambda history: None,
                noise=self._noise(),
                hiding=Hiding(self.columns_.owners[self._order], 0) if self._with_gaps else None,
            )

    def _noise(self):
        return NoiseLevels(self.lowest_noise, self.highest_noise)

    def _all_contexts(self):
        """The contexts that stand for all levels, those that `settle` leaves out included."""
        return self._noise().contexts(N_LEVELS).numpy()

    def _mix(self, contexts):
        """Make the density that of the levels which these contexts stand for."""
        self._contexts = contexts
        self.levels_ = self._noise().level(contexts)
        self._kernel = Kernel(self.levels_, *self._kernel_rows)
        return self

    def _level_scores(self, flow, Z, contexts):
        """Log-density of rows in flow space by the network at each level, shape (n_levels, n)."""
        z = flow.tensor(Z[:, self._order])
        scores = [
            flow.log_prob(z, z.new_full((len(z), 1), context)) for context in contexts.tolist()
        ]
        return torch.stack(scores).cpu().double().numpy()

    def _log_density(self, flow, Z):
        if Z.shape[1] == 0:
            return np.zeros(len(Z))
        by_network = logsumexp(self._level_scores(flow, Z, self._contexts), axis=0) - np.log(
            len(self._contexts)
        )
        return np.logaddexp(by_network, self._kernel.score_by_others(Z)) - np.log(2)

    def _draw(self, flow, given, generator, rng):
        z = flow.tensor(torch.randn((len(given), self.columns_.n_values), generator=generator))
        Z = np.empty(z.shape)
        if Z.shape[1]:
            contexts = flow.tensor(self._contexts[rng.randint(len(self._contexts), size=len(z))])[
                :, None
            ]
            chance = flow.tensor(rng.random_sample(z.shape))
            Z[:, self._order] = flow.draw(z, chance, contexts).cpu().double().numpy()
            by_heart = rng.random_sample(len(Z)) < 0.5
            Z[by_heart] = self._kernel.sample(by_heart.sum(), rng)
        return Z
