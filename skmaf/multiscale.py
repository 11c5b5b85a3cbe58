"""MultiscaleMAFDensity: the density of a table seen at many degrees of blur at once, which is what anomalies stand out from."""

from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval

from .base import FlowDensity, warn_if_interrupted
from .budget import Budget
from .columns import Columns
from .devices import pick_device
from .flows import make_flow
from .noise import NoiseLevels
from .threads import threads_for
from .training import train, weighted_rows
from .validation import check_table, seed_from, weigh

BATCH_ROWS = 256
PEAK_RATE, WEIGHT_DECAY = 0.01, 0.1
MANY_COLUMNS = 16  # beyond which steps, each of them longer, become fewer
N_LEVELS = 4  # of noise, that are mixed


class MultiscaleMAFDensity(FlowDensity):
    """Density of a table with noise of many levels, by one flow that is told the level [1]_.

    The density is the mixture, in equal shares, of those of the rows with normal noise of 4 levels, from ``lowest_noise`` to
    ``highest_noise``: wide enough to tell rows apart that lie far from all others, and fine enough to follow thin structure.
    For the likelihood of held-out rows `MAFDensity` is the better one: this one is for anomalies.

    Parameters
    ----------
    lowest_noise, highest_noise : float, default=0.05 and 1.0
        Standard deviations of the noise, in those of a column.
    n_layers : int, default=3
        Number of layers; the columns come in a random order, which turns round from one layer to the next.
    hidden_layer_sizes : tuple of int, default=(64, 64)
        Units of the hidden layers of each masked network.
    max_iter : int, default=2500
        Steps of the optimiser, of 256 rows each. With more than 16 columns they become fewer, in proportion, down to a tenth.
    device : str, default="auto"
        Where to compute: "cpu", "cuda", "mps", or "auto" for the fastest that is there.
    random_state : int, RandomState instance or None, default=None
        Governs the order of the columns, the initial weights, the noise and the batches.

    Attributes
    ----------
    columns_ : Columns
        What each column is: scale, grid step, constant.
    flow_ : Flow
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
    .. [1] Kim, Lee, Kim, Kim and Lee (2020). SoftFlow: probabilistic framework for normalizing flow on manifolds. NeurIPS 33.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skmaf import MultiscaleMAFDensity
    >>> X = load_iris().data
    >>> density = MultiscaleMAFDensity(max_iter=200, random_state=0).fit(X)
    >>> density.score_samples(X).shape
    (150,)
    """

    _parameter_constraints = {
        "lowest_noise": [Interval(Real, 0, None, closed="neither")],
        "highest_noise": [Interval(Real, 0, None, closed="neither")],
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "hidden_layer_sizes": ["array-like"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        lowest_noise=0.05,
        highest_noise=1.0,
        n_layers=3,
        hidden_layer_sizes=(64, 64),
        max_iter=2500,
        device="auto",
        random_state=None,
    ):
        self.lowest_noise = lowest_noise
        self.highest_noise = highest_noise
        self.n_layers = n_layers
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
            Rows; at least 2, all cells finite.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, as in `MAFDensity.fit`.

        Returns
        -------
        self : MultiscaleMAFDensity

        Raises
        ------
        ValueError
            If X holds text, NaN or infinity, has under 2 rows or no column; if weights are negative or not positive in 2
            rows; if a parameter is out of its range.
        """
        if self.lowest_noise > self.highest_noise:
            raise ValueError(f"lowest_noise={self.lowest_noise} is above highest_noise={self.highest_noise}.")
        X = check_table(self, X, reset=True)
        rows, weights = weigh(X, sample_weight)
        X, self._dtype = X[rows], X.dtype
        device = pick_device(self.device)
        generator = torch.Generator().manual_seed(seed_from(self.random_state))
        self.columns_ = Columns(X, np.finfo(X.dtype).eps, weights)
        n_columns = len(self.columns_.varying)
        self._order = torch.randperm(n_columns, generator=generator).numpy()
        flow = make_flow(
            n_columns,
            bijector="spline",
            n_layers=self.n_layers,
            hidden_layer_sizes=self.hidden_layer_sizes,
            activation="relu",
            n_bins=8,
            generator=generator,
            n_context=1,
        ).to(device)
        history = self._train(flow, self.columns_.to_flow(X), weights, generator)
        warn_if_interrupted(history)
        self.flow_ = flow.cpu().eval().requires_grad_(False)
        self.loss_curve_ = [loss - self.columns_.log_scale_jacobian for loss in history.loss_curve]
        return self

    def _train(self, flow, Z, weights, generator):
        n_steps = max(1, round(self.max_iter * np.clip(MANY_COLUMNS / max(1, Z.shape[1]), 0.1, 1)))
        # as many rows as the steps take, or few rows several times, so that a batch is full
        if len(Z) > n_steps * BATCH_ROWS:
            kept = torch.randperm(len(Z), generator=generator)[: n_steps * BATCH_ROWS].numpy()
            Z, weights = Z[kept], weights[kept]
        n_times = -(-BATCH_ROWS // len(Z))
        Z, weights = np.tile(Z[:, self._order], (n_times, 1)), np.tile(weights, n_times)
        n_epochs = max(1, round(n_steps * BATCH_ROWS / len(Z)))
        with threads_for(BATCH_ROWS * flow.widest):
            return train(
                flow,
                weighted_rows(flow, Z, weights),
                None,
                widths=flow.tensor(self.columns_.widths[self._order]),
                budget=Budget(n_epochs, BATCH_ROWS, PEAK_RATE, WEIGHT_DECAY, patience=n_epochs),
                tol=0.0,
                generator=generator,
                on_epoch=lambda history: None,
                noise=self._noise(),
            )

    def _noise(self):
        return NoiseLevels(self.lowest_noise, self.highest_noise)

    def _log_density(self, flow, Z):
        z = flow.tensor(Z[:, self._order])
        levels = [flow.log_prob(z, z.new_full((len(z), 1), context)) for context in self._noise().contexts(N_LEVELS).tolist()]
        return torch.stack(levels).logsumexp(0).cpu().double().numpy() - np.log(N_LEVELS)

    def _draw(self, flow, z, rng):
        contexts = flow.tensor(self._noise().contexts(N_LEVELS)[rng.randint(N_LEVELS, size=len(z))])[:, None]
        Z = np.empty(z.shape)
        Z[:, self._order] = flow.inverse(z, contexts).cpu().double().numpy()
        return Z
