"""Maximum-likelihood training of a flow: one loop, with the best weights given back."""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import torch

from .._interrupts import interrupt_ends_fit
from .._memory import BatchSize
from ..flows.layers import RowDensity
from .budget import Budget
from .checkpoint import TrainingSlot
from .hiding import Hiding
from .noise import dequantise
from .optimiser import FlowOptimiser

BASELINE_SHARE = 0.1  # of a baseline beside the flow in the scores of validation rows


class WeightedRows(NamedTuple):
    """Rows in flow space with their weights, and perhaps a context and a baseline for each.

    Attributes
    ----------
    x : tensor of shape (n_rows, n_codes + n_values)
    weights : tensor of shape (n_rows,)
        Of mean 1.
    context : tensor of shape (n_rows, n_context) or None
        What the density of a row is conditional on.
    baseline : tensor of shape (n_rows,) or None
        Log-density of each row under a simple density that has a tenth of the score beside the
        flow: no single far row can then decide which weights are the best.
    """

    x: torch.Tensor
    weights: torch.Tensor
    context: torch.Tensor | None = None
    baseline: torch.Tensor | None = None


# rows, their weights and context, and how many rows the batch has in all processes
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None, int]


class BatchStream(Protocol):
    """Training rows that come in batches."""

    def __len__(self) -> int: ...

    @property
    def sum_over_processes(self) -> Callable[[torch.Tensor], None] | None:
        """What adds up a tensor of all processes, in place; None where one has all rows."""

    def batches(self, n_batches: int, generator: torch.Generator) -> Iterator[Batch]:
        """Yield all rows once, in an order of its own, with their weights and context.

        Each row lies somewhere in its step, and some cells may be hidden.
        """


@dataclass(frozen=True, eq=False)
class _Batches:
    """Batches of rows in memory, with the steps that these are spread over."""

    rows: WeightedRows
    steps: torch.Tensor
    hiding: Hiding | None

    sum_over_processes = None

    def __len__(self) -> int:
        return len(self.rows.x)

    def batches(self, n_batches: int, generator: torch.Generator) -> Iterator[Batch]:
        rows = self.rows
        n_context = 0 if rows.context is None else rows.context.shape[1]
        for batch in torch.randperm(len(self), generator=generator).tensor_split(n_batches):
            batch = batch.to(rows.x.device)
            x = dequantise(rows.x[batch], self.steps[batch], n_context, generator)
            if self.hiding is not None:
                x = self.hiding.hide(x, generator)
            context = None if rows.context is None else rows.context[batch]
            yield x, rows.weights[batch], context, len(batch)


def weighted_rows(
    flow: RowDensity,
    Z: np.ndarray,
    weights: np.ndarray,
    context: np.ndarray | None = None,
    baseline: np.ndarray | None = None,
) -> WeightedRows:
    """`WeightedRows` for a flow from arrays, their weights scaled to the mean 1.

    A context without columns counts as none.
    """
    has_context = context is not None and context.shape[1] > 0
    return WeightedRows(
        flow.tensor(Z),
        flow.tensor(weights / weights.mean()),
        flow.tensor(context) if has_context else None,
        None if baseline is None else torch.as_tensor(baseline),
    )


@dataclass
class History:
    """What happened in training.

    Attributes
    ----------
    loss_curve : list of float
        Mean negative log-likelihood of the training rows in each epoch, in nats.
    validation_scores : list of float
        Mean log-likelihood of the validation rows after each epoch, in nats; empty without such.
    best_score : float
        The largest of these and of that before the first epoch; minus infinity without validation
        rows.
    converged : bool
        Whether training ended because the validation score no longer rose, or was told to.
    interrupted : bool
        Whether a KeyboardInterrupt ended it.
    n_failed : int
        Epochs with a loss that was not finite, which are in neither curve.
    """

    loss_curve: list[float] = field(default_factory=list)
    validation_scores: list[float] = field(default_factory=list)
    best_score: float = -math.inf
    converged: bool = False
    interrupted: bool = False
    n_failed: int = 0

    @property
    def diverged(self) -> bool:
        """Whether losses were not finite, and the others are no more than these, or rose."""
        losses = self.loss_curve
        is_half = len(losses) <= self.n_failed
        return self.n_failed > 0 and (is_half or losses[-1] > losses[0])


def joined(histories: Sequence[History]) -> History:
    """One history of parts of a flow that were trained one after the other.

    Curves are added; where one ended sooner, its last number goes on.
    """
    if len(histories) == 1:
        return histories[0]
    return History(
        loss_curve=_summed([history.loss_curve for history in histories]),
        validation_scores=_summed([history.validation_scores for history in histories]),
        best_score=sum(history.best_score for history in histories),
        converged=all(history.converged for history in histories),
        interrupted=any(history.interrupted for history in histories),
        n_failed=sum(history.n_failed for history in histories),
    )


def _summed(curves: Sequence[Sequence[float]]) -> list[float]:
    n = max(map(len, curves))
    return [sum(curve[min(i, len(curve) - 1)] for curve in curves if curve) for i in range(n)]


def train(
    flow: RowDensity,
    rows: WeightedRows,
    validation: WeightedRows | None,
    *,
    steps: torch.Tensor,
    budget: Budget,
    tol: float,
    generator: torch.Generator,
    on_epoch: Callable[[History], bool],
    hiding: Hiding | None = None,
    slot: TrainingSlot | None = None,
    stream: BatchStream | None = None,
) -> History:
    """Train ``flow`` in place on a cosine schedule, and leave it with the best weights.

    The weights that are scored and kept are a moving average of those that the optimiser moves: it
    takes the noise of small batches out, as good in the middle of the schedule as at its end. It
    spans a tenth of the steps so far, at first, so that the early ones are soon forgotten.

    Parameters
    ----------
    flow : RowDensity
        Called as ``flow.log_prob(x, context)``.
    rows : WeightedRows
        Training rows in flow space.
    validation : WeightedRows or None
        Rows held out, which decide on the best weights; without them the last ones count as the
        best.
    steps : tensor that broadcasts to the rows
        Training rows are spread uniformly over these widths, anew in each epoch.
    budget : Budget
        Training stops when ``budget.patience`` epochs have fitted the training rows better since
        the validation score last rose by more than ``tol``. One that fits them worse, too, was
        thrown back, and may yet come to more.
    tol : float
    generator : torch.Generator
        Draws the order of the rows, their place in the steps, and the cells to hide.
    on_epoch : callable
        Called with the history after each epoch; the training ends where it returns True.
    hiding : Hiding or None, default=None
        Hides cells, anew in each epoch.
    slot : TrainingSlot, default=None
        Where the state of the training is kept, and whence it goes on.
    stream : BatchStream, default=None
        Where training rows come from, if these are more than ``rows``, which then stand for them.

    Returns
    -------
    History
    """
    if not any(weight.numel() for weight in flow.parameters()):
        return History(best_score=0.0, converged=True)  # nothing to learn: no column varies
    kept = None if slot is None else slot.state
    if kept is not None and kept["is_finished"]:
        return _finished_before(flow, generator, kept)
    batches = stream or _Batches(rows, steps.expand_as(rows.x), hiding)
    training = _Training.of(flow, rows, validation, batches, budget, generator)
    if kept is not None:
        training.go_on_from(kept)
    history = training.history
    best = training.best
    try:
        for _ in range(training.n_epochs, budget.n_epochs):
            if not training.run_epoch(tol):
                continue
            is_stopped = on_epoch(history)
            if is_stopped or best.n_stale_epochs >= budget.patience:
                history.converged = True
                break
            if slot is not None:
                slot.offer(training.state)
    except KeyboardInterrupt:
        if interrupt_ends_fit():
            raise
        history.interrupted = True
    if history.n_failed:
        best.go_back(flow, rows)
    else:
        flow.load_state_dict(best.state)
    if slot is not None and not history.interrupted:
        slot.finish(_finished_state(flow, history, generator))
    return history


@dataclass(eq=False)
class _Training:
    """What changes from epoch to epoch."""

    optimiser: FlowOptimiser
    best: "_Best"
    history: History
    rows: WeightedRows
    batches: "BatchStream"
    generator: torch.Generator
    n_batches: int

    @classmethod
    def of(
        cls,
        flow: RowDensity,
        rows: WeightedRows,
        validation: WeightedRows | None,
        batches: "BatchStream",
        budget: Budget,
        generator: torch.Generator,
    ) -> "_Training":
        """Return a training before its first epoch."""
        best = _Best(flow, validation)
        n_batches = max(1, round(len(batches) / budget.batch_size))
        n_steps = budget.n_epochs * n_batches
        optimiser = FlowOptimiser(flow, budget, n_steps, batches.sum_over_processes)
        history = History(best_score=best.score)
        return cls(optimiser, best, history, rows, batches, generator, n_batches)

    @property
    def n_epochs(self) -> int:
        """How many epochs were run."""
        return len(self.history.loss_curve) + self.history.n_failed

    def run_epoch(self, tol: float) -> bool:
        """Take the rows once, and return whether the loss was finite; if not, go back."""
        optimiser = self.optimiser
        loss = _run_epoch(optimiser, self.batches, self.n_batches, self.generator)
        if not math.isfinite(loss):
            self.history.n_failed += 1
            self.best.go_back(optimiser.flow, self.rows)
            optimiser.restart(at_rate=0.5)
            return False
        self.history.loss_curve.append(loss)
        self.best.compare(optimiser.averaged, tol, loss)
        if self.best.validation is not None:
            self.history.validation_scores.append(self.best.last_score)
            self.history.best_score = self.best.score
        return True

    def state(self) -> dict:
        """Return the state after an epoch."""
        return {
            "is_finished": False,
            "optimiser": self.optimiser.state(),
            "best": self.best.kept(),
            "history": vars(self.history),
            "generator": self.generator.get_state(),
        }

    def go_on_from(self, state: dict) -> None:
        """Become what `state` was returned by."""
        self.optimiser.go_on_from(state["optimiser"])
        self.best.go_on_from(state["best"], self.optimiser.averaged)
        vars(self.history).update(state["history"])
        self.generator.set_state(state["generator"])


def _finished_state(flow: RowDensity, history: History, generator: torch.Generator) -> dict:
    return {
        "is_finished": True,
        "flow": dict(flow.state_dict()),
        "history": vars(history),
        "generator": generator.get_state(),
    }


def _finished_before(flow: RowDensity, generator: torch.Generator, state: dict) -> History:
    """Give a flow the weights of a training that has ended, and return its history."""
    flow.load_state_dict(state["flow"])
    generator.set_state(state["generator"])
    return History(**state["history"])


def in_batches(
    function: Callable[..., torch.Tensor], flow: RowDensity, *tensors: torch.Tensor | None
) -> torch.Tensor:
    """What a function of rows gives, computed in bounded memory and without gradients.

    Parameters
    ----------
    function : callable
        Takes a batch of each of the ``tensors``.
    flow : RowDensity
        Says how many rows make a batch.
    *tensors : tensor of shape (n_rows, ...) or None
        One of them at least is a tensor; None is handed on as it is.
    """
    n_rows = next(len(tensor) for tensor in tensors if tensor is not None)

    def compute(rows: slice) -> torch.Tensor:
        return function(*(None if tensor is None else tensor[rows] for tensor in tensors))

    with torch.no_grad():
        parts = BatchSize(flow.batch_rows).batches(compute, n_rows)
        return torch.cat([part for _, part in parts])


def mean_log_prob(flow: RowDensity, rows: WeightedRows) -> float:
    """Weighted mean log-density of rows by a flow, and by their baseline beside it."""
    scores = in_batches(flow.log_prob, flow, rows.x, rows.context).cpu().double()
    if rows.baseline is not None:
        scores = torch.logaddexp(
            scores + math.log1p(-BASELINE_SHARE), rows.baseline + math.log(BASELINE_SHARE)
        )
    return (scores * rows.weights.cpu()).mean().item()


def _run_epoch(
    optimiser: FlowOptimiser,
    rows: BatchStream,
    n_batches: int,
    generator: torch.Generator,
) -> float:
    """Take the rows once, in batches of even size, and return the mean loss.

    A loss that is not finite ends the epoch, and is returned.
    """
    total = 0.0
    for x, weights, context, n_rows in rows.batches(n_batches, generator):
        loss = optimiser.step(x, weights, context, n_rows)
        if not math.isfinite(loss):
            return loss
        total += loss * n_rows
    return total / len(rows)


class _Best:
    """The best weights so far by the validation rows.

    Attributes
    ----------
    state : dict
        The weights.
    score, last_score : float
        Score of the validation rows by these weights, and by those that were compared last.
    n_stale_epochs : int
        Epochs of a smaller loss than when the score last rose by more than ``tol``.
    """

    def __init__(self, flow: RowDensity, validation: WeightedRows | None) -> None:
        self.validation = validation
        self.n_stale_epochs = 0
        self.score = -math.inf
        self.state = copy.deepcopy(flow.state_dict())
        self._start = self.state
        self._last_rise = -math.inf  # the score when it last rose by more than `tol`
        self._loss_then = math.inf
        self.compare(flow, 0.0, math.inf)

    def go_back(self, flow: RowDensity, rows: WeightedRows) -> None:
        """Give ``flow`` the weights to go on from after a loss that was not finite.

        Without validation rows the last weights count, unless they are worse for the training rows
        than those of the start.
        """

        def score(state: dict) -> float:
            flow.load_state_dict(state)
            return mean_log_prob(flow, rows)

        if self.validation is None:
            # the start comes first: it stays where the other score is not a number
            self.state = max([self._start, copy.deepcopy(self.state)], key=score)
        flow.load_state_dict(self.state)

    def kept(self) -> dict:
        """Return all that `compare` changes."""
        known = {**vars(self), "state": dict(self.state), "_start": dict(self._start)}
        del known["validation"]
        return known

    def go_on_from(self, known: dict, flow: RowDensity) -> None:
        """Become what `kept` was returned by, where ``flow`` was compared last."""
        vars(self).update(known)
        if self.validation is None:
            self.state = flow.state_dict()

    def compare(self, flow: RowDensity, tol: float, loss: float) -> None:
        """Keep the weights of ``flow``, which had a loss, if they are the best."""
        if self.validation is None:
            self.state = flow.state_dict()  # the last weights, whatever they will be
            return
        score = mean_log_prob(flow, self.validation)
        self.last_score = -math.inf if math.isnan(score) else score
        if self.last_score > self.score:
            self.score = self.last_score
            self.state = copy.deepcopy(flow.state_dict())
        if self.last_score > self._last_rise + tol:
            self._last_rise = self.last_score
            self._loss_then = loss
            self.n_stale_epochs = 0
        elif loss < self._loss_then:
            self.n_stale_epochs += 1
