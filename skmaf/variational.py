"""VariationalFlow: a flow fitted to an unnormalised log-density, such as a posterior, instead of to rows."""

import copy
import math
import warnings
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import logsumexp
from scipy.stats import genpareto
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from tqdm.auto import tqdm

from ._devices import pick_device
from ._torch import threads_for
from ._validation import check_count, check_sizes, seed_from
from .flows import ACTIVATIONS, BIJECTORS, FAMILIES, make_flow
from .flows.layers import base_log_prob
from .training.loop import in_batches
from .training.optimiser import AdamW, schedule

ANNEALED = 0.5  # share of the steps in which the weight of the log-density climbs to 1
FIRST_WEIGHT = 0.01  # at the first step, as in the paper
EVIDENCE_DRAWS = 10_000
FEWEST_DRAWS = 100  # below which a tail of the importance weights cannot be judged
MAX_K_HAT = 0.7  # beyond which importance sampling cannot be trusted
SAME = 1e-5  # nats: log-weights this close differ by rounding alone


class Evidence(NamedTuple):
    """What importance sampling from the flow says.

    Attributes
    ----------
    log_evidence : float
        Logarithm of the integral of the density, in nats.
    standard_error : float
        Of that, in nats.
    k_hat : float
        Shape of the tail of the importance weights: up to 0.5 all is well, beyond 0.7 neither of the others can be trusted.
    """

    log_evidence: float
    standard_error: float
    k_hat: float


class VariationalFlow(BaseEstimator):
    """A flow that approximates an unnormalised density, such as the posterior of a Bayesian model.

    The flow q gets as close as it can to the density p in the reverse Kullback-Leibler divergence: Adam minimises the mean of
    ``log q(x) - log p(x)`` over fresh draws x of q, whose gradients go through the draws [1]_. At first ``log p`` has a small
    weight, which climbs to 1 halfway, so that a mode that the start is far from is found too [1]_. Importance sampling with q
    then gives the evidence, the integral of p, and says by k-hat whether q is close enough to trust it [3]_.

    Fitting takes draws and their density alone: families that draw in one pass are fast, which are "iaf" [2]_, those of
    couplings, "realnvp" and "nice", and "planar" and "radial" [1]_; "maf" and "made" take a walk through the columns for each
    step. Only `score_samples` is slow with "iaf". Flows start at the standard normal distribution: choose units in which the
    location of the density is a few at most, and its width about 1. In few dimensions, where the density has several modes or
    sharp bends, two layers with ``bijector="spline"`` get closer than more affine ones, in less time.

    Parameters
    ----------
    log_density : callable
        ``log_density(x)`` is the log-density, in nats up to a constant, of each row of the tensor ``x`` of shape (rows,
        ``n_dims``): a tensor of shape (rows,), computed by torch, so that gradients go through. ``x`` has torch's default dtype
        and is on ``device``. Where the density is 0 the logarithm has to be low and finite, and rise towards where it is not.
    n_dims : int
        Number of columns of ``x``.
    family : {"iaf", "realnvp", "nice", "planar", "radial", "maf", "made"}, default="iaf"
        Kind of the layers, as in `MAFDensity`.
    bijector : str, default="auto"
        What a layer does to each column, as in `MAFDensity`.
    n_layers : int or "auto", default="auto"
        Number of layers; "auto" is 8 for couplings, 5 for "iaf" and "maf", and 32 for "planar" and "radial".
    hidden_layer_sizes : tuple of int, default=(64, 64)
        Units of the hidden layers of the network in each layer.
    activation : {"relu", "silu", "tanh"}, default="tanh"
        Activation of these.
    n_bins : int, default=8
        Bins of splines.
    batch_size : int, default=256
        Draws in each step.
    learning_rate_init : float, default=0.005
        Peak of the learning rate, which climbs to it in the first steps and falls to 0 in a cosine.
    max_iter : int, default=2000
        Steps of the optimiser.
    device : str, default="auto"
        Where to compute: "cpu", "cuda", "mps", or "auto" for the fastest that is there. Tensors of ``log_density`` have to be
        there too: ``tensor.to(x.device)``.
    verbose : bool, default=False
        Whether to show a progress bar.
    random_state : int, RandomState instance or None, default=None
        Governs the initial weights and all draws of `fit`.

    Attributes
    ----------
    log_evidence_ : float
        Logarithm of the integral of the density, in nats, by importance sampling with 10,000 draws.
    log_evidence_error_ : float
        Its standard error, in nats.
    k_hat_ : float
        Shape of the tail of the importance weights; beyond 0.7 the evidence cannot be trusted.
    loss_curve_ : list of float
        Mean of ``log q - log p`` over the draws of each step, the negative evidence lower bound, in nats.
    n_iter_ : int
        Number of steps.
    flow_ : Flow
        The trained torch module, on the CPU.

    See Also
    --------
    MAFDensity : Fits a flow to rows.

    References
    ----------
    .. [1] Rezende and Mohamed (2015). Variational inference with normalizing flows. ICML.
    .. [2] Kingma, Salimans, Jozefowicz, Chen, Sutskever and Welling (2016). Improved variational inference with inverse
       autoregressive flow. NeurIPS 29.
    .. [3] Vehtari, Simpson, Gelman, Yao and Gabry (2024). Pareto smoothed importance sampling. JMLR 25(72).

    Examples
    --------
    >>> from skmaf import VariationalFlow
    >>> def log_density(x):  # a normal distribution without its constant, log(2 pi) = 1.84 nats
    ...     return -((x - 1) ** 2).sum(1) / 2
    >>> flow = VariationalFlow(log_density, 2, family="planar", n_layers=1, max_iter=500, random_state=0).fit()
    >>> round(flow.log_evidence_, 2)
    1.84
    >>> flow.sample(3, random_state=0).shape
    (3, 2)
    """

    _parameter_constraints = {
        "log_density": [callable],
        "n_dims": [Interval(Integral, 1, None, closed="left")],
        "family": [StrOptions(set(FAMILIES))],
        "bijector": [StrOptions({"auto", *BIJECTORS})],
        "n_layers": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "hidden_layer_sizes": ["array-like"],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "n_bins": [Interval(Integral, 2, 500, closed="both")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "verbose": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        log_density,
        n_dims,
        *,
        family="iaf",
        bijector="auto",
        n_layers="auto",
        hidden_layer_sizes=(64, 64),
        activation="tanh",
        n_bins=8,
        batch_size=256,
        learning_rate_init=0.005,
        max_iter=2000,
        device="auto",
        verbose=False,
        random_state=None,
    ):
        self.log_density = log_density
        self.n_dims = n_dims
        self.family = family
        self.bijector = bijector
        self.n_layers = n_layers
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.n_bins = n_bins
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self):
        """Bring the flow close to the density, and estimate the evidence.

        Returns
        -------
        self : VariationalFlow

        Raises
        ------
        ValueError
            If ``log_density`` gives no tensor, one of another shape than (rows,), one without a finite gradient, NaN or
            infinity; if a parameter is out of its range, or the family cannot have the bijector.

        Warns
        -----
        UserWarning
            If k-hat is above 0.7, or a KeyboardInterrupt ended the training: the weights of that moment are kept.
        """
        sizes = check_sizes(self.hidden_layer_sizes)
        device = pick_device(self.device)
        generator = torch.Generator().manual_seed(seed_from(self.random_state))
        shape = {
            name: getattr(self, name)
            for name in ("family", "bijector", "n_layers", "activation", "n_bins")
        }
        flow = make_flow(self.n_dims, hidden_layer_sizes=sizes, generator=generator, **shape).to(
            device
        )
        self.loss_curve_ = []
        with threads_for(self.batch_size * flow.widest):
            self._train(flow, generator)
        self.n_iter_ = len(self.loss_curve_)
        self.flow_ = flow.cpu().eval().requires_grad_(False)
        self.log_evidence_, self.log_evidence_error_, self.k_hat_ = self._evidence(
            EVIDENCE_DRAWS, generator, 4
        )
        return self

    def sample(self, n_samples=1, random_state=None):
        """Draw rows from the flow.

        Parameters
        ----------
        n_samples : int, default=1
        random_state : int, RandomState instance or None, default=None
            Governs the draw; with None every call draws afresh.

        Returns
        -------
        X : ndarray of shape (n_samples, n_dims), float64

        Raises
        ------
        ValueError
            If ``n_samples`` is not a positive integer.
        """
        check_is_fitted(self)
        check_count("n_samples", n_samples)
        x, _ = self._draws(n_samples, torch.Generator().manual_seed(seed_from(random_state)))
        return x.numpy()

    def score_samples(self, X):
        """Log-density of each row under the flow, which is normalised.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_dims)

        Returns
        -------
        log_density : ndarray of shape (n_samples,), float64
            In nats.

        Raises
        ------
        ValueError
            If X is not a table of finite numbers with ``n_dims`` columns.
        """
        check_is_fitted(self)
        X = check_array(X, dtype=np.float64)
        if X.shape[1] != self.n_dims:
            raise ValueError(f"X has {X.shape[1]} columns, and the flow n_dims={self.n_dims}.")
        flow = self._exact_flow()
        with threads_for(1):
            return in_batches(flow.log_prob, flow, torch.from_numpy(X)).numpy()

    def evidence(self, n_samples=EVIDENCE_DRAWS, random_state=None):
        """Estimate the integral of the density by importance sampling from the flow.

        The estimate is the logarithm of the mean of p/q, its standard error by the delta method. Pareto-smoothed importance
        sampling's k-hat is that of arviz where it is installed, and else the shape of a generalised Pareto distribution which
        scipy fits to the same tail by maximum likelihood, drawn towards 0.5 as much as in arviz.

        Parameters
        ----------
        n_samples : int, default=10000
            Number of draws, at least 100.
        random_state : int, RandomState instance or None, default=None
            Governs the draws; with None every call draws afresh.

        Returns
        -------
        evidence : Evidence
            A named tuple of ``log_evidence`` and ``standard_error``, in nats, and ``k_hat``.

        Raises
        ------
        ValueError
            If ``n_samples`` is no integer of at least 100, or ``log_density`` gives NaN or +inf.

        Warns
        -----
        UserWarning
            If k-hat is above 0.7.
        """
        check_is_fitted(self)
        check_count("n_samples", n_samples)
        if n_samples < FEWEST_DRAWS:
            raise ValueError(
                f"n_samples={n_samples} are too few to judge importance weights by: draw {FEWEST_DRAWS} or more."
            )
        return self._evidence(n_samples, torch.Generator().manual_seed(seed_from(random_state)), 3)

    def _train(self, flow, generator):
        adam, moves = AdamW(flow.parameters()), 0
        try:
            for step in tqdm(
                range(self.max_iter),
                desc=type(self).__name__,
                unit="step",
                disable=not self.verbose,
            ):
                rate = self.learning_rate_init * schedule(step, self.max_iter)
                weight = min(1.0, FIRST_WEIGHT + step / self.max_iter / ANNEALED)
                loss, moved = self._step(flow, adam, rate, weight, generator)
                self.loss_curve_.append(loss)
                moves += moved
        except KeyboardInterrupt:
            warnings.warn(
                f"Training was interrupted after {len(self.loss_curve_)} steps; the weights of that moment are kept.",
                stacklevel=4,
            )
        if self.loss_curve_ and not moves:
            raise ValueError(
                "log_density had no finite gradient for any batch of draws: look for roots and norms of 0 in it."
            )

    def _step(self, flow, adam, rate, weight, generator):
        """Move the flow by one batch of draws, ``log p`` having a weight; return the loss without it, and whether it moved."""
        z = flow.tensor(torch.randn((self.batch_size, self.n_dims), generator=generator))
        x, log_det = flow.inverse(z)
        log_q, log_p = base_log_prob(z) + log_det, self._log_p(x)
        # a rare draw, such as one where a norm is 0, has no gradient
        moved = adam.step((log_q - weight * log_p).mean(), rate)
        return (log_q - log_p).detach().mean().item(), moved

    def _log_p(self, x):
        """The user's log-density of some draws, checked."""
        log_p, n = self.log_density(x), len(x)
        if not isinstance(log_p, torch.Tensor):
            raise ValueError(f"log_density must return a torch tensor, got {type(log_p).__name__}.")
        if log_p.shape != (n,):
            shapes = f"({n},) for x of shape {tuple(x.shape)}, got {tuple(log_p.shape)}"
            raise ValueError(f"log_density must return shape {shapes}.")
        if x.requires_grad and not log_p.requires_grad:
            raise ValueError(
                "log_density has no gradient: compute it from x by torch alone, without detach, numpy or no_grad."
            )
        if torch.isfinite(log_p).all():
            return log_p
        n_nan, n_high, n_low = log_p.isnan().sum(), log_p.isposinf().sum(), log_p.isneginf().sum()
        if n_nan:
            raise ValueError(
                f"log_density is NaN for {n_nan} of {n} draws: they can be anywhere, so define it everywhere."
            )
        if n_high:
            raise ValueError(
                f"log_density is +inf for {n_high} of {n} draws: it must be bounded where a density is."
            )
        if x.requires_grad:
            raise ValueError(
                f"log_density is -inf for {n_low} of {n} draws, so the divergence is infinite: use a low finite value where "
                "the density is 0, one that rises towards where it is not."
            )
        return log_p  # of a draw that only has no weight

    def _exact_flow(self):
        return copy.deepcopy(self.flow_).double()

    def _draws(self, n, generator):
        """Rows of the flow and their log-density, in float64."""
        flow = self._exact_flow()
        z = torch.randn((n, self.n_dims), generator=generator, dtype=torch.float64)
        with threads_for(1), torch.no_grad():
            parts = [
                (*flow.inverse(rows), base_log_prob(rows))
                for rows in z.split(flow.batch_rows_inverse)
            ]
        x, log_det, base = map(torch.cat, zip(*parts))
        return x, base + log_det

    def _evidence(self, n, generator, stacklevel):
        x, log_q = self._draws(n, generator)
        device = pick_device(self.device, fitted=True)
        with torch.no_grad():
            log_p = [
                self._log_p(rows) for rows in self.flow_.tensor(x).to(device).split(self.batch_size)
            ]
        log_weights = (torch.cat(log_p).cpu().double() - log_q).numpy()
        log_mean = logsumexp(log_weights) - math.log(n)
        error = np.exp(log_weights - log_mean).std(ddof=1) / math.sqrt(n)
        k_hat = _k_hat(log_weights)
        if k_hat > MAX_K_HAT:
            warnings.warn(
                f"k-hat is {k_hat:.2f}, above {MAX_K_HAT}: the flow misses part of the density, and the evidence cannot be "
                "trusted. Try more layers, another family, a larger max_iter, or other parameters in which the tails of the "
                "density are lighter.",
                stacklevel=stacklevel,
            )
        return Evidence(float(log_mean), float(error), k_hat)


def _k_hat(log_weights):
    """Shape of the generalised Pareto distribution of the largest importance weights [1]_.

    References
    ----------
    .. [1] Vehtari, Simpson, Gelman, Yao and Gabry (2024). Pareto smoothed importance sampling. JMLR 25(72).
    """
    if np.ptp(log_weights) < SAME:
        return -math.inf  # no tail
    try:
        from arviz_stats.base import array_stats  # of arviz 1

        return float(
            array_stats.psislw(-log_weights)[1]
        )  # which takes log-likelihoods that are left out
    except ImportError:
        pass
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of the versions before 1, about these
            from arviz import psislw
        return float(psislw(log_weights)[1])
    except ImportError:
        return _k_hat_by_scipy(log_weights)


def _k_hat_by_scipy(log_weights):
    weights = np.sort(np.exp(log_weights - log_weights.max()))
    n_tail = math.ceil(min(0.2 * len(weights), 3 * math.sqrt(len(weights))))
    excess = weights[-n_tail:] - weights[-n_tail - 1]
    shape = genpareto.fit(excess / excess.mean(), floc=0)[0]
    return float((n_tail * shape + 10 * 0.5) / (n_tail + 10))
