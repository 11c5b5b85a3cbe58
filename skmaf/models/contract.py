"""The contract that every density object keeps, and what those with a torch module inside share."""

import copy
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np

from .._devices import pick_device
from ..table.flow_space import Columns

if TYPE_CHECKING:
    from ..flows.layers import RowDensity

ModuleT = TypeVar("ModuleT", bound="RowDensity")

LOWEST = -1e300  # a mean over many such log-densities is still finite


class Density(Protocol):
    """A fitted density: complete when it is made, and frozen from then on."""

    def log_prob(self, N: Any, context: np.ndarray | None = None) -> np.ndarray:
        """Return the log-density of each row.

        Parameters
        ----------
        N : ndarray of shape (n, n_features)
            At least one row.
        context : ndarray of shape (n, n_context), default=None
            What a conditional density is given.

        Returns
        -------
        log_prob : ndarray of shape (n,), float64
            In nats and in the units of N; finite for any finite input.
        """

    def sample(
        self, n_samples: int = 1, random_state: Any = None, context: np.ndarray | None = None
    ) -> Any:
        """Draw rows; of a conditional density one for each row of ``context``.

        Parameters
        ----------
        n_samples : int, default=1
        random_state : int, RandomState instance or None, default=None
        context : ndarray of shape (n_samples, n_context), default=None

        Returns
        -------
        N : ndarray of shape (n_samples, n_features)
        """


class ColumnDensity(Density, Protocol):
    """A density that says what its columns are, so that missing cells can be drawn."""

    @property
    def columns(self) -> Columns:
        """What each column is."""

    def without_baseline(self) -> "ColumnDensity":
        """Return the density without what keeps it from getting low."""


class ModulePrecisions(Generic[ModuleT]):
    """A torch module of float32 on the CPU, and its copies in other precisions and on a device.

    A copy is made when it is first asked for, and kept; pickles and copies are without.

    Parameters
    ----------
    module : RowDensity
    device : str
        "auto" or a name that torch knows. On a machine without it the CPU is used.
    """

    def __init__(self, module: ModuleT, device: str):
        self.module = module
        self.device = device
        self._copies: dict[tuple, ModuleT] = {}

    def __getstate__(self) -> dict:
        return {"module": self.module, "device": self.device, "_copies": {}}

    def in_precision(self, dtype: np.dtype) -> ModuleT:
        """Return the module in the precision of ``dtype``, on the fastest device that has it."""
        import torch

        device = pick_device(self.device, fitted=True)
        is_double = dtype == np.float64
        if is_double and device.type == "mps":
            device = torch.device("cpu")
        if not is_double and device.type == "cpu":
            return self.module
        key = (is_double, str(device))
        if key not in self._copies:
            moved = copy.deepcopy(self.module)
            self._copies[key] = moved.to(device, torch.float64 if is_double else torch.float32)
        return self._copies[key]


def check_rows(N: Any, n_features: int) -> np.ndarray:
    """Return rows as an array of float32 or float64; refuse what is no table of these columns."""
    N = np.asarray(N)
    if N.dtype != np.float32:
        N = N.astype(np.float64, copy=False)
    if N.ndim != 2 or N.shape[1] != n_features:
        raise ValueError(f"N has shape {N.shape}, and the density needs (n, {n_features}).")
    refuse_no_rows(N)
    return N


def refuse_no_rows(N: Any) -> None:
    """Refuse a table without rows."""
    if len(N) == 0:
        raise ValueError("N has no rows: give one row at least.")


def check_context(context: Any, n_rows: int, n_context: int) -> np.ndarray | None:
    """Return a context as an array; refuse one that does not fit the rows or the density."""
    if context is None:
        if n_context:
            raise ValueError(f"The density is conditional: give a context of {n_context} columns.")
        return None
    context = np.asarray(context)
    if context.shape != (n_rows, n_context):
        raise ValueError(
            f"context has shape {context.shape}, and the density needs ({n_rows}, {n_context})."
        )
    return context


def finite_log_prob(log_prob: np.ndarray) -> np.ndarray:
    """Return log-densities with `LOWEST` where they, or a number on the way, overflowed."""
    return np.where(np.isfinite(log_prob), log_prob, LOWEST)
