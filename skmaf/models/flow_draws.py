"""A flow without a table, and the log-density of the user that it is fitted to."""

import copy
import weakref
from collections.abc import Callable

import numpy as np
import torch

from .._torch import threads_for
from ..flows.layers import Flow, base_log_prob
from ..training.loop import in_batches

# float64 copies of fitted flows, each for as long as its flow lives: outside of the estimator, so
# that its pickles and copies do not hold them
_float64_flows: weakref.WeakKeyDictionary[Flow, Flow] = weakref.WeakKeyDictionary()


def draw(
    flow: Flow, n: int, n_dims: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of the flow and their log-density, in float64."""
    flow = _in_float64(flow)
    z = torch.randn((n, n_dims), generator=generator, dtype=torch.float64)
    x = []
    log_q = []
    with threads_for(1), torch.no_grad():
        for rows in z.split(flow.batch_rows_inverse):
            drawn, log_det = flow.inverse(rows)
            x.append(drawn)
            log_q.append(base_log_prob(rows) + log_det)
    return torch.cat(x), torch.cat(log_q)


def log_prob(flow: Flow, rows: np.ndarray) -> np.ndarray:
    """The log-density of rows under the flow, in float64."""
    flow = _in_float64(flow)
    with threads_for(1):
        return in_batches(flow.log_prob, flow, torch.from_numpy(rows)).numpy()


def checked_log_density(
    log_density: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor
) -> torch.Tensor:
    """What the user's log-density gives for some draws, refused where it is none."""
    log_p = log_density(x)
    _check_form(log_p, x)
    _check_values(log_p, is_loss=x.requires_grad)
    return log_p


def _in_float64(flow: Flow) -> Flow:
    """The copy of a fitted flow that computes in float64."""
    copied = _float64_flows.get(flow)
    if copied is None:
        copied = copy.deepcopy(flow).double()
        _float64_flows[flow] = copied
    return copied


def _check_form(log_p: object, x: torch.Tensor) -> None:
    """Refuse a log-density of the rows ``x`` that is no tensor of their number, or constant."""
    if not isinstance(log_p, torch.Tensor):
        raise ValueError(f"log_density must return a torch tensor, got {type(log_p).__name__}.")
    if log_p.shape != (len(x),):
        raise ValueError(
            f"log_density must return shape ({len(x)},) for x of shape {tuple(x.shape)}, "
            f"got {tuple(log_p.shape)}."
        )
    if x.requires_grad and not log_p.requires_grad:
        raise ValueError(
            "log_density has no gradient: compute it from x by torch alone, without detach, "
            "numpy or no_grad."
        )


def _check_values(log_p: torch.Tensor, is_loss: bool) -> None:
    """Refuse NaN and +inf, and -inf in a loss; a draw that only has no weight may have -inf."""
    if torch.isfinite(log_p).all():
        return
    n = len(log_p)
    n_nan = log_p.isnan().sum()
    if n_nan:
        raise ValueError(
            f"log_density is NaN for {n_nan} of {n} draws: they can be anywhere, "
            "so define it everywhere."
        )
    n_high = log_p.isposinf().sum()
    if n_high:
        raise ValueError(
            f"log_density is +inf for {n_high} of {n} draws: it must be bounded where a density is."
        )
    if is_loss:
        raise ValueError(
            f"log_density is -inf for {log_p.isneginf().sum()} of {n} draws, so the divergence is "
            "infinite: use a low finite value where the density is 0, one that rises towards "
            "where it is not."
        )
