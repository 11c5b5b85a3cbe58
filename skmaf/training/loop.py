"""Maximum-likelihood training of a flow: one loop, with the best weights given back."""

import copy
import math
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch.optim.adamw import adamw
from torch.optim.swa_utils import get_ema_multi_avg_fn

AVERAGE_DECAY = 0.99  # of the moving average of the weights, in the long run
MAX_GRADIENT_NORM = 5.0
ADAM = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "amsgrad": False, "maximize": False}
WARM_UP = 0.02  # share of the steps in which the learning rate climbs to its peak
BACKGROUND_SHARE = 0.1  # of the background beside a flow that is judged


class WeightedRows(NamedTuple):
    """Rows in flow space, weights of mean 1, and perhaps the log-density of each row under a background.

    A background shares with the flow in their score: no single far row can then decide which weights are the best.
    """

    x: torch.Tensor
    weights: torch.Tensor
    background: torch.Tensor | None = None


def weighted_rows(flow, Z, weights, background=None):
    """`WeightedRows` for a flow from arrays; the weights get mean 1."""
    background = None if background is None else torch.as_tensor(background)
    return WeightedRows(flow.tensor(Z), flow.tensor(weights / weights.mean()), background)


@dataclass
class History:
    """What happened in training.

    Attributes
    ----------
    loss_curve : list of float
        Mean negative log-likelihood of the training rows in each epoch, in nats.
    validation_scores : list of float
        Mean log-likelihood of the held-out rows after each epoch, in nats; empty without held-out rows.
    best_score : float
        The largest of these and of that before the first epoch; minus infinity without held-out rows.
    converged : bool
        Whether training ended because the held-out score no longer rose.
    interrupted : bool
        Whether a KeyboardInterrupt ended it.
    """

    loss_curve: list = field(default_factory=list)
    validation_scores: list = field(default_factory=list)
    best_score: float = -math.inf
    converged: bool = False
    interrupted: bool = False


def joined(histories):
    """One history of parts that were trained one after the other; where one ended sooner, its last numbers go on."""
    if len(histories) == 1:
        return histories[0]

    def total(curves):
        n = max(map(len, curves))
        return [sum(curve[min(i, len(curve) - 1)] for curve in curves if curve) for i in range(n)]

    return History(
        loss_curve=total([history.loss_curve for history in histories]),
        validation_scores=total([history.validation_scores for history in histories]),
        best_score=sum(history.best_score for history in histories),
        converged=all(history.converged for history in histories),
        interrupted=any(history.interrupted for history in histories),
    )


def train(
    flow, rows, held_out, *, widths, budget, tol, generator, on_epoch, noise=None, hiding=None
):
    """Train ``flow`` in place by AdamW on a cosine schedule, and leave it with the best weights seen.

    The weights that are judged and kept are a moving average of those that the optimiser moves: it takes the noise of
    small batches out, as good in the middle of the schedule as at its end. It spans a tenth of the steps so far, at first,
    so that the early ones are soon forgotten.

    Parameters
    ----------
    flow : Flow
    rows : WeightedRows
        Training rows in flow space.
    held_out : WeightedRows or None
        Held-out rows, which decide on the best weights; without them the last ones count as the best.
    widths : tensor that broadcasts to the rows
        Training rows are spread uniformly over these widths, anew in each epoch.
    budget : Budget
        Epochs, batch size, peak of the learning rate, weight decay, and patience: training stops when so many epochs in a
        row have not raised the held-out score by more than ``tol``.
    tol : float
    generator : torch.Generator
        Draws the order of the rows and their place in the widths.
    on_epoch : callable
        Called with the history after each epoch.
    noise : NoiseLevels or None, default=None
        Noise that every row gets, anew in each epoch, its level the context of the flow.
    hiding : Hiding or None, default=None
        Hides cells, anew in each epoch.

    Returns
    -------
    History
    """
    if not any(weight.numel() for weight in flow.parameters()):
        return History(best_score=0.0, converged=True)  # nothing to learn: no column varies
    best = _Best(flow, held_out)
    history = History(best_score=best.score)
    n_batches = max(1, round(len(rows.x) / budget.batch_size))
    optimiser = _Optimiser(
        flow, budget.learning_rate, budget.weight_decay, budget.n_epochs * n_batches
    )
    try:
        for _ in range(budget.n_epochs):
            loss = _run_epoch(
                optimiser, rows, widths.expand_as(rows.x), noise, hiding, n_batches, generator
            )
            if not math.isfinite(loss):
                flow.load_state_dict(best.state)
                optimiser.restart(at_rate=0.5)
                continue
            history.loss_curve.append(loss)
            best.judge(optimiser.averaged, tol)
            if held_out is not None:
                history.validation_scores.append(best.last_score)
                history.best_score = best.score
            on_epoch(history)
            if best.age >= budget.patience:
                history.converged = True
                break
    except KeyboardInterrupt:
        history.interrupted = True
    flow.load_state_dict(best.state)
    return history


def in_batches(function, flow, x):
    """What a function of rows gives, in bounded memory, without gradients."""
    with torch.no_grad():
        return torch.cat([function(rows) for rows in x.split(flow.batch_rows)])


def mean_log_prob(flow, rows):
    """Weighted mean log-density of `WeightedRows`, their background included."""
    scores = in_batches(flow.log_prob, flow, rows.x).cpu().double()
    if rows.background is not None:
        scores = torch.logaddexp(
            scores + math.log1p(-BACKGROUND_SHARE), rows.background + math.log(BACKGROUND_SHARE)
        )
    return (scores * rows.weights.cpu()).mean().item()


def _run_epoch(optimiser, rows, widths, noise, hiding, n_batches, generator):
    """Take the rows once, in batches of even size; return the mean loss, or the first one that is not finite."""
    x, weights = rows.x, rows.weights
    total = 0.0
    for batch in torch.randperm(len(x), generator=generator).tensor_split(n_batches):
        place = torch.rand(len(batch), x.shape[1], generator=generator) - 0.5
        batch = batch.to(x.device)
        shown, context = x[batch] + place.to(x.device) * widths[batch], None
        if noise is not None:
            shown, context = noise.add(shown, generator)
        if hiding is not None:
            shown = hiding(shown, generator)
        loss = optimiser.step(shown, weights[batch], context)
        if not math.isfinite(loss):
            return loss
        total += loss * len(batch)
    return total / len(x)


def schedule(n_done, n_steps):
    """The learning rate after some steps, as a share of its peak: a short climb on a cosine that falls to 0."""
    return (
        min(1.0, (n_done + 1) / (WARM_UP * n_steps))
        * (1 + math.cos(math.pi * n_done / n_steps))
        / 2
    )


class AdamW:
    """AdamW by torch's function for it: the class of torch imports a compiler at its first use, which takes seconds."""

    def __init__(self, weights, weight_decay=0.0):
        self.weights = list(weights)
        self.weight_decay = weight_decay
        self._means, self._squares = (
            [torch.zeros_like(weight) for weight in self.weights] for _ in range(2)
        )
        self._counts = [torch.zeros((), device=weight.device) for weight in self.weights]

    def step(self, loss, rate):
        """Move the weights down the gradient of a loss, its norm clipped, if it is finite; return whether it was."""
        for weight in self.weights:
            weight.grad = None
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.weights, MAX_GRADIENT_NORM)
        finite = bool(torch.isfinite(norm))
        if finite:
            self._move(rate)
        return finite

    @torch.no_grad()
    def _move(self, rate):
        gradients = [weight.grad for weight in self.weights]
        state = self._means, self._squares, [], self._counts
        adamw(
            self.weights,
            gradients,
            *state,
            fused=True,
            lr=rate,
            weight_decay=self.weight_decay,
            **ADAM,
        )


class _Optimiser:
    """AdamW on a flow with a warm-up, a cosine schedule and a moving average of the weights."""

    def __init__(self, flow, learning_rate, weight_decay, n_steps):
        self.flow = flow
        self.peak = learning_rate
        self.weight_decay = weight_decay
        self.n_steps = n_steps
        self.n_done = 0
        self.restart(at_rate=1.0)

    def restart(self, at_rate):
        """Forget all moments and averages, and go on from the flow's weights at a share of the rate."""
        self.peak *= at_rate
        self._adam = AdamW(self.flow.parameters(), self.weight_decay)
        self.averaged = copy.deepcopy(self.flow)
        self._averages = list(self.averaged.parameters())
        self._n_averaged = 0

    def step(self, x, weights, context=None):
        """Move the flow by one batch; return its loss, or NaN, without a move, if loss or gradient are not finite."""
        loss = -(self.flow.log_prob(x, context) * weights).mean()
        rate = self.peak * schedule(self.n_done, self.n_steps)
        if not torch.isfinite(loss) or not self._adam.step(loss, rate):
            return math.nan
        self._move_average()
        self.n_done += 1
        return loss.item()

    @torch.no_grad()
    def _move_average(self):
        n = (
            self._n_averaged
        )  # torch's AveragedModel does the same, and looks all weights up in each step
        decay = min(AVERAGE_DECAY, (1 + n) / (10 + n)) if n else 0.0
        get_ema_multi_avg_fn(decay)(self._averages, self._adam.weights, n)
        self._n_averaged += 1


class _Best:
    """The best weights so far, by the held-out rows, and how many epochs ago they last got better by ``tol``."""

    def __init__(self, flow, held_out):
        self.held_out = held_out
        self.age = 0
        self.score = -math.inf
        self.mark = -math.inf
        self.judge(flow, 0.0)

    def judge(self, flow, tol):
        """Keep the weights of ``flow`` if they are the best."""
        if self.held_out is None:
            self.state = flow.state_dict()  # the last weights, whatever they will be
            return
        score = mean_log_prob(flow, self.held_out)
        self.last_score = -math.inf if math.isnan(score) else score
        if self.last_score > self.score:
            self.score = self.last_score
            self.state = copy.deepcopy(flow.state_dict())
        if self.last_score > self.mark + tol:
            self.mark = self.last_score
            self.age = 0
        else:
            self.age += 1
