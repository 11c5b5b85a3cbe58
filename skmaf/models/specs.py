"""What a fit of a table's density is told: its parameters, and what is known of the table."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ..training.budget import ALL_COLUMNS, Auto
from ..training.epochs import Epoch


@dataclass(frozen=True)
class FlowSpec:
    """The parameters that shape a flow, as in `MAFDensity`.

    ``n_layers`` and ``hidden_layer_sizes`` may be "auto".
    """

    family: str
    bijector: str
    n_layers: int | str
    hidden_layer_sizes: tuple[int, ...] | str
    activation: str
    n_bins: int


@dataclass(frozen=True)
class TrainingSpec:
    """The parameters of the training, as in `MAFDensity`.

    Attributes
    ----------
    auto : Auto
        What "auto" means.
    progress : str or None
        What to call the progress bar; None for none.
    on_epoch : callable or None
        Called with each `Epoch`; the training ends where it returns True.
    """

    alpha: float | str
    batch_size: int | str
    learning_rate_init: float | str
    max_iter: int | str
    early_stopping: bool
    validation_fraction: float | str
    n_iter_no_change: int | str
    tol: float
    device: str
    auto: Auto = ALL_COLUMNS
    progress: str | None = None
    on_epoch: Callable[[Epoch], bool] | None = None


@dataclass(frozen=True)
class TableKnowledge:
    """What is known of a table before a density is fitted to its rows.

    Attributes
    ----------
    n_categories : list of int or None
        How many categories each column has; None for a column of numbers.
    declared : dict of int to str or tuple
        Kinds of columns that the user declared, by position.
    has_missing : bool
        Whether cells may be missing.
    cycles : dict of int to Cycles
        What cycles of the calendar columns of dates are in, by position.
    """

    n_categories: list
    declared: dict = field(default_factory=dict)
    has_missing: bool = False
    cycles: dict = field(default_factory=dict)
