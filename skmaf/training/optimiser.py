"""Muon and AdamW with a warm-up, a cosine schedule and a moving average of the weights."""

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import torch
from torch.optim.adamw import adamw
from torch.optim.swa_utils import get_ema_multi_avg_fn

from .._memory import BatchSize
from ..flows.layers import RowDensity
from ..flows.masked import MaskedLinear, MaskedNetwork
from .budget import Budget
from .muon import Muon

AVERAGE_DECAY = 0.99  # of the moving average of the weights, in the long run
MAX_GRADIENT_NORM = 1.0  # single rows of spikes throw weights back otherwise
UPDATE_SIZE = 0.4  # of Muon
MOST_UNITS = 256  # of a layer that Muon moves
WARM_UP = 0.02  # share of the steps in which the learning rate climbs to its peak


def schedule(n_done: int, n_steps: int) -> float:
    """The learning rate of a step as a share of its peak: a short climb on a cosine down to 0.

    Parameters
    ----------
    n_done : int
        Steps before this one.
    n_steps : int
        All steps.
    """
    climb = min(1.0, (n_done + 1) / (WARM_UP * n_steps))
    return climb * (1 + math.cos(math.pi * n_done / n_steps)) / 2


class Gradients:
    """The gradients of weights.

    Parameters
    ----------
    weights : iterable of tensor
    """

    def __init__(self, weights: Iterable[torch.Tensor]) -> None:
        self.weights = list(weights)
        self._batch_size = BatchSize()

    def take(self, loss_of: Callable[[slice], torch.Tensor], n_rows: int) -> torch.Tensor:
        """Compute the gradients anew, and return the loss.

        Where memory does not suffice for all rows, gradients of parts of them are added up.

        Parameters
        ----------
        loss_of : callable
            Returns what some rows add to the loss, or to several losses.
        n_rows : int
        """

        def compute(size: int) -> torch.Tensor:
            self.forget()
            losses = []
            for start in range(0, max(1, n_rows), max(1, size)):
                loss = loss_of(slice(start, start + size))
                loss.sum().backward()
                losses.append(loss.detach())
            return sum(losses[1:], losses[0])

        return self._batch_size.call(compute, n_rows)

    def clip(self, max_norm: float) -> bool:
        """Clip the norm of all gradients together, and return whether it is finite."""
        norm = torch.nn.utils.clip_grad_norm_(self.weights, max_norm)
        return bool(torch.isfinite(norm))

    def forget(self) -> None:
        """Set the gradients to None."""
        for weight in self.weights:
            weight.grad = None


class AdamW:
    """The optimiser AdamW, by torch's function for it.

    The class of torch imports a compiler at its first use, which takes seconds.

    Parameters
    ----------
    weights : iterable of tensor
        Parameters to move, in place.
    weight_decay : float, default=0.0
    """

    def __init__(self, weights: Iterable[torch.Tensor], weight_decay: float = 0.0) -> None:
        self.weights = list(weights)
        self.weight_decay = weight_decay
        self._means = [torch.zeros_like(weight) for weight in self.weights]
        self._squares = [torch.zeros_like(weight) for weight in self.weights]
        self._counts = [torch.zeros((), device=weight.device) for weight in self.weights]

    @property
    def moments(self) -> list[torch.Tensor]:
        """Means and squares of gradients, and how many there were, which `move` moves in place."""
        return [*self._means, *self._squares, *self._counts]

    @torch.no_grad()
    def move(self, rate: float) -> None:
        """Move the weights by their gradients."""
        gradients = [weight.grad for weight in self.weights if weight.grad is not None]
        adamw(
            self.weights,
            gradients,
            self._means,
            self._squares,
            [],
            self._counts,
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=rate,
            weight_decay=self.weight_decay,
            eps=1e-8,
            maximize=False,
        )


class MovingAverage:
    """A moving average of weights, which spans a tenth of the steps so far, at first.

    Parameters
    ----------
    weights : list of tensor
        Moved in place by `take`; at first they count as nothing.

    Attributes
    ----------
    n_taken : int
        How many weights it is the average of.
    """

    def __init__(self, weights: list[torch.Tensor]) -> None:
        self.weights = weights
        self.n_taken = 0

    @torch.no_grad()
    def take(self, weights: list[torch.Tensor]) -> None:
        """Move the average towards weights."""
        # torch's AveragedModel does the same, and looks all weights up in each step
        n = self.n_taken
        decay = min(AVERAGE_DECAY, (1 + n) / (10 + n)) if n else 0.0
        get_ema_multi_avg_fn(decay)(self.weights, weights, n)
        self.n_taken += 1


class FlowOptimiser:
    """Moves a flow towards its training rows, and keeps a moving average of its weights.

    Where the budget says so, Muon moves the weights between hidden layers; AdamW moves all others.

    Parameters
    ----------
    flow : RowDensity
        Moved in place.
    budget : Budget
        Its learning rate is the peak of the schedule.
    n_steps : int
        Steps of the whole schedule.
    sum_over_processes : callable, default=None
        Adds up a tensor of all processes, in place, where each has a part of every batch.

    Attributes
    ----------
    averaged : RowDensity
        A copy of the flow with the moving average of its weights.
    """

    def __init__(
        self,
        flow: RowDensity,
        budget: Budget,
        n_steps: int,
        sum_over_processes: Callable[[torch.Tensor], None] | None = None,
    ) -> None:
        self.flow = flow
        self.sum_over_processes = sum_over_processes
        self.budget = budget
        self.peak = budget.learning_rate
        self.n_steps = n_steps
        self.n_done = 0
        self.restart(at_rate=1.0)

    def restart(self, at_rate: float) -> None:
        """Forget moments and averages, and go on from the flow's weights at a share of the rate."""
        self.peak *= at_rate
        layers = hidden_layers(self.flow) if self.budget.muon else []
        self._gradients = Gradients(self.flow.parameters())
        self._optimisers = muon_and_adamw(
            self._gradients.weights,
            [(layer.weight, layer.mask) for layer in layers],
            self.budget.weight_decay,
            UPDATE_SIZE,
        )
        self.averaged = copy.deepcopy(self.flow)
        self._average = MovingAverage(list(self.averaged.parameters()))

    def state(self) -> dict[str, Any]:
        """Return all that changes from step to step."""
        return {
            "n_done": self.n_done,
            "peak": self.peak,
            "n_averaged": self._average.n_taken,
            "tensors": [tensor.clone() for tensor in self._tensors()],
        }

    def go_on_from(self, state: dict[str, Any]) -> None:
        """Become what `state` was returned by."""
        self.n_done = state["n_done"]
        self.peak = state["peak"]
        self._average.n_taken = state["n_averaged"]
        for tensor, value in zip(self._tensors(), state["tensors"], strict=True):
            tensor.copy_(value)

    def _tensors(self) -> list[torch.Tensor]:
        weights = [weight.detach() for weight in [*self._gradients.weights, *self._average.weights]]
        return weights + [moment for each in self._optimisers for moment in each.moments]

    def step(
        self,
        x: torch.Tensor,
        weights: torch.Tensor,
        context: torch.Tensor | None = None,
        n_rows: int | None = None,
    ) -> float:
        """Move the flow by one batch of weighted rows, and return its loss.

        If the loss or its gradient is not finite nothing moves, and NaN is returned. ``n_rows`` is
        how many rows the batch has in all processes, by default those of this one.
        """

        def loss_of(rows: slice) -> torch.Tensor:
            log_probs = self.flow.log_prob(x[rows], None if context is None else context[rows])
            return -(log_probs * weights[rows]).sum() / (n_rows or len(x))

        loss = self._gradients.take(loss_of, len(x))
        if self.sum_over_processes is not None:
            loss = self._summed(loss, self.sum_over_processes)
        if not torch.isfinite(loss) or not self._gradients.clip(MAX_GRADIENT_NORM):
            return math.nan
        rate = self.peak * schedule(self.n_done, self.n_steps)
        for each in self._optimisers:
            each.move(rate)
        self._average.take(self._gradients.weights)
        self.n_done += 1
        return loss.item()

    def _summed(self, loss: torch.Tensor, add_up: Callable[[torch.Tensor], None]) -> torch.Tensor:
        """Add up the gradients of all processes, and return the sum of their losses."""
        weights = self._gradients.weights
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        flat = torch.cat([loss.view(1), *(gradient.flatten() for gradient in gradients)])
        add_up(flat)
        sums = flat[1:].split([gradient.numel() for gradient in gradients])
        for gradient, total in zip(gradients, sums):
            gradient.copy_(total.view_as(gradient))
        return flat[0]


def hidden_layers(flow: RowDensity) -> list[MaskedLinear]:
    """Return the layers from one hidden layer to the next."""
    networks = [module for module in flow.modules() if isinstance(module, MaskedNetwork)]
    return [cast(MaskedLinear, layer) for network in networks for layer in network.hidden[1:]]


def muon_and_adamw(
    weights: Sequence[torch.Tensor],
    hidden: Sequence[tuple[torch.Tensor, torch.Tensor]],
    weight_decay: float,
    update_size: float,
    interval: int = 1,
) -> list[Muon | AdamW]:
    """Return what moves the weights between hidden layers, Muon, and what moves the others, AdamW.

    What an update by Muon takes grows with the cube of the units of a layer, whatever the batch:
    larger ones, on which it would take longer than all else, are moved by AdamW, too.

    Parameters
    ----------
    weights : sequence of tensor
        All weights.
    hidden : sequence of tuple (weight, mask)
        Those of them between hidden layers, with masks as `Muon` takes them.
    weight_decay : float
    update_size : float
    interval : int, default=1
        These two are of `Muon`.
    """
    small = [(weight, mask) for weight, mask in hidden if max(weight.shape[-2:]) <= MOST_UNITS]
    by_muon = [weight for weight, _ in small]
    others = [weight for weight in weights if all(weight is not each for each in by_muon)]
    muon = Muon(by_muon, [mask for _, mask in small], weight_decay, update_size, interval)
    return [muon, AdamW(others, weight_decay)]
