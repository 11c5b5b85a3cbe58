"""VariationalFlow: a flow fitted to an unnormalised log-density, such as a posterior."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from numbers import Integral, Real
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted
from tqdm.auto import tqdm

from ._callbacks import teller
from ._compat import Interval, StrOptions, fit_context
from ._dask import a_number, lazy_on_dask
from ._devices import pick_device
from ._doc_link import DocumentedEstimator
from ._families import ACTIVATION_NAMES, BIJECTOR_NAMES, FAMILIES
from ._memory import BatchSize
from ._torch import isolated_torch, threads_for
from ._validation import check_count, check_sizes, seed_from
from ._warnings import warn_user
from .inference.evidence import Evidence, estimate_evidence
from .persistence.state import PlainState

if TYPE_CHECKING:
    import torch

    from .flows.layers import Flow
    from .training.epochs import Step
    from .training.reverse_kl import ReverseKLHistory

logger = logging.getLogger("skmaf")

EVIDENCE_DRAWS = 10_000
FEWEST_DRAWS = 100  # below which a tail of the importance weights cannot be judged
MAX_K_HAT = 0.7  # beyond which importance sampling cannot be trusted


class VariationalFlow(DocumentedEstimator, PlainState):
    """A flow that approximates an unnormalised density, such as the posterior of a Bayesian model.

    The flow q gets as close as it can to the density p in the reverse Kullback-Leibler divergence:
    Adam minimises the mean of ``log q(x) - log p(x)`` over fresh draws x of q, whose gradients go
    through the draws [1]_. At first ``log p`` has a small weight, which climbs to 1 halfway, so
    that a mode that the start is far from is found too [1]_. Importance sampling with q then gives
    the evidence, the integral of p, and says by k-hat whether q is close enough to trust it [3]_.

    Fitting takes draws and their density alone. Families that draw in one pass of their networks
    are fast: "iaf" [2]_, those of couplings, "realnvp" and "nice", and "planar" and "radial" [1]_.
    "maf" and "made" draw one column after the other, in each step. Only `score_samples` is slow
    with "iaf". Flows start at the standard normal distribution: choose units in which the location
    of the density is a few at most, and its width about 1. In few dimensions, where the density
    has several modes or sharp bends, two layers with ``bijector="spline"`` get closer than more
    affine ones, in less time.

    What is set in torch outside, such as ``torch.no_grad()`` or another default dtype, changes
    nothing.

    Parameters
    ----------
    log_density : callable
        ``log_density(x)`` is the log-density, in nats up to a constant, of each row of the tensor
        ``x`` of shape (rows, ``n_dims``): a tensor of shape (rows,), computed by torch, so that
        gradients go through. ``x`` is float32 and on ``device``. Where the density is 0 the
        logarithm has to be low and finite, and rise towards where it is not.
    n_dims : int
        Number of columns of ``x``.
    family : {"iaf", "realnvp", "nice", "planar", "radial", "maf", "made"}, default="iaf"
        Kind of the layers, as in `MAFDensity`.
    bijector : str, default="auto"
        What a layer does to each column, as in `MAFDensity`.
    n_layers : int or "auto", default="auto"
        Number of layers; "auto" is 8 for couplings, 5 for "iaf", 3 for "maf", 1 for "made", and 32
        for "planar" and "radial".
    hidden_layer_sizes : tuple of int, default=(64, 64)
        Units of the hidden layers of the network in each layer.
    activation : {"gelu", "relu", "silu", "tanh"}, default="tanh"
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
        Where to compute: "cpu", "cuda", "mps", or "auto" for the fastest that is there. Tensors of
        ``log_density`` have to be there too: ``tensor.to(x.device)``.
    callbacks : list of callable, default=None
        Each is called as ``callback(estimator, step)`` after every step, with its ``number`` from 1
        on, ``max_iter`` and ``loss``, as in ``loss_curve_``; where one returns True the training
        ends, and the weights of that moment are kept. In the first half of the steps, while the
        weight of ``log p`` climbs, a loss says little. `skmaf.save` refuses functions: set
        ``callbacks=None`` before.
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
        Mean of ``log q - log p`` over the draws of each step, the negative evidence lower bound,
        in nats.
    n_iter_ : int
        Number of steps.
    flow_ : Flow
        The trained torch module, on the CPU; do not change its weights.

    See Also
    --------
    MAFDensity : Fits a flow to rows.

    References
    ----------
    .. [1] Rezende and Mohamed (2015). Variational inference with normalizing flows. ICML.
    .. [2] Kingma, Salimans, Jozefowicz, Chen, Sutskever and Welling (2016). Improved variational
       inference with inverse autoregressive flow. NeurIPS 29.
    .. [3] Vehtari, Simpson, Gelman, Yao and Gabry (2024). Pareto smoothed importance sampling.
       JMLR 25(72).

    Examples
    --------
    >>> from skmaf import VariationalFlow
    >>> def log_density(x):  # a normal distribution without its constant, log(2 pi) = 1.84 nats
    ...     return -((x - 1) ** 2).sum(1) / 2
    >>> flow = VariationalFlow(
    ...     log_density, 2, family="planar", n_layers=1, max_iter=500, random_state=0
    ... ).fit()
    >>> round(flow.log_evidence_, 2)
    1.84
    >>> flow.sample(3, random_state=0).shape
    (3, 2)
    """

    flow_: Flow
    loss_curve_: list[float]
    n_iter_: int
    log_evidence_: float
    log_evidence_error_: float
    k_hat_: float

    _parameter_constraints = {
        "log_density": [callable],
        "n_dims": [Interval(Integral, 1, None, closed="left")],
        "family": [StrOptions(set(FAMILIES))],
        "bijector": [StrOptions({"auto", *BIJECTOR_NAMES})],
        "n_layers": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "hidden_layer_sizes": ["array-like"],
        "activation": [StrOptions(set(ACTIVATION_NAMES))],
        "n_bins": [Interval(Integral, 2, 500, closed="both")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "callbacks": [list, tuple, None],
        "verbose": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        log_density: Callable[[torch.Tensor], torch.Tensor],
        n_dims: int,
        *,
        family: str = "iaf",
        bijector: str = "auto",
        n_layers: int | str = "auto",
        hidden_layer_sizes: Sequence[int] = (64, 64),
        activation: str = "tanh",
        n_bins: int = 8,
        batch_size: int = 256,
        learning_rate_init: float = 0.005,
        max_iter: int = 2000,
        device: str = "auto",
        callbacks: Sequence[Callable[[VariationalFlow, Step], object]] | None = None,
        verbose: bool = False,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
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
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "flow_")

    @fit_context(prefer_skip_nested_validation=True)
    @isolated_torch()
    def fit(self) -> Self:
        """Bring the flow close to the density, and estimate the evidence.

        Returns
        -------
        self : VariationalFlow

        Raises
        ------
        ValueError
            If ``log_density`` gives no tensor, one of another shape than (rows,), one without a
            finite gradient, NaN or infinity; if a parameter is out of its range, a callback is no
            function, or the family cannot have the bijector.

        Warns
        -----
        UserWarning
            If k-hat is above 0.7, or a KeyboardInterrupt ended the training: the weights of that
            moment are kept.
        """
        from .flows import make_flow

        sizes = check_sizes(self.hidden_layer_sizes)
        device = pick_device(self.device)
        generator = _generator(self.random_state)
        flow = make_flow(
            self.n_dims,
            hidden_layer_sizes=sizes,
            generator=generator,
            family=self.family,
            bijector=self.bijector,
            n_layers=self.n_layers,
            activation=self.activation,
            n_bins=self.n_bins,
        ).to(device)
        history = self._train(flow, generator)
        flow = flow.cpu().eval().requires_grad_(False)
        evidence = self._evidence(flow, EVIDENCE_DRAWS, generator)
        self._keep(flow, history, evidence)
        if history.interrupted:
            warn_user(
                f"Training was interrupted after {self.n_iter_} steps; "
                "the weights of that moment are kept."
            )
        _warn_of_k_hat(evidence.k_hat)
        return self

    @isolated_torch()
    def sample(
        self, n_samples: int = 1, random_state: int | np.random.RandomState | None = None
    ) -> np.ndarray:
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
        from .models.flow_draws import draw

        check_is_fitted(self)
        check_count("n_samples", n_samples)
        generator = _generator(random_state)
        x, _ = draw(self.flow_, n_samples, self.n_dims, generator)
        return x.numpy()

    @lazy_on_dask(a_number)
    @isolated_torch()
    def score_samples(self, X: ArrayLike) -> np.ndarray:
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
        from .models.flow_draws import log_prob

        check_is_fitted(self)
        rows = check_array(X, dtype=np.float64)
        if rows.shape[1] != self.n_dims:
            raise ValueError(f"X has {rows.shape[1]} columns, and the flow n_dims={self.n_dims}.")
        return log_prob(self.flow_, rows)

    @isolated_torch()
    def evidence(
        self,
        n_samples: int = EVIDENCE_DRAWS,
        random_state: int | np.random.RandomState | None = None,
    ) -> Evidence:
        """Estimate the integral of the density by importance sampling from the flow.

        The estimate is the logarithm of the mean of p/q, its standard error by the delta method.
        Pareto-smoothed importance sampling's k-hat is that of arviz where it is installed, and
        else the shape of a generalised Pareto distribution which scipy fits to the same tail by
        maximum likelihood, drawn towards 0.5 as much as in arviz.

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
            If ``n_samples`` is no integer of at least 100, or ``log_density`` gives NaN or +inf, or
            is None, as in a copy that was made to be saved.

        Warns
        -----
        UserWarning
            If k-hat is above 0.7.
        """
        check_is_fitted(self)
        if self.log_density is None:
            raise ValueError("log_density is None: set the function that `fit` had, by set_params.")
        check_count("n_samples", n_samples)
        if n_samples < FEWEST_DRAWS:
            raise ValueError(
                f"n_samples={n_samples} are too few to judge importance weights by: "
                f"draw {FEWEST_DRAWS} or more."
            )
        generator = _generator(random_state)
        evidence = self._evidence(self.flow_, n_samples, generator)
        _warn_of_k_hat(evidence.k_hat)
        return evidence

    def _train(self, flow: Flow, generator: torch.Generator) -> ReverseKLHistory:
        """Train the flow in place, with a progress bar, and tell callbacks of each step."""
        from .models.flow_draws import checked_log_density
        from .training.reverse_kl import train_reverse_kl

        name = type(self).__name__
        bar = tqdm(total=self.max_iter, desc=name, unit="step", disable=not self.verbose)
        tell = teller(self)

        def on_step(step: Step) -> bool:
            bar.update()
            return tell(step)

        with threads_for(self.batch_size * flow.widest), bar:
            history = train_reverse_kl(
                flow,
                partial(checked_log_density, self.log_density),
                n_dims=self.n_dims,
                n_steps=self.max_iter,
                batch_size=self.batch_size,
                learning_rate=self.learning_rate_init,
                generator=generator,
                on_step=on_step,
            )
        if history.loss_curve and not history.n_moves:
            raise ValueError(
                "log_density had no finite gradient for any batch of draws: "
                "look for roots and norms of 0 in it."
            )
        return history

    def _evidence(self, flow: Flow, n: int, generator: torch.Generator) -> Evidence:
        """Importance sampling with ``n`` draws of a flow."""
        import torch

        from .models.flow_draws import checked_log_density, draw

        x, log_q = draw(flow, n, self.n_dims, generator)
        device = pick_device(self.device, fitted=True)
        with torch.no_grad():
            drawn = flow.tensor(x).to(device)
            batches = BatchSize(self.batch_size).batches(
                lambda rows: checked_log_density(self.log_density, drawn[rows]), n
            )
            log_p = torch.cat([part for _, part in batches])
        return estimate_evidence((log_p.cpu().double() - log_q).numpy())

    def _keep(self, flow: Flow, history: ReverseKLHistory, evidence: Evidence) -> None:
        """Set the attributes that a fit leaves."""
        # all in one call, which no interrupt can cut in two
        self.__dict__.update(
            flow_=flow,
            loss_curve_=history.loss_curve,
            n_iter_=len(history.loss_curve),
            log_evidence_=evidence.log_evidence,
            log_evidence_error_=evidence.standard_error,
            k_hat_=evidence.k_hat,
        )
        level = logging.INFO if self.verbose else logging.DEBUG
        text = "VariationalFlow fitted in %d steps; log-evidence %.4f nats"
        logger.log(level, text, self.n_iter_, self.log_evidence_)


def _generator(random_state: int | np.random.RandomState | None) -> torch.Generator:
    """The generator of a seed."""
    import torch

    return torch.Generator().manual_seed(seed_from(random_state))


def _warn_of_k_hat(k_hat: float) -> None:
    """Warn if the evidence cannot be trusted."""
    if k_hat > MAX_K_HAT:
        warn_user(
            f"k-hat is {k_hat:.2f}, above {MAX_K_HAT}: the flow misses part of the density, and "
            "the evidence cannot be trusted. Try more layers, another family, a larger max_iter, "
            "or other parameters in which the tails of the density are lighter."
        )
