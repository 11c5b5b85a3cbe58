"""The parameters of estimators whose flow learns by maximum likelihood, and what `fit` keeps."""

import os
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from sklearn.exceptions import ConvergenceWarning

from ._callbacks import teller
from ._compat import Interval, StrOptions
from ._families import (
    ACTIVATION_NAMES,
    BIJECTOR_NAMES,
    FAMILIES,
    default_activation,
    resolve,
)
from ._validation import check_sizes
from ._warnings import warn_user
from .base import FittedDensity, keep_fitted, warn_if_interrupted
from .models.specs import FlowSpec, TrainingSpec
from .persistence.checkpoints import checkpoint_at
from .table.codec import TableCodec
from .training.budget import ALL_COLUMNS

if TYPE_CHECKING:
    from .models.table_density import TableDensity
    from .training.checkpoint import Checkpoint
    from .training.loop import History


class FlowEstimator(FittedDensity):
    """An estimator with the parameters of `MAFDensity`, and a ``density_`` once it is fitted."""

    _auto = ALL_COLUMNS
    _parameter_constraints = {
        "family": [StrOptions(set(FAMILIES))],
        "bijector": [StrOptions({"auto", *BIJECTOR_NAMES})],
        "n_layers": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "hidden_layer_sizes": [StrOptions({"auto"}), "array-like"],
        "activation": [StrOptions({"auto", *ACTIVATION_NAMES})],
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
        "relations": [StrOptions({"auto"}), list, tuple, None],
        "checkpoint": [str, os.PathLike, None],
        "callbacks": [list, tuple, None],
        "verbose": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        family: str = "maf",
        bijector: str = "auto",
        n_layers: int | str = "auto",
        hidden_layer_sizes: tuple[int, ...] | str = "auto",
        activation: str = "auto",
        n_bins: int = 16,
        alpha: float | str = "auto",
        batch_size: int | str = "auto",
        learning_rate_init: float | str = "auto",
        max_iter: int | str = "auto",
        early_stopping: bool = True,
        validation_fraction: float | str = "auto",
        n_iter_no_change: int | str = "auto",
        tol: float = 1e-4,
        warm_start: bool = False,
        device: str = "auto",
        column_kinds: dict | None = None,
        relations: Any = "auto",
        checkpoint: Any = None,
        callbacks: Any = None,
        verbose: bool = False,
        random_state: Any = None,
    ):
        self.family = family
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
        self.relations = relations
        self.checkpoint = checkpoint
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    @property
    def baseline_(self) -> Any:
        """The simple densities beside the flow, and their share; None without held-out rows."""
        return self.density_.baseline

    @property
    def background_(self) -> Any:
        """Deprecated: `baseline_`."""
        baseline = self.baseline_
        warn_user("background_ is called baseline_ now, and goes in 0.3.", FutureWarning)
        return baseline

    def _flow_spec(self) -> FlowSpec:
        """Return the parameters that shape the flow, checked."""
        bijector, _ = resolve(self.family, self.bijector, self.n_layers)
        sizes = self.hidden_layer_sizes
        is_open = self.activation == "auto"
        return FlowSpec(
            family=self.family,
            bijector=bijector or "auto",
            n_layers=self.n_layers,
            hidden_layer_sizes=sizes if isinstance(sizes, str) else check_sizes(sizes),
            activation=default_activation(bijector) if is_open else self.activation,
            n_bins=self.n_bins,
        )

    def _check_missing(self, codec: TableCodec) -> None:
        """Refuse missing cells where the family of flows cannot have them."""
        if codec.has_missing and FAMILIES[self.family].layer_type is not None:
            raise ValueError(
                f"X contains NaN, and family={self.family!r} takes no missing cells: impute them, "
                "or use another family, such as 'maf'."
            )

    def _training_spec(self) -> TrainingSpec:
        return TrainingSpec(
            alpha=self.alpha,
            batch_size=self.batch_size,
            learning_rate_init=self.learning_rate_init,
            max_iter=self.max_iter,
            early_stopping=self.early_stopping,
            validation_fraction=self.validation_fraction,
            n_iter_no_change=self.n_iter_no_change,
            tol=self.tol,
            device=self.device,
            auto=self._auto,
            progress=type(self).__name__ if self.verbose else None,
            on_epoch=teller(self),
        )

    def _open_checkpoint(self) -> "Checkpoint | None":
        return checkpoint_at(self.checkpoint, self.random_state)

    def _is_warm(self) -> bool:
        return self.warm_start and hasattr(self, "density_")

    def _check_unchanged(self, are_kinds_same: bool) -> None:
        """Refuse a warm start with other columns or another shape of the flow."""
        spec = self._flow_spec()
        fitted = self.density_.spec
        changed = [name for name in vars(spec) if getattr(spec, name) != getattr(fitted, name)]
        if not are_kinds_same:
            changed.append("column_kinds")
        if changed:
            raise ValueError(
                f"{changed[0]} has changed since the last fit: set it back, or set "
                "warm_start=False."
            )

    def _keep(
        self,
        codec: TableCodec,
        density: "TableDensity",
        history: "History",
        is_warm: bool,
        checkpoint: "Checkpoint | None",
        **attributes: Any,
    ) -> None:
        """Set the attributes of a fit; a warm start adds to the curves of the fits before."""
        losses = self.loss_curve_ if is_warm else []
        scores = self.validation_scores_ if is_warm else []
        keep_fitted(
            self,
            codec,
            density_=density,
            loss_curve_=losses + history.loss_curve,
            validation_scores_=scores + history.validation_scores,
            best_validation_score_=history.best_score if self.early_stopping else None,
            n_iter_=len(losses) + len(history.loss_curve),
            **attributes,
        )
        if checkpoint is not None and not history.interrupted:
            checkpoint.close()

    def _warn_of_training(self, history: "History") -> None:
        warn_if_interrupted(history)
        is_short = not (history.converged or history.interrupted)
        if history.diverged:
            warn_user(
                f"Training diverged: the loss was not finite in {history.n_failed} epochs. Lower "
                "learning_rate_init, or leave it at 'auto'.",
                ConvergenceWarning,
            )
        elif self.max_iter != "auto" and self.early_stopping and is_short:
            warn_user(
                f"Training reached max_iter={self.max_iter} before the held-out score stopped "
                "rising; the best weights so far are kept. Raise max_iter, or leave it at 'auto'.",
                ConvergenceWarning,
            )
