"""MAFDensity: the scikit-learn face of a flow."""

import copy
import warnings
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator, DensityMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from tqdm.auto import tqdm

from .columns import Columns
from .devices import pick_device
from .flows import ACTIVATIONS, BIJECTORS, make_flow
from .threads import single_thread
from .training import train
from .validation import check_table, seed_from

N_STEPS = 4000  # of the optimiser, where max_iter is "auto"
MANY_COLUMNS = 32  # beyond which steps, each of them longer, become fewer
LOWEST = -1e300  # a mean over many such scores is still finite


class MAFDensity(DensityMixin, BaseEstimator):
    """Density of a table by a masked autoregressive flow [1]_.

    Every column is standardised, then a stack of masked networks [2]_ maps the rows to a standard normal distribution.
    The density is exact: the log-determinants of all steps are counted, those of the standardisation too.

    Parameters
    ----------
    bijector : {"spline", "affine"}, default="spline"
        Map of each column given the columns before it: affine, as in [1]_, or affine and then a rational-quadratic
        spline [3]_.
    n_layers : int, default=5
        Number of layers; the order of the columns turns round from one to the next.
    hidden_layer_sizes : tuple of int, default=(128, 128)
        Units of the hidden layers of each masked network.
    activation : {"relu", "tanh", "silu"}, default="relu"
        Activation of the hidden units.
    n_bins : int, default=8
        Bins of the spline.
    alpha : float, default=0.2
        Weight decay of AdamW.
    batch_size : int or "auto", default="auto"
        Rows of a minibatch; "auto" grows it with the table, from 256 to 2048, and keeps it small where columns are many.
    learning_rate_init : float or "auto", default="auto"
        Peak of the learning rate, which follows a cosine to 0 over ``max_iter`` epochs; "auto" is 0.02 for up to 10,000 rows,
        and falls with the root of their number to 0.005.
    max_iter : int or "auto", default="auto"
        Number of epochs; "auto" makes 4,000 steps of the optimiser: many epochs of a small table, few of a large one.
        With more than 32 columns the steps become fewer, down to 400.
    early_stopping : bool, default=True
        Whether to hold out rows, to keep the weights that are best for them, and to stop when they no longer get better.
    validation_fraction : float, default=0.1
        Share of the rows to hold out.
    n_iter_no_change : int or "auto", default="auto"
        Epochs without a better held-out score after which training stops; "auto" is a tenth of ``max_iter``, at least 10.
    tol : float, default=1e-4
        What counts as better, in nats.
    device : str, default="auto"
        Where to compute: "cpu", "cuda", "mps", or "auto" for the fastest that is there.
    verbose : bool, default=False
        Whether to show a progress bar with the held-out score.
    random_state : int, RandomState instance or None, default=None
        Governs the held-out rows, the initial weights, and the batches.

    Attributes
    ----------
    columns_ : Columns
        What each column is: scale, grid step, constant.
    flow_ : Flow
        The trained torch module, on the CPU, in float32.
    n_iter_ : int
        Number of epochs run.
    loss_curve_ : list of float
        Mean negative log-likelihood of the training rows in each epoch, in nats, in the units of X.
    validation_scores_ : list of float
        Mean log-likelihood of the held-out rows, spread over their grids, after each epoch, in nats, in the units of X.
    best_validation_score_ : float or None
        That of the weights that were kept: the largest of these, or that of the Gaussian that training starts from.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame.

    See Also
    --------
    DensityOutlierDetector : Finds the rows that do not belong, by a threshold on the density.
    sklearn.neighbors.KernelDensity : Fast to fit, for few columns.
    sklearn.mixture.GaussianMixture : For clustered rows.

    Notes
    -----
    Log-densities are in nats and in the units of X: they exceed 0 where rows are concentrated, and change by a constant
    when a column changes its unit.

    On columns of integers, rounded values or ties a density is unbounded. The training rows are therefore spread uniformly
    over the step of their grid; a row is evaluated at its own value, where the density times the step estimates the
    probability of the value. Samples fall back on the grid. A constant column counts with probability almost 1 for its
    value; a row with another value gets a low, finite density.

    X in float32 is scored and sampled in float32, other X in float64. Rows so far out that their density vanishes get
    -1e300.

    References
    ----------
    .. [1] Papamakarios, Pavlakou and Murray (2017). Masked autoregressive flow for density estimation. NeurIPS 30.
    .. [2] Germain, Gregor, Murray and Larochelle (2015). MADE: masked autoencoder for distribution estimation. ICML.
    .. [3] Durkan, Bekasov, Murray and Papamakarios (2019). Neural spline flows. NeurIPS 32.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skmaf import MAFDensity
    >>> X = load_iris().data
    >>> density = MAFDensity(random_state=0).fit(X)
    >>> density.score_samples(X).shape
    (150,)
    >>> density.sample(3, random_state=0).shape
    (3, 4)
    """

    _parameter_constraints = {
        "bijector": [StrOptions(set(BIJECTORS))],
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "hidden_layer_sizes": ["array-like"],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "n_bins": [Interval(Integral, 2, 500, closed="both")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "max_iter": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "device": [str],
        "verbose": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        bijector="spline",
        n_layers=5,
        hidden_layer_sizes=(128, 128),
        activation="relu",
        n_bins=8,
        alpha=0.2,
        batch_size="auto",
        learning_rate_init="auto",
        max_iter="auto",
        early_stopping=True,
        validation_fraction=0.1,
        n_iter_no_change="auto",
        tol=1e-4,
        device="auto",
        verbose=False,
        random_state=None,
    ):
        self.bijector = bijector
        self.n_layers = n_layers
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.n_bins = n_bins
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn the density of the rows of X.

        An interrupt (Ctrl-C) ends the training, not the fit: the best weights so far are kept, with a warning.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; at least 2, all cells finite.
        y : None
            Ignored.

        Returns
        -------
        self : MAFDensity

        Raises
        ------
        ValueError
            If X holds text, NaN or infinity, has under 2 rows or no column, or a parameter is out of its range.
        """
        X = check_table(self, X, reset=True)
        device = pick_device(self.device)
        hidden_layer_sizes = self._check_hidden_layer_sizes()
        generator = torch.Generator().manual_seed(seed_from(self.random_state))
        X_train, X_val = self._hold_out(X, generator)
        self._dtype = X.dtype
        self.columns_ = Columns(X_train, np.finfo(X.dtype).eps)
        flow = make_flow(
            len(self.columns_.varying),
            bijector=self.bijector,
            n_layers=self.n_layers,
            hidden_layer_sizes=hidden_layer_sizes,
            activation=self.activation,
            n_bins=self.n_bins,
            generator=generator,
        ).to(device)
        self._train(flow, X_train, X_val, generator)
        return self

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
        with single_thread(), torch.no_grad():
            for rows in gen_batches(len(X), flow.batch_rows):
                z = self._to_tensor(self.columns_.to_flow(X[rows]), flow)
                scores[rows] = flow.log_prob(z).cpu().numpy() + self.columns_.log_jacobian(X[rows])
        # so far out that the density, or a number on the way to it, overflowed
        scores[~np.isfinite(scores)] = LOWEST
        return scores

    def score(self, X, y=None):
        """Mean log-density of the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : None
            Ignored.

        Returns
        -------
        score : float
            In nats per row, with respect to the units of X.

        Raises
        ------
        ValueError
            As `score_samples`.
        """
        return float(self.score_samples(X).mean())

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
        generator = torch.Generator().manual_seed(seed_from(random_state))
        flow = self._flow_for(self._dtype)
        X = np.empty((n_samples, self.n_features_in_), dtype=self._dtype)
        with single_thread(), torch.no_grad():
            for rows in gen_batches(n_samples, flow.batch_rows_inverse):
                shape = rows.stop - rows.start, len(self.columns_.varying)
                z = torch.randn(shape, generator=generator)
                X[rows] = self.columns_.from_flow(flow.inverse(self._to_tensor(z, flow)).cpu().double().numpy())
        return X

    def _check_hidden_layer_sizes(self):
        sizes = list(self.hidden_layer_sizes)
        if not sizes or not all(isinstance(size, Integral) and size >= 1 for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be one or more positive integers, got {self.hidden_layer_sizes!r}.")
        return [int(size) for size in sizes]

    def _hold_out(self, X, generator):
        """Training and held-out rows, in random order; no held-out rows (None) without early stopping."""
        if not self.early_stopping:
            return X, None
        n_val = min(max(1, round(self.validation_fraction * len(X))), len(X) - 1)
        order = torch.randperm(len(X), generator=generator).numpy()
        return X[order[n_val:]], X[order[:n_val]]

    def _train(self, flow, X_train, X_val, generator):
        """Train the flow and set the attributes that tell how it went."""
        z = self._to_tensor(self.columns_.to_flow(X_train), flow)
        widths = self._to_tensor(self.columns_.widths, flow)
        z_val = None
        if X_val is not None:
            z_val = self._to_tensor(self.columns_.to_flow(X_val), flow)
            # spread once and for all: the judge of the weights must not change
            z_val = z_val + (torch.rand(z_val.shape, generator=generator) - 0.5).to(widths) * widths
        max_iter, batch_size, learning_rate, patience = self._budget(len(X_train), flow)
        with single_thread(), tqdm(total=max_iter, desc="MAFDensity", unit="epoch", disable=not self.verbose) as bar:

            def show(history):
                if history.validation_scores:
                    bar.set_postfix_str(f"best held-out score {history.best_score + log_jacobian:.3f} nats", refresh=False)
                bar.update()

            log_jacobian = self.columns_.log_scale_jacobian
            history = train(
                flow,
                z,
                z_val,
                widths=widths,
                n_epochs=max_iter,
                batch_size=batch_size,
                learning_rate=learning_rate,
                weight_decay=self.alpha,
                patience=patience,
                tol=self.tol,
                generator=generator,
                on_epoch=show,
            )
        self._warn(history)
        self.flow_ = flow.cpu().eval().requires_grad_(False)
        self.n_iter_ = len(history.loss_curve)
        self.loss_curve_ = [loss - log_jacobian for loss in history.loss_curve]
        self.validation_scores_ = [score + log_jacobian for score in history.validation_scores]
        self.best_validation_score_ = None if X_val is None else history.best_score + log_jacobian

    def _budget(self, n_rows, flow):
        """Epochs, rows of a minibatch, learning rate, and patience."""
        batch_size = self.batch_size
        if batch_size == "auto":
            # wide tables want memory: what training keeps of a batch is some hundred times its parameters
            batch_size = min(2 ** int(np.clip(np.log2(n_rows / 64), 8, 11)), 4 * flow.batch_rows)
        max_iter = self.max_iter
        if max_iter == "auto":
            n_steps = N_STEPS * np.clip(MANY_COLUMNS / max(1, len(self.columns_.varying)), 0.1, 1)
            max_iter = max(1, round(n_steps / max(1, n_rows / batch_size)))
        learning_rate = self.learning_rate_init
        if learning_rate == "auto":
            learning_rate = 0.02 * float(np.clip(np.sqrt(10_000 / n_rows), 0.25, 1))
        patience = self.n_iter_no_change
        if patience == "auto":
            patience = max(10, max_iter // 10)
        return max_iter, batch_size, learning_rate, patience

    def _warn(self, history):
        if history.interrupted:
            warnings.warn(
                f"Training was interrupted after {len(history.loss_curve)} epochs; the best weights so far are kept.",
                stacklevel=4,
            )
        elif self.max_iter != "auto" and self.early_stopping and not history.converged:
            warnings.warn(
                f"Training reached max_iter={self.max_iter} before the held-out score stopped rising; the best weights so far "
                "are kept. Raise max_iter, or leave it at 'auto'.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _flow_for(self, dtype):
        """The flow in the precision of ``dtype``, on the fastest device that has it."""
        device = pick_device(self.device, fitted=True)
        if dtype == np.float64 and device.type == "mps":
            device = torch.device("cpu")
        if dtype == np.float32 and device.type == "cpu":
            return self.flow_
        return copy.deepcopy(self.flow_).to(device, torch.float64 if dtype == np.float64 else torch.float32)

    @staticmethod
    def _to_tensor(values, flow):
        """A tensor like the weights of the flow."""
        like = next(flow.parameters(), torch.empty(0))
        return torch.as_tensor(values).to(like.dtype).to(like.device)  # in this order: MPS has no float64
