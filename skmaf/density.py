"""MAFDensity: the scikit-learn face of a flow."""

import copy
import warnings
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from tqdm.auto import tqdm

from .background import Background
from .base import FlowDensity, warn_if_interrupted
from .budget import hold_out, make_budget
from .columns import Columns
from .devices import pick_device
from .flows import ACTIVATIONS, BIJECTORS, make_flow
from .threads import threads_for
from .training import log_prob, train, weighted_rows
from .validation import check_table, seed_from, weigh


class MAFDensity(FlowDensity):
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
    alpha : float or "auto", default="auto"
        Weight decay of AdamW; "auto" is 0.2 for up to 10,000 rows, and falls with their number.
    batch_size : int or "auto", default="auto"
        Rows of a minibatch; "auto" grows it with the table, from 256 to 1,024, and keeps it small where columns are many.
    learning_rate_init : float or "auto", default="auto"
        Peak of the learning rate, which follows a cosine to 0 over ``max_iter`` epochs; "auto" is 0.01 for up to 40,000 rows,
        and falls with the root of their number to 0.005.
    max_iter : int or "auto", default="auto"
        Number of epochs; "auto" makes 4 steps of the optimiser for each row, at least 1,000 and at most 4,000: many epochs of
        a small table, few of a large one, and never under 6. With more than 32 columns the steps become fewer, down to a tenth.
    early_stopping : bool, default=True
        Whether to hold out rows, to keep the weights that are best for them, to stop when they no longer get better, and to
        let a simple density share in where they say so (see Notes).
    validation_fraction : float or "auto", default="auto"
        Share of the rows to hold out; "auto" is a tenth, but up to a fifth where that is no more than 50 rows.
    n_iter_no_change : int or "auto", default="auto"
        Epochs without a better held-out score after which training stops; "auto" is a tenth of ``max_iter``, at least 10.
    tol : float, default=1e-4
        What counts as better, in nats.
    warm_start : bool, default=False
        Whether `fit` goes on with the flow of the last fit, in its units, instead of starting anew. With the same rows and an
        int as ``random_state`` the same rows are held out again.
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
    background_ : Background or None
        The simple densities that share the probability with the flow, and their ``share``; None without held-out rows.
    n_iter_ : int
        Number of epochs run; of all fits since the last cold start, as in the two curves.
    loss_curve_ : list of float
        Mean negative log-likelihood of the training rows in each epoch, in nats, in the units of X.
    validation_scores_ : list of float
        Mean log-likelihood of the held-out rows, spread over their grids, after each epoch, in nats, in the units of X. The
        background has a tenth of the density here, so that no single far row decides.
    best_validation_score_ : float or None
        That of the weights that were kept: the largest of these in the last fit, or that of the weights it started from.
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

    Few rows can be too few for a flow. So the density is a mixture of the flow, a Gaussian with shrunk covariance and heavy
    tails (it is mixed with a Student's t) and, up to 1,000 rows, a kernel density, with the shares that make rows left out most
    likely [4]_. Where the flow is good, its share is almost 1, and what the tails keep stops single rows from getting absurdly
    low densities. The mixture is as exact as the flow. Without held-out rows (``early_stopping=False``) the density is the
    flow alone.

    X in float32 is scored and sampled in float32, other X in float64. Rows so far out that their density vanishes get
    -1e300.

    References
    ----------
    .. [1] Papamakarios, Pavlakou and Murray (2017). Masked autoregressive flow for density estimation. NeurIPS 30.
    .. [2] Germain, Gregor, Murray and Larochelle (2015). MADE: masked autoencoder for distribution estimation. ICML.
    .. [3] Durkan, Bekasov, Murray and Papamakarios (2019). Neural spline flows. NeurIPS 32.
    .. [4] Smyth and Wolpert (1999). Linearly combining density estimators via stacking. Machine Learning 36.

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
        "alpha": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "max_iter": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
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
        alpha="auto",
        batch_size="auto",
        learning_rate_init="auto",
        max_iter="auto",
        early_stopping=True,
        validation_fraction="auto",
        n_iter_no_change="auto",
        tol=1e-4,
        warm_start=False,
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
        self.warm_start = warm_start
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Learn the density of the rows of X.

        An interrupt (Ctrl-C) ends the training, not the fit: the best weights so far are kept, with a warning.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; at least 2, all cells finite.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss, the standardisation and the held-out score. Only ratios matter, but for whole
            numbers, which are counts: a row of weight 2 is to the last digit what two equal rows are, one of weight 0 is
            not there. (Counts that add up to over 10 times the rows are taken as ratios.)

        Returns
        -------
        self : MAFDensity

        Raises
        ------
        ValueError
            If X holds text, NaN or infinity, has under 2 rows or no column; if weights are negative or not positive in 2
            rows; if a parameter is out of its range, or with ``warm_start`` one that shapes the flow has changed.
        """
        warm = self.warm_start and hasattr(self, "flow_")
        X = check_table(self, X, reset=not warm)
        rows, weights = weigh(X, sample_weight)
        X = X[rows]
        device = pick_device(self.device)
        generator = torch.Generator().manual_seed(seed_from(self.random_state))
        held_in, held_out = hold_out(len(X), self.validation_fraction if self.early_stopping else 0, generator)
        shape = self._shape()
        if warm:
            flow = self._flow_to_go_on(shape)
        else:
            self._dtype = X.dtype
            self.columns_ = Columns(X[held_in], np.finfo(X.dtype).eps, weights[held_in])
            flow = make_flow(len(self.columns_.varying), generator=generator, **shape)
            self._fitted_shape, self.loss_curve_, self.validation_scores_ = shape, [], []
        Z = self.columns_.to_flow(X)
        noise = torch.rand(Z.shape, generator=generator, dtype=torch.float64).numpy() - 0.5
        spread = Z + noise * self.columns_.widths
        beside = len(held_out) and Z.shape[1]
        self.background_ = Background(spread[held_in], weights[held_in]) if beside else None
        history = self._train(flow.to(device), Z, spread, weights, held_in, held_out, generator)
        self._warn(history)
        if beside:
            flow_log_prob = log_prob(flow, flow.tensor(spread[held_out])).cpu().double().numpy()
            self.background_.share_out(flow_log_prob, spread[held_out], weights[held_out])
            self.background_.refit(spread, weights)
        self._keep(flow, history)
        return self

    def _shape(self):
        """The parameters that shape a flow, checked."""
        sizes = list(self.hidden_layer_sizes)
        if not sizes or not all(isinstance(size, Integral) and size >= 1 for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be one or more positive integers, got {self.hidden_layer_sizes!r}.")
        shape = {name: getattr(self, name) for name in ("bijector", "n_layers", "activation", "n_bins")}
        return shape | {"hidden_layer_sizes": tuple(int(size) for size in sizes)}

    def _flow_to_go_on(self, shape):
        """A copy of the fitted flow, for a warm start."""
        changed = [name for name in shape if shape[name] != self._fitted_shape[name]]
        if changed:
            raise ValueError(f"{changed[0]} has changed since the last fit: set it back, or set warm_start=False.")
        return copy.deepcopy(self.flow_).train().requires_grad_(True)

    def _train(self, flow, Z, spread, weights, held_in, held_out, generator):
        """Train the flow, with a progress bar."""
        budget = make_budget(
            len(held_in),
            flow,
            n_columns=Z.shape[1],
            batch_size=self.batch_size,
            max_iter=self.max_iter,
            learning_rate=self.learning_rate_init,
            alpha=self.alpha,
            patience=self.n_iter_no_change,
        )
        with (
            threads_for(budget.batch_size * flow.widest),
            tqdm(total=budget.n_epochs, desc="MAFDensity", unit="epoch", disable=not self.verbose) as bar,
        ):

            def show(history):
                if history.validation_scores:
                    best = history.best_score + self.columns_.log_scale_jacobian
                    bar.set_postfix_str(f"best held-out score {best:.3f} nats", refresh=False)
                bar.update()

            return train(
                flow,
                weighted_rows(flow, Z[held_in], weights[held_in]),
                # spread once and for all: the judge of the weights must not change
                weighted_rows(flow, spread[held_out], weights[held_out], self.background_) if len(held_out) else None,
                widths=flow.tensor(self.columns_.widths),
                budget=budget,
                tol=self.tol,
                generator=generator,
                on_epoch=show,
            )

    def _keep(self, flow, history):
        """Set the attributes that tell how the training went."""
        log_jacobian = self.columns_.log_scale_jacobian
        self.flow_ = flow.cpu().eval().requires_grad_(False)
        self.loss_curve_ += [loss - log_jacobian for loss in history.loss_curve]
        self.validation_scores_ += [score + log_jacobian for score in history.validation_scores]
        self.best_validation_score_ = history.best_score + log_jacobian if self.early_stopping else None
        self.n_iter_ = len(self.loss_curve_)

    def _warn(self, history):
        warn_if_interrupted(history)
        if self.max_iter != "auto" and self.early_stopping and not (history.converged or history.interrupted):
            warnings.warn(
                f"Training reached max_iter={self.max_iter} before the held-out score stopped rising; the best weights so far "
                "are kept. Raise max_iter, or leave it at 'auto'.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _log_density(self, flow, Z):
        log_density = flow.log_prob(flow.tensor(Z)).cpu().double().numpy()
        return log_density if self.background_ is None else self.background_.mix(log_density, Z)

    def _draw(self, flow, z, rng):
        Z = flow.inverse(z).cpu().double().numpy()
        if self.background_ is not None:
            self.background_.scatter(Z, rng)
        return Z
