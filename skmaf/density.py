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
from .devices import pick_device
from .flows import ACTIVATIONS, BIJECTORS, Levels, make_table_flow
from .gaps import Hiding
from .kinds import check_kinds, declared_kinds, find_columns, sharp
from .schema import read_table
from .threads import threads_for
from .training import in_batches, joined, train, weighted_rows
from .validation import seed_from, weigh, without_weightless


class MAFDensity(FlowDensity):
    """Density of a table by a masked autoregressive flow [1]_.

    Continuous columns are standardised, then a stack of masked networks [2]_ maps the rows to a standard normal distribution.
    Discrete columns come before them, with probabilities by a masked network of their own; the flow is told what they hold.
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
    column_kinds : dict, default=None
        What columns are, by name or position, where it should not be found out: "continuous", "grid" (integers, rounded),
        "categorical", "heavy-tailed", or bounds as a tuple ``(low, high)`` of which one may be None.
    verbose : bool, default=False
        Whether to show a progress bar with the held-out score.
    random_state : int, RandomState instance or None, default=None
        Governs the held-out rows, the initial weights, and the batches.

    Attributes
    ----------
    columns_ : Columns
        What each column is: discrete, atomic, continuous or constant; its levels, scale, grid step.
    schema_ : Schema
        The form of the table: names, dtypes, categories.
    flow_ : TableFlow
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
    when a column changes its unit. They are with respect to a product measure: categories, constants and atoms (values that
    come again and again) count, with probabilities; numbers on a grid count times its step; the rest have the length of their
    unit.

    Rows with missing cells have the log-density of the cells that they have, given which these are: in training further cells
    are hidden at random. Where `fit` saw none, rows with missing cells are refused.

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
        "column_kinds": [dict, None],
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
        column_kinds=None,
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
        self.column_kinds = column_kinds
        self.verbose = verbose
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Learn the density of the rows of X.

        An interrupt (Ctrl-C) ends the training, not the fit: the best weights so far are kept, with a warning.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; at least 2. An array, or a DataFrame of pandas or polars; columns of text, of truth values and of a
            categorical dtype are categories; cells may be missing (NaN, None, pd.NA).
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
            If X holds dates, infinity, a column without values or of too many categories, has under 2 rows or no column; if
            weights are negative or not positive in 2 rows; if a parameter is out of its range, ``column_kinds`` does not fit
            the columns, or with ``warm_start`` a parameter that shapes the flow has changed.
        """
        X, sample_weight = without_weightless(X, sample_weight)
        if self.warm_start and hasattr(self, "flow_"):
            return self._fit_numbers(self._read(X), sample_weight, self._with_gaps, warm=True)
        X = self._read_training_rows(X)
        return self._fit_numbers(X, sample_weight, bool(np.isnan(X).any()))

    def _read_training_rows(self, X):
        """The table as numbers, its schema learned; what is declared of its columns goes into ``_kinds``."""
        self._kinds = declared_kinds(X, self.column_kinds)
        X = read_table(self, X, reset=True, categorical=[j for j, kind in self._kinds.items() if kind == "categorical"])
        check_kinds(self._kinds, X, self.schema_)
        return X

    def _fit_numbers(self, X, sample_weight, with_gaps, warm=False):
        """Learn from a table that is read already, its schema known; ``with_gaps`` if cells may be missing, here or not."""
        self._dtype, self._with_gaps = X.dtype, with_gaps
        rows, weights = weigh(X, sample_weight)
        X = X[rows]
        device = pick_device(self.device)
        generator = torch.Generator().manual_seed(seed_from(self.random_state))
        held_in, held_out = hold_out(len(X), self.validation_fraction if self.early_stopping else 0, generator)
        shape = self._shape()
        if warm:
            flow = self._flow_to_go_on(shape)
        else:
            self.columns_ = self._find_columns(X, weights, held_in)
            flow = self._new_flow(shape, generator)
            self._fitted_shape, self._fitted_kinds = shape, copy.deepcopy(self.column_kinds)
            self.loss_curve_, self.validation_scores_ = [], []
        Z, widths = self.columns_.to_flow(X), self.columns_.widths(X)
        # spread once and for all: the judge of the weights must not change
        spread = Z + (torch.rand(Z.shape, generator=generator, dtype=torch.float64).numpy() - 0.5) * widths
        level_shares = [column.shares for column in self.columns_.discrete]
        self.background_ = Background(spread[held_in], weights[held_in], level_shares) if len(held_out) else None
        jacobians = self._mean_log_jacobian(X, weights, held_in), self._mean_log_jacobian(X, weights, held_out)
        flow = flow.to(device)
        rows = weighted_rows(flow, Z[held_in], weights[held_in])
        if len(widths) > 1:
            widths = widths[held_in]
        sizes = [self.columns_.n_codes, self.columns_.n_values][-len(flow.parts) :]
        histories = []
        for part, size, judges in zip(flow.parts, sizes, self._judges(flow, spread[held_out], weights[held_out])):
            histories.append(self._train(part, size, judges, rows, widths, jacobians[1], generator))
            if histories[-1].interrupted:
                break
        history = joined(histories)
        self._warn(history)
        if len(held_out):
            self.background_.share_out(self._flow_log_probs(flow, spread[held_out]), spread[held_out], weights[held_out])
            self.background_.refit(spread, weights)
        self._keep(flow, history, *jacobians)
        return self

    def _find_columns(self, X, weights, held_in):
        # a column that the rows held in know nothing of is described by all rows
        some = held_in if (~np.isnan(X[held_in])).any(axis=0).all() else slice(None)
        return find_columns(sharp, X[some], weights[some], self.schema_.n_categories, self._kinds)

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
        changed += ["column_kinds"] * (self.column_kinds != self._fitted_kinds)
        if changed:
            raise ValueError(f"{changed[0]} has changed since the last fit: set it back, or set warm_start=False.")
        return copy.deepcopy(self.flow_).train().requires_grad_(True)

    def _new_flow(self, shape, generator):
        """A flow of the columns, with the discrete ones before it."""
        columns, levels = self.columns_, None
        if columns.n_codes:
            shares, numbers = zip(*((column.shares, column.numbers) for column in columns.discrete))
            levels = Levels(shares, numbers, self._with_gaps)
        return make_table_flow(columns.n_values, levels, columns.gates, self._with_gaps, generator=generator, **shape)

    def _mean_log_jacobian(self, X, weights, rows):
        """What takes the mean log-density of some rows from flow space to the units of X."""
        return np.average(self.columns_.log_jacobian(X[rows]), weights=weights[rows]) if len(rows) else 0.0

    def _judges(self, flow, Z, weights):
        """For each part of the flow the rows that decide on its best weights, or None."""
        if len(Z) == 0:
            return [None] * len(flow.parts)
        backgrounds = self.background_.score_parts(Z)[-len(flow.parts) :]
        return [weighted_rows(flow, Z, weights, background) for background in backgrounds]

    def _train(self, part, n_columns, judges, rows, widths, log_jacobian, generator):
        """Train a part of the flow, with a progress bar that shows its score with ``log_jacobian`` added."""
        budget = make_budget(
            len(rows.x),
            part,
            n_columns=n_columns,
            batch_size=self.batch_size,
            max_iter=self.max_iter,
            learning_rate=self.learning_rate_init,
            alpha=self.alpha,
            patience=self.n_iter_no_change,
        )
        with (
            threads_for(budget.batch_size * part.widest),
            tqdm(total=budget.n_epochs, desc="MAFDensity", unit="epoch", disable=not self.verbose) as bar,
        ):

            def show(history):
                if history.validation_scores:
                    bar.set_postfix_str(f"best held-out score {history.best_score + log_jacobian:.3f} nats", refresh=False)
                bar.update()

            return train(
                part,
                rows,
                judges,
                widths=part.tensor(widths),
                budget=budget,
                tol=self.tol,
                generator=generator,
                on_epoch=show,
                hiding=Hiding(self.columns_.owners, self.columns_.n_codes) if self._with_gaps else None,
            )

    def _keep(self, flow, history, log_jacobian_in, log_jacobian_out):
        """Set the attributes that tell how the training went."""
        self.flow_ = flow.cpu().eval().requires_grad_(False)
        self.loss_curve_ += [loss - log_jacobian_in for loss in history.loss_curve]
        self.validation_scores_ += [score + log_jacobian_out for score in history.validation_scores]
        self.best_validation_score_ = history.best_score + log_jacobian_out if self.early_stopping else None
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

    def _flow_log_probs(self, flow, Z):
        """Log-probability of codes, and log-density of values, by the flow alone."""
        parts = in_batches(lambda rows: torch.stack(flow.log_probs(rows), 1), flow, flow.tensor(Z))
        return parts.cpu().double().numpy().T

    def _log_density(self, flow, Z):
        log_probs = self._flow_log_probs(flow, Z)
        return log_probs.sum(axis=0) if self.background_ is None else self.background_.mix(log_probs, Z)

    def _sharp_log_density(self, flow, Z):
        return self._flow_log_probs(flow, Z).sum(axis=0)

    def _draw(self, flow, n_samples, generator, rng):
        z = flow.tensor(torch.randn((n_samples, self.columns_.n_values), generator=generator))
        codes = z.new_empty((n_samples, 0))
        if self.columns_.n_codes:
            chance = torch.rand((self.columns_.n_codes, n_samples), generator=generator)
            codes = flow.codes.discrete.draw(flow.tensor(chance)).T.cpu()
            if self.background_ is not None:
                self.background_.scatter_codes(codes.numpy(), rng)
        values = flow.values.draw(z, flow.tensor(codes)).cpu().double().numpy()
        if self.background_ is not None:
            self.background_.scatter(values, rng)
        return np.column_stack([codes, values])
